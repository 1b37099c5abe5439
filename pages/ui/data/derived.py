"""What is made of an image set in the browser: part of a screen, another split, columns of a table joined to it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import streamlit as st

from pages.ui.data.importing import Upload, free_name, make_and_open, names_of
from pages.ui.kit import frame
from ssrl_core.compositions.pairs import pair_columns
from ssrl_core.datasets import store as image_sets
from ssrl_core.datasets.columns import doses_of, is_untreated_name, meaning_of
from ssrl_core.datasets.imageset import ImageSet
from ssrl_core.datasets.subsets import (
    PRESETS,
    Chosen,
    Joined,
    SubsetChoice,
    choose_cells,
    counted,
    fitting_presets,
    join,
    joined,
    keys_of,
    kinds_of,
    make_subset,
    split_anew,
    table_to_join,
)
from ssrl_core.errors import SSRLError, some_of

OWN, ALL, HIGHEST, SOME = "my own choice", "all", "the highest", "some"
CELL_BY_CELL, WHOLE_WELLS = "none", "wells"
_HIGHEST = 4  # doses, as in the paper
_TABLES = ["csv", "tsv", "txt", "parquet"]
_MOST_NAMED = 5
_KEPT_TOGETHER = ("compound", "plate", "well", "mechanism")


def buttons(imageset: ImageSet) -> None:
    """Columns of a table, and another split: beside what is known of the image set."""
    own = not image_sets.is_example(imageset.name)
    if own and st.button("Add columns", icon=":material/add_column_right:", key="data-join"):
        st.dialog("Add columns of a table", width="large")(join_form)(imageset.name)
    kept = any(meaning_of(str(column)) in _KEPT_TOGETHER for column in imageset.table)
    if kept and st.button("Split anew", icon=":material/call_split:", key="data-split"):
        st.dialog("Split anew, so that some values are never learnt from", width="large")(split_form)(imageset.name)


def join_form(name: str) -> None:
    """A table, what of it would come to which images (live), then the join."""
    imageset = image_sets.load(name)
    path = _table()
    if path is None:
        frame.quiet(
            "A table that shares a column with the images: mechanisms by compound (and dose), batches by plate, a "
            "plate map by plate and well."
        )
        return
    try:
        other = table_to_join(path)
        known = keys_of(imageset.table, other)
        by = tuple(st.multiselect("Compared by", known, known, key="join-by"))
        found = joined(imageset.table, other, by=by)
    except SSRLError as error:
        frame.show_error(error)
        return
    _would_join(imageset, found)
    if st.button("Add these columns", type="primary", key="join-now", disabled=not found.found):
        with frame.guard():
            join(imageset, path, by=found.keys)
            st.rerun()


def _table() -> Path | None:
    """A path on this machine, or an uploaded table laid beside the image sets while the dialog is open."""
    told = st.text_input("Table on the machine that runs Viewloom", key="join-path", placeholder="/data/moa.csv")
    if told.strip():
        return Path(told.strip()).expanduser()
    file = st.file_uploader("or from here: a .csv, .tsv or .parquet", type=_TABLES, key="join-file")
    if file is None:
        return None
    kept = st.session_state.get("join-upload")
    if kept is None or kept.key != names_of([file]) or not kept.folder.is_dir():
        st.session_state["join-upload"] = kept = Upload([file])
    return Path(kept.paths[0])


def _would_join(imageset: ImageSet, found: Joined) -> None:
    """What would come, to how many images, and what fits none."""
    columns = frame.plain(", ".join(found.columns))
    st.markdown(f"**{columns}** for {found.found:,} of {imageset.count:,} images, by {', '.join(found.keys)}.")
    again = [name for name in found.columns if name in imageset.table]
    if again:
        frame.warn(f"{', '.join(again)}: there already, and replaced.")
    shown = found.table[[*found.keys, *found.columns]].drop_duplicates()
    st.dataframe(shown.sort_values(list(found.keys)).head(200), hide_index=True, height=240)
    if found.unused:
        rows = frame.count(len(found.unused), "row fits", "rows fit")
        frame.quiet(f"{rows} no image: {some_of(found.unused, _MOST_NAMED)}.")


def split_form(name: str) -> None:
    """Which column's values stay together; then a copy of all images with that split."""
    imageset = image_sets.load(name)
    columns = pair_columns(imageset)
    first = next((at for at, column in enumerate(columns) if meaning_of(column) == "compound"), 0)
    group = st.selectbox("Keep together", columns, first, key="split-group")
    frame.quiet(
        "Half of the compounds of each mechanism are left out of learning and tested on; untreated cells are split by "
        "wells where these are known."
        if kinds_of(imageset.table, group) is not None
        else f"About 70 % of the images are learnt from; no {group} is in two splits."
    )
    new = st.text_input("Name", free_name(f"{name}-{group}-apart"), key="split-name", help="Lower-case letters, digits")
    if st.button("Split anew", type="primary", key="split-now"):
        make_and_open(new, lambda report: split_anew(imageset, new, group, report=report))


def part_button(imageset: ImageSet) -> None:
    """Opens the dialog; only where compounds are known."""
    if "compound" in imageset.table and st.button("Take compounds", icon=":material/filter_alt:", key="data-part"):
        st.dialog("Take some compounds and as many untreated cells", width="large")(part_form)(imageset.name)


def part_form(name: str) -> None:
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
    _make_part(imageset, choice)


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
        frame.quiet(PRESETS[picked].sentence if picked in PRESETS else "Or choose for yourself.")
    compounds = tuple(st.multiselect("Compounds", _compounds(table), key="part-compounds"))
    highest, doses = _doses(table, compounds)
    left, right = st.columns(2)
    cells = left.number_input(
        "Cells per compound, and untreated",
        1,
        None,
        None,
        key="part-cells",
        placeholder="as many as there are of the rarer",
        help="The same number of untreated cells is taken, from the same plates in the same shares",
    )
    kept = [column for column in ("well", "plate") if column in table]
    group = right.selectbox(
        "Keep together",
        [WHOLE_WELLS, *kept, CELL_BY_CELL] if "well" in table else [CELL_BY_CELL, *kept],
        key="part-group",
        help="Cells of one well, or of one plate, stay in one split",
    )
    told = None if group in (CELL_BY_CELL, WHOLE_WELLS) else group
    return SubsetChoice(
        compounds, highest, doses, None if cells is None else int(cells), told, whole_wells=group == WHOLE_WELLS
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
        said = right.multiselect("Which doses", list(words), key="part-which", placeholder="all of them")
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
        frame.warn(f"{note[:1].upper()}{note[1:]}.")
    split = "70 % to learn from, 10 % to choose by, 20 % to test"
    torn = choice.group is None and not choice.whole_wells and "well" in table
    frame.quiet(
        f"{frame.count(len(table), 'cell')}: {split}." + (" Cells of one well are in several splits." if torn else "")
    )


def _make_part(imageset: ImageSet, choice: SubsetChoice) -> None:
    name = st.text_input(
        "Name",
        value=free_name("-".join([imageset.name, *choice.compounds[:3]])),
        key="part-name",
        help="Lower-case letters, digits",
    )
    if not st.button("Take these cells", type="primary", key="part-now"):
        return
    make_and_open(name, lambda report: make_subset(imageset, name, choice, report=report))
