"""The trade-off: for chosen classes with weights, the values that no other beats, and one of them handed on."""

from __future__ import annotations

import re
from typing import Any

import pandas as pd
import streamlit as st

from pages.ui.classes import class_table, opposites
from pages.ui.classes.class_table import LEVELS, ClassTable, choose_setting, pick, same_setting
from pages.ui.kit import choices, frame
from ssrl_core.analysis import bias
from ssrl_core.errors import SpecError, SSRLError
from ssrl_core.figures.bias import trade_off
from ssrl_core.figures.style import whole_percent
from ssrl_core.specs.composition import Composition, preset_names, saved_names
from ssrl_core.specs.sweep import SweepSpec

_MOST = 6
_PATH = re.compile(r"terms\.(\d+)\.composition\.(.+)")


def view(data: ClassTable) -> None:
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
        f"In points, with 95 % intervals, against {_value_words(reference)}: the value at which all classes together "
        "have the highest accuracy.",
    )
    for _, value in front.iterrows():
        rows = changes[changes["x"] == value["x"]]
        parts = [f"{class_table.quoted(row['class'])} {_change(row)}" for _, row in rows.iterrows()]
        share = value["front_share"]
        sure = f" On the front in {whole_percent(share)} of resamplings of the seeds." if share == share else ""
        st.markdown(f"**{frame.plain(_value_words(value['x']))}**: {', '.join(parts)}.{sure}")


def _change(row: pd.Series) -> str:
    if row["change"] != row["change"]:
        return "not known"
    text = class_table.points(float(row["change"]))
    if row["low"] != row["low"]:
        return f"{text} (no interval)"
    return f"{text} ({class_table.points(float(row['low']))} to {class_table.points(float(row['high']))})"


def _value_words(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, int | float) else str(value)


def offer_in_compose(data: ClassTable, values: list[Any], whom: str) -> None:
    """A choice of a value on the front, and the link that takes it to Compose; or why it cannot be taken there."""
    path = str(data.x).removeprefix("vary.")
    if _PATH.fullmatch(path) is None:
        frame.quiet(f"{path} is not a setting of a composition: set it by hand on the Train page.")
        return
    columns = st.columns([1, 2, 2], vertical_alignment="bottom")
    with columns[0]:
        value = st.selectbox("Value", values, format_func=_value_words, key="classes-hand-value")
    with columns[1]:
        origin = _origin(data)
    with columns[2], frame.guard():
        made = with_value(base_of(data.sweep, origin), path, bias.as_given(data.table[str(data.x)], value))
        token = choices.to_token(made)
        label = f"Open {_value_words(value)} in Compose, for {whom}"
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
