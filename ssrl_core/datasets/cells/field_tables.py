"""Fields from a table: one row a field, columns that name image files are its channels.

Also CellProfiler's columns (`FileName_X` with `PathName_X`, or `URL_X`; with `Image_` before them as in BBBC021's own
table).
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PureWindowsPath
from typing import Any
from urllib.parse import unquote, urlparse

import pandas as pd

from ssrl_core import access
from ssrl_core.datasets.cells.fields import FieldList, FieldRow, FileFacts, file_facts
from ssrl_core.datasets.columns import one_well, renamed, with_doses, with_wells
from ssrl_core.datasets.imageset import Channel
from ssrl_core.datasets.reading import image
from ssrl_core.datasets.reading.source import FolderTree, why
from ssrl_core.datasets.reading.table import read
from ssrl_core.errors import DataError, SpecError

_SUFFIXES = (*image.SUFFIXES, ".flex", ".c01", ".zarr")
_NAMED = re.compile(r"^(?:image_)?filename_(.+)$", re.IGNORECASE)
_FIELD = "field name"  # a key: how names of files begin
_URLS = re.compile(r"^(?:image_)?url_(.+)$", re.IGNORECASE)


def read_table(path: Path) -> pd.DataFrame:
    """A table on the disk: CSV, TSV or Parquet.

    Raises:
        DataError: it cannot be read.
    """
    return read(FolderTree(path.parent), path.name)


def fields_of_table(path: Path, table: pd.DataFrame, channels: Sequence[str] | None, nuclei: str | None) -> FieldList:
    """The fields that a table names, in its order.

    Args:
        path: of the table; file names are relative to its folder.
        channels: which channels, in which order; None = all, in the table's order.
        nuclei: the channel that holds the nuclei; None = the first.

    Raises:
        DataError: no rows, or no column of image files.
        SpecError: a channel that is not there.
    """
    found = _file_columns(table)
    lamps = [name for name in found if name.lower().startswith("illum")]
    found = {name: column for name, column in found.items() if name not in lamps} if len(lamps) < len(found) else found
    if not found:
        raise DataError.at(
            str(path),
            "at least one column",
            f"of names of image files ({', '.join(image.SUFFIXES)}), or FileName_X with PathName_X",
            [str(c) for c in table.columns],
            "Add a column for each channel with file names relative to the table's folder.",
        )
    if len(table) == 0:
        raise DataError(f"{path}: the table has no rows. Add one row for each field.")
    used = {str(c) for c in table.columns if _NAMED.match(str(c))} | {c for pair in found.values() for c in pair if c}
    folder_columns = {c for c in map(str, table.columns) if re.match(r"^(image_)?pathname_", c, re.IGNORECASE)}
    rest = [c for c in table.columns if str(c) not in used | folder_columns]
    names = renamed([str(c) for c in rest])
    known = table[rest].rename(columns=str).rename(columns=names)
    if "dose" in known and "dose_unit" not in known and any(c.lower() == "image_metadata_concentration" for c in names):
        known = known.assign(dose_unit="µM")  # BBBC021's own table
    known, about_doses = with_doses(known)
    known, about_wells = with_wells(known)
    listed = FieldList([], tuple(found), 0, str(path), path.parent, notes=about_doses + about_wells)
    if lamps and not set(lamps) & set(found):
        listed.notes.append(f"{', '.join(lamps)} of the table correct uneven light; they are no channels and left out")
    _add_rows(listed, table, known, found)
    return _with_channels(listed, channels, nuclei)


def with_plate_map(listed: FieldList, name: str, table: pd.DataFrame) -> None:
    """What a table says of wells (compounds, doses …), taken over by the fields of them; a note says what was done.

    Args:
        listed: fields whose `columns` know their wells, changed in place.
        name: of the table, for the notes.
        table: with a column `well`, and `plate` or `site` where one well has several rows.
    """
    names = renamed([str(c) for c in table.columns])
    known, about_doses = with_doses(table.rename(columns=str).rename(columns=names))
    known = _with_plates_of_folders(known, listed)
    keys = [key for key in ("plate", "well", "site") if key in known and _tells(key, known, listed)]
    if "well" not in keys and (by_name := _keyed_by_name(known, listed)) is not None:
        keys, known = [_FIELD], by_name
    strange = "plate" in known and "plate" not in keys and known["plate"].nunique() > 1
    if keys != [_FIELD] and ("well" not in keys or strange):
        what = (
            "its plates are none of the fields'"
            if strange
            else "it names neither image files nor wells of these fields"
        )
        listed.notes.append(f"the table {name} is not used: {what}")
        return
    rows: dict[tuple[str, ...], dict[str, Any]] = {}
    rest = [c for c in known.columns if c not in ("plate", "well", "site", "row name", _FIELD)]
    for row in known.to_dict("records"):
        told = {str(c): row[c] for c in rest}
        if rows.setdefault(_key_of(row, keys), told) != told:
            listed.notes.append(f"the table {name} is not used: it has several rows for {' '.join(_key_of(row, keys))}")
            return
    before, found = listed.fields, 0
    listed.fields = []
    for field in before:
        own = next((key for key in _keys_of(field, keys) if key in rows), None)
        more = rows[own] if own is not None else {}
        found += own is not None
        listed.fields.append(replace(field, columns={**more, **field.columns}))
    what, by = ", ".join(map(str, rest)), " and ".join("the names of files" if key == _FIELD else key for key in keys)
    said = f"the table {name} tells {what} of {found} of {len(before)} fields, by {by}"
    listed.notes += [*about_doses, said]


def _with_plates_of_folders(table: pd.DataFrame, listed: FieldList) -> pd.DataFrame:
    """The table with plates called as the fields', where these are folders in folders (`HEPG2-01/Plate1`) whose outer
    ones another column names (`experiment`)."""
    plates = {str(field.columns.get("plate", "")) for field in listed.fields}
    outer = {plate.split("/")[0].lower() for plate in plates if "/" in plate}
    if not outer or "plate" not in table:
        return table
    for column in (c for c in table.columns if c != "plate"):
        if set(table[column].astype(str).str.lower()) & outer:
            return table.assign(plate=table[column].astype(str) + "/" + table["plate"].map(_bare_plate))
    return table


def _keyed_by_name(table: pd.DataFrame, listed: FieldList) -> pd.DataFrame | None:
    """The table with a column that begins the names of most fields' files (`Id`) as its key; None if there is none."""
    begins = [{key for (key,) in _keys_of(field, [_FIELD])} for field in listed.fields]
    for column in table.columns:
        values = {_key_of({column: value}, [str(column)])[0] for value in table[column]}
        if len(values) == len(table) and sum(bool(own & values) for own in begins) > len(begins) / 2:
            return table.assign(**{_FIELD: table[column]})
    return None


