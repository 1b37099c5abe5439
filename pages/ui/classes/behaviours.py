"""What each class does as the parameter grows, which properties of its images go with that, and the trade-off.

For chosen classes with weights the trade-off shows the values that no other beats, and hands one of them on.
"""

from __future__ import annotations

import re
from typing import Any

import pandas as pd
import streamlit as st

from pages.ui.classes import class_table, opposites
from pages.ui.classes.class_table import LEVELS, POINTS, ClassTable, choose_setting, pick, same_setting
from pages.ui.kit import choices, frame
from pages.ui.runs import choosing
from ssrl_core.analysis import bias
from ssrl_core.analysis.bias.behaviour import BEHAVIOURS
from ssrl_core.analysis.properties import against_behaviour
from ssrl_core.errors import SpecError, SSRLError, value_words
from ssrl_core.figures.bias import behaviour_slopes, property_groups, trade_off
from ssrl_core.figures.style import whole_percent
from ssrl_core.specs.composition import Composition, preset_names, saved_names
from ssrl_core.specs.sweep import SweepSpec

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
    from ssrl_core.runs.evaluation import descriptors

    found = descriptors.measured(dataset, features)
    if found is not None:
        return found
    failed: Any = st.session_state.get("classes-properties-error")
    if isinstance(failed, SSRLError):
        frame.show_error(failed)
    st.button("Measure", icon=":material/straighten:", on_click=_measure, args=(dataset, features))
    frame.quiet("Takes seconds to a few minutes, once: the numbers are kept.")
    return None


def _measure(dataset: str, features: str | None) -> None:
    from ssrl_core.runs.evaluation import descriptors

    st.session_state.pop("classes-properties-error", None)
    bar = st.progress(0.0, "Measuring the classes")

    def report(done: int, of: int) -> None:
        bar.progress(done / max(1, of), "Measuring")

    try:
        descriptors.measure(dataset, features, report=report)
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


_MOST = 6
_PATH = re.compile(r"terms\.(\d+)\.composition\.(.+)")


