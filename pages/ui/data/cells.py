"""Cells from fields in the browser: the settings live on a few fields with outlines, the import, what it dropped."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from pages.ui.data.importing import KINDS, Upload, free_name, names_of
from pages.ui.data.understood import glance_html, number
from pages.ui.kit import cache, frame
from pages.ui.kit.jobs import progress_on
from ssrl_core.datasets import pictures
from ssrl_core.datasets.cells.cutting import REASONS
from ssrl_core.datasets.cells.detectors import NAMES as DETECTORS
from ssrl_core.datasets.cells.field_lists import list_fields, names_in, top_of
from ssrl_core.datasets.cells.field_names import parts_of_names
from ssrl_core.datasets.cells.fields import FieldList, UnreadableField, read_field
from ssrl_core.datasets.cells.importing import CellGlance, glance_cells
from ssrl_core.datasets.cells.settings import MEASURED, CellOptions, CellSettings, NucleusSettings
from ssrl_core.datasets.imageset import ImageSet
from ssrl_core.datasets.importing import Glance
from ssrl_core.datasets.pictures import default_channels
from ssrl_core.datasets.progress import Report
from ssrl_core.datasets.reading.archives import is_zip, unpack, unpacked
from ssrl_core.datasets.reading.understanding import Understanding
from ssrl_core.datasets.splits import NO_GROUP
from ssrl_core.errors import SSRLError, Stopped

Array = np.ndarray[Any, Any]
_WIDEST = 1000
_KEPT, _DROPPED = (45, 212, 191), (230, 159, 0)
MOST_SHOWN = 6
_NONE, _WELLS = "none", "wells, where known"


def button() -> None:
    """Opens the dialog."""
    if st.button("Cut cells out of fields", icon=":material/grid_on:", key="data-cells"):
        st.dialog("Cut cells out of microscope fields", width="large")(form)()


def form() -> None:
    """Where the fields are, how nuclei are found (live), then the import."""
    source: str | None = None
    try:
        source = _source()
        if source is None:
            return
        listed = _fields(source, _pattern())
    except SSRLError as error:
        frame.show_error(error)
        if source is not None and Path(source).exists():
            _naming(source, refused=True)
        return
    _found(listed)
    _naming(source, refused=False)
    chosen = _channels(listed)
    settings = _settings(listed)
    if settings is None:
        return
    _live(listed, settings, chosen)
    _would_come(listed, settings, chosen)
    _import(source, listed, settings, chosen)


def _source() -> str | None:
    """A path on this machine, or uploaded files laid beside the image sets while the dialog is open."""
    path = st.text_input(
        "Folder, table or image on the machine that runs Viewloom",
        key="cells-path",
        placeholder="/data/screen/fields.csv",
        help="A table with one row a field, a folder of a microscope's files, OME-TIFF or OME-Zarr, or a zip of it",
    ).strip()
    if path:
        return path
    files = st.file_uploader(
        "or from here: OME-TIFF or other images, a table with them, a zip of a folder or of an OME-Zarr plate",
        type=KINDS,
        accept_multiple_files=True,
        key="cells-files",
    )
    return _uploaded(files) if files else None


class _Upload(Upload):
    """Uploaded files, zips unpacked."""

    def __init__(self, files: Sequence[Any], report: Report) -> None:
        super().__init__(files)
        try:
            for path in self.paths:
                _laid(path, report)
        except SSRLError:
            self.forget()
            raise


def _uploaded(files: Sequence[Any]) -> str:
    """The folder that holds the uploaded files (zips unpacked), or the only one; made once for the same files."""
    kept = st.session_state.get("cells-upload")
    if kept is None or kept.key != names_of(files) or not kept.folder.is_dir():
        bar = st.empty()
        st.session_state["cells-upload"] = kept = _Upload(files, progress_on(bar))
        bar.empty()
    top = top_of(kept.folder)
    inside = [entry for entry in top.iterdir() if not entry.name.startswith(".")]
    return str(inside[0]) if len(inside) == 1 and inside[0].is_file() else str(top)


def _laid(path: Path, report: Report) -> None:
    """A zip becomes the folder that it was made of; any other file stays.

    Raises:
        DataError: a zip that may not be unpacked.
    """
    if path.suffix.lower() == ".zip":
        unpack(path, path.with_suffix(""), report)
        path.unlink()


def _naming(source: str, *, refused: bool) -> None:
    """How files are named: a pattern, tried on the first of them while one writes it."""
    names: list[Path] = []
    with suppress(SSRLError, OSError):  # what is wrong with it was said
        names = names_in(source)
    if not names:
        return
    place = st.container() if refused else st.expander("How files are named", icon=":material/text_fields:")
    with place:
        pattern = st.text_input(
            "Pattern of the names",
            key="cells-pattern",
            placeholder="{plate}_{well}_s{site}_{channel}.tif",
            help="Parts: {plate}, {well}, {site}, {channel}, {z}, {t}; {any} tells fields apart and means no more",
        ).strip()
        try:
            rows = parts_of_names(names, pattern or None)
        except SSRLError as error:
            frame.show_error(error)
            return
        fit = sum(len(row) > 1 for row in rows)
        st.dataframe(rows, hide_index=True)
        frame.quiet(f"The first of {frame.count(len(names), 'file')}; {fit} of these {len(rows)} names are read so.")


def _fields(source: str, pattern: str | None) -> FieldList:
    """The fields; read again where an import has taken away what a zip was unpacked to."""
    path = Path(source)
    _lay_open(path)
    with st.spinner("Reading the list of fields"):
        listed = _listed(source, _stamp(path), pattern)
        if not listed.base.is_dir():
            _listed.clear()
            listed = _listed(source, _stamp(path), pattern)
    return listed


def _lay_open(path: Path) -> None:
    """Unpack a zip with a bar that moves; Stop in the menu of the page ends it, and nothing of it stays."""
    if not is_zip(path):
        return
    bar = st.empty()
    unpacked(path, report=progress_on(bar))
    bar.empty()


@cache.kept
def _listed(source: str, stamp: float, pattern: str | None) -> FieldList:
    return list_fields(source, pattern=pattern)


def _stamp(path: Path) -> float:
    return path.stat().st_mtime if path.exists() else 0.0


def _found(listed: FieldList) -> None:
    count = f"{frame.count(len(listed.fields), 'field')}, channels {', '.join(listed.channels)}"
    size = f"; a pixel is {listed.pixel_um:.3g} µm" if listed.pixel_um else "; the pixel size is not known"
    frame.quiet("; ".join([count + size, *listed.notes]))
    if listed.skipped:
        with st.expander(f"Skipped · {len(listed.skipped):,}", icon=":material/block:"):
            st.dataframe(listed.skipped[:500], hide_index=True)


def _channels(listed: FieldList) -> dict[str, Any]:
    left, middle, right = st.columns(3)
    nuclei = left.selectbox("Nuclei are in", listed.channels, key="cells-nuclei")
    columns = sorted({str(name) for row in listed.fields[:50] for name in row.columns})
    usual = columns.index("compound") + 1 if "compound" in columns else 0
    label = middle.selectbox("Label", [_NONE, *columns], index=usual, key="cells-label")
    kept = right.selectbox(
        "Keep together",
        [_WELLS, _NONE, *columns],
        key="cells-group",
        help="Cells of one well, or of one plate, stay in one split",
    )
    group = {_WELLS: None, _NONE: NO_GROUP}.get(kept, kept)
    return {"nuclei": nuclei, "label": None if label == _NONE else label, "group": group}


def _settings(listed: FieldList) -> CellSettings | None:
    """The settings, checked; None (and the reason) where they are out of range."""
    one, two, three = st.columns(3)
    size = one.number_input(
        "Side of a crop, px", 8, 2048, None, key="cells-size", placeholder="about four nuclei", step=1
    )
    diameter = two.number_input(
        "Width of a nucleus, px", 3.0, 2000.0, None, key="cells-diameter", placeholder="measured", step=1.0
    )
    sensitivity = three.slider(
        "Sensitivity", 0.3, 3.0, 1.0, 0.1, key="cells-sensitivity", help="Above 1: dimmer nuclei"
    )
    with st.expander("Splitting, quality, lighting", icon=":material/tune:"):
        more = _more(listed)
    try:
        nuclei = NucleusSettings(
            diameter,
            sensitivity=float(sensitivity),
            splitting=more.pop("splitting"),
            detector=more.pop("detector"),
        )
        return CellSettings(nuclei=nuclei, size=int(size) if size else None, pixel_um=listed.pixel_um, **more).checked()
    except SSRLError as error:
        frame.show_error(error)
        return None


def _more(listed: FieldList) -> dict[str, Any]:
    one, two, three = st.columns(3)
    splitting = one.slider("Splitting of touching nuclei", 0.3, 1.0, 0.73, 0.01, key="cells-splitting")
    focus = two.number_input(
        "Blurriest edge allowed, in widths of a nucleus",
        0.1,
        3.0,
        None,
        0.01,
        key="cells-focus",
        placeholder="twice the usual edge",
    )
    contrast = three.slider("Least brightness above the noise", 0.0, 30.0, 5.0, 0.5, key="cells-contrast")
    specks = one.slider(
        "Least DNA, by that of a usual nucleus", 0.0, 1.0, 0.15, 0.01, key="cells-specks", help="Less is a speck"
    )
    border = one.checkbox("Keep cells at the border", key="cells-border", help="What lies outside the field is black")
    light = two.checkbox("Correct uneven lighting", True, key="cells-light", help="Needs at least 8 fields of a plate")
    stretch = three.checkbox("Stretch each plate's channels", key="cells-stretch", help="To its own percentiles")
    span = one.number_input(
        "Side in µm", 1.0, 10_000.0, None, key="cells-span", placeholder="not fixed", disabled=not listed.pixel_um
    )
    detector = two.selectbox(
        "Nuclei found by", DETECTORS, key="cells-detector", help="cellpose and stardist must be installed for it"
    )
    return {
        "splitting": float(splitting),
        "detector": detector,
        "focus_limit": float(focus) if focus else MEASURED,
        "speck_limit": float(specks),
        "contrast_limit": float(contrast),
        "keep_border": border,
        "illumination": "plate" if light else "none",
        "normalise": "plate" if stretch else "none",
        "span_um": float(span) if span else None,
    }


def _live(listed: FieldList, settings: CellSettings, chosen: dict[str, Any]) -> None:
    """One field with the outlines of its nuclei, and what would be dropped of it."""
    some = np.unique(np.linspace(0, len(listed.fields) - 1, MOST_SHOWN).astype(int))
    number = st.segmented_control(
        "Field", [int(i) for i in some], default=int(some[0]), format_func=lambda i: f"{i + 1}", key="cells-shown"
    )
    row = listed.fields[int(number) if number is not None else 0]
    try:
        found = _look(_Field(listed.source(row), row), settings, listed.channels.index(chosen["nuclei"]))
    except UnreadableField as error:
        frame.warn(f"{listed.shown(error.path)}: {error.reason}")
        return
    except SSRLError as error:  # a detector that is not installed, or fails
        frame.show_error(error)
        return
    st.html(found[0])
    frame.quiet(found[1])


def _would_come(listed: FieldList, settings: CellSettings, chosen: dict[str, Any]) -> None:
    """What all fields would become, from some of them: cells of each compound, channels, and what would be dropped."""
    held = _Fields(listed)
    try:
        found = _tried(held, settings, chosen["nuclei"], chosen["label"], chosen["group"])
    except SSRLError as error:
        frame.show_error(error)
        return
    about = found.kept / max(found.looked, 1) * found.fields
    said = (
        f"{frame.count(found.looked, 'field')} of {number(found.fields)} gave {frame.count(found.kept, 'cell')} of "
        f"{found.settings.size} px: about {number(int(float(f'{about:.2g}')))} in all."
    )
    glance = Glance(found.understood, found.table, tuple(range(len(found.pixels))), found.pixels)
    st.html(glance_html(glance, "crop", said))
    if found.dropped:
        lost = frame.count(sum(found.dropped.values()), "nucleus", "nuclei")
        with st.expander(f"Would be dropped · {lost} of {number(found.found)}", icon=":material/filter_alt_off:"):
            _by_value(found.dropped_by)
            for reason, count in found.dropped.items():
                st.html(f"<b>{reason}</b> · {number(count)} · <span class='vl-quiet'>{REASONS[reason]}</span>")
                if reason in found.examples:
                    st.html(_strip(found.examples[reason], found.understood))


class _Fields:
    """A list of fields as a key of the cache: what tells the fields, and their files, with their times."""

    def __init__(self, listed: FieldList) -> None:
        some = listed.fields[:: max(1, len(listed.fields) // MOST_SHOWN)]
        files = {path for row in some for channel in row.files for path in channel}
        stamps = tuple((str(p), _stamp(p)) for p in sorted(files))
        told = (listed.where, _stamp(Path(listed.where)), _pattern(), len(listed.fields))
        self.listed, self.cache_key = listed, (told, stamps)


@cache.kept(spinner="Cutting some fields")
def _tried(held: _Fields, settings: CellSettings, nuclei: str, label: str | None, group: str | None) -> CellGlance:
    listed = replace(held.listed, nuclei=held.listed.channels.index(nuclei))
    return glance_cells(listed, CellOptions(settings=settings, nuclei=nuclei, label=label, group=group))


def _strip(crops: Array, understood: Understanding) -> str:
    """Dropped crops in a row, in the colours of the channels."""
    channels = default_channels(understood.channels, crops.shape[1], where="cells")
    top = understood.max_value or int(np.iinfo(crops.dtype).max)
    limits = pictures.shown_limits(crops, channels, top) * top
    return _sheet(pictures.to_rgb(crops, channels, max_value=top, limits=limits))


class _Field:
    """A field as a key of the cache: its files, their times and its number."""

    def __init__(self, name: str, row: Any) -> None:
        files = [path for channel in row.files for path in channel]
        self.row, self.cache_key = row, (name, row.number, tuple((str(p), _stamp(p)) for p in files))


@cache.kept(spinner="Finding nuclei")
def _look(held: _Field, settings: CellSettings, dna: int) -> tuple[str, str]:
    from ssrl_core.datasets.cells import cut, detect

    image = read_field(held.row)
    labels = detect(image[dna], settings.nuclei)
    crops = cut(image, labels, settings, dna=dna)
    dropped = [f"{count} {reason}" for reason, count in crops.dropped.items()]
    lost = f"; dropped: {', '.join(dropped)}" if dropped else ""
    words = (
        f"{frame.count(int(labels.max()), 'nucleus', 'nuclei')}, {frame.count(len(crops.pixels), 'cell')} kept{lost}"
    )
    return overlay_html(image[dna], labels, set(crops.table["nucleus_id"].tolist())), words


def _import(source: str, listed: FieldList, settings: CellSettings, chosen: dict[str, Any]) -> None:
    name = st.text_input("Name", value=_suggested(source), key="cells-name", help="Lower-case letters, digits, - and _")
    if not st.button(f"Cut cells out of {frame.count(len(listed.fields), 'field')}", type="primary", key="cells-now"):
        frame.quiet(
            "Whole screens can also be cut by command (data cells); one that was stopped goes on when run again."
        )
        return
    from ssrl_core.datasets.cells import import_fields

    bar = st.progress(0.0, "Starting …")
    try:
        options = CellOptions(settings=settings, pattern=_pattern(), **chosen)
        import_fields(source, name, options, report=progress_on(bar))
    except (SSRLError, Stopped) as error:
        bar.empty()
        frame.show_error(error)
        return
    st.session_state.pop("cells-upload", None)
    st.query_params.clear()
    st.query_params["dataset"] = name
    st.rerun()


def _pattern() -> str | None:
    return st.session_state.get("cells-pattern", "").strip() or None


def _suggested(source: str) -> str:
    path = Path(source)
    return free_name("cells" if path.name.startswith(".upload-") else path.stem)


def overlay_html(dna: Array, labels: Array, kept: set[int]) -> str:
    """The DNA image with outlines: kept nuclei in teal, dropped ones in amber (which are dotted, too).

    Args:
        dna: (H, W) numbers.  labels: (H, W) nuclei 1..n.  kept: their numbers that become cells.
    """
    step = max(1, -(-max(dna.shape) // _WIDEST))
    small = dna[::step, ::step].astype(np.float32)
    low, high = np.percentile(small, [1, 99.7])
    grey = (255 * np.clip((small - low) / max(high - low, 1e-9), 0, 1) ** 0.7).astype(np.uint8)
    rgb = np.repeat(grey[..., None], 3, axis=2)
    edge, own = _outlines(labels[::step, ::step])
    good = np.isin(own, sorted(kept))
    y, x = np.indices(edge.shape)
    rgb[edge & good] = _KEPT
    rgb[edge & ~good & ((x + y) % 4 < 2)] = _DROPPED
    sheet = base64.b64encode(pictures.png(rgb)).decode()
    words = '<span style="color:#2dd4bf">―</span> kept &nbsp; <span style="color:#e69f00">┄</span> dropped'
    return (
        f'<img alt="a field with the outlines of its nuclei" style="max-width:100%;max-height:60vh;'
        f'background:{frame.IMAGE_GROUND};border-radius:6px" src="data:image/png;base64,{sheet}">'
        f'<div class="vl-quiet">{words}</div>'
    )


def dropped(imageset: ImageSet) -> None:
    """What was dropped of an import of fields, by reason, folded; nothing for other image sets."""
    from ssrl_core.datasets.cells import dropped_examples, report_of
    from ssrl_core.errors import SSRLError

    try:
        report = report_of(imageset.folder)
    except SSRLError:
        return
    lost = sum(report["dropped"].values())
    words = f"Cut out of {frame.count(report['fields'], 'field')} · dropped {number(lost)}"
    with st.expander(words, icon=":material/grid_on:"):
        for note in report["notes"]:
            frame.quiet(note)
        _by_value(report.get("dropped_by", {}))
        examples = dropped_examples(imageset.folder)
        for reason, count in report["dropped"].items():
            st.html(f"<b>{reason}</b> · {number(count)}")
            if reason in examples:
                st.html(_dropped_strip(imageset, examples[reason]))


def _by_value(by: dict[str, Any]) -> None:
    """What was dropped of each compound: a reason that one of them has more of is no property of its cells alone."""
    if not by:
        return
    table = pd.DataFrame(by["rows"]).fillna(0).rename(columns={"value": by["column"]})
    reasons = [c for c in table.columns if c not in (by["column"], "found", "kept")]
    table["kept, %"] = (100 * table["kept"] / table["found"].clip(lower=1)).round(1)
    table[reasons] = table[reasons].astype(int)
    st.dataframe(table[[by["column"], "found", "kept", "kept, %", *reasons]], hide_index=True)


def _dropped_strip(imageset: ImageSet, crops: Array) -> str:
    limits = pictures.display_limits(imageset)
    return _sheet(pictures.to_rgb(crops, imageset.channels, max_value=imageset.max_value, limits=limits))


def _sheet(rgb: Array) -> str:
    side = 88
    if rgb.shape[1] > side:
        rgb = pictures.shrunk(rgb, side, side)
    sheet = base64.b64encode(pictures.png(pictures.montage(rgb, columns=12))).decode()
    return f'<img alt="" style="max-width:100%" src="data:image/png;base64,{sheet}">'


def _outlines(labels: Array) -> tuple[Array, Array]:
    """(H, W) bool: the last pixels inside each nucleus; and the nucleus that each pixel belongs to."""
    inside = labels > 0
    edge = np.zeros(labels.shape, bool)
    for axis in (0, 1):
        for shift in (1, -1):
            edge |= inside & (np.roll(labels, shift, axis) != labels)
    return edge, labels