def _keys_of(field: FieldRow, keys: Sequence[str]) -> list[tuple[str, ...]]:
    """What a field may be called in a table, the longest beginning of its first file's name before others."""
    if list(keys) != [_FIELD]:
        return [_key_of(field.columns, keys)]
    stem = field.files[0][0].stem
    ends = [match.start() for match in re.finditer(r"[_\-. ]", stem)]
    return [_key_of({_FIELD: stem[:end]}, keys) for end in (len(stem), *reversed(ends))]


def _bare_plate(value: Any) -> str:
    """`Plate 1`, `plate_1` and 1 are one plate."""
    return re.sub(r"^plate[ _-]*(?=\d)", "", str(value).strip().removesuffix(".0"), flags=re.IGNORECASE)


def _tells(key: str, table: pd.DataFrame, listed: FieldList) -> bool:
    """Whether some values of a column are those of the fields."""
    own = {_key_of(row.columns, [key]) for row in listed.fields}
    return bool(own & {_key_of({key: value}, [key]) for value in table[key].tolist()})


def _key_of(columns: Mapping[str, Any], keys: Sequence[str]) -> tuple[str, ...]:
    """Values as they are compared: A1 is A01, 1.0 is 1, Plate1 is 1."""
    values = [str(columns.get(key, "")) for key in keys]
    plain = [
        "/".join(map(_bare_plate, value.split("/"))) if key == "plate" else one_well(value)
        for key, value in zip(keys, values, strict=True)
    ]
    return tuple(value.removesuffix(".0").strip().lower() for value in plain)


