"""The trade-off: for chosen classes with weights, the values that no other beats, and one of them handed on."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from pages.ui.classes import groups, handover, reasons, words
from pages.ui.classes import table as class_table
from pages.ui.classes.choice import LEVELS, pick
from pages.ui.classes.numbers import Scene, choose_setting, same_setting
from pages.ui.kit import frame
from ssrl_core.analysis import bias
from ssrl_core.figures.bias import trade_off

_PLAIN = {"displayModeBar": False}
_MOST = 6


def view(scene: Scene) -> None:
    """Whom for and how much, the front, what is gained and lost, and the way to Compose."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        level = pick("For", dict(reversed(LEVELS.items())), "trade-level")
        groups.bring(scene)
    with frame.guard():
        table = scene.table if level == "classes" else groups.by_superclass(scene)
        weights = _weights(scene, level, table)
        if not weights:
            frame.quiet("Choose whom the value is for; nothing is good for everyone.")
            return
        found = scene.numbers(
            f"trade-off {level} {sorted(weights.items())} {sorted((groups.groups() or {}).items())}",
            lambda: bias.tradeoff(table, scene.x, weights),
        )
        values = choose_setting(found.values, "trade", "x")
        changes = same_setting(found.changes, values, "x")
        sentence = _sentence(found, values)
        reference = same_setting(found.reference, values, "x")["reference"].iloc[0]
        class_table.finding(sentence)
        st.plotly_chart(trade_off(values, changes), key="trade-off", config=_PLAIN)
        front = values[values["on_front"]].sort_values("score", ascending=False, kind="stable")
        if len(front):
            _prices(changes, front, reference)
            handover.offer(scene, list(front["x"]), ", ".join(weights))
        left_out = [] if level == "classes" else [groups.left_out(scene)]
        reasons.of_view(scene, found.reasons, *left_out)


def _weights(scene: Scene, level: str, table: pd.DataFrame) -> dict[str, float]:
    names = sorted(set(table["class"].astype(str)))
    default = _opposed(scene, names) if level == "classes" else names[:2]
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
                    f"Weight of {name}", 0.1, 100.0, 1.0, 0.5, key=f"classes-weight-{name}", help="2: matters twice"
                )
            )
    return weights


def _opposed(scene: Scene, names: list[str]) -> list[str]:
    """The pair that moves most against each other, else the first two."""
    pairs = bias.most_opposed(scene.opposition().pairs, 1)
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
        f"Against {_short(reference)}, the value with the highest accuracy of all classes together; points, 95 %.",
    )
    for _, value in front.iterrows():
        rows = changes[changes["x"] == value["x"]]
        parts = [f"{words.quoted(row['class'])} {_change(row)}" for _, row in rows.iterrows()]
        share = value["front_share"]
        sure = f" On the front in {100 * share:.0f} % of resamplings of the seeds." if share == share else ""
        st.markdown(f"**{_short(value['x'])}**: {', '.join(parts)}.{sure}")


def _change(row: pd.Series) -> str:
    if row["change"] != row["change"]:
        return "not known"
    text = words.points(float(row["change"]))
    if row["low"] != row["low"]:
        return f"{text} (no interval)"
    return f"{text} ({words.points(float(row['low']))} to {words.points(float(row['high']))})"


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, int | float) else str(value)
