"""Every way in: a table of fields, a folder (or a zip of one) of a microscope's files or of whole fields, one file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ssrl_core.datasets.cells.field_files import FileFacts, file_facts
from ssrl_core.datasets.cells.field_folders import entries, top_of
from ssrl_core.datasets.cells.field_names import fields_by_name
from ssrl_core.datasets.cells.field_tables import (
    channel_names,
    choose,
    fields_of_table,
    looks,
    looks_of_files,
    narrowed,
)
from ssrl_core.datasets.cells.fields import FieldList, FieldRow, why
from ssrl_core.datasets.cells.ome_sets import OmeSets, ome_sets
from ssrl_core.datasets.cells.ome_zarr import ZarrImage, images_in, is_zarr
from ssrl_core.datasets.labels import class_names, natural_key
from ssrl_core.datasets.readers import images
from ssrl_core.datasets.readers.tables import TABLES
from ssrl_core.datasets.readers.unpacking import laid_open
from ssrl_core.errors import DataError, SpecError, SSRLError

_RGB = ("red", "green", "blue")


def list_fields(
    source: str | Path,
    *,
    channels: Sequence[str] | None = None,
    nuclei: str | None = None,
    where: Mapping[str, Sequence[Any]] | None = None,
) -> FieldList:
    """The fields of a table, a folder, a zip of one (unpacked in the store until `unpacking.forget`), or a file.

    Args:
        channels: which channels, in which order; None = all.
        nuclei: the channel that holds the nuclei; None = the first.
        where: column -> values: only these fields.

    Raises:
        DataError: nothing there, or nothing that can be a field.
        SpecError: a channel or a column that is not there, or no field that matches `where`.
    """
    path = Path(source).expanduser()
    if not path.exists():
        raise DataError(f"{path}: there is no such file or folder. Check the path.")
    if path.is_dir():
        listed = _of_folder(path, channels, nuclei)
    elif path.suffix.lower() == ".zip":
        listed = _of_zip(path, channels, nuclei)
    elif path.suffix.lower() in TABLES:
        listed = fields_of_table(path, channels, nuclei)
    else:
        listed = _of_files([path], path.parent, str(path), channels, nuclei)
    if where:
        listed.fields = _matching(listed, where)
    return listed


def _of_zip(path: Path, channels: Sequence[str] | None, nuclei: str | None) -> FieldList:
    folder = laid_open(path)
    try:
        listed = _of_folder(top_of(folder), channels, nuclei)
    except (DataError, SpecError) as error:
        raise _elsewhere(error, str(folder), str(path)) from error
    listed.where = str(path)
    return listed


def _elsewhere(error: SSRLError, inner: str, known: str) -> SSRLError:
    """The same error, of the path that the user knows."""
    said, where = error.message.replace(inner, known), error.where.replace(inner, known)
    return type(error)(said, where=where, field=error.field, rule=error.rule, value=error.value, remedy=error.remedy)


def _of_folder(folder: Path, channels: Sequence[str] | None, nuclei: str | None) -> FieldList:
    every = sorted(entries(folder), key=lambda p: natural_key(str(p)))
    tables = [p for p in every if p.suffix.lower() in TABLES and p.parent == folder]
    if len(tables) == 1:
        return fields_of_table(tables[0], channels, nuclei)
    zarrs = [p for p in every if is_zarr(p)]
    pictures = [p for p in every if images.is_image(p.name) or p.suffix.lower() in (".c01", ".flex")]
    if zarrs:
        return _of_zarrs(zarrs, pictures, folder, channels, nuclei)
    if not pictures:
        raise DataError(f"{folder}: there are no images in it. Give a folder of TIFF files, or a table of fields.")
    named = fields_by_name(pictures)
    if named is None:
        return _of_files(pictures, folder, str(folder), channels, nuclei)
    fields, names, skipped, maker = named
    listed = FieldList(fields, names, 0, str(folder), folder, notes=[f"file names read as {maker}'s"])
    listed.skipped = [{**item, "file": listed.shown(Path(item["file"]))} for item in skipped]
    places, listed.nuclei = choose(names, channels, nuclei, listed.where)
    listed.channels = tuple(names[i] for i in places)
    listed.fields = [FieldRow(tuple(row.files[i] for i in places), columns=row.columns) for row in fields]
    listed.pixel_um = _said_pixel(listed.fields)
    listed.looks = looks_of_files(listed)
    return listed


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
    return _of_files([*columns, *pictures], base, where, channels, nuclei, columns=columns, skipped=skipped)


def _of_files(
    paths: Sequence[Path],
    base: Path,
    where: str,
    channels: Sequence[str] | None,
    nuclei: str | None,
    *,
    columns: Mapping[Path, Mapping[str, Any]] | None = None,
    skipped: Sequence[dict[str, str]] = (),
) -> FieldList:
    """Files each of which holds one field or several, with all its channels, and what is known of them."""
    listed, known = FieldList([], (), 0, where, base, skipped=list(skipped)), []
    spread = ome_sets(paths)
    if spread.files:
        return _of_sets(spread, listed, [p for p in paths if p not in spread.files], channels, nuclei)
    for path in paths:
        try:
            known.append((path, file_facts(path)))
        except (OSError, DataError) as error:
            listed.skipped.append({"file": listed.shown(path), "reason": why(error)})
    if not known:
        shown = "; ".join(f"{s['file']}: {s['reason']}" for s in listed.skipped[:3])
        raise DataError(f"{where}: not one image in it can be read ({shown}). Give TIFF files, or a table of fields.")
    usual = Counter(facts.channels for _, facts in known).most_common(1)[0][0]
    first = next(facts for _, facts in known if facts.channels == usual)
    for path, facts in known:
        if facts.channels != usual:
            reason = f"it has {facts.channels} channels where the others have {usual}"
            listed.skipped.append({"file": listed.shown(path), "reason": reason})
            continue
        every = tuple(range(usual))
        own = (columns or {}).get(path, {})
        listed.fields += [FieldRow(((path,),), every, number, facts.fields, own) for number in range(facts.fields)]
        for count in facts.left_out:
            reason = f"one of its series has {count} channel{'s' * (count > 1)} where the first has {usual}"
            listed.skipped.append({"file": listed.shown(path), "reason": reason})
    picture = usual == 3 and not first.said and not first.guessed and first.pixel_um is None
    listed.channels = _RGB if picture else channel_names(first)
    listed.looks = looks(listed.channels, first)
    listed.pixel_um = first.pixel_um
    listed.notes += _notes([facts for _, facts in known])
    return narrowed(listed, channels, nuclei)


def _of_sets(
    spread: OmeSets, listed: FieldList, others: Sequence[Path], channels: Sequence[str] | None, nuclei: str | None
) -> FieldList:
    """OME-TIFF files that hold a channel each, one of them naming the others."""
    if not spread.rows:
        shown = "; ".join(f"{Path(s['file']).name}: {s['reason']}" for s in spread.skipped[:3])
        raise DataError(f"{listed.where}: not one of its fields is whole ({shown}). Lay the missing files beside them.")
    facts = FileFacts(len(spread.rows), len(spread.channels), spread.channels)
    names = channel_names(facts)
    places, listed.nuclei = choose(names, channels, nuclei, listed.where)
    listed.channels, listed.looks = tuple(names[i] for i in places), looks(names, facts)
    listed.fields = [
        FieldRow(tuple(row.files[i] for i in places), None, row.number, row.of, row.columns) for row in spread.rows
    ]
    listed.skipped += [{**item, "file": listed.shown(Path(item["file"]))} for item in spread.skipped]
    reason = "its channels lie in one file where those of the others lie in one file each"
    listed.skipped += [{"file": listed.shown(path), "reason": reason} for path in others]
    listed.pixel_um = _said_pixel(listed.fields)
    listed.notes.append("channels were put together from several OME-TIFF files, as one of them says")
    return listed


def _notes(known: Sequence[FileFacts]) -> list[str]:
    notes = []
    if any(facts.guessed == "channels" for facts in known):
        notes.append("pages of plain TIFF files were taken for channels")
    deep = sum(facts.depth > 1 for facts in known)
    if deep:
        notes.append(f"the depth of {deep} files was flattened to its maximum")
    return notes


def _said_pixel(fields: Sequence[FieldRow]) -> float | None:
    """The pixel size that the first readable file says."""
    for row in fields[:3]:
        try:
            return file_facts(row.files[0][0]).pixel_um
        except (OSError, DataError):
            continue
    return None


def _matching(listed: FieldList, where: Mapping[str, Sequence[Any]]) -> list[FieldRow]:
    known = pd.DataFrame([dict(row.columns) for row in listed.fields])
    kept = np.ones(len(listed.fields), bool)
    for column, values in where.items():
        if column not in known.columns:
            found = ", ".join(map(str, known.columns)) or "none"
            raise SpecError(
                where=listed.where, field="where", rule=f"about a column of the fields ({found})", value=column
            )
        wanted = set(class_names(pd.Series(list(values))))
        kept &= np.array([name in wanted for name in class_names(known[column])])
    if not kept.any():
        raise SpecError(where=listed.where, field="where", rule="one that some fields match", value=dict(where))
    return [row for row, keep in zip(listed.fields, kept, strict=True) if keep]
