"""What each class does as the parameter grows: ascending, descending, or random."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from pages.ui.classes import class_table
from pages.ui.classes.class_table import POINTS, ClassTable, choose_setting, pick
from pages.ui.kit import choices, frame
from pages.ui.runs import choosing
from ssrl_core.analysis.bias.behaviour import BEHAVIOURS
from ssrl_core.analysis.properties import against_behaviour
from ssrl_core.errors import SSRLError
from ssrl_core.figures.bias import behaviour_slopes, property_groups

_NO_FEATURES = "none"
_PRETRAINED = {"resnet18": "ImageNet ResNet18, as in the paper", "vgg16": "ImageNet VGG16"}
_WORDS = """
- **Intrinsic dimension** of the features of a class: from the ratio of the distances to the first two neighbours
  (Facco et al. 2017).
- **Texture**: grey-level co-occurrence of neighbouring pixels, 32 levels, mean of four directions: contrast,
  homogeneity, energy, correlation (Haralick et al. 1973).
- **Fourier spectrum**: slope of log power against log frequency, and the share of power at waves shorter than 4 pixels
  (van der Schaaf and van Hateren 1996; Torralba and Oliva 2003).
- **Feature covariance**: effective rank (Roy and Vetterli 2007), decay of the eigenvalues (Stringer et al. 2019), share
  of the first.
- **Tests**: one-way analysis of variance with eta² (share of the variance between the groups); for a property of
  several numbers multivariate, Pillai's trace with partial eta². The paper names neither estimator nor statistic.
"""


def view(data: ClassTable) -> None:
    """A row a class of one setting, the largest gain on top."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        points = pick("Points", POINTS, "points")
    frame.quiet(
        "Ascending or descending: the slope of the line through the accuracies differs from 0 (two-sided p < 0.05). "
        "Random: it does not. That does not prove that there is no effect: a class that rises and falls again counts "
        "as random too."
    )
    rows = choose_setting(data.behaviours(points), "behaviours")
    counts = rows["behaviour"].value_counts()
    counted = ", ".join(f"{int(counts.get(name, 0))} {name}" for name in BEHAVIOURS)
    n = int(rows["n"].max())
    untested = int(rows["behaviour"].isna().sum())
    rest = f"; {untested} could not be tested" if untested else ""
    if rows["change"].notna().any():
        frame.finding(f"{counted}{rest} (n = {n} points)")
        frame.chart(behaviour_slopes(rows), "slopes")
    else:
        frame.quiet(f"No class has a slope: {rows['reason'].dropna().iloc[0]}.")
    with st.expander("As a table", icon=":material/table_rows:"):
        columns = ["class", "superclass", "n", "slope", "low", "high", "change", "r2", "p", "q", "behaviour", "reason"]
        class_table.show_table(rows[columns])


def properties_view(data: ClassTable) -> None:
    """Properties of the classes of an image set against their behaviour in this sweep."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        points = pick("Points", POINTS, "points")
    dataset = _dataset(data)
    if dataset is None:
        return
    features = _features(dataset)
    with frame.guard():
        table = _measured(dataset, features)
        if table is not None:
            _against(data, points, table)
    with st.expander("Definitions", icon=":material/menu_book:"):
        st.markdown(_WORDS)


def _dataset(data: ClassTable) -> str | None:
    from ssrl_core.datasets import store as image_sets

    wanted = str(data.table["dataset"].iloc[0])
    ready = [name for name in image_sets.names() if image_sets.is_ready(name)]
    if not ready:
        frame.quiet(f"The images of {wanted} are not here; bring them in on the Data page.")
        return None
    chosen = choices.from_address("Images", ready, key="of", default=wanted)
    if chosen != wanted:
        frame.quiet(f"The sweep is about {wanted}; classes are matched by name.")
    return chosen


def _features(dataset: str) -> str | None:
    runs = [run for run in choosing.trained() if run.get("dataset") == dataset]
    plain = {_NO_FEATURES: "no features: texture and Fourier spectrum only", **_PRETRAINED}
    chosen = choosing.one_of("Features by", runs, key="features", before=plain)
    return None if chosen == _NO_FEATURES else chosen


def _measured(dataset: str, features: str | None) -> pd.DataFrame | None:
    """The properties if they were measured; else a button that measures them."""
    from ssrl_core.runs.evaluation import properties

    found = properties.measured(dataset, features)
    if found is not None:
        return found
    failed: Any = st.session_state.get("classes-properties-error")
    if isinstance(failed, SSRLError):
        frame.show_error(failed)
    st.button("Measure", icon=":material/straighten:", on_click=_measure, args=(dataset, features))
    frame.quiet("Takes seconds to a few minutes, once: the numbers are kept.")
    return None


def _measure(dataset: str, features: str | None) -> None:
    from ssrl_core.runs.evaluation import properties

    st.session_state.pop("classes-properties-error", None)
    bar = st.progress(0.0, "Measuring the classes")

    def report(done: int, of: int) -> None:
        bar.progress(done / max(1, of), "Measuring")

    try:
        properties.measure(dataset, features, report=report)
    except SSRLError as error:
        st.session_state["classes-properties-error"] = error


def _against(data: ClassTable, points: str, table: pd.DataFrame) -> None:
    behaviours = data.behaviours(points)
    tests = against_behaviour(table, behaviours)
    rows = choose_setting(tests, "properties", "property")
    of_setting = _same(behaviours, rows)
    frame.finding(_finding(rows))
    frame.chart(property_groups(table, of_setting, rows), "properties")
    columns = ["property", "column", "test", "statistic", "df1", "df2", "p", "effect", "n", "groups", "reason"]
    class_table.show_table(rows[columns])
    with st.expander("Properties of each class", icon=":material/table_rows:"):
        class_table.show_table(table)


def _same(behaviours: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    first = rows.iloc[0]
    kept = pd.Series(True, index=behaviours.index)
    for column in behaviours.columns[: behaviours.columns.get_loc("class")]:
        if column in rows:
            kept &= behaviours[column] == first[column]
    return behaviours[kept]


def _finding(tests: pd.DataFrame) -> str:
    """Which property differs most between the groups, by effect size."""
    known = tests[tests["effect"].notna()].sort_values("effect", ascending=False, kind="stable")
    if known.empty:
        return "No test: at least two groups of classes are needed"
    row = known.iloc[0]
    name = str(row["column"] or row["property"]).replace("_", " ")
    verdict = "differs" if row["p"] < 0.05 else "does not clearly differ"
    return f"{name} {verdict} most between the groups: η² = {row['effect']:.2f}, p = {row['p']:.2g}, n = {row['n']}"
