"""Tables 6 and 7 for any sweep: classes that several methods share, and linear evaluation against fine-tuning."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from pages.ui.classes import table
from pages.ui.classes.choice import CORRECTION, POINTS, pick
from pages.ui.classes.numbers import Scene
from pages.ui.kit import frame
from ssrl_core.analysis import bias
from ssrl_core.analysis.bias.correlation import Rule
from ssrl_core.errors import SSRLError
from ssrl_core.figures.bias import shared_bars

_PLAIN = {"displayModeBar": False}


def view(scene: Scene) -> None:
    """Counts over methods (or backbones), then the two probes."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        points = pick("Points", POINTS, "points")
        corrected = pick("Test", CORRECTION, "correction") == "fdr"
    classes = scene.opposition(points).classes
    over = "backbone" if classes["method"].nunique() == 1 and classes["backbone"].nunique() > 1 else "method"
    shared = bias.shared_classes(classes, over=over, corrected=corrected)
    if int(shared["of"].max()) < 2:
        frame.quiet(f"One {over} only: there is nothing to share. A sweep over several methods shows it here.")
    else:
        frame.section("Shared by methods", "Classes with an opposite partner under several methods (table 6).")
        st.plotly_chart(shared_bars(shared.assign(tested=shared["all_classes"])), key="shared", config=_PLAIN)
        table.show(table.differing(shared, "at_least"))
    frame.section("Linear evaluation against fine-tuning", "Does the bias go when the encoder may move (table 7)?")
    _probes(scene, points)


def _probes(scene: Scene, points: str) -> None:
    names = scene.whole["probe"].dropna().astype(str).unique() if "probe" in scene.whole else ["linear"]
    tuned = [name for name in names if name.startswith("finetune")]
    if not tuned or "linear" not in names:
        frame.quiet(
            f"This table has {', '.join(names)}. Ask for fine-tuning in the sweep's evaluate "
            "(finetune: [0.01]) and queue it again: only what is missing is run."
        )
        return
    for name in tuned:
        try:
            rows = scene.numbers(
                f"probes {name} {points}",
                lambda name=name: bias.compare_probes(scene.whole, scene.x, second=name, rule=Rule(points=points)),
            )
        except SSRLError as error:
            frame.show_error(error)
            continue
        table.show(_shown(rows))


def _shown(rows: pd.DataFrame) -> pd.DataFrame:
    columns = ["dataset", "backbone", "method", "first", "second", "opposite_first", "opposite_second", "opposite_both"]
    return rows[[*columns, "compared", "same", "match", "match_by_chance", "reason"]]