def trade_view(data: ClassTable) -> None:
    """Which classes matter and how much, the front, what is gained and lost, and the way to Compose."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        level = pick("For", dict(reversed(LEVELS.items())), "trade-level")
        opposites.choose_superclasses(data)
    with frame.guard():
        table = data.table if level == "classes" else opposites.by_superclass(data)
        weights = _weights(data, level, table)
        if not weights:
            frame.quiet("Choose the classes that matter to you: no value is good for all of them.")
            return
        found = data.numbers(
            f"trade-off {level} {sorted(weights.items())} {sorted((opposites.uploaded_superclasses() or {}).items())}",
            lambda: bias.tradeoff(table, data.x, weights),
        )
        values = choose_setting(found.values, "trade", "x")
        changes = same_setting(found.changes, values, "x")
        sentence = _sentence(found, values)
        reference = same_setting(found.reference, values, "x")["reference"].iloc[0]
        frame.finding(sentence)
        frame.chart(trade_off(values, changes), "trade-off")
        front = values[values["on_front"]].sort_values("score", ascending=False, kind="stable")
        if len(front):
            _prices(changes, front, reference)
            offer_in_compose(data, list(front["x"]), ", ".join(weights))
        left_out = [] if level == "classes" else [opposites.without_superclass(data)]
        class_table.more_reasons(data, found.reasons, *left_out)


def _weights(data: ClassTable, level: str, table: pd.DataFrame) -> dict[str, float]:
    names = sorted(set(table["class"].astype(str)))
    default = _opposed(data, names) if level == "classes" else names[:2]
    chosen = st.multiselect(
        f"For which {level}", names, default=default, max_selections=_MOST, key=f"classes-trade-{level}"
    )
    if not chosen:
        return {}
    weights = {}
    for column, name in zip(st.columns(len(chosen)), chosen, strict=True):
        with column:
            weights[name] = float(
                st.number_input(
                    frame.plain(f"Weight of {name}"),
                    0.1,
                    100.0,
                    1.0,
                    0.5,
                    key=f"classes-weight-{name}",
                    help="2 counts twice",
                )
            )
    return weights


def _opposed(data: ClassTable, names: list[str]) -> list[str]:
    """The pair that moves most against each other, else the first two."""
    pairs = bias.most_opposed(data.opposition().pairs, 1)
    return [str(pairs["first"].iloc[0]), str(pairs["second"].iloc[0])] if len(pairs) else names[:2]


def _sentence(found: Any, values: pd.DataFrame) -> str:
    """The sentence of the setting that is shown."""
    key = tuple(values.iloc[0][c] for c in values.columns[: values.columns.get_loc("x")])
    order = list(dict.fromkeys(map(tuple, found.values.iloc[:, : found.values.columns.get_loc("x")].to_numpy())))
    return str(found.sentences[order.index(key)])


def _prices(changes: pd.DataFrame, front: pd.DataFrame, reference: Any) -> None:
    """For each value on the front, what it gains and loses, in words."""
    frame.section(
        "What each value on the front gives and takes",
        f"In points, with 95 % intervals, against {value_words(reference)}: the value at which all classes together "
        "have the highest accuracy.",
    )
    for _, value in front.iterrows():
        rows = changes[changes["x"] == value["x"]]
        parts = [f"{class_table.quoted(row['class'])} {_change(row)}" for _, row in rows.iterrows()]
        share = value["front_share"]
        sure = f" On the front in {whole_percent(share)} of resamplings of the seeds." if share == share else ""
        st.markdown(f"**{frame.plain(value_words(value['x']))}**: {', '.join(parts)}.{sure}")


def _change(row: pd.Series) -> str:
    if row["change"] != row["change"]:
        return "not known"
    text = class_table.points(float(row["change"]))
    if row["low"] != row["low"]:
        return f"{text} (no interval)"
    return f"{text} ({class_table.points(float(row['low']))} to {class_table.points(float(row['high']))})"


def offer_in_compose(data: ClassTable, values: list[Any], whom: str) -> None:
    """A choice of a value on the front, and the link that takes it to Compose; or why it cannot be taken there."""
    path = str(data.x).removeprefix("vary.")
    if _PATH.fullmatch(path) is None:
        frame.quiet(f"{path} is not a setting of a composition: set it by hand on the Train page.")
        return
    columns = st.columns([1, 2, 2], vertical_alignment="bottom")
    with columns[0]:
        value = st.selectbox("Value", values, format_func=value_words, key="classes-hand-value")
    with columns[1]:
        origin = _origin(data)
    with columns[2], frame.guard():
        made = with_value(base_of(data.sweep, origin), path, bias.as_given(data.table[str(data.x)], value))
        token = choices.to_token(made)
        label = f"Open {value_words(value)} in Compose, for {whom}"
        frame.link("pages/2_Compose.py", label, icon="tune", draft=token)


def base_of(sweep: str | None, origin: str | None) -> dict[str, Any]:
    """The run spec that the value goes into: the sweep's own, or one with a chosen composition.

    Raises:
        SpecError: the sweep's spec is not there.
    """
    if sweep is not None:
        from ssrl_core.runs.queue import tables

        return tables.sweep_mapping(sweep)
    term = {"composition": origin}
    return {"dataset": "strokes", "backbone": "tiny_cnn", "method": "simclr", "terms": [term, term]}


def with_value(base: dict[str, Any], path: str, value: Any) -> Composition:
    """The composition of a run spec with one value at a path (`terms.0.composition.…`).

    Raises:
        SpecError: the composition has no such setting, or the value is outside its range.
    """
    found = _PATH.fullmatch(path)
    if found is None:
        raise SpecError.at("Compose", "path", "inside a composition", path)
    spec = SweepSpec.from_mapping({**base, "vary": {path: [value]}, "seeds": [5]}, "Compose").runs()[0].spec
    return spec.terms[int(found[1])].composition


def _origin(data: ClassTable) -> str | None:
    """For a table that was brought, the composition that the value goes into."""
    if data.sweep is not None:
        frame.quiet("Into the composition of the sweep.")
        return None
    path = str(data.x).removeprefix("vary.")
    fitting = [name for name in [*saved_names(), *preset_names()] if _has(name, path)]
    if not fitting:
        raise SpecError.at("Compose", "composition", f"one with {path}", "none", "Save such a one first.")
    return str(st.selectbox("into", fitting, key="classes-hand-origin"))


def _has(name: str, path: str) -> bool:
    from ssrl_core.specs.composition import load

    try:
        steps = load(name).views[0].steps
    except SSRLError:
        return False
    found = re.search(r"steps\.([a-z_]+)\.", path)
    return found is None or any(step.transform == found[1] for step in steps)
