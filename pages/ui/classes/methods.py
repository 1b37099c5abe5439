"""Table 5 for any sweep: the overall accuracy of every method, and how little it moves."""

from __future__ import annotations

import streamlit as st

from pages.ui.classes import table
from pages.ui.classes.numbers import Scene
from pages.ui.kit import frame
from ssrl_core.analysis import bias
from ssrl_core.figures.bias import method_spread

_PLAIN = {"displayModeBar": False}


def view(scene: Scene) -> None:
    """Mean and sd over the values of the means over seeds."""
    rows = scene.numbers("methods", lambda: bias.method_summary(scene.table, scene.x))
    widest = rows["sd"].max()
    title = f"The mean over seeds moves by sd {100 * widest:.2f} points at most" if widest == widest else "One value"
    table.finding(title)
    st.plotly_chart(method_spread(rows), key="methods", config=_PLAIN)
    frame.quiet("sd_seeds: what seeds alone do; an sd of the means of about sd_seeds / √seeds is noise.")
    columns = ["dataset", "backbone", "method", "mean", "sd", "lowest", "highest", "values", "of", "seeds_low"]
    table.show(rows[[*columns, "sd_seeds", "reason"]])
