"""Figure 3: each superclass with its own highest value, and what choosing it costs the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ssrl_core.figures.bias.lines import add_labels, draw_line, end_labels
from ssrl_core.figures.bias.panels import axis_name, finish, grid_of_panels, panels, place, runs_note
from ssrl_core.figures.bias.panels import setting_columns as settings_of
from ssrl_core.figures.colours import NEUTRAL, SIGNED, palette
from ssrl_core.figures.style import style

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


_LABEL_ROOM = 2.0  # bands make each axis about twice as long as its lines, and labels must not overlap


def highest_curves(curves: pd.DataFrame, highest: pd.DataFrame, *, columns: int = 4, title: str = "") -> Figure:
    """A panel a superclass (or class), a line a setting, a ring at its own highest value.

    Args:
        curves: `classes` of `analysis.bias.curves` of a table by superclass.
        highest: `highest` of `own_highest` of the same table.
    """
    names = list(dict.fromkeys(highest["for"]))
    lines = panels(curves)
    colours = palette(len(lines)) if len(lines) > 1 else ["#0d9488"]
    fig = grid_of_panels(names, columns, shared_y=False)
    labels: list[dict[str, Any]] = []
    for number, name in enumerate(names):
        at = place(number, len(names), columns)
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
    finish(fig, len(names), columns, title=title, x=axis_name(curves), y="accuracy", note=note)
    return fig.update_yaxes(tickformat=".0%")


def price_matrix(prices: pd.DataFrame, *, title: str = "") -> Figure:
    """Rows: for whom the value is chosen. Columns: what it changes for each. Empty where it cannot be told from 0.

    Args:
        prices: of `own_highest`, the rows of one setting.
    """
    import plotly.graph_objects as go

    names = sorted({*prices["for"]})
    clear = prices[prices["verdict"].isin(["gains", "loses"])]
    wide = clear.pivot(index="for", columns="class", values="change").reindex(index=names, columns=names)
    chosen = prices.drop_duplicates("for").set_index("for")["x"]
    labels = [f"{name} ({_short(chosen.get(name))})" for name in names]
    limit = float(np.nanmax(np.abs(wide.to_numpy(dtype=float)))) if wide.notna().any().any() else 0.01
    fig = go.Figure()
    fig.add_heatmap(
        z=wide.to_numpy(dtype=float),
        x=names,
        y=labels,
        zmin=-limit,
        zmax=limit,
        colorscale=[[i / (len(SIGNED) - 1), colour] for i, colour in enumerate(SIGNED)],
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
        title=title,
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
    same = [highest[c] == first[c] for c in settings_of(rows) if c in highest]
    own = highest[np.logical_and.reduce(same)] if same else highest
    own = own[own["accuracy"].notna()]
    fig.add_scatter(
        x=own["x"],
        y=own["accuracy"],
        mode="markers",
        marker={"size": 13, "symbol": "circle-open", "color": colour, "line": {"width": 2, "color": colour}},
        customdata=[", ".join(_short(v) for v in values) for values in own["alike"]],
        hovertemplate="highest at %{x}: %{y:.1%}<br>not told apart from it: %{customdata}<extra></extra>",
        **at,
    )
    if own.empty:
        fig.add_annotation(text="no accuracy", showarrow=False, font={"color": NEUTRAL}, **at)


def _short(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, int | float) else str(value)
