"""Figure 3 for any sweep: each superclass (or class) with its own highest value, and the price that the others pay."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from pages.ui.classes import groups, reasons
from pages.ui.classes import table as class_table
from pages.ui.classes.choice import LEVELS, pick
from pages.ui.classes.numbers import Scene, choose_setting
from pages.ui.kit import frame
from ssrl_core.analysis import bias
from ssrl_core.figures.bias import highest_curves, price_matrix

_PLAIN = {"displayModeBar": False}
_MOST_PANELS = 24


def view(scene: Scene) -> None:
    """Curves with a ring at each own highest, then the matrix of prices of one setting."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        level = pick("Show", LEVELS, "level")
        groups.bring(scene)
    if level == "superclasses" and not groups.has_own(scene) and not groups.groups():
        frame.empty(
            "These classes have no superclasses. Bring a table with the columns class and superclass.", stop=False
        )
        return
    with frame.guard():
        _show(scene, level, scene.table if level == "classes" else groups.by_superclass(scene))


def _show(scene: Scene, level: str, table: pd.DataFrame) -> None:
    key = f"{level} {sorted((groups.groups() or {}).items())}"
    found = scene.numbers(f"highest {key}", lambda: bias.own_highest(table, scene.x))
    curves = scene.numbers(f"curves {key}", lambda: bias.curves(table, scene.x))
    names = list(dict.fromkeys(found.highest["for"]))[:_MOST_PANELS]
    highest = found.highest[found.highest["for"].isin(names)]
    class_table.finding(_finding(found.highest))
    figure = highest_curves(curves.classes, highest)
    st.plotly_chart(figure, key="highest", config=_PLAIN)
    if len(set(found.highest["for"])) > _MOST_PANELS:
        frame.quiet(f"The first {_MOST_PANELS} of {found.highest['for'].nunique()}; the table has all.")
    prices = choose_setting(found.prices, "prices", "for")
    class_table.finding(_price(prices))
    frame.quiet(_by_chance(prices))
    st.plotly_chart(price_matrix(prices), key="prices", config=_PLAIN)
    with st.expander("As a table", icon=":material/table_rows:"):
        class_table.show(class_table.differing(found.highest, "for"))
        frame.quiet(
            "Change: from the value with the highest accuracy of all together. From own highest: what each pays at "
            "the value of another, against the value that it would have chosen itself."
        )
        class_table.show(class_table.differing(found.prices, "for"))
    left_out = [] if level == "classes" else [groups.left_out(scene)]
    reasons.of_view(scene, found.reasons, *left_out)


def _finding(highest: pd.DataFrame) -> str:
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
    said = f"by chance about {by_chance:.0f} of {pairs:,} would seem to gain, and as many to lose"
    return f"Every pair has a 95 % interval of its own: {said}. {luck}"


def _price(prices: pd.DataFrame) -> str:
    others = prices[prices["for"] != prices["class"]]
    loses, gains = int((others["verdict"] == "loses").sum()), int((others["verdict"] == "gains").sum())
    return f"Choosing for one: {gains} of {len(others)} others gain, {loses} lose, the rest cannot be told"
