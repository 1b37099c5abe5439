"""Figure 2 for any sweep: which classes are opposite, how many have such a partner, and how many would by chance."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pandas as pd
import streamlit as st

from pages.ui.classes import class_table
from pages.ui.classes.class_table import CORRECTION, POINTS, ClassTable, choose_setting, pick, same_setting
from pages.ui.kit import frame
from ssrl_core import stores
from ssrl_core.analysis import bias
from ssrl_core.analysis.bias.correlation import Rule
from ssrl_core.figures.bias import chance_histogram, floor_ratios, pair_matrix, shared_bars
from ssrl_core.figures.style import percent

DRAWS = (20, 200, 1000)
_RULE = (
    "Opposite: at least one of Pearson, Kendall, Spearman below −0.3 with its own two-sided p below 0.05. "
    "Corrected: the same with p adjusted (Benjamini and Hochberg) over all pairs and coefficients of a setting, where "
    "coefficients of 0 or more count with p = 1."
)


def view(data: ClassTable) -> None:
    """Ratios beside both floors, then one setting: its draws, its matrix, its pairs."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        data = _parameters(data)
        points = pick("Points", POINTS, "points")
        corrected = pick("Test", CORRECTION, "correction") == "fdr"
        draws = _draws()
    frame.quiet(_RULE)
    if points == "runs":
        frame.quiet("Runs with the same value are not independent: there are more points than independent evidence.")
    found = data.opposition(points)
    drawn = _floors(data, points, draws)
    summary = data.numbers(f"summary {points} {draws}", lambda: bias.floor_summary(drawn, found.ratios))
    frame.finding(_finding(found.ratios, summary, corrected))
    st.plotly_chart(floor_ratios(found.ratios, summary, corrected=corrected), key="ratios", config=class_table.PLAIN)
    pairs = choose_setting(found.pairs, "pairs", "first")
    mine = same_setting(found.ratios, pairs, "first")
    left, right = st.columns(2, gap="large")
    with left:
        ratio = float(mine["ratio_corrected" if corrected else "ratio"].iloc[0])
        of_setting = same_setting(drawn, pairs, "first")
        st.plotly_chart(
            chance_histogram(of_setting, ratio, corrected=corrected, title="What chance gives"),
            key="chance",
            config=class_table.PLAIN,
        )
        _opposed(pairs)
    with right:
        title = f"{int(mine['pairs_opposite'].iloc[0])} of {int(mine['pairs'].iloc[0])} pairs are opposite"
        st.plotly_chart(pair_matrix(pairs, title=title), key="matrix", config=class_table.PLAIN)
    _all_pairs(data, pairs)


def _parameters(data: ClassTable) -> ClassTable:
    """The data with every parameter that varies, where there are several and the user wants them side by side."""
    names = data.numbers("parameters", lambda: bias.parameters(data.table))
    if len(names) < 2 or pick("Transformations", {"one": "This one", "all": f"All {len(names)}"}, "several") == "one":
        return data
    return replace(data, x=names, key=f"{data.key} all")


def _floors(data: ClassTable, points: str, draws: int) -> pd.DataFrame:
    return data.numbers(
        f"floors {points} {draws}", lambda: bias.floors(data.table, data.x, Rule(points=points), draws=draws)
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
    class_table.show_table(rows[[*columns, "opposite_corrected"]])


def _all_pairs(data: ClassTable, pairs: pd.DataFrame) -> None:
    title = f"All {len(pairs):,} pairs of this setting"
    place = st.expander(title, icon=":material/table_rows:", key="classes-all-pairs", on_change="rerun")
    if not place.open:  # thousands of rows are sent only to those who want them
        return
    with place:
        frame.quiet("n: points that both classes have. p: two-sided. q: p adjusted over all pairs and coefficients.")
        shown = pairs.iloc[:, pairs.columns.get_loc("first") :]
        class_table.show_table(shown)
        st.download_button(
            "Pairs", lambda: stores.csv_text(pairs).encode(), f"{data.name}-pairs.csv", "text/csv",
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


def shared_view(data: ClassTable) -> None:
    """Counts over methods (or backbones), then the two probes."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        points = pick("Points", POINTS, "points")
        corrected = pick("Test", CORRECTION, "correction") == "fdr"
    classes = data.opposition(points).classes
    over = "backbone" if classes["method"].nunique() == 1 and classes["backbone"].nunique() > 1 else "method"
    shared = bias.shared_classes(classes, over=over, corrected=corrected)
    if int(shared["of"].max()) < 2:
        frame.quiet(f"One {over} only: there is nothing to share. A sweep over several methods shows it here.")
    else:
        frame.section("Shared by methods", "Classes with an opposite partner under several methods (table 6).")
        st.plotly_chart(
            shared_bars(shared.assign(tested=shared["all_classes"])), key="shared", config=class_table.PLAIN
        )
        class_table.show_table(class_table.differing(shared, "at_least"))
    frame.section("Linear evaluation against fine-tuning", "Does the bias go when the encoder may move (table 7)?")
    _probes(data, points)


def _probes(data: ClassTable, points: str) -> None:
    names = data.whole["probe"].dropna().astype(str).unique() if "probe" in data.whole else ["linear"]
    tuned = [name for name in names if name.startswith("finetune")]
    if not tuned or "linear" not in names:
        frame.quiet(
            f"This table has {', '.join(names)}. Ask for fine-tuning in the sweep's evaluate "
            "(finetune: [0.01]) and queue it again: only what is missing is run."
        )
        return
    for name in tuned:
        compare = partial(bias.compare_probes, data.whole, data.x, second=name, rule=Rule(points=points))
        with frame.guard():
            class_table.show_table(_shown(data.numbers(f"probes {name} {points}", compare)))


def _shown(rows: pd.DataFrame) -> pd.DataFrame:
    columns = ["dataset", "backbone", "method", "first", "second", "opposite_first", "opposite_second", "opposite_both"]
    return rows[[*columns, "compared", "same", "match", "match_by_chance", "reason"]]
