"""Figure 3 for any sweep: each superclass (or class) with its own highest value, and the price that the others pay."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from pages.ui.classes import class_table
from pages.ui.classes.class_table import LEVELS, ClassTable, choose_setting, pick
from pages.ui.kit import frame
from ssrl_core.analysis import bias
from ssrl_core.analysis.bias.reading import read_table
from ssrl_core.figures.bias import highest_curves, price_matrix

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


def view(data: ClassTable) -> None:
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
    frame.finding(_finding(found.highest))
    figure = highest_curves(curves.classes, highest)
    st.plotly_chart(figure, key="highest", config=class_table.PLAIN)
    if len(set(found.highest["for"])) > _MOST_PANELS:
        frame.quiet(f"The first {_MOST_PANELS} of {found.highest['for'].nunique()}; the table has all.")
    prices = choose_setting(found.prices, "prices", "for")
    frame.finding(_price(prices))
    frame.quiet(_by_chance(prices))
    st.plotly_chart(price_matrix(prices), key="prices", config=class_table.PLAIN)
    with st.expander("As a table", icon=":material/table_rows:"):
        class_table.show_table(class_table.differing(found.highest, "for"))
        frame.quiet(
            "Change: against the value at which all classes together are most accurate. From own highest: what each "
            "loses at the best value of another, against its own best value."
        )
        class_table.show_table(class_table.differing(found.prices, "for"))
    left_out = [] if level == "classes" else [without_superclass(data)]
    class_table.more_reasons(data, found.reasons, *left_out)


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
    chance = f"by chance about {by_chance:.0f} of {pairs:,} would seem to gain, and as many to lose"
    return f"Every pair has a 95 % interval of its own: {chance}. {luck}"


def _price(prices: pd.DataFrame) -> str:
    others = prices[prices["for"] != prices["class"]]
    loses, gains = int((others["verdict"] == "loses").sum()), int((others["verdict"] == "gains").sum())
    return f"Choosing for one: {gains} of {len(others)} others gain, {loses} lose, the rest is unclear"
