"""How clearly networks tell treated from untreated cells at each dose, beside shuffled labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from ssrl_core.figures.colours import NEUTRAL, palette
from ssrl_core.figures.style import style

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


def network_doses(rows: pd.DataFrame, *, unit: str = "µM", title: str = "") -> Figure:
    """A line a network over a logarithmic dose, its name at its end; shuffled labels dotted.

    Args:
        rows: network, dose (> 0), ami, shuffled (AMI with shuffled labels).
    """
    import plotly.graph_objects as go

    names = list(dict.fromkeys(rows["network"]))
    fig = go.Figure()
    for name, colour in zip(names, palette(len(names)), strict=True):
        mine = rows[rows["network"] == name].sort_values("dose")
        _line(fig, mine, "ami", colour, name, "solid")
        _line(fig, mine, "shuffled", NEUTRAL, f"{name}, shuffled labels", "dot")
        fig.add_annotation(
            x=_log(mine["dose"].iloc[-1]), y=mine["ami"].iloc[-1], text=name, showarrow=False, xanchor="left", xshift=6,
            font={"color": colour},
        )  # fmt: skip
    style(fig, title=title or _finding(rows), x=f"dose, {unit}", y="AMI, two clusters")
    fig.update_layout(margin={"r": 90})
    return fig.update_xaxes(type="log", tickvals=sorted(rows["dose"].unique()), tickformat="g")


def _line(fig: Figure, rows: pd.DataFrame, column: str, colour: str, name: str, dash: str) -> None:
    fig.add_scatter(
        x=rows["dose"],
        y=rows[column],
        mode="lines+markers",
        line={"color": colour, "width": 2, "dash": dash},
        hovertemplate=f"{name}<br>%{{x:g}}: %{{y:.3f}}<extra></extra>",
    )


def _finding(rows: pd.DataFrame) -> str:
    top = rows.loc[rows["ami"].idxmax()]
    return f"Highest AMI: {top['network']} at {top['dose']:g} µM, {top['ami']:.3f} (dotted: shuffled labels)"


def _log(value: float) -> float:
    import math

    return math.log10(value)
