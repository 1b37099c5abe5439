"""Tables (CSV, TSV, Parquet) as they were written, and those that name image files; all other columns travel.

Values stay text unless a whole column is numbers, and then only where nothing is lost: `0101`, 17-digit ids, and `1E5`
as the name of a plate stay as they are.
"""

from __future__ import annotations

import io
import posixpath
import re
import warnings
from collections import defaultdict
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from ssrl_core.datasets.columns import renamed
from ssrl_core.datasets.doses import with_doses
from ssrl_core.datasets.reading import image
from ssrl_core.datasets.reading.folders import Entry, ImageFiles
from ssrl_core.datasets.reading.source import Tree
from ssrl_core.datasets.reading.understanding import Layout, Understanding, columns_of
from ssrl_core.datasets.splits import unknown_splits
from ssrl_core.errors import DataError

TABLES = (".csv", ".tsv", ".parquet")
_USUAL = ("file", "filename", "file_name", "path", "image", "image_path", "filepath", "image_id", "id", "name")
_NAMES = {"plate", "well", "compound", "label", "class", "barcode"}  # columns of names, whatever they look like
_GAPS = {"", "na", "n/a", "nan", "none", "null", "<na>"}  # among numbers
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_LEAVES = "its path leaves the table's folder; give one relative to it"


def read(tree: Tree, path: str) -> pd.DataFrame:
    """A table of a tree; the ending of its name says which kind. `attrs["notes"]` says what was not as usual.

    Raises:
        DataError: it cannot be read.
    """
    try:
        with tree.open(path) as file:
            data = file.read()
        if path.lower().endswith(".parquet"):
            return pd.read_parquet(io.BytesIO(data))
        return _of_text(_text(data), tab=path.lower().endswith(".tsv"))
    except (OSError, ValueError, pd.errors.ParserError) as error:
        where = f"{tree.where}/{path}"
        raise DataError(f"{where}: this is not a table that can be read ({error}). Save it as CSV in UTF-8.") from error


def _text(data: bytes) -> str:
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")  # what Excel writes


def _of_text(text: str, *, tab: bool) -> pd.DataFrame:
    lines = text.lstrip("\r\n").splitlines(keepends=True)
    told = re.fullmatch(r"sep=(.)\s*", lines[0], re.IGNORECASE) if lines else None
    lines = lines[1:] if told else lines
    while len(lines) > 1 and lines[0].startswith("#"):
        lines = lines[1:]
    first = re.sub(r'"[^"]*"', "", lines[0]) if lines else ""
    mark = told[1] if told else "\t" if tab else max(",;\t|", key=first.count)
    bare = any(image.is_image(cell.strip().strip('"')) for cell in first.split(mark))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", pd.errors.ParserWarning)  # a comma after the last cell of each row
        table = pd.read_csv(
            io.StringIO("".join(lines)),
            sep=mark,
            header=None if bare else 0,
            dtype=str,
            keep_default_na=False,
            skipinitialspace=True,
            index_col=False,
        )
    table.columns = [f"column {name + 1}" if bare else str(name).strip() for name in table.columns]
    empty = [name for name in table.columns if name.startswith("Unnamed: ") and table[name].fillna("").eq("").all()]
    typed = table.drop(columns=empty).apply(_typed, comma=mark != ",")
    typed.attrs["notes"] = ["the table has no head: its columns are called column 1, column 2 …"] if bare else []
    return typed


def _typed(written: pd.Series[Any], *, comma: bool) -> pd.Series[Any]:
    """A column of text as numbers or truths where all of it is and nothing is lost; gaps are missing.

    Args:
        comma: a comma may stand for the point (it does not part the cells).
    """
    text = written.fillna("").str.strip()
    known = text[~text.str.lower().isin(_GAPS)]
    plain = known.str.replace(",", ".", regex=False) if comma else known
    if known.empty or not plain.map(lambda value: _NUMBER.fullmatch(value) is not None).all():
        lowered = text.str.lower()
        if len(text) and lowered.isin(("true", "false")).all():
            return lowered == "true"
        return text.where(text != "", None).astype(object)
    digits = plain.str.replace(r"[eE].*|\D", "", regex=True).str.lstrip("0").str.len()
    zeros = plain.str.match(r"[+-]?0\d").any()
    named = _is_name(str(written.name)) and (zeros or plain.str.contains("[eE.+]").any())
    if named or zeros or digits.max() > 15:
        return text.where(text != "", None).astype(object)
    return pd.to_numeric(plain).reindex(text.index)


