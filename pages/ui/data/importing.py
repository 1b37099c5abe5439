"""Bringing images in from the browser: files, a name, what is the label, how sizes are made one."""

from __future__ import annotations

from ssrl_core.datasets.importing import ImportOptions, import_source, label_columns
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import streamlit as st

from pages.ui.kit import cache, frame
from pages.ui.kit.progress import told_on
from ssrl_core import stores
from ssrl_core.datasets.importing import import_source
from ssrl_core.datasets.reading.image import DEFAULT_SIZE, MAX_SIZE, WAYS
from ssrl_core.datasets.reading.image import SUFFIXES
from ssrl_core.datasets.reading.source import OpenedFile
from ssrl_core.datasets.reading.archives import sweep
from ssrl_core.errors import SSRLError

KINDS = ["zip", "npz", "csv", "tsv", "parquet", *(suffix[1:] for suffix in SUFFIXES)]
AS_FOUND = "as found"
NONE = "none"
_LAYOUTS = (AS_FOUND, "NHW", "NHWC", "NCHW")
_BLOCK = 1 << 22


def button() -> None:
    """The page's one primary action."""
    _swept()
    if st.button("Import images", icon=":material/add_photo_alternate:", type="primary", key="data-import"):
        _dialog()


@cache.kept
def _swept() -> None:
    """Once a server: what was left by one that was killed."""
    sweep()


@st.dialog("Import images", width="large")
def _dialog() -> None:
    form()


def form() -> None:
    """Files, then what to do with them, then the import with its progress."""
    files = st.file_uploader(
        "A zip of class folders, an .npz, a table with its images in one zip, or image files",
        type=KINDS,
        accept_multiple_files=True,
        key="data-files",
    )
    if not files:
        frame.quiet("Folders of many thousands of images come in faster by command: data import FOLDER --name NAME.")
        return
    columns, problem = _columns(files)
    name, options = _options(files, columns)
    if problem is not None:
        frame.show_error(problem)
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
        help="The column that is the truth; as found: the class folder, y, label or class",
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
            help=f"Images of several sizes need one; {DEFAULT_SIZE} if you leave it out",
        )
        way = fit.selectbox("Fit", WAYS, key="data-fit", help="crop: the short side fills; pad: the long side fits")
        kept = group.selectbox(
            "Keep together", [NONE, *columns], key="data-group", help="No plate or patient in two splits"
        )
        layout = AS_FOUND
        if any(file.name.lower().endswith(".npz") for file in files):
            layout = st.selectbox("Layout of x", _LAYOUTS, key="data-layout", help="Which axis is the channels")
    return name, ImportOptions(
        label=None if label == AS_FOUND else label,
        size=None if side is None else int(side),
        fit=way,
        group=None if kept == NONE else kept,
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


def _bring_in(files: Sequence[Any], name: str, options: ImportOptions) -> None:
    """Write the uploaded files beside the image sets, import them, forget them."""
    bar = st.progress(0.0, "Starting …")
    try:
        with tempfile.TemporaryDirectory(prefix=".upload-", dir=stores.data_root()) as folder:
            paths = [_written(file, Path(folder)) for file in files]
            import_source(paths[0] if len(paths) == 1 else paths, name, options, report=told_on(bar))
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
