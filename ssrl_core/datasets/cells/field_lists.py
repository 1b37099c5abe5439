"""Every way in: a table of fields, a folder (or a zip of one) of a microscope's files or of whole fields, one file."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ssrl_core import access
from ssrl_core.datasets.cells.field_names import NamedFields, fields_by_name, is_nuclei_name
from ssrl_core.datasets.cells.field_tables import (
    fields_of_table,
    names_images,
    read_table,
    with_own_files,
    with_plate_map,
)
from ssrl_core.datasets.cells.fields import (
    FieldList,
    FieldRow,
    UnreadableField,
    file_facts,
    float_values,
    read_field,
    readable,
)
from ssrl_core.datasets.cells.ome_zarr import ZarrImage, images_in, is_zarr
from ssrl_core.datasets.cells.whole_files import HarmonyIndex, fields_of_files, index_of, said_pixel
from ssrl_core.datasets.columns import class_names, natural_key
from ssrl_core.datasets.progress import Report
from ssrl_core.datasets.reading import image as images
from ssrl_core.datasets.reading.archives import unpacked
from ssrl_core.datasets.reading.image import DEFAULT_SIZE, fitted
from ssrl_core.datasets.reading.scale import CAMERAS, OTHER_SCALE, Spread, camera_top
from ssrl_core.datasets.reading.table import TABLES
from ssrl_core.datasets.reading.understanding import ImportOptions, Layout, Reading, Understanding, columns_of
from ssrl_core.errors import DataError, SpecError, SSRLError, some_of

Array = np.ndarray[Any, Any]
_ALONE = (
    "the names of the files say no channel: each file is a field by itself; if several are one field, say how they are "
    "named (--pattern)"
)


def entries(folder: Path) -> Iterator[Path]:
    """Files and OME-Zarr folders at any depth, without hidden ones; nothing inside an OME-Zarr folder."""
    if is_zarr(folder):
        yield folder
        return
    for place, folders, files in os.walk(folder):
        here = Path(place)
        yield from (here / name for name in files if not _hidden(name) and name.lower() != "thumbs.db")
        inner = [here / name for name in folders if not _hidden(name)]
        yield from (path for path in inner if is_zarr(path))
        folders[:] = [path.name for path in inner if not is_zarr(path)]


def top_of(folder: Path) -> Path:
    """The folder itself, or, where all it holds is one folder (as in many a zip), the first that holds more."""
    while not is_zarr(folder):
        inside = [path for path in folder.iterdir() if not _hidden(path.name)]
        if len(inside) != 1 or not inside[0].is_dir() or is_zarr(inside[0]):
            break
        folder = inside[0]
    return folder


def _hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"


def list_fields(
    source: str | Path,
    *,
    channels: Sequence[str] | None = None,
    nuclei: str | None = None,
    where: Mapping[str, Sequence[Any]] | None = None,
    pattern: str | None = None,
) -> FieldList:
    """The fields of a table, a folder, a zip of one (unpacked in the store until `archives.forget`), or a file.

    Args:
        channels: which channels, in which order; None = all.
        nuclei: the channel that holds the nuclei; None = the first.
        where: column -> values: only these fields.
        pattern: how the files of a folder or a zip are named (see `field_names.naming_of`).

    Raises:
        DataError: nothing there, or nothing that can be a field.
        SpecError: a channel or a column that is not there, or no field that matches `where`.
    """
    path = Path(source).expanduser()
    access.require_readable(path, "Fields")
    if not os.path.exists(path):
        raise DataError(f"{path}: there is no such file or folder. Check the path.")
    if path.is_dir():
        listed = _of_folder(path, channels, nuclei, pattern)
    elif path.suffix.lower() == ".zip":
        listed = _of_zip(path, channels, nuclei, pattern)
    elif path.suffix.lower() in TABLES:
        listed = fields_of_table(path, read_table(path), channels, nuclei)
    else:
        listed = fields_of_files([path], path.parent, str(path), channels, nuclei)
    if not listed.fields:
        raise DataError(
            f"{path}: not one of its fields is whole ({_first_skipped(listed)}). Lay the missing files beside it."
        )
    if where:
        listed.fields = _matching(listed, where)
    _on_one_scale(listed)
    return listed


def _first_skipped(listed: FieldList) -> str:
    return "; ".join(f"{item['file']}: {item['reason']}" for item in listed.skipped[:3])


def names_in(source: str | Path) -> list[Path]:
    """The image files of a folder or a zip, whose names may follow a pattern; none of other sources."""
    path = Path(source).expanduser()
    access.require_readable(path, "Fields")
    folder = path if path.is_dir() else top_of(unpacked(path)) if path.suffix.lower() == ".zip" else None
    if folder is None or not folder.is_dir():
        return []
    return [p for p in _sorted_entries(folder) if _is_picture(p)]


def _sorted_entries(folder: Path) -> list[Path]:
    return sorted(entries(folder), key=lambda p: natural_key(str(p)))


def _is_picture(path: Path) -> bool:
    """Whether a file's name says that it is an image, or a field of a microscope's own kind of file."""
    return images.is_image(path.name) or path.suffix.lower() in (".c01", ".flex")


def _on_one_scale(listed: FieldList) -> None:
    """Where the first file holds floats: look through all, and read them on one scale."""
    files = dict.fromkeys(path for row in listed.fields for channel in row.files for path in channel)
    if not files or os.path.isdir(next(iter(files))) or float_values(next(iter(files))) is None:
        return
    spread = Spread()
    for path in files:
        values = None if path.is_dir() else float_values(path)
        if values is not None and np.isfinite(values).all():
            spread.take(values, str(path))
    scaled = spread.fractions or (not spread.whole and spread.high <= CAMERAS[0])
    full = spread.full(beside_bytes=False) if scaled else float(CAMERAS[-1])
    lost = set(spread.lost)
    kept = []
    for row in listed.fields:
        bad = next((path for channel in row.files for path in channel if str(path) in lost), None)
        listed.skipped += [{"file": listed.shown(bad), "reason": OTHER_SCALE}] if bad else []
        kept += [] if bad else [replace(row, full=full)]
    listed.fields = kept
    listed.notes.append(f"floats go from {spread.low:g} to {spread.high:g}; {full:g} is the brightest value of 16 bit")
    faint = [listed.shown(Path(name)) for name in spread.faint if not lost and spread.high > 1]
    if faint:
        rest = f"nothing above 1 where other files go to {spread.high:g}; all are on one scale"
        listed.notes.append(f"{some_of(faint, 3)}: {rest}")


def _of_zip(path: Path, channels: Sequence[str] | None, nuclei: str | None, pattern: str | None) -> FieldList:
    folder = unpacked(path)
    try:
        listed = _of_folder(top_of(folder), channels, nuclei, pattern)
    except (DataError, SpecError) as error:
        raise _elsewhere(error, str(folder), str(path)) from error
    listed.where = str(path)
    return listed


def _elsewhere(error: SSRLError, inner: str, known: str) -> SSRLError:
    """The same error, of the path that the user knows."""
    said, where = error.message.replace(inner, known), error.where.replace(inner, known)
    return type(error)(said, where=where, field=error.field, rule=error.rule, value=error.value, remedy=error.remedy)


def _of_folder(folder: Path, channels: Sequence[str] | None, nuclei: str | None, pattern: str | None) -> FieldList:
    every = _sorted_entries(folder)
    tables, notes = _read_tables([p for p in every if p.suffix.lower() in TABLES and p.parent == folder])
    naming = [path for path, table in tables.items() if names_images(table)]
    if len(naming) == 1:
        return fields_of_table(naming[0], tables[naming[0]], channels, nuclei)
    listed = _of_files(every, folder, channels, nuclei, pattern)
    listed.notes += notes
    for path, table in tables.items() if not naming else []:
        with_plate_map(listed, path.name, table)
    return listed


def _read_tables(paths: Sequence[Path]) -> tuple[dict[Path, pd.DataFrame], list[str]]:
    """The tables of a folder; one of several that cannot be read is left out and noted.

    Raises:
        DataError: the only one cannot be read.
    """
    tables, notes = dict[Path, pd.DataFrame](), list[str]()
    for path in paths:
        try:
            tables[path] = read_table(path)
        except DataError:
            if len(paths) == 1:
                raise
            notes.append(f"the table {path.name} is not used: it cannot be read")
    return tables, notes


def _of_files(
    every: Sequence[Path], folder: Path, channels: Sequence[str] | None, nuclei: str | None, pattern: str | None
) -> FieldList:
    """Fields of a folder by its OME-Zarr, its index, or the names of its files."""
    zarrs = [p for p in every if is_zarr(p)]
    pictures = [p for p in every if _is_picture(p)]
    if zarrs:
        return _of_zarrs(zarrs, pictures, folder, channels, nuclei)
    if not pictures:
        raise DataError(f"{folder}: there are no images in it. Give a folder of TIFF files, or a table of fields.")
    index = index_of(folder) if pattern is None else None
    if index is not None:
        return _of_index(HarmonyIndex(index), folder, channels, nuclei)
    named = fields_by_name(pictures, pattern)
    if named is None:
        listed = fields_of_files(pictures, folder, str(folder), channels, nuclei)
        listed.notes += [_ALONE] if len(listed.channels) == 1 and len(listed.fields) > 1 else []
        return listed
    if not named.naming.says_channel and _hold_more(named.fields):
        columns = {path: row.columns for row in named.fields for path in row.files[0]}
        listed = fields_of_files(list(columns), folder, str(folder), channels, nuclei, columns=columns)
    else:
        listed = _of_names(named, folder, channels, nuclei)
    listed.skipped += [{**item, "file": listed.shown(Path(item["file"]))} for item in named.skipped]
    listed.notes.insert(0, f"file names read as those of {named.naming.title}")
    return listed


def _of_index(index: HarmonyIndex, folder: Path, channels: Sequence[str] | None, nuclei: str | None) -> FieldList:
    """Fields as an index of Harmony names them."""
    names = tuple(index.channels.values())
    usual = next((name for name in names if channels is None and is_nuclei_name(name)), None)
    listed = _of_channel_files(index.fields, names, folder, channels, nuclei or usual)
    listed.skipped, listed.notes, listed.pixel_um = index.skipped, index.notes, index.pixel_um
    return listed


def _of_names(named: NamedFields, folder: Path, channels: Sequence[str] | None, nuclei: str | None) -> FieldList:
    """Fields as the names of their files tell."""
    listed = _of_channel_files(named.fields, named.channels, folder, channels, nuclei)
    listed.pixel_um = said_pixel(listed.fields)
    return listed


def _of_channel_files(
    rows: Sequence[FieldRow],
    names: tuple[str, ...],
    folder: Path,
    channels: Sequence[str] | None,
    nuclei: str | None,
) -> FieldList:
    """Fields each of whose channels has files of its own."""
    return with_own_files(FieldList(list(rows), names, 0, str(folder), folder), channels, nuclei)


def _hold_more(fields: Sequence[FieldRow]) -> bool:
    """Whether files hold several channels or fields each, as the first that can be read does."""
    for row in fields:
        try:
            facts = file_facts(row.files[0][0])
        except (OSError, DataError):
            continue  # its field is skipped with the reason when it is read
        return facts.channels > 1 or facts.fields > 1
    return False


def _of_zarrs(
    folders: Sequence[Path],
    pictures: Sequence[Path],
    base: Path,
    channels: Sequence[str] | None,
    nuclei: str | None,
) -> FieldList:
    """OME-Zarr folders: plates, collections, single images; and files that hold whole fields beside them."""
    found: list[ZarrImage] = []
    skipped = []
    for folder in folders:
        damaged: list[tuple[Path, str]] = []
        try:
            found += images_in(folder, damaged)
        except DataError as error:
            skipped.append({"file": folder.name, "reason": str(error)})
        skipped += [
            {"file": f"{folder.name}/{well.relative_to(folder).as_posix()}", "reason": reason}
            for well, reason in damaged
        ]
    columns = {image.path: image.columns for image in found}
    where = str(folders[0] if list(folders) == [base] else base)
    base = base.parent if list(folders) == [base] else base
    return fields_of_files([*columns, *pictures], base, where, channels, nuclei, columns=columns, skipped=skipped)


def _matching(listed: FieldList, where: Mapping[str, Sequence[Any]]) -> list[FieldRow]:
    known = pd.DataFrame([dict(row.columns) for row in listed.fields])
    kept = np.ones(len(listed.fields), bool)
    for column, values in where.items():
        if column not in known.columns:
            found = ", ".join(map(str, known.columns)) or "none"
            raise SpecError.at(listed.where, "where", f"about a column of the fields ({found})", column)
        wanted = set(class_names(pd.Series(list(values))))
        kept &= np.array([name in wanted for name in class_names(known[column])])
    if not kept.any():
        raise SpecError.at(listed.where, "where", "one that some fields match", dict(where))
    return [row for row, keep in zip(listed.fields, kept, strict=True) if keep]


class WholeFields:
    """Every field of a folder or a zip as one image, with its plate, well and site (see `Listing`)."""

    def __init__(self, path: Path) -> None:
        self._listed = listed = list_fields(path)
        self.understood = Understanding(path.name, Layout("fields"), skipped=listed.skipped, notes=list(listed.notes))
        self.understood.columns = columns_of(pd.DataFrame([dict(row.columns) for row in listed.fields]))

    def read(self, options: ImportOptions, report: Report) -> Reading:
        """See Listing."""
        side, way = options.size or _common_side(self._listed, report), options.fit
        self.understood.notes += [f"fitted to {side} px ({way})"] if side else []
        self.understood.channels = self._listed.as_channels(windows=True)
        rows: list[dict[str, Any]] = []
        planned = pd.DataFrame([self._row(row) for row in self._listed.fields])
        pixels = self._stream(side, way, rows, report)

        def sample(ids: Sequence[int], whole: bool) -> tuple[list[int], list[Array]]:
            return self._sample(ids, None if whole else side, way)

        return Reading(self.understood, pixels, lambda: pd.DataFrame(rows), planned, sample)

    def _row(self, row: FieldRow) -> dict[str, Any]:
        return {"source": self._listed.source(row), **{str(k): v for k, v in row.columns.items()}}

    def _sample(self, ids: Sequence[int], side: int | None, way: str) -> tuple[list[int], list[Array]]:
        read: dict[int, Array] = {}
        for i in ids:
            try:
                image = read_field(self._listed.fields[i])
            except UnreadableField:
                continue  # an import says why it is left out
            read[i] = fitted(image, side, way) if side else image
        alike = {i: image for i, image in read.items() if image.shape == next(iter(read.values())).shape}
        return list(alike), list(alike.values())

    def _stream(self, side: int | None, way: str, rows: list[dict[str, Any]], report: Report) -> Iterator[Array]:
        listed, kind, highest = self._listed, "", 0
        for row, image in readable(listed, listed.skipped, report, "reading fields"):
            kind, highest = kind or image.dtype.name, max(highest, int(image.max(initial=0)))
            if image.dtype.name != kind:
                reason = f"it is {image.dtype} where the first field is {kind}"
                listed.skipped.append({"file": listed.source(row), "reason": reason})
                continue
            rows.append(self._row(row))
            yield (fitted(image, side, way) if side else image)[None]
        if not rows:
            raise DataError(f"{listed.where}: not one field in it can be read ({_first_skipped(listed)}).")
        if kind == "uint16" and self.understood.max_value is None:
            self.understood.max_value = camera_top(highest)


def _common_side(listed: FieldList, report: Report) -> int | None:
    """None where all fields are of one size, else the usual side."""
    # what cannot be read is skipped with its reason when it is read
    sizes = {image.shape[1:] for _, image in readable(listed, [], report, "looking at fields")}
    return DEFAULT_SIZE if len(sizes) > 1 else None
