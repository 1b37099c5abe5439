"""New image sets from the browser: files brought in, a built-in set that is made or fetched."""

from __future__ import annotations

import html
import shutil
import tempfile
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import streamlit as st

from pages.ui.data.understood import glance_html, number
from pages.ui.kit import cache, frame
from pages.ui.kit.jobs import progress_on
from ssrl_core import stores
from ssrl_core.datasets import store as image_sets
from ssrl_core.datasets.builtin import BUILT_IN
from ssrl_core.datasets.importing import Glance, glance, import_source
from ssrl_core.datasets.progress import Report
from ssrl_core.datasets.reading.archives import sweep
from ssrl_core.datasets.reading.image import DEFAULT_SIZE, SUFFIXES
from ssrl_core.datasets.reading.understanding import (
    ALPHAS,
    MAX_SIZE,
    ORIENTATIONS,
    PAGES,
    WAYS,
    ImportOptions,
    Understanding,
)
from ssrl_core.datasets.splits import NO_GROUP
from ssrl_core.errors import SSRLError

KINDS = ["zip", "npz", "csv", "tsv", "txt", "parquet", *(suffix[1:] for suffix in SUFFIXES)]
AS_FOUND = "as found"
NONE = "none"
_LAYOUTS = (AS_FOUND, "NHW", "NHWC", "NCHW")
_BLOCK = 1 << 22


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
    """Where the images are, what is understood of them in words and pictures, what to change of it, then the import."""
    source = _source()
    if source is None:
        frame.quiet("A folder of class folders, a table with its images beside it, an .npz, or a zip of any of these.")
        return
    options = _told()
    plain, problem = _glanced(source, ImportOptions())
    glance, problem = _glanced(source, options) if options != ImportOptions() else (plain, problem)
    if glance is not None:
        st.html(glance_html(glance, options.fit))
    if problem is not None:
        frame.show_error(problem)
    _choices(glance or plain, plain, source)
    name = st.text_input(
        "Name", value=free_name(_suggested(source)), key="data-name", help="Lower-case letters, digits, - and _"
    )
    if st.button("Import", type="primary", key="data-import-now", disabled=problem is not None):
        _bring_in(source, name, options)


Paths = tuple[str, ...]


def _source() -> Paths | None:
    """Paths on this machine, or those of uploaded files laid beside the image sets while the dialog is open."""
    path = st.text_input(
        "Folder, zip, table, .npz or image on the machine that runs Viewloom",
        key="data-path",
        placeholder="/data/pets",
    ).strip()
    if path:
        return (path,)
    files = st.file_uploader(
        "or from here: a zip of class folders, an .npz, a table with its images, or image files",
        type=KINDS,
        accept_multiple_files=True,
        key="data-files",
    )
    if not files or names_of(files) == st.session_state.get("data-brought"):
        return None
    kept = st.session_state.get("data-upload")
    if kept is None or kept.key != names_of(files) or not kept.folder.is_dir():
        st.session_state["data-upload"] = kept = Upload(files)
    return tuple(map(str, kept.paths))


class Upload:
    """Uploaded files in a folder of the store that goes when nobody holds it any more."""

    def __init__(self, files: Sequence[Any]) -> None:
        self.key = names_of(files)
        self.folder = Path(tempfile.mkdtemp(prefix=".upload-", dir=stores.data_root()))
        self.forget = weakref.finalize(self, shutil.rmtree, self.folder, True)
        self.paths = [_written(file, self.folder) for file in files]


def names_of(files: Sequence[Any]) -> tuple[tuple[str, int, str], ...]:
    """Uploaded files, told apart from others, and from the same ones uploaded once more."""
    return tuple((file.name, file.size, file.file_id) for file in files)


def _suggested(source: Paths) -> str:
    return Path(source[0]).name if Path(source[0]).is_dir() else Path(source[0]).stem


