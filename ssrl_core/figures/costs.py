"""What each transformation costs: a curve a concept over a transformation's strength, and the map of all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ssrl_core.figures.style import ACCENT, palette, style, translucent

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure

_ROW_PX, _FRAME_PX, _PANEL_PX = 30, 150, 250
_KEPT_SCALE = [[0.0, "#dfe3e8"], [1.0, ACCENT]]  # kept and lost: accent and grey, never green and red
_ON_SCALE = "#0b0d10"  # read on every colour of the scale, light or dark theme (at least 5 to 1)


def cost_map(
    strongest: pd.DataFrame, titles: Mapping[str, str], *, title: str = "", theme: str | None = None
) -> Figure:
    """Transformations x concepts: how much is kept at each transformation's greatest strength.

    Args:
        strongest: transform, strength, concept, kept, low, high, n; shares.
        titles: transform -> how its row is called.
    """
    import plotly.graph_objects as go

    table = strongest.pivot(index="transform", columns="concept", values="kept")
    table = table.loc[list(dict.fromkeys(strongest["transform"])), list(dict.fromkeys(strongest["concept"]))]
    values = table.to_numpy(dtype=float)
    spans = {(r["transform"], r["concept"]): _span(r) for _, r in strongest.iterrows()}
    few = table.shape[1] <= 8
    fig = go.Figure()
    fig.add_heatmap(
        z=np.clip(values, 0.0, 1.0),
        x=[str(c) for c in table.columns],
        y=[titles[str(name)] for name in table.index],
        zmin=0.0,
        zmax=1.0,
        xgap=2,
        ygap=2,
        colorscale=_KEPT_SCALE,
        colorbar={"title": {"text": "kept"}, "thickness": 10, "outlinewidth": 0, "tickformat": ".0%"},
        text=[[f"{100 * v:.0f} %" if few and np.isfinite(v) else "" for v in row] for row in values],
        texttemplate="%{text}",
        textfont={"color": _ON_SCALE},
        customdata=[[spans.get((name, c), "") for c in table.columns] for name in table.index],
        hovertemplate="%{y}<br>%{x}: %{customdata}<extra></extra>",
    )
    style(fig, title=title, height=_FRAME_PX + _ROW_PX * len(table), theme=theme)
    fig.update_yaxes(autorange="reversed", showgrid=False)
    fig.update_xaxes(side="bottom", tickangle=None if few else -40)
    return fig


def cost_curve(
    told: pd.DataFrame, concepts: Sequence[str], *, title: str, unit: str, theme: str | None = None
) -> Figure:
    """Kept over the strength of one transformation, a line a concept with its 95 % interval; strength 0 keeps all.

    Args:
        told: strength, concept, kept, low, high of one transformation.
        concepts: those that are drawn, in the order of their colours.
    """
    import plotly.graph_objects as go

    fig = go.Figure()
    for concept, colour in zip(concepts, palette(len(concepts)), strict=True):
        mine = told[told["concept"] == concept].sort_values("strength")
        if mine.empty:
            continue
        x = [0.0, *mine["strength"]]
        low, high = ([1.0, *mine[name].fillna(mine["kept"])] for name in ("low", "high"))
        band = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip"}
        fig.add_scatter(x=x, y=low, **band)
        fig.add_scatter(x=x, y=high, fill="tonexty", fillcolor=translucent(colour), **band)
        hover = f"{concept}<br>%{{x:g}}: %{{y:.0%}} kept<extra></extra>"
        fig.add_scatter(
            x=x, y=[1.0, *mine["kept"]], mode="lines+markers", name=concept,
            line={"color": colour, "width": 2}, marker={"size": 5}, hovertemplate=hover,
        )  # fmt: skip
    style(fig, title=title, x=unit, height=_PANEL_PX, theme=theme)
    fig.update_yaxes(range=[-0.05, 1.15], tickformat=".0%")
    return fig


def _span(row: Any) -> str:
    span = f" ({100 * row['low']:.0f} to {100 * row['high']:.0f})" if np.isfinite(row["low"]) else ""
    return f"{100 * row['kept']:.0f} %{span} of it is kept, n = {int(row['n'])}"
