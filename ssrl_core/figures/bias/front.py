"""What a choice costs: the front of a trade-off (figure 3), highest values and prices of superclasses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ssrl_core.errors import value_words
from ssrl_core.figures.bias.panels import (
    add_labels,
    axis_name,
    draw_line,
    end_labels,
    finish,
    grid_of_panels,
    panels,
    place,
    runs_note,
    setting_columns,
    wrapped,
)
from ssrl_core.figures.style import ACCENT, NEUTRAL, SIGNED, even_steps, palette, style, translucent, whiskers

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
            text=[value_words(v) for v in values["x"][chosen]],
            textposition="top right",
            marker={"size": 8, "color": colour},
            error_x=whiskers(colour, np.nan_to_num(one["sd"][chosen]), thickness=0.8),
            error_y=whiskers(colour, np.nan_to_num(two["sd"][chosen]), thickness=0.8),
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
        fig.add_scatter(x=known["x"], y=known["high"], fill="tonexty", fillcolor=translucent(colour), **band)
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


_COLUMNS = 4
_LABEL_ROOM = 2.0  # bands make each axis about twice as long as its lines, and labels must not overlap


def highest_curves(curves: pd.DataFrame, highest: pd.DataFrame, *, title: str = "") -> Figure:
    """A panel a superclass (or class), a line a setting, a ring at its own highest value.

    Args:
        curves: `classes` of `analysis.bias.curves` of a table by superclass.
        highest: `highest` of `own_highest` of the same table.
    """
    names = list(dict.fromkeys(highest["for"]))
    lines = panels(curves)
    colours = palette(len(lines)) if len(lines) > 1 else ["#0d9488"]
    fig = grid_of_panels(names, _COLUMNS, shared_y=False)
    labels: list[dict[str, Any]] = []
    for number, name in enumerate(names):
        at = place(number, len(names), _COLUMNS)
        drawn = []
        for (label, rows), colour in zip(lines, colours, strict=True):
            mine = rows[rows["class"] == name]
            draw_line(fig, mine, label or name, colour, at)
            drawn.append((label, colour, mine))
            _ring(fig, mine, highest[highest["for"] == name], colour, at)
        known = pd.concat([mine for _, _, mine in drawn])["accuracy"].dropna()
        if len(lines) > 1 and len(known):
            low, high = float(known.min()), float(known.max())
            labels += end_labels(fig, drawn, at, (low, low + _LABEL_ROOM * (high - low)))
    add_labels(fig, labels)
    note = f"ring: its own highest; {runs_note(curves)}; each panel has its own scale"
    finish(fig, len(names), _COLUMNS, title=title, x=axis_name(curves), y="accuracy", note=note)
    return fig.update_yaxes(tickformat=".0%")


def price_matrix(prices: pd.DataFrame) -> Figure:
    """Rows: for whom the value is chosen. Columns: what it changes for each. Empty where it cannot be told from 0.

    Args:
        prices: of `own_highest`, the rows of one setting.
    """
    import plotly.graph_objects as go

    names = sorted({*prices["for"]})
    clear = prices[prices["verdict"].isin(["gains", "loses"])]
    wide = clear.pivot(index="for", columns="class", values="change").reindex(index=names, columns=names)
    chosen = prices.drop_duplicates("for").set_index("for")["x"]
    labels = [f"{name} ({value_words(chosen.get(name))})" for name in names]
    limit = float(np.nanmax(np.abs(wide.to_numpy(dtype=float)))) if wide.notna().any().any() else 0.01
    fig = go.Figure()
    fig.add_heatmap(
        z=wide.to_numpy(dtype=float),
        x=names,
        y=labels,
        zmin=-limit,
        zmax=limit,
        colorscale=even_steps(SIGNED),
        xgap=1,
        ygap=1,
        hoverongaps=False,
        hovertemplate="chosen for %{y}: %{x} %{z:+.1%}<extra></extra>",
        colorbar={
            "tickformat": "+.0%",
            "thickness": 10,
            "outlinewidth": 0,
            "title": {"text": "change", "side": "right"},
        },
    )
    style(
        fig,
        x="changes for (empty: not told from 0)",
        y="chosen for (its value)",
        height=170 + 20 * len(names),
    )
    fig.update_xaxes(type="category", tickangle=-45)
    return fig.update_yaxes(type="category", autorange="reversed", showgrid=False)


def _ring(fig: Figure, rows: pd.DataFrame, highest: pd.DataFrame, colour: str, at: dict[str, int]) -> None:
    """A ring at the highest value of one line."""
    if rows.empty:
        return
    first = rows.iloc[0]
    same = [highest[c] == first[c] for c in setting_columns(rows) if c in highest]
    own = highest[np.logical_and.reduce(same)] if same else highest
    own = own[own["accuracy"].notna()]
    fig.add_scatter(
        x=own["x"],
        y=own["accuracy"],
        mode="markers",
        marker={"size": 13, "symbol": "circle-open", "color": colour, "line": {"width": 2, "color": colour}},
        customdata=[", ".join(value_words(v) for v in values) for values in own["alike"]],
        hovertemplate="highest at %{x}: %{y:.1%}<br>not told apart from it: %{customdata}<extra></extra>",
        **at,
    )
    if own.empty:
        fig.add_annotation(text="no accuracy", showarrow=False, font={"color": NEUTRAL}, **at)