def _glanced(source: Paths, options: ImportOptions) -> tuple[Glance | None, SSRLError | None]:
    """What an import would make of the source, or why it makes nothing."""
    bar = st.empty()
    try:
        return _looked(source, options, progress_on(bar)), None
    except SSRLError as error:
        return None, error
    finally:
        bar.empty()


@cache.kept(by=lambda source, options, report: (source, tuple(map(_stamp, source)), repr(options)))
def _looked(source: Paths, options: ImportOptions, report: Report) -> Glance:
    return glance(source[0] if len(source) == 1 else source, options, report=report)


def _stamp(path: str) -> tuple[float, int]:
    """When a file, a folder or one of its folders changed last, and how many those are."""
    place = Path(path).expanduser()
    if not place.is_dir():
        return (place.stat().st_mtime, 0) if place.exists() else (0.0, 0)
    folders = [place, *(inner for inner in place.iterdir() if inner.is_dir())]
    return max(folder.stat().st_mtime for folder in folders), len(folders)


def _told() -> ImportOptions:
    """What the form says, which stands below the report that it changes."""

    def said(key: str) -> Any:
        value = st.session_state.get(f"data-{key}", AS_FOUND)
        return None if value in (AS_FOUND, "") else value

    size, channels, top, low = said("size"), said("channels"), said("max"), said("min")
    group = said("group")
    return ImportOptions(
        label=said("label"),
        class_level=said("class-level"),
        split=said("split"),
        group=NO_GROUP if group == NONE else group,
        size=None if size is None else int(size),
        fit=said("fit") or WAYS[0],
        layout=said("layout"),
        table=said("table"),
        names_in=said("names-in"),
        channels=tuple(name.strip() for name in channels.split(",")) if channels else None,
        pages=said("pages"),
        orientation=said("orientation") or ORIENTATIONS[0],
        alpha=said("alpha") or ALPHAS[0],
        code_page=said("code-page"),
        in_place=bool(st.session_state.get("data-in-place")),
        max_value=top,
        min_value=low,
    )


def _choices(glance: Glance | None, plain: Glance | None, source: Paths) -> None:
    """Everything that can be said otherwise; what is not touched stays as found."""
    known = [g.understood for g in (plain, glance) if g is not None]
    own = {"split"} if known and known[0].layout.split_level is not None else set()
    columns = list(dict.fromkeys(name for said in known for name in said.column_names if name not in own))
    first = known[0] if known else None
    label, group = st.columns(2)
    found = f"as found ({first.label or 'none'})" if first else AS_FOUND
    _choose(label, "Label", [*columns, NONE], "label", found, "The column with the true class")
    _choose(group, "Keep together", [*columns, NONE], "group", AS_FOUND, _TOGETHER)
    with st.expander("Change how it is read", icon=":material/tune:"):
        if first is not None:
            _of_layout(known, columns)
        _of_pixels(first, source)


def _choose(
    place: Any, title: str, options: Sequence[Any], key: str, found: str = AS_FOUND, help: str | None = None
) -> None:
    place.selectbox(
        title,
        [AS_FOUND, *options],
        format_func=lambda value: found if value == AS_FOUND else str(value),
        key=f"data-{key}",
        help=help,
    )


