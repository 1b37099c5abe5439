"""Which class is taken for which: rows are the truth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from ssrl_core.figures.colours import VIRIDIS
from ssrl_core.figures.style import style

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_WRITTEN = 12  # classes up to which every cell shows its number
_LEAST_PX, _MOST_PX = 340, 900


def confusion_matrix(confusion: ArrayLike, names: Sequence[str], *, title: str = "") -> Figure:
    """A square of shares, each row summing to 1, the counts written in it or on hover.

    Args:
        confusion: (K, K) counts, rows = truth.
    """
    import plotly.graph_objects as go

    counts = np.asarray(confusion, dtype=np.int64)
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.zeros(counts.shape), where=totals > 0)
    fig = go.Figure()
    fig.add_heatmap(
        z=shares,
        x=list(names),
        y=list(names),
        text=counts,
        zmin=0,
        zmax=1,
        colorscale=[[i / (len(VIRIDIS) - 1), colour] for i, colour in enumerate(VIRIDIS)],
        xgap=1,
        ygap=1,
        texttemplate="%{text}" if len(names) <= _WRITTEN else None,
        hovertemplate="%{y} taken for %{x}: %{text} (%{z:.1%} of %{y})<extra></extra>",
        colorbar={
            "orientation": "h",
            "x": 1,
            "xanchor": "right",
            "y": 1.01,
            "yanchor": "bottom",
            "len": 0.42,
            "thickness": 7,
            "outlinewidth": 0,
            "tickformat": ".0%",
            "tickvals": [0, 0.5, 1],
        },
    )
    side = int(np.clip(34 * len(names) + 90, _LEAST_PX, _MOST_PX))
    style(fig, title=title, x="predicted", y="true", height=side)
    fig.update_layout(margin_t=72 if title else 40)
    fig.update_xaxes(type="category", constrain="domain", tickangle=-45 if _longest(names) > 3 else 0)
    return fig.update_yaxes(type="category", autorange="reversed", showgrid=False, scaleanchor="x", constrain="domain")


def _longest(names: Sequence[str]) -> int:
    return max((len(str(name)) for name in names), default=0)
