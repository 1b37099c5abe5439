"""Figure 2 for any sweep: which classes are opposite, how many have such a partner, and how many would by chance."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import streamlit as st

from pages.ui.classes import table
from pages.ui.classes.choice import CORRECTION, POINTS, pick
from pages.ui.classes.numbers import Scene, choose_setting, same_setting
from pages.ui.kit import frame
from ssrl_core.analysis import bias
from ssrl_core.analysis.bias.correlation import Rule
from ssrl_core.figures.bias import chance_histogram, floor_ratios, pair_matrix
from ssrl_core.figures.style import percent

DRAWS = (20, 200, 1000)
_PLAIN = {"displayModeBar": False}
_RULE = (
    "Opposite: at least one of Pearson, Kendall, Spearman below −0.3 with its own two-sided p below 0.05. "
    "Corrected: the same with p adjusted (Benjamini and Hochberg) over all pairs and coefficients of a setting, where "
    "coefficients of 0 or more count with p = 1."
)


def view(scene: Scene) -> None:
    """Ratios beside both floors, then one setting: its draws, its matrix, its pairs."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        scene = _parameters(scene)
        points = pick("Points", POINTS, "points")
        corrected = pick("Test", CORRECTION, "correction") == "fdr"
        draws = _draws()
    frame.quiet(_RULE)
    if points == "runs":
        frame.quiet("Runs of one value share that value: there are more points here than independent evidence.")
    found = scene.opposition(points)
    drawn = _floors(scene, points, draws)
    summary = scene.numbers(f"summary {points} {draws}", lambda: bias.floor_summary(drawn, found.ratios))
    table.finding(_finding(found.ratios, summary, corrected))
    st.plotly_chart(floor_ratios(found.ratios, summary, corrected=corrected), key="ratios", config=_PLAIN)
    pairs = choose_setting(found.pairs, "pairs", "first")
    mine = same_setting(found.ratios, pairs, "first")
    left, right = st.columns(2, gap="large")
    with left:
        ratio = float(mine["ratio_corrected" if corrected else "ratio"].iloc[0])
        of_setting = same_setting(drawn, pairs, "first")
        st.plotly_chart(
            chance_histogram(of_setting, ratio, corrected=corrected, title="What chance gives"),
            key="chance",
            config=_PLAIN,
        )
        _opposed(pairs)
    with right:
        title = f"{int(mine['pairs_opposite'].iloc[0])} of {int(mine['pairs'].iloc[0])} pairs are opposite"
        st.plotly_chart(pair_matrix(pairs, title=title), key="matrix", config=_PLAIN)
    _all_pairs(scene, pairs)


def _parameters(scene: Scene) -> Scene:
    """The scene with every parameter that varies, where there are several and the user wants them side by side."""
    names = scene.numbers("parameters", lambda: bias.parameters(scene.table))
    if len(names) < 2 or pick("Transformations", {"one": "This one", "all": f"All {len(names)}"}, "several") == "one":
        return scene
    return replace(scene, x=names, key=f"{scene.key} all")


def _floors(scene: Scene, points: str, draws: int) -> pd.DataFrame:
    return scene.numbers(
        f"floors {points} {draws}", lambda: bias.floors(scene.table, scene.x, Rule(points=points), draws=draws)
    )


def _finding(ratios: pd.DataFrame, floors: pd.DataFrame, corrected: bool) -> str:
    """How many settings have more classes with an opposite partner than both floors."""
    name = "ratio_corrected" if corrected else "ratio"
    known = floors[floors[f"{name}_mean"].notna()]
    if known.empty:
        return "No pair of classes could be tested"
    worst = known.groupby(list(known.columns[: known.columns.get_loc("floor")]), dropna=False)[f"{name}_p"].max()
    more = int((worst < 0.05).sum())
    low, high = percent(float(ratios[name].min())), percent(float(ratios[name].max()))
    span = low if low == high else f"{low} to {high}"
    chance = percent(float(known[f"{name}_mean"].mean()))
    beyond = "more than chance" if len(worst) == 1 and more else "not more than chance" if not more else ""
    beyond = beyond or f"more than chance in {more} of {len(worst)} settings"
    whom = "the classes" if (ratios["tested"] == ratios["classes"]).all() else "the classes that can be tested"
    return f"{span} of {whom} have an opposite partner; by chance {chance}: {beyond}"


def _opposed(pairs: pd.DataFrame) -> None:
    rows = bias.most_opposed(pairs, 12)
    if rows.empty:
        frame.quiet("No two classes are opposite here.")
        return
    frame.section("Most opposed", "Ordered by covariance: large only where both classes move.")
    columns = ["first", "second", "n", "pearson", "pearson_p", "kendall", "kendall_p", "spearman", "spearman_p"]
    table.show(rows[[*columns, "opposite_corrected"]])


def _all_pairs(scene: Scene, pairs: pd.DataFrame) -> None:
    title = f"All {len(pairs):,} pairs of this setting"
    place = st.expander(title, icon=":material/table_rows:", key="classes-all-pairs", on_change="rerun")
    if not place.open:  # thousands of rows are sent only to those who want them
        return
    with place:
        frame.quiet("n: points that both classes have. p: two-sided. q: p adjusted over all pairs and coefficients.")
        shown = pairs.iloc[:, pairs.columns.get_loc("first") :]
        table.show(shown)
        st.download_button(
            "Pairs", lambda: pairs.to_csv(index=False).encode(), f"{scene.name}-pairs.csv", "text/csv",
            on_click="ignore", icon=":material/download:",
        )  # fmt: skip


def _draws() -> int:
    chosen = st.segmented_control(
        "Draws of chance",
        DRAWS,
        key="classes-draws",
        default=DRAWS[0],
        required=True,
        persist_state="session",
        help="Permutations of each floor. 20 are there at once and tell p down to 0.05; 1,000 take a while.",
    )
    return int(chosen or DRAWS[0])
