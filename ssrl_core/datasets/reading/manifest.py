"""Files that name image files: tables, whose rows say what is known of each, and lists of a collection's splits."""

from __future__ import annotations

import posixpath
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from ssrl_core.datasets.columns import with_doses, with_wells
from ssrl_core.datasets.reading import image
from ssrl_core.datasets.reading.folders import UNTOLD, Entry
from ssrl_core.datasets.reading.source import Tree
from ssrl_core.datasets.reading.table import USUAL, bare_name, read
from ssrl_core.datasets.reading.understanding import ImportOptions, told_wrong
from ssrl_core.datasets.splits import split_word
from ssrl_core.errors import DataError

_ROWS_OF_OBJECTS = 2  # for each file, on the average
_LEAVES = "its path leaves the table's folder; give one relative to it"
_FILE_NAME = re.compile(r"((?:image_)?)filename_(.+)", re.IGNORECASE)  # CellProfiler's, beside PathName_…


class Manifest:
    """The rows of a table and the files that they name.

    Attributes:
        path: of the table; `paths`: of all that were joined.
        column: which one names them; `others`: further ones that do.
        entries: one for each file, by its first row; `skipped`: the rows without one.
        notes: what is to be said of how the table was read.
        found_elsewhere: how many were found by a part of their path, or without their ending.
        writes_folders: whether names are written with the folders that they lie in.

    Raises:
        DataError: a table that cannot be read, that names no image files, or has no rows.
        SpecError: the column that was asked for is not there.
    """

    def __init__(self, tree: Tree, path: str, options: ImportOptions = UNTOLD) -> None:
        self._tree, self._folder, self.path, self.paths = tree, posixpath.dirname(path), path, [path]
        self._take(read(tree, path), options.names_in)
        # where names have no endings, a head that is one of them is a row like the others
        if not _names_images(self.table[self.column]) and _slashed(self.column) in self._by_stem:
            self._take(read(tree, path, headless=True), options.names_in)
        if self.table.empty:
            raise DataError(f"{tree.where}/{path}: the table has no rows. Add one row for each image.")
        self.entries: list[Entry] = []
        self.skipped: list[dict[str, str]] = []
        self.found_elsewhere = 0
        self.writes_folders = False
        self._rows: list[int] = []  # of each entry
        self._match()

    def _take(self, written: pd.DataFrame, names_in: str | None) -> None:
        table, about_doses = with_doses(written)
        table, about_wells = with_wells(table)
        self.notes = [*written.attrs.get("notes", []), *about_doses, *about_wells]
        self.table = table.rename(columns={c: "split" for c in table.columns if str(c).lower() == "split"})
        self.column, self.others = self._file_column(f"{self._tree.where}/{self.path}", names_in)

    def told(self, column: str, values: pd.Series[Any]) -> None:
        """Take a column that follows from the others; one of that name goes."""
        self._tell({column: values})

    def _tell(self, told: Mapping[str, pd.Series[Any]]) -> None:
        self.table = self.table.assign(**told)
        values = {column: column_values.tolist() for column, column_values in told.items()}
        self.entries = [
            Entry(entry.path, {**entry.columns, **{column: found[row] for column, found in values.items()}})
            for entry, row in zip(self.entries, self._rows, strict=True)
        ]

    def told_split(self, word: str) -> None:
        """All images are of one split."""
        self.told("split", pd.Series([word] * len(self.table), self.table.index, dtype=object))

    def forget_split(self) -> None:
        """The column `split` travels as `split_given`."""
        self.table = self.table.rename(columns={"split": "split_given"})
        self.entries = [
            Entry(e.path, {"split_given" if k == "split" else k: v for k, v in e.columns.items()}) for e in self.entries
        ]

    def join(self, other: Manifest) -> None:
        """Take the rows of another table, apart from files that are named already."""
        known = {entry.path for entry in self.entries}
        start = len(self.table)
        for entry, row in zip(other.entries, other._rows, strict=True):
            if entry.path in known:
                self.skipped.append({"file": entry.path, "reason": f"{other.path} names it once more"})
            else:
                self.entries.append(entry)
                self._rows.append(start + row)
        self.table = pd.concat([self.table, other.table], ignore_index=True)
        self.skipped += other.skipped
        self.paths.append(other.path)
        self.found_elsewhere += other.found_elsewhere

    def take_columns(self, other: Manifest) -> list[str]:
        """Take what another table says of the same files, and the names of the columns that are new."""
        said = {entry.path: entry.columns for entry in other.entries}
        rows = [(row, said.get(entry.path, {})) for entry, row in zip(self.entries, self._rows, strict=True)]
        stem = posixpath.splitext(posixpath.basename(other.path))[0]
        new: dict[str, pd.Series[Any]] = {}
        for column in (str(c) for c in other.table.columns if c != other.column):
            told: list[Any] = [None] * len(self.table)
            for row, columns in rows:
                told[row] = columns.get(column)
            values = pd.Series(told, self.table.index, dtype=object)
            known = new.get(column, self.table.get(column))
            if known is not None and (known.astype(str) == values.astype(str)).all():
                continue
            taken = stem in self.table or stem in new
            new[column if known is None else f"{stem}: {column}" if taken else stem] = values.infer_objects()
        self._tell(new)
        self.paths += other.paths
        return list(new)

    def labels_among(self, classes: set[Any]) -> dict[str, str]:
        """file -> class by the column whose values (or their first words) are among some classes; empty if none is."""
        for column in (c for c in self.table.columns if c != self.column):
            words = self.table[column].map(lambda value: str(value).split(" ")[0] if value is not None else None)
            for values in (self.table[column].astype(str), words):
                if values.isin(classes).mean() > 0.9:
                    found = values.tolist()
                    pairs = zip(self.entries, self._rows, strict=True)
                    return {entry.path: found[row] for entry, row in pairs if found[row] in classes}
        return {}

    def _file_column(self, where: str, asked: str | None) -> tuple[str, list[str]]:
        naming = [str(column) for column in self.table.columns if _names_images(self.table[column])]
        usual = [column for column in self.table.columns if bare_name(str(column)) in USUAL]
        usual.sort(key=lambda column: USUAL.index(bare_name(str(column))))
        rest = [c for c in self.table.columns if c not in usual]
        text = [c for c in rest if self.table[c].dtype == object or str(c).lower().endswith("id")]
        each = [column for column in text if self.table[column].is_unique]  # and each of its values names a file
        bare = [] if naming else [str(column) for column in [*usual, *each] if self._names_stems(self.table[column])]
        chosen = next((c for c in usual if c in naming), next(iter(naming or bare), None))
        if asked is not None:
            if asked not in self.table.columns:
                raise told_wrong("names_in", f"a column of {where} ({', '.join(map(str, self.table.columns))})", asked)
            chosen = asked
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
        names = self._names
        places = [self._find(name) for name in names]
        written: dict[str, set[str]] = defaultdict(set)
        for name, (place, _) in zip(names, places, strict=True):
            written[place or ""].add(str(name))
        found = [place for place, _ in places if place is not None]
        if len(set(found)) > 1 and len(found) >= _ROWS_OF_OBJECTS * len(set(found)):
            self._match_once(places)
            return
        seen: dict[str, int] = {}
        for number, (value, row, (place, said)) in enumerate(zip(names, rows, places, strict=True), start=1):
            if place is None:
                self.skipped.append({"file": str(value) if isinstance(value, str) else f"row {number}", "reason": said})
            elif said and len(written[place]) > 1:
                reason = f"there is no such file; {place}, of the same name, is what another row names"
                self.skipped.append({"file": str(value), "reason": reason})
            elif place in seen:
                more = _differences(rows[seen[place] - 1], row)
                reason = f"row {seen[place]} names {place} already{more}"
                self.skipped.append({"file": f"row {number}", "reason": reason})
            else:
                seen[place] = number
                self.found_elsewhere += bool(said)
                self.writes_folders = self.writes_folders or ("/" in place and "/" in _slashed(value))
                self.entries.append(Entry(place, {str(k): v for k, v in row.items()}))
                self._rows.append(number - 1)

    def _match_once(self, places: Sequence[tuple[str | None, str]]) -> None:
        """One row for each file, of a table with one for each object in it; what differs within a file is left out."""
        found = pd.Series([place for place, _ in places], self.table.index, dtype=object)
        counts = self.table.astype(str).groupby(found).nunique()
        apart = {c: counts[c] > 1 for c in self.table.columns if c != self.column}
        varied = [c for c, torn in apart.items() if torn.mean() > 0.5]
        some = [c for c, torn in apart.items() if 0 < torn.mean() <= 0.5]
        count, kept = len(self.table), ~found.duplicated() | found.isna()
        self.table = self.table[kept].drop(columns=varied)
        for column in some:
            self.table[column] = self.table[column].mask(found[kept].map(apart[column]).eq(True))
        self.table = self.table.reset_index(drop=True)
        self.__dict__.pop("_names", None)
        said = f"; columns whose values differ within most files are left out ({_shown(varied)})" if varied else ""
        said += f"; where values differ within a file they are missing ({_shown(some)})" if some else ""
        self.notes.append(f"the table has {count} rows for {found.nunique()} files{said}")
        self._match()

    @cached_property
    def _names(self) -> list[Any]:
        """What each row calls its file, with the folder of CellProfiler's `PathName_X` beside `FileName_X`."""
        values: list[Any] = self.table[self.column].tolist()
        match = _FILE_NAME.fullmatch(self.column)
        beside = f"{match[1]}pathname_{match[2]}".lower() if match else ""
        folder = next((c for c in self.table.columns if str(c).lower() == beside), None)
        if folder is None:
            return values
        folders = [_slashed(value).rstrip("/") for value in self.table[folder]]
        return [f"{f}/{_slashed(v)}" if f and _slashed(v) else v for f, v in zip(folders, values, strict=True)]

    def _find(self, value: Any) -> tuple[str | None, str]:
        """The file that a row names; else why there is none. A file with a reason was found by a part of its name."""
        name = _slashed(value)
        if not name:
            return None, "the file name is missing"
        inside = _inside(self._folder, name)
        for place in (inside, _inside("", name)):  # relative to the table, or to the top
            if place is not None and self._tree.holds(place):
                return place, ""
        parts = name.split("/")
        for start in range(1, len(parts) - 1 if inside is None else self._shared_folders + 1):
            for folder in dict.fromkeys((self._folder, "")):
                shorter = _inside(folder, "/".join(parts[start:]))
                if shorter is not None and self._tree.holds(shorter):
                    return shorter, "shortened"
        own = name if inside is not None else parts[-1] if self._one_folder else None
        places = (self._by_name.get(own.lower()) or self._by_stem.get(own) or []) if own else []
        if len(places) > 1:
            return None, f"{len(places)} files are called so ({', '.join(places[:3])}); give their folders"
        if places:
            return places[0], "elsewhere"
        return (inside, "") if inside is not None else (None, _LEAVES)

    @cached_property
    def _shared_folders(self) -> int:
        """How many leading folders all names share: they may be those that the source lies in."""
        names = [_slashed(value).split("/")[:-1] for value in self._names if _slashed(value)]
        return len(posixpath.commonpath(["/".join(["x", *name]) for name in names]).split("/")) - 1 if names else 0

    @cached_property
    def _one_folder(self) -> bool:
        """Whether all names are of one folder, so that no two of them can be told apart by it alone."""
        folders = {posixpath.dirname(_slashed(value)) for value in self._names if _slashed(value)}
        return len(folders) == 1

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


