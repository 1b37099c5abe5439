"""The trade-off: for two classes their accuracies against each other, for more what each value changes for each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ssrl_core.figures.bias.lines import add_labels, end_labels, light
from ssrl_core.figures.bias.panels import axis_name, wrapped
from ssrl_core.figures.colours import ACCENT, NEUTRAL, palette
from ssrl_core.figures.style import style

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_TOP_PX = 64


def trade_off(values: pd.DataFrame, changes: pd.DataFrame, *, title: str = "") -> Figure:
    """The values that no other beats, marked; the others in grey.

    Args:
        values, changes: of `tradeoff`, the rows of one setting.
        title: the sentence of `tradeoff`.
    """
    names = list(dict.fromkeys(changes["class"]))
    if len(names) == 2:
        return _scatter(values, changes, names, title)
    return _lines(values, changes, names, title)


def _scatter(values: pd.DataFrame, changes: pd.DataFrame, names: list[str], title: str) -> Figure:
    import plotly.graph_objects as go

    one, two = (changes[changes["class"] == name].reset_index(drop=True) for name in names)
    front = values["on_front"].to_numpy(dtype=bool)
    order = np.flatnonzero(front)[np.argsort(one["accuracy"].to_numpy()[front], kind="stable")]
    fig = go.Figure()
    fig.add_scatter(
        x=one["accuracy"].iloc[order],
        y=two["accuracy"].iloc[order],
        mode="lines",
        line={"color": ACCENT, "width": 1.5, "shape": "vh"},
        hoverinfo="skip",
    )
    for chosen, colour in ((~front, NEUTRAL), (front, ACCENT)):
        fig.add_scatter(
            x=one["accuracy"][chosen],
            y=two["accuracy"][chosen],
            mode="markers+text" if chosen is front else "markers",
            text=[_short(v) for v in values["x"][chosen]],
            textposition="top right",
            marker={"size": 8, "color": colour},
            error_x=_error(one["sd"][chosen], colour),
            error_y=_error(two["sd"][chosen], colour),
            customdata=values[["x", "front_share"]][chosen],
            hovertemplate=f"%{{customdata[0]}}: {names[0]} %{{x:.1%}}, {names[1]} %{{y:.1%}}<br>"
            "on the front in %{customdata[1]:.0%} of resamplings<extra></extra>",
        )
    style(fig, title=wrapped(title), x=f"accuracy of {names[0]} (± sd)", y=f"accuracy of {names[1]} (± sd)", height=440)
    fig.update_layout(margin={"t": _TOP_PX})
    fig.update_xaxes(tickformat=".0%", showgrid=True)
    return fig.update_yaxes(tickformat=".0%")


def _lines(values: pd.DataFrame, changes: pd.DataFrame, names: list[str], title: str) -> Figure:
    import plotly.graph_objects as go

    fig = go.Figure()
    drawn = []
    for name, colour in zip(names, palette(len(names)), strict=True):
        rows = changes[changes["class"] == name]
        known = rows[rows["low"].notna()]
        band: dict[str, Any] = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip"}
        fig.add_scatter(x=known["x"], y=known["low"], **band)
        fig.add_scatter(x=known["x"], y=known["high"], fill="tonexty", fillcolor=light(colour), **band)
        fig.add_scatter(
            x=rows["x"],
            y=rows["change"],
            mode="lines+markers",
            line={"color": colour, "width": 2},
            marker={"size": 4},
            customdata=rows[["low", "high"]],
            hovertemplate=f"{name} at %{{x}}: %{{y:+.1%}} "
            "(%{customdata[0]:+.1%} to %{customdata[1]:+.1%})<extra></extra>",
        )
        drawn.append((name, colour, rows.assign(accuracy=rows["change"])))
    fig.add_hline(y=0, line={"color": NEUTRAL, "width": 1})
    front = values[values["on_front"]]
    fig.add_scatter(
        x=front["x"],
        y=[0.0] * len(front),
        mode="markers",
        marker={"size": 9, "symbol": "diamond", "color": ACCENT},
        hovertemplate="%{x} is on the front<extra></extra>",
    )
    moved = changes["change"].dropna().to_numpy(dtype=float)
    if len(moved):
        add_labels(fig, end_labels(fig, drawn, {}, (float(moved.min()), float(moved.max()))))
    style(
        fig,
        title=wrapped(title),
        x=f"{axis_name(values)} (diamonds: no other value beats it)",
        y="change (95 %)",
        height=420,
    )
    fig.update_layout(margin={"t": _TOP_PX, "r": 110})
    return fig.update_yaxes(tickformat="+.0%")


def _error(sd: pd.Series, colour: str) -> dict[str, Any]:
    return {"type": "data", "array": np.nan_to_num(sd), "color": colour, "thickness": 0.8, "width": 0}


def _short(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, int | float) else str(value)
