"""Table 1 as a figure: a property of the classes, by what they do when the parameter grows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ssrl_core.figures.bias.panels import finish, grid_of_panels, place
from ssrl_core.figures.style import GAIN, LOSS, NEUTRAL, three_digits

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_GAP_PX = 90
_COLOURS = {"ascending": GAIN, "random": NEUTRAL, "descending": LOSS}


def property_groups(
    properties: pd.DataFrame, behaviours: pd.DataFrame, tests: pd.DataFrame, *, columns: int = 3, title: str = ""
) -> Figure:
    """A panel a property: a point a class, a bar at the mean of each group, F, p and eta² in the heading.

    Args:
        properties: of `class_properties`. behaviours, tests: of `behaviours` and `against_behaviour`, the rows of one
            setting.
    """
    both = behaviours[["class", "behaviour"]].merge(properties, on="class")
    shown = tests[tests["test"] == "anova"]
    labels = [_heading(row) for _, row in shown.iterrows()]
    columns = min(columns, max(1, len(labels)))
    fig = grid_of_panels(labels, columns, shared_y=False, gap=_GAP_PX)
    for number, column in enumerate(shown["column"]):
        at = place(number, len(labels), columns)
        for group, colour in _COLOURS.items():
            rows = both[(both["behaviour"] == group) & both[column].notna()]
            values = rows[column].to_numpy(dtype=float)
            if not len(values):
                continue
            fig.add_box(
                x=[group] * len(values),
                y=values,
                boxpoints="all",
                pointpos=0,
                jitter=0.5,
                fillcolor="rgba(0,0,0,0)",
                line={"width": 0},
                marker={"size": 5, "color": colour, "opacity": 0.6},
                text=rows["class"],
                hovertemplate="%{text}: %{y:.3g}<extra></extra>",
                **at,
            )
            fig.add_scatter(
                x=[group],
                y=[float(np.mean(values))],
                mode="markers",
                marker={"symbol": "line-ew-open", "size": 30, "color": colour, "line": {"width": 3}},
                hovertemplate=f"{group}: mean %{{y:.3g}}, n = {len(values)}<extra></extra>",
                **at,
            )
    note = f"a point a class: {shown['groups'].iloc[0]}" if len(shown) else "no test"
    finish(fig, max(1, len(labels)), columns, title=title, x="", y="", note=note, gap=_GAP_PX)
    fig.update_layout(margin={"t": fig.layout.margin.t + 16})  # headings of two lines
    return fig.update_xaxes(type="category", categoryorder="array", categoryarray=list(_COLOURS), tickangle=0)


def _heading(row: pd.Series) -> str:
    name = str(row["column"]).replace("_", " ")
    if row["statistic"] != row["statistic"]:
        return f"{name}: no test"
    p = "p < 0.001" if row["p"] < 0.001 else f"p = {row['p']:.3f}"
    return f"{name}<br>F = {three_digits(float(row['statistic']))}, {p}, η² = {row['effect']:.2f}"
