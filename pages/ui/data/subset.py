"""Part of a screen as an image set of its own, in the browser: compounds, doses, untreated cells of the same plates."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from pages.ui.kit import frame
from pages.ui.data.importing import free_name
from pages.ui.kit.progress import told_on
from pages.ui.data.samples import number
from ssrl_core.datasets import store as image_sets
from ssrl_core.datasets.columns import doses_of, is_untreated_name
from ssrl_core.datasets.imageset import ImageSet
from ssrl_core.datasets.subsets import (
    PRESETS,
    Chosen,
    SubsetChoice,
    choose_cells,
    counted,
    fitting_presets,
    make_subset,
)
from ssrl_core.errors import SSRLError

OWN, ALL, HIGHEST, SOME = "my own choice", "all", "the highest", "some"
CELL_BY_CELL = "none"
_HIGHEST = 4  # doses, as in the paper


def button(imageset: ImageSet) -> None:
    """Opens the dialog; only where compounds are known."""
    if "compound" in imageset.table and st.button("Take compounds", icon=":material/filter_alt:", key="data-part"):
        _dialog(imageset.name)


@st.dialog("Take some compounds and as many untreated cells", width="large")
def _dialog(name: str) -> None:
    form(name)


def form(name: str) -> None:
    """What to take, what that comes to (live), then the new image set."""
    imageset = image_sets.load(name)
    choice = _choice(imageset.table)
    if not choice.compounds:
        frame.quiet("Choose at least one compound.")
        return
    try:
        chosen = choose_cells(imageset.table, choice, where="The cells to take")
    except SSRLError as error:
        frame.show_error(error)
        return
    _look(imageset.table.iloc[chosen.ids], chosen, choice)
    _make(imageset, choice)


def _choice(table: pd.DataFrame) -> SubsetChoice:
    presets = fitting_presets(table)
    if presets:
        st.selectbox(
            "As in the paper",
            [OWN, *presets],
            key="part-preset",
            format_func=lambda key: PRESETS[key].title if key in PRESETS else key,
            on_change=_filled,
            args=(presets,),
        )
        picked = st.session_state.get("part-preset", OWN)
        frame.quiet(PRESETS[picked].sentence if picked in PRESETS else "Or fill the fields in yourself.")
    compounds = tuple(st.multiselect("Compounds", _compounds(table), key="part-compounds"))
    highest, doses = _doses(table, compounds)
    left, right = st.columns(2)
    cells = left.number_input(
        "Cells of each compound, and untreated",
        1,
        None,
        None,
        key="part-cells",
        placeholder="as many as the rarer side has",
        help="As many untreated cells are taken, of the same plates in the same shares",
    )
    kept = [column for column in ("well", "plate") if column in table]
    group = right.selectbox(
        "Keep together", [CELL_BY_CELL, *kept], key="part-group", help="No well or no plate in two splits"
    )
    return SubsetChoice(
        compounds, highest, doses, None if cells is None else int(cells), None if group == CELL_BY_CELL else group
    )


def _filled(presets: dict[str, SubsetChoice]) -> None:
    """A preset fills the fields in; they may be changed then."""
    wanted = presets.get(st.session_state["part-preset"])
    if wanted is not None:
        st.session_state["part-compounds"] = list(wanted.compounds)
        st.session_state["part-doses"] = ALL if wanted.highest is None else HIGHEST
        st.session_state["part-highest"] = wanted.highest or _HIGHEST
        st.session_state["part-cells"] = wanted.cells


def _compounds(table: pd.DataFrame) -> list[str]:
    """Those that are there, most cells first, without the untreated."""
    return [str(name) for name in table["compound"].value_counts().index if not is_untreated_name(name)]


def _doses(table: pd.DataFrame, compounds: tuple[str, ...]) -> tuple[int | None, tuple[float, ...] | None]:
    """(how many of the highest, which): both None for all of them."""
    known = _common_doses(table, compounds)
    if not known:
        return None, None
    left, right = st.columns(2)
    how = left.selectbox("Doses", (ALL, HIGHEST, SOME), key="part-doses")
    if how == HIGHEST:
        st.session_state.setdefault("part-highest", _HIGHEST)
        return int(right.number_input("How many of the highest", 1, 99, key="part-highest")), None
    if how == SOME:
        words = {f"{dose:g}": dose for dose in known}
        said = right.multiselect("Which", list(words), key="part-which", placeholder="all of them")
        return None, tuple(words[w] for w in said) or None
    return None, None


def _common_doses(table: pd.DataFrame, compounds: tuple[str, ...]) -> list[float]:
    """Doses at which every one of the compounds was tested, ascending."""
    doses, names = doses_of(table), table["compound"].astype(str).to_numpy()
    every = [set(np.unique(doses[(names == c) & np.isfinite(doses)]).tolist()) for c in compounds]
    return sorted(set.intersection(*every)) if every else []


def _look(table: pd.DataFrame, chosen: Chosen, choice: SubsetChoice) -> None:
    """What the choice comes to, and what is to be said about it."""
    st.dataframe(counted(table).dropna(axis=1, how="all"), hide_index=True)
    for note in chosen.notes:
        st.warning(f"{note[:1].upper()}{note[1:]}.", icon=":material/info:")
    split = "70 % to learn from, 10 % to choose by, 20 % to test"
    torn = choice.group is None and "well" in table
    frame.quiet(f"{number(len(table))} cells: {split}." + (" Cells of one well are in several splits." if torn else ""))


def _make(imageset: ImageSet, choice: SubsetChoice) -> None:
    name = st.text_input(
        "Name",
        value=free_name("-".join([imageset.name, *choice.compounds[:3]])),
        key="part-name",
        help="Lower-case letters, digits",
    )
    if not st.button("Take these cells", type="primary", key="part-now"):
        return
    bar = st.progress(0.0, "Starting …")
    try:
        make_subset(imageset, name, choice, report=told_on(bar))
    except SSRLError as error:
        bar.empty()
        frame.show_error(error)
        return
    st.query_params.clear()
    st.query_params["dataset"] = name
    st.rerun()
