"""A layout as a figure: a point an image, coloured by what is known of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ssrl_core.figures.style import palette, style

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_MOST_NAMES = 40  # a number with more different values is shown on a scale
_HEIGHT_PX = 560


def layout_figure(points: NDArray[Any], values: pd.Series, image_ids: ArrayLike, *, title: str = "") -> Figure:
    """Points with a colour each; a legend of names, or a scale of numbers.

    Args:
        points: (n, 2).  values: (n,) what colours stand for; its name heads the legend.
        image_ids: (n,) told on hover, and the points' `customdata`.
    """
    import plotly.graph_objects as go

    shown = pd.DataFrame({"x": points[:, 0], "y": points[:, 1], "id": image_ids, "value": values.to_numpy()})
    fig = go.Figure()
    if pd.api.types.is_numeric_dtype(values) and values.nunique() > _MOST_NAMES:
        _points(fig, shown, {"color": shown["value"], "colorscale": "Viridis", "colorbar": {"title": str(values.name)}})
    else:
        names = sorted(shown["value"].dropna().unique(), key=_by_number)
        for name, colour in zip(names, palette(len(names)), strict=True):
            _points(fig, shown[shown["value"] == name], {"color": colour}, str(name))
    style(fig, title=title, height=_HEIGHT_PX)
    fig.update_layout(
        showlegend=len(fig.data) > 1, legend={"title": {"text": str(values.name)}, "itemsizing": "constant"}
    )
    fig.update_xaxes(visible=False)
    return fig.update_yaxes(visible=False, scaleanchor="x")


def _by_number(name: object) -> tuple[str, int, str]:
    """`cluster 10` after `cluster 9`."""
    words, _, number = str(name).rpartition(" ")
    return (words, int(number), "") if number.isdigit() else (words, -1, number)


def _points(fig: Figure, rows: pd.DataFrame, marker: dict[str, object], name: str = "") -> None:
    fig.add_scattergl(
        x=rows["x"],
        y=rows["y"],
        mode="markers",
        name=name,
        marker={"size": 5, "opacity": 0.8, **marker},
        customdata=rows["id"],
        hovertemplate=f"image %{{customdata}}{', ' + name if name else ''}<extra></extra>",
    )
