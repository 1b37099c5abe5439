"""Share of a group of cells against the dose: replicates as points, their mean with its interval, the fitted curve."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ssrl_core.figures.colours import NEUTRAL
from ssrl_core.figures.style import style

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure

UNTREATED = "untreated"


def dose_figure(
    shares: pd.DataFrame,
    summary: pd.DataFrame,
    *,
    colour: str,
    title: str,
    unit: str = "µM",
    curve: Any = None,
    height: int = 300,
    theme: str | None = None,
) -> Figure:
    """One group under one compound.

    Args:
        shares: dose, replicate, cells, count, share (rows of one group of `analysis.doses.dose_shares`).
        summary: dose, share, low, high (`dose_summary`).
        curve: what `fit_curve` found (an object with `at(dose)` and `ec50`); None or a text draws none.
    """
    import plotly.graph_objects as go

    tested = sorted(dose for dose in summary["dose"].unique() if dose > 0)
    nought = _nought(tested)
    fig = go.Figure()
    if hasattr(curve, "at"):
        dense = np.geomspace(tested[0] / 1.5, tested[-1] * 1.5, 120)
        fig.add_scatter(x=dense, y=curve.at(dense), mode="lines", line={"color": colour, "width": 2}, hoverinfo="skip")
        fig.add_vline(x=curve.ec50, line={"color": NEUTRAL, "width": 1, "dash": "dot"})
    at = summary["dose"].where(summary["dose"] > 0, nought)
    fig.add_scatter(
        x=at,
        y=summary["share"],
        mode="markers",
        marker={"color": colour, "size": 9, "symbol": "diamond"},
        error_y={
            "type": "data",
            "array": summary["high"] - summary["share"],
            "arrayminus": summary["share"] - summary["low"],
            "color": colour,
            "thickness": 1.2,
            "width": 4,
        },
        hovertemplate="mean %{y:.0%}<extra></extra>",
    )
    fig.add_scatter(
        x=shares["dose"].where(shares["dose"] > 0, nought),
        y=shares["share"],
        mode="markers",
        marker={"color": NEUTRAL, "size": 6, "opacity": 0.75},
        text=[
            f"{r}: {c} of {n} cells"
            for r, c, n in zip(shares["replicate"], shares["count"], shares["cells"], strict=True)
        ],
        hovertemplate="%{text}<extra></extra>",
    )
    style(fig, title=title, x=f"dose ({unit}), logarithmic", y="share of cells", height=height, theme=theme)
    fig.update_layout(margin_t=64 if "<br>" in title else 44)
    labels = ["0", *(f"{dose:g}" for dose in tested)]
    fig.update_xaxes(type="log", tickvals=[nought, *tested], ticktext=labels)
    fig.update_yaxes(tickformat=".0%", rangemode="tozero")
    return fig


def _nought(tested: list[float]) -> float:
    """Where untreated cells stand on a logarithmic axis: a little left of the lowest dose."""
    if not tested:
        return 0.1
    step = (tested[-1] / tested[0]) ** (1 / max(1, len(tested) - 1)) if len(tested) > 1 else 3.0
    return float(tested[0] / max(2.0, step) ** 1.3)