def names_images(table: pd.DataFrame) -> bool:
    """Whether a table has columns of image files."""
    return bool(_file_columns(table))


def _choose(
    names: Sequence[str], wanted: Sequence[str] | None, nuclei: str | None, where: str
) -> tuple[tuple[int, ...], int]:
    """Places of the wanted channels among those there are, and the place of the nuclei among the wanted.

    Raises:
        SpecError: one that is not there, or one twice; or the nuclei's channel is not among the wanted.
    """
    asked = list(wanted) if wanted else list(names)
    if len(set(asked)) != len(asked) or any(name not in names for name in asked):
        raise SpecError.at(where, "--channels", f"some of {', '.join(names)}, each once", asked)
    if nuclei is not None and nuclei not in asked:
        raise SpecError.at(where, "--nuclei", f"one of {', '.join(asked)}", nuclei)
    return tuple(names.index(name) for name in asked), asked.index(nuclei) if nuclei is not None else 0


def _with_channels(listed: FieldList, channels: Sequence[str] | None, nuclei: str | None) -> FieldList:
    if len(listed.channels) == 1 and listed.fields:
        several = _inside_one_file(listed)
        if several is not None:
            return narrowed(several, channels, nuclei)
    return with_own_files(listed, channels, nuclei)


def with_own_files(listed: FieldList, channels: Sequence[str] | None, nuclei: str | None) -> FieldList:
    """Fields each of whose channels has files of its own: the wanted channels, and what their files say of them."""
    listed = narrowed(listed, channels, nuclei)
    listed.looks = _looks_of_files(listed)
    return listed


def narrowed(listed: FieldList, channels: Sequence[str] | None, nuclei: str | None) -> FieldList:
    """A list of fields with all their channels, in one file or in one each, told which of them are wanted."""
    places, listed.nuclei = _choose(listed.channels, channels, nuclei, listed.where)
    listed.channels = tuple(listed.channels[i] for i in places)
    listed.fields = [
        replace(row, files=tuple(row.files[i] for i in places)) if row.planes is None else replace(row, planes=places)
        for row in listed.fields
    ]
    return listed


def _inside_one_file(listed: FieldList) -> FieldList | None:
    """The table's one column names files that hold several channels, or several fields; None if they are plain."""
    known: list[tuple[FieldRow, FileFacts]] = []
    unreadable: list[dict[str, str]] = []
    for row in listed.fields:
        try:
            known.append((row, file_facts(row.files[0][0])))
        except (OSError, DataError) as error:
            unreadable.append({"file": listed.shown(row.files[0][0]), "reason": why(error)})
    if not any(facts.channels > 1 or facts.fields > 1 for _, facts in known):
        return None
    column = listed.channels[0]
    first = next(facts for _, facts in known)
    listed.skipped += unreadable
    listed.pixel_um = first.pixel_um
    listed.channels = channel_names(first, column)
    listed.looks = looks(listed.channels, first)
    listed.fields = [
        FieldRow(row.files, tuple(range(first.channels)), number, facts.fields, row.columns)
        for row, facts in known
        for number in range(facts.fields)
    ]
    return listed


def channel_names(facts: FileFacts, stem: str = "channel") -> tuple[str, ...]:
    """Names of a file's channels: its own, red, green, blue for a picture, else numbered."""
    if facts.names:
        return facts.names
    if facts.channels == 1:
        return (stem,)
    return tuple(f"{stem}-{i + 1}" for i in range(facts.channels))


def looks(names: Sequence[str], facts: FileFacts) -> dict[str, Channel]:
    """What a file says of its channels, by the names that they have here."""
    return dict(zip(names, facts.said, strict=True)) if facts.said else {}


def _looks_of_files(listed: FieldList) -> dict[str, Channel]:
    """What the files of the first field say, where every channel has a file of its own."""
    found: dict[str, Channel] = {}
    for name, files in zip(listed.channels, listed.fields[0].files if listed.fields else (), strict=False):
        try:
            facts = file_facts(files[0])
        except (OSError, DataError):
            continue  # its field is skipped with the reason when it is read
        if facts.channels == 1:
            found |= looks([name], facts)
    return found