def _of_layout(known: Sequence[Understanding], columns: Sequence[str]) -> None:
    """Which folder is the class, which the split; which table, and its column of files."""
    levels = {level.number: level for said in known for level in said.folders}
    tables = list(dict.fromkeys(table for said in known for table in said.tables))
    one, two = st.columns(2)

    def words(value: Any) -> str:
        level = levels.get(value)
        return f"folder {value}: {', '.join(level.names[:4])}" if level else str(value)

    def folder(place: Any, title: str, key: str, found: Any, others: Sequence[str]) -> None:
        place.selectbox(
            title,
            [AS_FOUND, *levels, *others, NONE],
            format_func=lambda value: f"as found ({words(found or NONE)})" if value == AS_FOUND else words(value),
            key=f"data-{key}",
        )

    if levels:
        layout = known[0].layout
        folder(one, "Class", "class-level", layout.class_level, ())
        folder(two, "Split", "split", layout.split_level or layout.split_column, columns if tables else ())
    elif len(columns) > 1:
        _choose(one, "Split", [*columns, NONE], "split", AS_FOUND, "A column of train, val and test")
    if tables:
        layout = known[0].layout
        one, two = st.columns(2)
        _choose(one, "Table", [*tables, NONE], "table", f"as found ({layout.table or 'none'})")
        names = [*([layout.names_in] if layout.names_in else []), *columns]
        _choose(two, "Its column of files", names, "names-in", f"as found ({layout.names_in})")


def _of_pixels(understood: Understanding | None, source: Paths) -> None:
    """Size, channels, scale and what the pages of a file are."""
    size, fit, pages = st.columns(3)
    size.number_input(
        "Side in px",
        1,
        MAX_SIZE,
        None,
        key="data-size",
        placeholder="as they are",
        help=f"Needed where images differ in size; {DEFAULT_SIZE} if left empty",
    )
    fit.selectbox("Fit", WAYS, key="data-fit", help=_FIT)
    _choose(pages, "Pages of a file", PAGES, "pages", help="images of their own, channels, their maximum, or one")
    low, top, turned, alpha = st.columns(4)
    low.number_input("Black is", value=None, key="data-min", placeholder="0", format="%g")
    shown = understood.max_value if understood is not None else None
    top.number_input("Full is", value=None, key="data-max", placeholder=f"{shown or 'as found'}", format="%g")
    turned.selectbox("Orientation", ORIENTATIONS, key="data-orientation", help="tagged: turned as the files say")
    alpha.selectbox("Alpha", ALPHAS, key="data-alpha", help="Laid over black or white, ignored, or a channel")
    names = [c if isinstance(c, str) else c.name for c in (understood.channels or [])] if understood else []
    count = understood.shape[0] if understood and understood.shape else 1
    st.text_input(
        "Names of the channels",
        key="data-channels",
        placeholder=", ".join(names) or "DNA, actin, tubulin" if count > 1 else "grey",
        help=f"{frame.count(count, 'name')}, with commas between",
    )
    kinds = {Path(path).suffix.lower() for path in source}
    if ".npz" in kinds:
        st.selectbox("Layout of x", _LAYOUTS, key="data-layout", help="Which axis of the array x holds the channels")
    if not kinds & {".npz", ".zip"}:
        st.toggle("Leave the pixels in their files", key="data-in-place", help=_IN_PLACE)
    if ".zip" in kinds:
        st.text_input("Code page of its names", key="data-code-page", placeholder="as found", help="gbk, cp866, …")


_TOGETHER = "Images that share this value stay in one split; “as found” keeps wells whole where they are known"
_IN_PLACE = (
    "For sets too large to copy: a folder of images, or tars as WebDataset writes them. Images are decoded when they "
    "are needed, so the files must stay where they are"
)
_FIT = "crop fills the square and cuts the rest off; pad fits the whole image in"


def free_name(text: str) -> str:
    """A name for an image set from a text, free in the store."""
    stem = stores.as_slug(text, fallback="images")
    name, n = stem, 2
    while (stores.data_root() / name).exists():
        name, n = f"{stem[:76]}-{n}", n + 1
    return name


def _bring_in(source: Paths, name: str, options: ImportOptions) -> None:
    """Import the files; those that were uploaded are forgotten then."""

    def work(report: Report) -> None:
        import_source(source[0] if len(source) == 1 else source, name, options, report=report)
        kept = st.session_state.pop("data-upload", None)
        if kept is not None:
            st.session_state["data-brought"] = kept.key
            kept.forget()

    make_and_open(name, work)


def make_and_open(name: str, work: Callable[[Report], object]) -> None:
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