def _is_name(column: str) -> bool:
    ours = renamed([column]).get(column, column).strip().lower()
    return ours in _NAMES or ours.endswith(("id", "barcode"))


def list_by_table(tree: Tree) -> tuple[ImageFiles | None, list[dict[str, str]]]:
    """The images of the table at the top of a tree (or of its one folder) that names most; why others are not used."""
    tables = [path for path in tree.files if path.lower().endswith(TABLES)]
    top = min((path.count("/") for path in tables), default=0)
    found, unused = dict[str, _Names](), []
    for path in [path for path in tables if path.count("/") == top and top <= 1]:
        names = _names_if_any(tree, path)
        if names is not None:
            found[path] = names
        else:
            unused.append({"file": path, "reason": "a table in which no column names images that are here"})
    if not found:
        return None, unused
    best = max(found, key=lambda path: len(found[path].entries))
    unused += [{"file": path, "reason": f"{best} names more of the images"} for path in found if path != best]
    return _listed(tree, best, found[best]), unused


def _names_if_any(tree: Tree, path: str) -> _Names | None:
    try:
        names = _Names(tree, path)
    except DataError:
        return None  # it is one of the files that are skipped
    return names if any(tree.holds(entry.path) for entry in names.entries) else None


def list_table(tree: Tree, path: str) -> ImageFiles:
    """The images that a table names, in its order.

    Raises:
        DataError: a table that cannot be read, that names no image files, or none that is there.
    """
    return _listed(tree, path, _Names(tree, path))


def _listed(tree: Tree, path: str, names: _Names) -> ImageFiles:
    table, column = names.table, names.column
    understood = Understanding(posixpath.basename(path), Layout("table", path, column), skipped=names.skipped)
    understood.columns = columns_of(table, without=(column,))
    understood.label = next((str(name) for name in table.columns if str(name).lower() in ("label", "class")), None)
    if understood.label:
        understood.guess("label", f"column {understood.label!r}", "its name")
    rest = [name for name in table.columns if name not in (column, "split")]
    if not understood.label and len(rest) == 1 and 2 <= table[rest[0]].nunique() <= len(table) / 2:
        understood.label = str(rest[0])
        understood.guess("label", f"column {understood.label!r}", "the table has no other")
    understood.notes += [
        *table.attrs.get("notes", []),
        *names.about_doses,
        *_about_split(table, f"{tree.where}/{path}"),
    ]
    if names.others:
        others = ", ".join(map(repr, names.others))
        understood.notes.append(f"images were taken from column {column!r}; {others} also name files")
    if names.found_elsewhere:
        understood.notes.append(f"{names.found_elsewhere} images lie elsewhere than the table says, by the same name")
    return ImageFiles(tree, names.entries, understood)


def _about_split(table: pd.DataFrame, where: str) -> list[str]:
    """What to say of a column `split` that is not one.

    Raises:
        DataError: some of its values are splits, and others are not.
    """
    strange = unknown_splits(table["split"]) if "split" in table.columns else []
    if not strange:
        return []
    if len(strange) < table["split"].nunique(dropna=False):
        remedy = "Correct them, or call the column otherwise to have the images split by seed."
        raise DataError.at(where, "split", "train, val or test in every row", strange, remedy)
    return [f"column 'split' holds no splits ({', '.join(strange[:3])}): the images are split by seed"]