def _shown(names: Sequence[Any]) -> str:
    return ", ".join(map(str, names[:4])) + (" …" if len(names) > 4 else "")


def _differences(first: Mapping[Any, Any], other: Mapping[Any, Any]) -> str:
    """What a second row of a file says that the first does not."""
    told = [f"{k} {other[k]}, not {first[k]}" for k in first if str(first[k]) != str(other[k])]
    return f" ({'; '.join(told[:3])})" if told else ""


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


_ENDINGS = (".txt", ".lst", ".csv")
_MOST_BYTES, _MOST_LISTS = 64_000_000, 40
_RESOLVED = 0.9  # of a list's lines, from which it lists images
_NUMBERED = ("images.txt", "train_test_split.txt")  # number and file, number and 1 (train) or 0


def listed_splits(tree: Tree, paths: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """The split of each image that lists name, and the lists; empty where they give no train and another for most.

    Args:
        paths: the images of the tree.
    """
    lists = _lists(tree.files)
    numbered = _numbered(tree)
    if not lists and not numbered:
        return {}, []
    known = _names_of(paths)
    found = _by_numbers(tree, numbered, known) if numbered else {}
    used = numbered if found else []
    for path, split in {} if found else lists.items():
        named = _named(tree, path, known)
        for name in named:
            found[name] = split if found.get(name, split) == split else ""
        used += [path] if named else []
    found = {name: split for name, split in found.items() if split}
    whole = "train" in found.values() and len(set(found.values())) > 1 and len(found) > len(paths) / 2
    return (found, used) if whole else ({}, [])


def _lists(files: Sequence[str]) -> dict[str, str]:
    """Lists whose names say a split; of `train1.txt`, `train2.txt` … the first, `trainval` only where it is needed."""
    found: dict[str, tuple[str, bool, str]] = {}
    for path in files:
        stem, ending = posixpath.splitext(posixpath.basename(path))
        if ending.lower() not in _ENDINGS:
            continue
        text = re.sub(r"train[ _-]?val", "trainval", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", stem).lower())
        said = {split_word(word) or ("train" if word == "trainval" else None) for word in re.findall("[a-z]+", text)}
        said.discard(None)
        if len(said) == 1:
            number = re.search(r"\d+", stem)
            found[path] = (str(said.pop()), "trainval" in text, number[0] if number else "")
    if any(split == "train" and not both for split, both, _ in found.values()):
        found = {path: row for path, row in found.items() if not row[1]}
    numbers = sorted({number for _, _, number in found.values()}, key=lambda text: int(text or 0))
    kept = {path: split for path, (split, _, number) in found.items() if number == (numbers or [""])[0]}
    return dict(list(kept.items())[:_MOST_LISTS])


def _numbered(tree: Tree) -> list[str]:
    """CUB-200's two lists, which lie beside each other."""
    for path in tree.files:
        folder, name = posixpath.split(path)
        other = posixpath.join(folder, _NUMBERED[1])
        if name == _NUMBERED[0] and tree.holds(other):
            return [path, other]
    return []


def _by_numbers(tree: Tree, lists: Sequence[str], known: Mapping[str, str | None]) -> dict[str, str]:
    pairs = [[line.split(maxsplit=1) for line in _lines(tree, path)] for path in lists]
    files, flags = ({p[0]: p[1].strip() for p in some if len(p) == 2} for some in pairs)
    rows = [
        (known.get(_plain(name)), flags[number]) for number, name in files.items() if flags.get(number) in ("0", "1")
    ]
    return {path: "train" if flag == "1" else "test" for path, flag in rows if path is not None}


def _named(tree: Tree, path: str, known: Mapping[str, str | None]) -> list[str]:
    """The images that the lines of a list name; none where most lines name no image."""
    lines = _lines(tree, path)
    found = [known.get(_plain(line)) or known.get(_plain(re.split(r"[\s,;]", line)[0])) for line in lines]
    images = [image for image in found if image]
    return images if images and len(images) >= _RESOLVED * len(lines) else []


def _lines(tree: Tree, path: str) -> list[str]:
    try:
        with tree.open(path) as file:
            data = file.read(_MOST_BYTES)
    except OSError:
        return []
    return [line.strip() for line in data.decode("utf-8", "replace").splitlines() if line.strip()]


def _plain(name: str) -> str:
    """As names are looked up: without ending, without the mark of the folder that one is in."""
    return posixpath.splitext(name.strip().strip('"').replace("\\", "/").removeprefix("./"))[0]


def _names_of(paths: Sequence[str]) -> dict[str, str | None]:
    """What a list may call each image: any end of its path, without the ending; None where that means several."""
    known: dict[str, str | None] = {}
    for path in paths:
        parts = posixpath.splitext(path)[0].split("/")
        for start in range(len(parts)):
            name = "/".join(parts[start:])
            known[name] = path if name not in known else None
    return known
