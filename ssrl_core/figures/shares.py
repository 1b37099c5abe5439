"""Shares of what can be read: from a network, beside raw pixels and beside what was forecast, on one axis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from ssrl_core.figures.style import ACCENT, NEUTRAL, style

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

KINDS = {
    "forecast": ("Forecast", "diamond-open", ACCENT),
    "pixels": ("Raw pixels", "line-ns-open", NEUTRAL),
    "own": ("This network", "circle", ACCENT),
}
_ROW_PX, _FRAME_PX, _APART = 26, 110, 0.22


def shares_figure(table: pd.DataFrame, *, title: str = "", theme: str | None = None) -> Figure:
    """One line a thing that can be read, the best read on top.

    Args:
        table: name, source (own, pixels, forecast), value, low, high: shares in 0..1.
    """
    import plotly.graph_objects as go

    own = table[table["source"] == "own"].set_index("name")["value"]
    names = sorted(dict.fromkeys(table["name"]), key=lambda name: own.get(name, -1.0))
    place = {name: row for row, name in enumerate(names)}
    figure = go.Figure()
    there = [kind for kind in KINDS if (table["source"] == kind).any()]
    for kind in there:
        figure.add_scatter(**_points(table[table["source"] == kind], kind, place, _lift(kind, there)))
    style(figure, title=title, x="share that a linear reading finds on other images", theme=theme)
    figure.update_layout(
        height=_FRAME_PX + _ROW_PX * len(names),
        showlegend=True,
        legend={"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 0, "traceorder": "reversed"},
        margin_t=72 if title else 36,
        hovermode="closest",
    )
    figure.update_xaxes(range=[-0.02, 1.02], tickformat=".0%", showgrid=True)
    shown = [name.replace("_", " ") for name in names]
    figure.update_yaxes(tickvals=list(range(len(names))), ticktext=shown, range=[-0.6, len(names) - 0.4])
    return figure


def _points(rows: pd.DataFrame, kind: str, place: dict[str, int], lift: float) -> dict[str, Any]:
    title, symbol, colour = KINDS[kind]
    span = {"color": colour, "thickness": 1.2, "width": 0}
    return {
        "x": rows["value"],
        "y": [place[name] + lift for name in rows["name"]],
        "mode": "markers",
        "name": title,
        "marker": {
            "symbol": symbol,
            "size": 10 if kind != "pixels" else 12,
            "color": colour,
            "line": {"width": 2 if symbol.endswith("open") else 0},
        },
        "error_x": {
            "type": "data",
            "array": rows["high"] - rows["value"],
            "arrayminus": rows["value"] - rows["low"],
            **span,
        },
        "text": [name.replace("_", " ") for name in rows["name"]],
        "hovertemplate": f"{title}, %{{text}}: %{{x:.0%}}<extra></extra>",
    }


def _lift(kind: str, there: list[str]) -> float:
    """Kinds stand one above the other within a line, so that their intervals do not hide each other."""
    return _APART * (there.index(kind) - (len(there) - 1) / 2)
