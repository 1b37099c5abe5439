"""What chance gives: the draws of both floors, and where the ratio that was found lies among them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from ssrl_core.figures.colours import ACCENT, MISSING, NEUTRAL
from ssrl_core.figures.style import percent, style

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_KINDS = (("permuted", MISSING, "values permuted"), ("trend_kept", NEUTRAL, "common trend kept"))


def chance_histogram(drawn: pd.DataFrame, found: float, *, corrected: bool = False, title: str = "") -> Figure:
    """Histograms of the draws of one setting, with a line where the ratio that was found lies.

    Args:
        drawn: of `floors`, the rows of one setting.
        found: its ratio.
    """
    import plotly.graph_objects as go

    name = "ratio_corrected" if corrected else "ratio"
    fig = go.Figure()
    for kind, colour, said in _KINDS:
        values = drawn.loc[drawn["floor"] == kind, name].dropna()
        if values.empty:
            continue
        fig.add_histogram(
            x=values,
            name=f"{said} ({percent(float(values.mean()))} on average, {len(values)} draws)",
            marker={"color": colour, "line": {"width": 0}},
            opacity=0.7,
            xbins={"start": -0.0125, "end": 1.0125, "size": 0.025},
            hovertemplate="%{x}: %{y} draws<extra></extra>",
        )
    if found == found:
        fig.add_vline(x=found, line={"color": ACCENT, "width": 2})
        fig.add_annotation(
            x=found, y=1, yref="paper", text=f"found {percent(found)}", showarrow=False, font={"color": ACCENT},
            xanchor="right" if found > 0.5 else "left", xshift=-4 if found > 0.5 else 4,
        )  # fmt: skip
    style(fig, title=title, x="classes with an opposite partner", y="draws")
    fig.update_layout(barmode="overlay", showlegend=True, legend={"orientation": "h", "x": 0, "y": -0.3})
    return fig.update_xaxes(range=[-0.03, 1.03], tickformat=".0%")
