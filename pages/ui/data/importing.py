"""New image sets from the browser: files brought in, part of a screen, a built-in set that is made or fetched."""

from __future__ import annotations

import html
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from pages.ui.data.facts import understood_html
from pages.ui.data.samples import number
from pages.ui.kit import cache, frame
from pages.ui.kit.jobs import progress_on
from ssrl_core import stores
from ssrl_core.datasets import store as image_sets
from ssrl_core.datasets.builtin import BUILT_IN
from ssrl_core.datasets.columns import doses_of, is_untreated_name
from ssrl_core.datasets.imageset import ImageSet
from ssrl_core.datasets.importing import ImportOptions, import_source, label_columns, understand
from ssrl_core.datasets.progress import Report
from ssrl_core.datasets.reading.archives import sweep
from ssrl_core.datasets.reading.image import DEFAULT_SIZE, MAX_SIZE, SUFFIXES, WAYS
from ssrl_core.datasets.reading.source import OpenedFile
from ssrl_core.datasets.splits import NO_GROUP
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

KINDS = ["zip", "npz", "csv", "tsv", "parquet", *(suffix[1:] for suffix in SUFFIXES)]
AS_FOUND = "as found"
NONE = "none"
_LAYOUTS = (AS_FOUND, "NHW", "NHWC", "NCHW")
_BLOCK = 1 << 22
OWN, ALL, HIGHEST, SOME = "my own choice", "all", "the highest", "some"
CELL_BY_CELL = "none"
_HIGHEST = 4  # doses, as in the paper


def button() -> None:
    """The page's one primary action."""
    _swept()
    if st.button("Import images", icon=":material/add_photo_alternate:", type="primary", key="data-import"):
        st.dialog("Import images", width="large")(form)()


@cache.kept
def _swept() -> None:
    """Once a server: what was left by one that was killed."""
    sweep()


def form() -> None:
    """Files, then what to do with them, then the import with its progress."""
    files = st.file_uploader(
        "A zip of class folders, an .npz, a table with its images in one zip, or image files",
        type=KINDS,
        accept_multiple_files=True,
        key="data-files",
    )
    if not files:
        frame.quiet("For many thousands of images this is faster: python -m ssrl_core data import FOLDER --name NAME.")
        return
    columns, problem = _columns(files)
    name, options = _options(files, columns)
    if problem is not None:
        frame.show_error(problem)
    elif st.button("What would be imported?", key="data-understand", help="Nothing is written"):
        _report(files, options)
    if st.button("Import", type="primary", key="data-import-now", disabled=problem is not None):
        _bring_in(files, name, options)


def _options(files: Sequence[Any], columns: Sequence[str]) -> tuple[str, ImportOptions]:
    """The name, and what the import is told."""
    left, right = st.columns(2)
    name = left.text_input(
        "Name", value=free_name(Path(files[0].name).stem), key="data-name", help="Lower-case letters, digits, - and _"
    )
    found = [AS_FOUND, *columns]
    usual = next((column for column in ("y", "label", "class") if column in columns), "none")
    label = right.selectbox(
        "Label",
        found,
        format_func=lambda column: f"as found ({usual})" if column == AS_FOUND else column,
        key="data-label",
        help="The column with the true class; “as found” takes the class folder, or a column y, label or class",
    )
    with st.expander("Sizes, split and layout", icon=":material/tune:"):
        size, fit, group = st.columns(3)
        side = size.number_input(
            "Side in px",
            1,
            MAX_SIZE,
            None,
            key="data-size",
            placeholder="as they are",
            help=f"Needed where images differ in size; {DEFAULT_SIZE} if left empty",
        )
        way = fit.selectbox(
            "Fit", WAYS, key="data-fit", help="crop fills the square and cuts the rest off; pad fits the whole image in"
        )
        kept = group.selectbox(
            "Keep together",
            [AS_FOUND, NONE, *columns],
            key="data-group",
            help="Images that share this value stay in one split; “as found” keeps wells whole where they are known",
        )
        layout = AS_FOUND
        if any(file.name.lower().endswith(".npz") for file in files):
            layout = st.selectbox(
                "Layout of x", _LAYOUTS, key="data-layout", help="Which axis of the array x holds the channels"
            )
    return name, ImportOptions(
        label=None if label == AS_FOUND else label,
        size=None if side is None else int(side),
        fit=way,
        group={AS_FOUND: None, NONE: NO_GROUP}.get(kept, kept),
        layout=None if layout == AS_FOUND else layout,
    )


