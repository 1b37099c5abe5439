"""Superclasses of a sweep's classes: the table's own, or those of a table that the user brings."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from pages.ui.classes.numbers import Scene
from pages.ui.kit import frame
from ssrl_core.analysis import bias
from ssrl_core.analysis.bias.reading import read_table

_KEPT = "classes-groups"


def groups() -> dict[str, str] | None:
    """class -> superclass that the user brought in this session; None takes the table's own."""
    found: dict[str, str] | None = st.session_state.get(_KEPT)
    return found


def bring(scene: Scene) -> None:
    """A place to bring superclasses, with what they are now."""
    own = has_own(scene)
    told = "brought" if groups() else "the data set's own" if own else "none yet"
    with st.popover(f"Superclasses: {told}", icon=":material/category:"):
        file = st.file_uploader(
            "A table with the columns class and superclass", type=["csv", "tsv", "parquet"], key="classes-groups-file"
        )
        if file is not None:
            with frame.guard():
                st.session_state[_KEPT] = bias.read_superclasses(read_table(file.getvalue(), file.name))
                frame.quiet(f"{len(groups() or {})} classes in {len(set((groups() or {}).values()))} superclasses.")
        elif groups():
            st.button("Forget them", on_click=st.session_state.pop, args=(_KEPT, None))


def has_own(scene: Scene) -> bool:
    """Whether the table names superclasses itself."""
    return "superclass" in scene.table and bool(scene.table["superclass"].notna().any())


def by_superclass(scene: Scene) -> pd.DataFrame:
    """The table with superclasses in place of classes.

    Raises:
        SpecError: no class has one.
    """
    chosen = groups()
    key = f"by superclass {sorted((chosen or {}).items())}"
    return scene.numbers(key, lambda: bias.by_superclass(scene.table, chosen, scene.x))


def left_out(scene: Scene) -> pd.DataFrame:
    """The classes that have no superclass, as a table of reasons."""
    chosen = groups()
    key = f"no superclass {sorted((chosen or {}).items())}"
    return scene.numbers(key, lambda: bias.no_superclass(scene.table, chosen))
