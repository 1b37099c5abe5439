"""What each class does as the parameter grows: ascending, descending, or random."""

from __future__ import annotations

import streamlit as st

from pages.ui.classes import table
from pages.ui.classes.choice import POINTS, pick
from pages.ui.classes.numbers import Scene, choose_setting
from pages.ui.kit import frame
from ssrl_core.analysis.bias.behaviour import BEHAVIOURS
from ssrl_core.figures.bias import behaviour_slopes

_PLAIN = {"displayModeBar": False}


def view(scene: Scene) -> None:
    """A row a class of one setting, the largest gain on top."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        points = pick("Points", POINTS, "points")
    frame.quiet(
        "Ascending or descending: the slope of the line through the accuracies differs from 0 (two-sided p < 0.05). "
        "Random: it does not, which is no proof of no effect; a class that rises and falls again is random too."
    )
    rows = choose_setting(scene.behaviours(points), "behaviours")
    counts = rows["behaviour"].value_counts()
    told = ", ".join(f"{int(counts.get(name, 0))} {name}" for name in BEHAVIOURS)
    n = int(rows["n"].max())
    untold = int(rows["behaviour"].isna().sum())
    rest = f"; {untold} cannot be told" if untold else ""
    if rows["change"].notna().any():
        table.finding(f"{told}{rest} (n = {n} points)")
        st.plotly_chart(behaviour_slopes(rows), key="slopes", config=_PLAIN)
    else:
        frame.quiet(f"No class has a slope: {rows['reason'].dropna().iloc[0]}.")
    with st.expander("As a table", icon=":material/table_rows:"):
        columns = ["class", "superclass", "n", "slope", "low", "high", "change", "r2", "p", "q", "behaviour", "reason"]
        table.show(rows[columns])
