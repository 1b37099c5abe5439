"""What each class does as the parameter grows: its change over the range with its interval, by behaviour."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ssrl_core.figures.bias.panels import axis_name
from ssrl_core.figures.colours import GAIN, LOSS, NEUTRAL
from ssrl_core.figures.style import style

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_COLOURS = {"ascending": GAIN, "descending": LOSS, "random": NEUTRAL}
_ROW_PX, _THIN_ROW_PX, _MANY, _AROUND_PX, _TOP_PX = 22, 13, 40, 140, 76


def behaviour_slopes(behaviours: pd.DataFrame, *, title: str = "") -> Figure:
    """A row a class, the largest gain on top: the change of accuracy over the range of the parameter, with 95 %.

    Args:
        behaviours: of `analysis.bias.behaviours`, the rows of one setting. Classes without a slope are left out, and
            counted in the name of the axis.
    """
    import plotly.graph_objects as go

    known = behaviours[behaviours["change"].notna()].sort_values("change", ascending=False, kind="stable")
    width = _range_of_x(known)
    fig = go.Figure()
    for behaviour, colour in _COLOURS.items():
        rows = known[known["behaviour"] == behaviour]
        fig.add_scatter(
            x=rows["change"],
            y=rows["class"],
            mode="markers",
            name=f"{behaviour} ({len(rows)})",
            marker={"size": 7, "color": colour},
            error_x={
                "type": "data",
                "array": np.nan_to_num((rows["high"] - rows["slope"]) * width),
                "color": colour,
                "thickness": 1.2,
                "width": 0,
            },
            customdata=rows[["p", "n"]],
            hovertemplate="%{y}: %{x:+.1%} over the range, p = %{customdata[0]:.3g}, n = %{customdata[1]}"
            "<extra></extra>",
        )
    fig.add_vline(x=0, line={"color": NEUTRAL, "width": 1})
    left = len(behaviours) - len(known)
    x = f"change of accuracy over the range of {axis_name(behaviours) or 'the parameter'}"
    rows_px = _ROW_PX if len(known) <= _MANY else _THIN_ROW_PX
    x += f" ({left} classes without a slope)" if left else ""
    style(fig, title=title, x=x, height=_AROUND_PX + rows_px * len(known))
    fig.update_layout(margin={"t": _TOP_PX if title else _TOP_PX // 2})
    fig.update_layout(showlegend=True, legend={"orientation": "h", "x": 0, "y": 1, "yanchor": "bottom", "title": ""})
    fig.update_xaxes(tickformat="+.0%", showgrid=True)
    return fig.update_yaxes(
        type="category",
        categoryorder="array",
        categoryarray=list(known["class"])[::-1],
        showgrid=False,
        range=[-0.8, len(known) - 0.2],
        dtick=1,
        tickfont={"size": 12 if len(known) <= _MANY else 9},
    )


def _range_of_x(rows: pd.DataFrame) -> float:
    """The range of the parameter, as the tables have it: change over slope."""
    moved = rows[rows["slope"].abs() > 0]
    return float((moved["change"] / moved["slope"]).median()) if len(moved) else 1.0