def _add_rows(
    listed: FieldList, table: pd.DataFrame, known: pd.DataFrame, found: Mapping[str, tuple[str, str | None]]
) -> None:
    """A field for each row; one that lacks a file, or whose file could be another row's, is skipped."""
    rows = table.to_dict("records")
    columns = known.to_dict("records") if len(known.columns) else [{} for _ in rows]
    places = [
        {name: _place(listed.base, row[column], row[folder] if folder else None)
         for name, (column, folder) in found.items()}
        for row in rows
    ]  # fmt: skip
    given: dict[Path, set[Path]] = defaultdict(set)
    for place in (place for row in places for place in row.values() if place):
        given[place.path].add(place.given)
    for number, (row, own) in enumerate(zip(places, columns, strict=True), start=1):
        unclear = next((p for p in row.values() if p and p.shortened and len(given[p.path]) > 1), None)
        unnamed = next((name for name, place in row.items() if place is None), None)
        if unnamed is not None:
            listed.skipped.append({"file": f"row {number}", "reason": f"no file is named for channel {unnamed}"})
        elif unclear is not None:
            reason = f"there is no such file, and {unclear.path.name} of the table's folder may be another row's"
            listed.skipped.append({"file": unclear.given.as_posix(), "reason": reason})
        else:
            files = tuple((place.path,) for place in row.values() if place)
            listed.fields.append(FieldRow(files, columns={str(k): v for k, v in own.items()}))


@dataclass(frozen=True)
class _Place:
    """Where a file lies, how the table names it, and whether folders had to be left off to find it."""

    path: Path
    given: Path
    shortened: bool = False


def _place(base: Path, name: Any, folder: Any) -> _Place | None:
    """Where the file lies: as given, else below the table's folder (tables travel, absolute paths do not)."""
    if not isinstance(name, str) or not name.strip():
        return None
    text = name.strip()
    if text.lower().startswith("file:"):
        text = unquote(urlparse(text).path)
        text = text[1:] if re.match(r"^/[A-Za-z]:", text) else text
    given = _slashed(text)
    if isinstance(folder, str) and folder.strip():
        given = _slashed(folder) / given
    if not access.may_read(base / given):  # absolute, or with ..: what lies beside the table still counts
        given = Path(given.name)
    if os.path.exists(base / given):
        return _Place(base / given, given)
    parts = [p for p in given.parts if p not in ("/", "\\") and not p.endswith(":")]
    tries = (base.joinpath(*parts[i:]) for i in range(len(parts)))
    path = next((path for path in tries if os.path.exists(path)), None)
    return _Place(path, given, True) if path is not None else _Place(base / given, given)


def _slashed(text: str) -> Path:
    """A path written on Windows or elsewhere."""
    text = text.strip()
    return Path(*PureWindowsPath(text).parts) if "\\" in text else Path(text)


def _file_columns(table: pd.DataFrame) -> dict[str, tuple[str, str | None]]:
    """channel -> (column of names, column of folders or None)."""
    columns = [str(c) for c in table.columns]
    for pattern in (_NAMED, _URLS):
        named = {
            m.group(1): c
            for c in columns
            if (m := pattern.match(c)) and _names_files(table[c], any_text=pattern is _URLS)
        }
        if named:
            return {name: (column, _folder_column(columns, name)) for name, column in named.items()}
    return {c: (c, None) for c in columns if _names_files(table[c])}


def _folder_column(columns: Sequence[str], name: str) -> str | None:
    wanted = re.compile(rf"^(?:image_)?pathname_{re.escape(name)}$", re.IGNORECASE)
    return next((c for c in columns if wanted.match(c)), None)


def _names_files(values: pd.Series[Any], *, any_text: bool = False) -> bool:
    known = [v for v in values.dropna().tolist() if isinstance(v, str) and v.strip()]
    return bool(known) and (any_text or sum(_is_image(v.strip().lower()) for v in known) > len(known) / 2)


def _is_image(name: str) -> bool:
    """A file of a known kind, an OME-Zarr folder, or an image inside one (`plate.zarr/B/3/0`)."""
    return name.endswith(_SUFFIXES) or re.search(r"\.zarr[/\\]", name) is not None