def free_name(text: str) -> str:
    """A name for an image set from a text, free in the store."""
    stem = stores.as_slug(text, fallback="images")
    name, n = stem, 2
    while (stores.data_root() / name).exists():
        name, n = f"{stem[:76]}-{n}", n + 1
    return name


def _columns(files: Sequence[Any]) -> tuple[list[str], SSRLError | None]:
    """Columns that may be the label, and what is wrong with the files at first sight."""
    found: list[str] = []
    try:
        for file in files:
            found += [column for column in label_columns(OpenedFile(file.name, file)) if column not in found]
    except SSRLError as error:
        return [], error
    return found, None


def _report(files: Sequence[Any], options: ImportOptions) -> None:
    """What is understood of the files, told what the form says; change the form and look again."""
    try:
        with tempfile.TemporaryDirectory(prefix=".upload-", dir=stores.data_root()) as folder:
            paths = [_written(file, Path(folder)) for file in files]
            understood = understand(paths[0] if len(paths) == 1 else paths, options)
    except SSRLError as error:
        frame.show_error(error)
        return
    st.html(understood_html(understood.as_json()))


def _bring_in(files: Sequence[Any], name: str, options: ImportOptions) -> None:
    """Write the uploaded files beside the image sets, import them, forget them."""

    def work(report: Report) -> None:
        with tempfile.TemporaryDirectory(prefix=".upload-", dir=stores.data_root()) as folder:
            paths = [_written(file, Path(folder)) for file in files]
            import_source(paths[0] if len(paths) == 1 else paths, name, options, report=report)

    _make_and_open(name, work)


def _make_and_open(name: str, work: Callable[[Report], object]) -> None:
    """Make an image set under a bar, then open it; what goes wrong is said."""
    bar = st.progress(0.0, "Starting …")
    try:
        work(progress_on(bar))
    except SSRLError as error:
        bar.empty()
        frame.show_error(error)
        return
    st.query_params.clear()
    st.query_params["dataset"] = name
    st.rerun()


def _written(file: Any, folder: Path) -> Path:
    """An uploaded file on disk, under its own last name."""
    path = folder / Path(file.name.replace("\\", "/")).name
    n = 2
    while path.exists():
        path, n = path.with_name(f"{path.stem}-{n}{path.suffix}"), n + 1
    file.seek(0)
    with open(path, "wb") as out:
        while block := file.read(_BLOCK):
            out.write(block)
    return path


def offer_built_in(name: str) -> None:
    """The empty state of a set that is made on first use."""
    row = BUILT_IN[name]
    frame.empty(f"{row.title} is not here yet. {row.sentence}", stop=False)
    with st.container(horizontal=True, horizontal_alignment="center"):
        words, icon = ("Fetch", "download") if row.fetched else ("Make", "draw")
        asked = st.button(f"{words} {row.title}", icon=f":material/{icon}:", type="primary", key=f"data-make-{name}")
    told = f"{number(row.count)} images of {row.shape[2]} × {row.shape[1]} px, " + (
        f"fetched once. Without internet, put the official files into {stores.downloads_root()}."
        if row.fetched
        else f"made in {'a few seconds' if row.seconds < 20 else 'about a minute'}."
    )
    st.html(f'<p class="vl-quiet" style="text-align:center">{html.escape(told)}</p>')
    if asked:
        _make_built_in(name)


def _make_built_in(name: str) -> None:
    bar = st.progress(0.0, "Starting")
    try:
        image_sets.load(name, report=progress_on(bar))
    except SSRLError as error:
        bar.empty()
        frame.show_error(error)
        return
    st.rerun()


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
        [CELL_BY_CELL, *kept],
        key="part-group",
        help="Cells of one well, or of one plate, stay in one split",
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
        st.warning(f"{note[:1].upper()}{note[1:]}.", icon=":material/info:")
    split = "70 % to learn from, 10 % to choose by, 20 % to test"
    torn = choice.group is None and "well" in table
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
    _make_and_open(name, lambda report: make_subset(imageset, name, choice, report=report))
