"""Table 5 as a figure: the overall accuracy of each method, and how little it moves over the sweep."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ssrl_core.figures.bias.panels import setting_columns, setting_label
from ssrl_core.figures.colours import ACCENT, NEUTRAL
from ssrl_core.figures.style import style

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


def method_spread(summary: pd.DataFrame, *, title: str = "") -> Figure:
    """A row a method: its mean with ± sd over the values, and a thin line from its lowest to its highest.

    Args:
        summary: of `analysis.bias.method_summary`.
    """
    import plotly.graph_objects as go

    differing = [c for c in setting_columns(summary) if summary[c].nunique(dropna=False) > 1] or ["method"]
    rows = summary.assign(label=[setting_label(row, differing) for _, row in summary.iterrows()])
    rows = rows.sort_values("mean", kind="stable")
    fig = go.Figure()
    for _, row in rows[rows["mean"].notna()].iterrows():
        fig.add_shape(
            type="line",
            x0=row["lowest"],
            x1=row["highest"],
            y0=row["label"],
            y1=row["label"],
            line={"color": NEUTRAL, "width": 1},
            layer="below",
        )
    fig.add_scatter(
        x=rows["mean"],
        y=rows["label"],
        mode="markers",
        marker={"size": 9, "color": ACCENT},
        error_x={"type": "data", "array": np.nan_to_num(rows["sd"]), "color": ACCENT, "thickness": 3, "width": 0},
        customdata=rows[["sd", "values", "sd_seeds", "seeds_low"]],
        hovertemplate="%{y}: %{x:.1%} ± %{customdata[0]:.2%} over %{customdata[1]} values<br>"
        "seeds alone: ± %{customdata[2]:.2%} (n ≥ %{customdata[3]})<extra></extra>",
    )
    values = int(summary["values"].max()) if len(summary) else 0
    style(fig, title=title, x=f"overall accuracy, mean ± sd over {values} values", height=110 + 26 * len(rows))
    fig.update_xaxes(tickformat=".1%", showgrid=True)
    return fig.update_yaxes(
        type="category",
        categoryorder="array",
        categoryarray=list(rows["label"]),
        showgrid=False,
        range=[-0.6, len(rows) - 0.4],
    )
