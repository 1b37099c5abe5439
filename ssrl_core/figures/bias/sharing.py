"""Table 6 as a figure: classes with an opposite partner under several methods."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from ssrl_core.figures.bias.panels import finish, grid_of_panels, panels, place
from ssrl_core.figures.colours import ACCENT, NEUTRAL

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


def shared_bars(shared: pd.DataFrame, *, columns: int = 4, title: str = "") -> Figure:
    """For each setting how many classes are shared by at least 2, 3 … all methods; a tick where independence would be.

    Args:
        shared: of `analysis.bias.shared_classes`.
    """
    found = panels(shared)
    columns = min(columns, len(found))
    fig = grid_of_panels([label for label, _ in found], columns)
    for number, (_, rows) in enumerate(found):
        at = place(number, len(found), columns)
        names = [_level(int(k), int(m)) for k, m in zip(rows["at_least"], rows["of"], strict=True)]
        hover = [", ".join(list(n)[:12]) + (" …" if len(n) > 12 else "") for n in rows["names"]]
        fig.add_bar(
            x=names,
            y=rows["classes"],
            marker={"color": ACCENT, "opacity": 0.75},
            text=rows["classes"],
            textposition="inside",
            insidetextanchor="middle",
            textangle=0,
            customdata=hover,
            hovertemplate="%{x} methods: %{y} classes<br>%{customdata}<extra></extra>",
            **at,
        )
        fig.add_scatter(
            x=names,
            y=rows["expected"],
            mode="markers",
            marker={"symbol": "line-ew-open", "size": 26, "color": NEUTRAL, "line": {"width": 2}},
            hovertemplate="%{y:.1f} classes if the methods were independent<extra></extra>",
            **at,
        )
    tested = int(shared["tested"].max())
    note = f"of {tested} classes; line: as many per method, but independently"
    finish(fig, len(found), columns, title=title, x="methods", y="classes", note=note)
    fig.update_xaxes(type="category")
    return fig.update_yaxes(range=[0, max(1, tested) * 1.12])


def _level(least: int, of: int) -> str:
    return f"all {of}" if least == of else f"≥ {least}"