class _Names:
    """The rows of a table and the files that they name.

    Attributes:
        column: which one names them; `others`: further ones that do.
        entries: one for each file, by its first row; `skipped`: the rows without one.
        about_doses: what is to be said of the doses.
        found_elsewhere: how many were found by a part of their path, or without their ending.

    Raises:
        DataError: a table that cannot be read, that names no image files, or has no rows.
    """

    def __init__(self, tree: Tree, path: str) -> None:
        self._tree, self._folder = tree, posixpath.dirname(path)
        table, self.about_doses = with_doses(read(tree, path))
        self.table = table.rename(columns={c: "split" for c in table.columns if str(c).lower() == "split"})
        self.column, self.others = self._file_column(f"{tree.where}/{path}")
        if self.table.empty:
            raise DataError(f"{tree.where}/{path}: the table has no rows. Add one row for each image.")
        self.entries: list[Entry] = []
        self.skipped: list[dict[str, str]] = []
        self.found_elsewhere = 0
        self._match()

    def _file_column(self, where: str) -> tuple[str, list[str]]:
        naming = [str(column) for column in self.table.columns if _names_images(self.table[column])]
        usual = [column for column in self.table.columns if str(column).lower() in _USUAL]
        bare = [] if naming else [str(column) for column in usual if self._names_stems(self.table[column])]
        chosen = next((c for c in usual if c in naming), next(iter(naming or bare), None))
        if chosen is None:
            raise DataError.at(
                where,
                "one column",
                f"of names of image files ({', '.join(image.SUFFIXES)})",
                [str(c) for c in self.table.columns],
                "Add a column called file, with names relative to the table's folder.",
            )
        return str(chosen), [column for column in naming if column != chosen]

    def _names_stems(self, values: pd.Series[Any]) -> bool:
        known = values.dropna().astype(str)
        return len(known) > 0 and sum(value in self._by_stem for value in known) > len(known) / 2

    def _match(self) -> None:
        rest = [c for c in self.table.columns if c != "source"]
        rows = self.table[rest].to_dict("records")
        places = [self._find(row[self.column]) for row in rows]
        written: dict[str, set[str]] = defaultdict(set)
        for row, (place, _) in zip(rows, places, strict=True):
            written[place or ""].add(str(row[self.column]))
        seen: dict[str, int] = {}
        for number, (row, (place, said)) in enumerate(zip(rows, places, strict=True), start=1):
            value = row[self.column]
            if place is None:
                self.skipped.append({"file": str(value) if isinstance(value, str) else f"row {number}", "reason": said})
            elif said and len(written[place]) > 1:
                reason = f"there is no such file; {place}, of the same name, is what another row names"
                self.skipped.append({"file": str(value), "reason": reason})
            elif place in seen:
                self.skipped.append({"file": f"row {number}", "reason": f"row {seen[place]} names {place} already"})
            else:
                seen[place] = number
                self.found_elsewhere += bool(said)
                self.entries.append(Entry(place, {str(k): v for k, v in row.items()}))

    def _find(self, value: Any) -> tuple[str | None, str]:
        """The file that a row names; else why there is none. A file with a reason was found by a part of its name."""
        name = _slashed(value)
        if not name:
            return None, "the file name is missing"
        inside = _inside(self._folder, name)
        if inside is not None and self._tree.holds(inside):
            return inside, ""
        parts = name.split("/")
        for start in range(1, len(parts) - 1 if inside is None else 0):
            shorter = _inside(self._folder, "/".join(parts[start:]))
            if shorter is not None and self._tree.holds(shorter):
                return shorter, "shortened"
        if inside is not None:
            places = self._by_name.get(name.lower()) or self._by_stem.get(name) or []
            if len(places) > 1:
                return None, f"{len(places)} files are called so ({', '.join(places[:3])}); give their folders"
            if places:
                return places[0], "elsewhere"
        return (inside, "") if inside is not None else (None, _LEAVES)

    @cached_property
    def _images(self) -> list[str]:
        return [path for path in self._tree.files if image.is_image(path)]

    @cached_property
    def _by_name(self) -> dict[str, list[str]]:
        return _grouped([(name.lower(), path) for path in self._images for name in self._names_of(path)])

    @cached_property
    def _by_stem(self) -> dict[str, list[str]]:
        stems = [(posixpath.splitext(name)[0], path) for path in self._images for name in self._names_of(path)]
        return _grouped(stems)

    def _names_of(self, path: str) -> set[str]:
        """What a table may call a file: its path from the table's folder, or its name alone."""
        below = posixpath.relpath(path, self._folder) if self._folder else path
        return {below, posixpath.basename(path)}


def _grouped(pairs: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for key, path in pairs:
        found[key].append(path)
    return found


def _names_images(values: pd.Series[Any]) -> bool:
    known = [value for value in values.dropna().tolist() if isinstance(value, str)]
    return bool(known) and sum(image.is_image(value) for value in known) > len(known) / 2


def _slashed(value: Any) -> str:
    """A path as it is written here; "" for no text."""
    missing = value is None or (isinstance(value, float) and np.isnan(value))
    return "" if missing else str(value).strip().replace("\\", "/")


def _inside(folder: str, name: str) -> str | None:
    """The path in the tree, or None if it leads out of the table's folder."""
    if not name or name.startswith("/") or (len(name) > 1 and name[1] == ":"):
        return None
    path = posixpath.normpath(name)
    return None if path.startswith("..") else posixpath.join(folder, path)
