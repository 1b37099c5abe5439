"""A row a setting: every seed as a point, their mean with its 95 % interval, a published number as a ring."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ssrl_core.figures.colours import ACCENT, NEUTRAL
from ssrl_core.figures.style import style

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_ROW_PX, _AROUND_PX = 34, 60


def replicates(
    values: Mapping[str, Sequence[float]],
    *,
    x: str,
    title: str = "",
    published: Mapping[str, float] | None = None,
    percent: bool = False,
) -> Figure:
    """Rows from top to bottom.

    Args:
        values: setting -> one number a seed; a setting without numbers keeps its row.
        x: quantity and unit.
        published: setting -> number of the paper.
        percent: numbers are shares.
    """
    import plotly.graph_objects as go

    names, given = list(values), published or {}
    fig = go.Figure()
    shown = ".1%" if percent else ".3f"
    fig.add_scatter(
        y=[name for name in names for _ in values[name]],
        x=[value for name in names for value in values[name]],
        mode="markers",
        marker={"size": 7, "color": NEUTRAL, "opacity": 0.7},
        hovertemplate=f"%{{y}}: %{{x:{shown}}}, one seed<extra></extra>",
    )
    known = [name for name in names if len(values[name])]
    half = [half_interval(values[name]) for name in known]
    fig.add_scatter(
        y=known,
        x=[float(np.mean(values[name])) for name in known],
        mode="markers",
        marker={"size": 10, "color": ACCENT, "symbol": "diamond"},
        error_x={"type": "data", "array": half, "color": ACCENT, "thickness": 1.6, "width": 4},
        customdata=[len(values[name]) for name in known],
        hovertemplate=f"%{{y}}: mean %{{x:{shown}}}, n = %{{customdata}}<extra></extra>",
    )
    ringed = [name for name in names if name in given]
    if ringed:
        fig.add_scatter(
            y=ringed,
            x=[given[name] for name in ringed],
            mode="markers",
            marker={"size": 11, "color": NEUTRAL, "symbol": "circle-open", "line": {"width": 2}},
            hovertemplate=f"%{{y}}: %{{x:{shown}}}, published<extra></extra>",
        )
    style(fig, title=title, x=x, height=_AROUND_PX + _ROW_PX * len(names))
    fig.update_xaxes(showgrid=True, tickformat=".0%" if percent else None)
    return fig.update_yaxes(type="category", categoryorder="array", categoryarray=names[::-1], showgrid=False)


def half_interval(values: Sequence[float]) -> float:
    """Half the 95 % interval of the mean (Student's t); 0 for one value, which has none."""
    n = len(values)
    if n < 2:
        return 0.0
    from scipy import special

    return float(special.stdtrit(n - 1, 0.975) * np.std(values, ddof=1) / np.sqrt(n))
