"""Figures 2 and 3 for any sweep: which classes are opposite, and at what value each superclass is highest.

How many have an opposite partner stands beside how many would by chance, a highest value beside the price that the
others pay.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pandas as pd
import streamlit as st

from pages.ui.classes import class_table
from pages.ui.classes.class_table import CORRECTION, LEVELS, POINTS, ClassTable, choose_setting, pick, same_setting
from pages.ui.kit import choices, frame
from ssrl_core import stores
from ssrl_core.analysis import bias
from ssrl_core.analysis.bias.correlation import Rule
from ssrl_core.analysis.bias.reading import read_table
from ssrl_core.figures.bias import (
    chance_histogram,
    floor_ratios,
    highest_curves,
    pair_matrix,
    price_matrix,
    shared_bars,
)
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
    frame.chart(floor_ratios(found.ratios, summary, corrected=corrected), "ratios")
    pairs = choose_setting(found.pairs, "pairs", "first")
    mine = same_setting(found.ratios, pairs, "first")
    left, right = st.columns(2, gap="large")
    with left:
        ratio = float(mine["ratio_corrected" if corrected else "ratio"].iloc[0])
        of_setting = same_setting(drawn, pairs, "first")
        frame.chart(chance_histogram(of_setting, ratio, corrected=corrected, title="What chance gives"), "chance")
        _opposed(pairs)
    with right:
        title = f"{int(mine['pairs_opposite'].iloc[0])} of {int(mine['pairs'].iloc[0])} pairs are opposite"
        frame.chart(pair_matrix(pairs, title=title), "matrix")
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
    about = "Permutations of each floor. 20 are there at once and tell p down to 0.05; 1,000 take a while."
    words = {str(draws): f"{draws}" for draws in DRAWS}
    return int(choices.pick("Draws of chance", words, key="classes-draws", help=about))


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
        frame.chart(shared_bars(shared.assign(tested=shared["all_classes"])), "shared")
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


_KEPT = "classes-groups"
_MOST_PANELS = 24


def uploaded_superclasses() -> dict[str, str] | None:
    """class -> superclass that the user brought in this session; None takes the table's own."""
    found: dict[str, str] | None = st.session_state.get(_KEPT)
    return found


def choose_superclasses(data: ClassTable) -> None:
    """A place to bring superclasses, with what they are now."""
    own = has_own(data)
    now = "brought" if uploaded_superclasses() else "the data set's own" if own else "none yet"
    with st.popover(f"Superclasses: {now}", icon=":material/category:"):
        file = st.file_uploader(
            "A table with the columns class and superclass", type=["csv", "tsv", "parquet"], key="classes-groups-file"
        )
        if file is not None:
            with frame.guard():
                st.session_state[_KEPT] = bias.read_superclasses(read_table(file.getvalue(), file.name))
                found = st.session_state[_KEPT]
                frame.quiet(f"{len(found)} classes in {len(set(found.values()))} superclasses.")
        elif uploaded_superclasses():
            st.button("Forget them", on_click=st.session_state.pop, args=(_KEPT, None))


def has_own(data: ClassTable) -> bool:
    """Whether the table names superclasses itself."""
    return "superclass" in data.table and bool(data.table["superclass"].notna().any())


def by_superclass(data: ClassTable) -> pd.DataFrame:
    """The table with superclasses in place of classes.

    Raises:
        SpecError: no class has one.
    """
    chosen = uploaded_superclasses()
    key = f"by superclass {sorted((chosen or {}).items())}"
    return data.numbers(key, lambda: bias.by_superclass(data.table, chosen, data.x))


def without_superclass(data: ClassTable) -> pd.DataFrame:
    """The classes that have no superclass, as a table of reasons."""
    chosen = uploaded_superclasses()
    key = f"no superclass {sorted((chosen or {}).items())}"
    return data.numbers(key, lambda: bias.no_superclass(data.table, chosen))


def highest_view(data: ClassTable) -> None:
    """Curves with a ring at each own highest, then the matrix of prices of one setting."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        level = pick("Show", LEVELS, "level")
        choose_superclasses(data)
    if level == "superclasses" and not has_own(data) and not uploaded_superclasses():
        frame.empty(
            "These classes have no superclasses. Bring a table with the columns class and superclass.", stop=False
        )
        return
    with frame.guard():
        _show(data, level, data.table if level == "classes" else by_superclass(data))


def _show(data: ClassTable, level: str, table: pd.DataFrame) -> None:
    key = f"{level} {sorted((uploaded_superclasses() or {}).items())}"
    found = data.numbers(f"highest {key}", lambda: bias.own_highest(table, data.x))
    curves = data.numbers(f"curves {key}", lambda: bias.curves(table, data.x))
    names = list(dict.fromkeys(found.highest["for"]))[:_MOST_PANELS]
    highest = found.highest[found.highest["for"].isin(names)]
    frame.finding(_highest_finding(found.highest))
    figure = highest_curves(curves.classes, highest)
    frame.chart(figure, "highest")
    if len(set(found.highest["for"])) > _MOST_PANELS:
        frame.quiet(f"The first {_MOST_PANELS} of {found.highest['for'].nunique()}; the table has all.")
    prices = choose_setting(found.prices, "prices", "for")
    frame.finding(_price(prices))
    frame.quiet(_by_chance(prices))
    frame.chart(price_matrix(prices), "prices")
    with st.expander("As a table", icon=":material/table_rows:"):
        class_table.show_table(class_table.differing(found.highest, "for"))
        frame.quiet(
            "Change: against the value at which all classes together are most accurate. From own highest: what each "
            "loses at the best value of another, against its own best value."
        )
        class_table.show_table(class_table.differing(found.prices, "for"))
    left_out = [] if level == "classes" else [without_superclass(data)]
    class_table.more_reasons(data, found.reasons, *left_out)


def _highest_finding(highest: pd.DataFrame) -> str:
    """How many different values are somebody's highest."""
    known = highest[highest["x"].notna()]
    count, values = known["for"].nunique(), known["x"].nunique()
    return f"{count} groups have their highest accuracy at {values} different values" if count else "No accuracies"


def _by_chance(prices: pd.DataFrame) -> str:
    """How many of the pairs would seem to gain or lose where nothing does."""
    pairs = int((prices["for"] != prices["class"]).sum())
    luck = "The value that looks highest is partly luck: another seed may choose another one."
    by_chance = 0.025 * pairs
    if by_chance < 1:
        return luck
    chance = f"by chance about {by_chance:.0f} of {pairs:,} would seem to gain, and as many to lose"
    return f"Every pair has a 95 % interval of its own: {chance}. {luck}"


def _price(prices: pd.DataFrame) -> str:
    others = prices[prices["for"] != prices["class"]]
    loses, gains = int((others["verdict"] == "loses").sum()), int((others["verdict"] == "gains").sum())
    return f"Choosing for one: {gains} of {len(others)} others gain, {loses} lose, the rest is unclear"
