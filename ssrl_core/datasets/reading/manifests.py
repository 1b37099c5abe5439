"""Which of a source's tables name its image files, and what they and the folders say of label and split.

What a table does not say is asked of the folders that its files lie in; labels that folders do not give, of tables.
"""

from __future__ import annotations

import posixpath
import re
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from ssrl_core.datasets.columns import renamed, says_where_from
from ssrl_core.datasets.reading import image
from ssrl_core.datasets.reading.files import ImageFiles
from ssrl_core.datasets.reading.folders import UNTOLD, Entry, by_folders, look_alikes
from ssrl_core.datasets.reading.manifest import Manifest, listed_splits
from ssrl_core.datasets.reading.source import Tree
from ssrl_core.datasets.reading.table import SPREADSHEETS, TABLES, TEXTS, UnreadableTable, bare_name
from ssrl_core.datasets.reading.understanding import (
    NOTHING,
    ImportOptions,
    Layout,
    Understanding,
    columns_of,
    told_wrong,
)
from ssrl_core.datasets.splits import SPLITS, read_given, split_word, unknown_splits
from ssrl_core.errors import DataError

_LABELS = (
    *("label", "class", "labels", "classname", "category", "categoryname", "target", "diagnosis", "dx", "species"),
    *("classid", "classlabel", "labelid", "labelname", "truelabel", "groundtruth", "phenotype", "celltype", "emotion"),
    *("klasse", "classe", "kategorie", "categorie", "categoria", "clase"),
)
_HELD_OUT = {"is_valid": "val", "is_val": "val", "is_test": "test", "is_train": "train"}
_SAME_FILES = 0.5  # of a table, from which another one that names them is joined
_DEEPEST = 2  # folders below which no table is looked for
_MOST_TABLES = 40
_ZARR_BESIDE = "a Zarr folder beside image files; import it by itself"
_NO_IMAGE = "not an image file"
_SHEET = "a spreadsheet; save it as CSV to have it read"


def list_tree(tree: Tree, options: ImportOptions = UNTOLD) -> ImageFiles:
    """The images of a tree: by the table that names most of them, else by their folders.

    Raises:
        SpecError: a table, a column or a level that was asked for and is not there.
    """
    paths = [path for path in tree.files if image.is_image(path)]
    tables = [path for path in tree.files if path.lower().endswith((*TABLES, *TEXTS)) and path.count("/") <= _DEEPEST]
    found, unused = _manifests(tree, tables, options)
    if options.table not in (None, NOTHING):
        return _with_lists(_listed(tree, found[str(options.table)], paths, options), tree, options)
    understood, entries = by_folders(paths, _name_of(tree), options)
    best, more = _joined(found)
    if best is not None and not (understood.label and len(best.entries) < len(paths) / 2):
        _take_more(best, more)
        others = {path: f"{best.path} names more of the images" for path in found if path not in best.paths}
        listed = _listed(tree, best, paths, options)
        listed.understood.skipped += _no_images(tree, {**unused, **others}, best.paths)
        return _with_lists(listed, tree, options)
    entries, used = _with_labels(understood, entries, found)
    reasons = {**dict.fromkeys(found, "it names few of the images"), **unused}
    understood.skipped += _no_images(tree, reasons, used)
    understood.skipped += [{"file": path or tree.where, "reason": _ZARR_BESIDE} for path in tree.zarrs]
    understood.tables = tuple(found)
    return _with_lists(ImageFiles(tree, entries, understood), tree, options)


def _with_lists(listed: ImageFiles, tree: Tree, options: ImportOptions) -> ImageFiles:
    """The same, split as lists of file names say where nothing else does; what they do not name is left out."""
    entries, understood = listed.entries, listed.understood
    if options.split is not None or any("split" in entry.columns for entry in entries):
        return listed
    found, lists = listed_splits(tree, [entry.path for entry in entries])
    if not found:
        return listed
    told = " and ".join(lists)
    kept = [Entry(e.path, {**e.columns, "split": found[e.path]}) for e in entries if e.path in found]
    understood.skipped = [item for item in understood.skipped if item["file"] not in lists]
    understood.skipped += [
        {"file": e.path, "reason": f"{told}, which tell the splits, do not name it"}
        for e in entries
        if e.path not in found
    ]
    understood.guess("split", told, "they list the images of each")
    return ImageFiles(tree, kept, understood)


def _no_images(tree: Tree, reasons: Mapping[str, str], used: Collection[str]) -> list[dict[str, str]]:
    """Files that are no images and no tables that were used, each with the reason that is known, or that it is none."""
    left = [path for path in tree.files if not image.is_image(path) and path not in used]
    sheets = {path: _SHEET for path in left if path.lower().endswith(SPREADSHEETS)}
    return [{"file": path, "reason": reasons.get(path) or sheets.get(path, _NO_IMAGE)} for path in left]


def list_table(tree: Tree, path: str, options: ImportOptions = UNTOLD) -> ImageFiles:
    """The images that a table names, in its order.

    Raises:
        DataError: a table that cannot be read, that names no image files, or none that is there.
        SpecError: a column that was asked for and is not there.
    """
    return _listed(tree, Manifest(tree, path, options), None, options)


def _name_of(tree: Tree) -> str:
    return tree.where.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1]


def _manifests(tree: Tree, tables: Sequence[str], options: ImportOptions) -> tuple[dict[str, Manifest], dict[str, str]]:
    """The tables that name images which are there, and why others are not used.

    Raises:
        SpecError: the table that was asked for is none of them.
    """
    if options.table == NOTHING:
        return {}, dict.fromkeys(tables, "no table was asked for")
    if options.table is not None:
        if options.table not in tables:
            raise told_wrong("table", f"one of {', '.join(tables[:10]) or 'none: there is no table'}", options.table)
        return {options.table: Manifest(tree, options.table, options)}, {}
    found, unused = dict[str, Manifest](), dict[str, str]()
    for path in tables[:_MOST_TABLES]:
        names, why = None, "a table in which no column names images that are here"
        try:
            names = Manifest(tree, path, options)
        except UnreadableTable as error:
            why = error.reason
        except DataError:
            pass  # it is one of the files that are skipped
        if names is not None and any(tree.holds(entry.path) for entry in names.entries):
            found[path] = names
        elif not path.lower().endswith(TEXTS):
            unused[path] = why
    return found, unused


def _joined(found: Mapping[str, Manifest]) -> tuple[Manifest | None, list[Manifest]]:
    """The table that names most images, with those of the same columns whose names are splits (`train.csv`, `test.csv`)
    or, in other folders, the same name; and the others."""
    if not found:
        return None, []
    groups = _of_one_kind(found)
    for kind in groups:
        _one_table(kind)
    best = max((kind[0] for kind in groups), key=lambda manifest: len(manifest.entries))
    return best, [kind[0] for kind in groups if kind[0] is not best]


def _take_more(best: Manifest, others: Sequence[Manifest]) -> None:
    """What other tables say of the same images."""
    named = {entry.path for entry in best.entries}
    for other in others:
        same = {entry.path for entry in other.entries}
        if len(same & named) >= _SAME_FILES * len(named):
            new = best.take_columns(other)
            best.notes += [f"{', '.join(new)}: from {' and '.join(other.paths)}"] if new else []


def _of_one_kind(found: Mapping[str, Manifest]) -> list[list[Manifest]]:
    """Tables that may be parts of one, the largest first: of the same columns, and names that differ in a split."""
    kinds: dict[tuple[Any, ...], list[Manifest]] = defaultdict(list)
    for path, manifest in found.items():
        folder, name = posixpath.split(path)
        rest, word = _without_split(posixpath.splitext(name)[0])
        columns = tuple(c for c in manifest.table.columns if c != "split")
        kinds[(columns, rest if word else name, folder if word else "")].append(manifest)
    return [sorted(kind, key=lambda manifest: -len(manifest.entries)) for kind in kinds.values()]


def _one_table(kind: Sequence[Manifest]) -> None:
    """Join tables to the first, each with the split that its name or folder says, where all do."""
    told = []
    for manifest in kind:
        folder, name = posixpath.split(manifest.path)
        told.append(_without_split(posixpath.splitext(name)[0])[1] or split_word(posixpath.basename(folder)))
    if len(kind) > 1 and all(told) and len(set(told)) > 1 and "split" not in kind[0].table.columns:
        for manifest, word in zip(kind, told, strict=True):
            manifest.told_split(str(word))
    for manifest in kind[1:]:
        kind[0].join(manifest)


def _without_split(stem: str) -> tuple[str, str | None]:
    """A name without the word of it that is a split, and that split; both parts are the name where none is."""
    words = re.findall(r"[a-z]+|\d+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", stem).lower())
    said = [("train" if word == "trainval" else split_word(word), word) for word in words]
    splits = {split for split, _ in said if split}
    if len(splits) != 1:
        return stem, None
    return " ".join(word for split, word in said if not split), splits.pop()


def _listed(tree: Tree, names: Manifest, paths: Sequence[str] | None, options: ImportOptions) -> ImageFiles:
    """The images of a table, told what its columns and the folders say.

    Args:
        paths: all images of the tree; None = only the table was given.
    """
    layout = Layout("table", " and ".join(names.paths), names.column)
    understood = Understanding(posixpath.basename(names.path), layout, skipped=names.skipped)
    understood.tables = tuple(names.paths)
    understood.notes += names.notes
    _take_split(names, understood, options, f"{tree.where}/{names.path}")
    _take_label(names, understood)
    if paths is not None:
        _ask_folders(names, understood, options)
        named = {entry.path for entry in names.entries} | {item["file"] for item in understood.skipped}
        unnamed = [path for path in paths if path not in named]
        understood.skipped += [{"file": path, "reason": f"{names.path} does not name it"} for path in unnamed]
    if names.others:
        others = ", ".join(map(repr, names.others))
        understood.notes.append(
            f"images were taken from column {names.column!r}; {others} also name files: if they are channels of one "
            "image, data cells reads them together"
        )
        understood.guess("the column of files", repr(names.column), f"it is the usual one; {others} also name files")
    if names.found_elsewhere:
        understood.notes.append(f"{names.found_elsewhere} images lie elsewhere than the table says, by the same name")
    known = pd.DataFrame([dict(entry.columns) for entry in names.entries])
    columns = columns_of(names.table, without=(names.column,))
    more = columns_of(known[[c for c in known.columns if c not in names.table.columns]]) if len(known) else ()
    understood.columns = columns + more
    if understood.label in known:
        understood.notes += look_alikes({str(value) for value in known[understood.label].dropna().unique()})
    return ImageFiles(tree, names.entries, understood)


def _take_split(names: Manifest, understood: Understanding, options: ImportOptions, where: str) -> None:
    """The column that is the split: the one asked for, `split`, or the truths of `is_valid`.

    Raises:
        SpecError: there is no such column.
        DataError: some of its values are splits, and others are not.
    """
    asked = str(options.split) if options.split is not None and not str(options.split).isdigit() else None
    columns = list(names.table.columns)
    if asked == NOTHING or (options.split is not None and asked is None):
        names.forget_split()
    elif asked is not None and asked != "split":
        if asked not in columns:
            raise told_wrong("split", f"a column of the table ({', '.join(map(str, columns))}) or a level", asked)
        held = _HELD_OUT.get(asked.lower())
        words = _of_truths(names.table[asked], held) if held else names.table[asked]
        names.told("split", words)
    elif "split" not in columns:
        worded = [c for c in columns if names.table[c].nunique() > 1 and _holds_splits(names.table[c])]
        if worded:
            names.told("split", names.table[worded[0]])
            understood.guess("split", f"column {worded[0]!r}", "all its values are splits")
            understood.layout = replace(understood.layout, split_column=str(worded[0]))
            return
        numbered = [c for c in columns if bare_name(str(c)).endswith("partition") and _are_places(names.table[c])]
        if numbered:  # as CelebA writes them
            names.told("split", names.table[numbered[0]].map(dict(enumerate(SPLITS))))
            understood.guess("split", f"column {numbered[0]!r}, 0 = train, 1 = val, 2 = test", "its name")
            understood.layout = replace(understood.layout, split_column=str(numbered[0]))
            return
        held_out = [c for c in columns if str(c).lower() in _HELD_OUT and names.table[c].nunique() == 2]
        if held_out:
            column = held_out[0]
            names.told("split", _of_truths(names.table[column], _HELD_OUT[str(column).lower()]))
            understood.guess("split", f"column {column!r}", "its name")
            understood.layout = replace(understood.layout, split_column=str(column))
            return
    if "split" not in names.table.columns:
        return
    understood.notes += _about_split(names.table, where)
    if read_given(names.table["split"]) is not None:
        understood.layout = replace(understood.layout, split_column=asked or "split")


def _are_places(values: pd.Series[Any]) -> bool:
    return set(values.unique()) in ({0, 1, 2}, {0, 1}, {0, 2})


def _holds_splits(values: pd.Series[Any]) -> bool:
    known = read_given(values)
    return known is not None and "train" in known


def _of_truths(values: pd.Series[Any], when_true: str) -> pd.Series[Any]:
    """Splits of a column of truths (or 0 and 1)."""
    other = "train" if when_true != "train" else "test"
    true = values.astype(str).str.lower().isin(("true", "1", "1.0", "yes"))
    return pd.Series(np.where(true, when_true, other), values.index, dtype=object)


def _about_split(table: pd.DataFrame, where: str) -> list[str]:
    """What to say of a column `split` that is not one.

    Raises:
        DataError: some of its values are splits, and others are not.
    """
    strange = unknown_splits(table["split"])
    if not strange:
        return []
    if len(strange) < table["split"].nunique(dropna=False):
        remedy = "Correct them, or call the column otherwise to have the images split by seed."
        raise DataError.at(where, "split", "train, val or test in every row", strange, remedy)
    return [f"column 'split' holds no splits ({', '.join(strange[:3])}): the images are split by seed"]


def _take_label(names: Manifest, understood: Understanding) -> None:
    """The column that is the truth: by its name, the only one there is, or columns of 0 and 1 of which one is 1."""
    table, layout = names.table, understood.layout
    known = [str(c) for c in table.columns if table[c].notna().any()]
    usual = [c for word in _LABELS for c in known if bare_name(c) == word]
    usual = usual or [c for c in known if _is_of_labels(c) and 2 <= table[c].nunique() <= len(table) / 2]
    if usual:
        chosen = next((c for c in usual if _words_for(table[usual[0]], table[c])), usual[0])
        understood.label = chosen
        understood.guess("label", f"column {chosen!r}", "its name")
        return
    rest = [name for name in table.columns if name not in (names.column, "split", "row name", layout.split_column)]
    one_hot = [name for name in rest if set(table[name].dropna().unique()) <= {0, 1} and table[name].notna().all()]
    if len(one_hot) > 1:
        sums = table[one_hot].astype(int).sum(axis=1)
        if (sums <= 1).all() and (sums == 1).mean() > 0.5:
            names.told("label", table[one_hot].astype(int).idxmax(axis=1).where(sums == 1, None))
            understood.label = "label"
            understood.guess("label", f"which of {len(one_hot)} columns is 1", "in each row one is")
            return
        if len(one_hot) == len(rest):
            shown = ", ".join(map(str, one_hot[:4]))
            understood.notes.append(f"in some rows several of {shown} are 1: no column is the label; choose one")
    told = [str(c) for c in rest if 2 <= table[c].nunique() <= len(table) / 2 and not _measures(table[c])]
    if len(rest) > 1 and told:
        understood.notes.append(f"no column is taken as the label; it may be {' or '.join(told[:6])}")
    if len(rest) == 1 and 2 <= table[rest[0]].nunique() <= len(table) / 2:
        understood.label = str(rest[0])
        understood.guess("label", f"column {understood.label!r}", "the table has no other")


def _measures(values: pd.Series[Any]) -> bool:
    """Whether a column is a dose, a place, or holds numbers that are not whole."""
    fractions = pd.api.types.is_float_dtype(values) and bool((values.dropna() % 1 != 0).any())
    name = str(values.name)
    return fractions or says_where_from(name) or renamed([name]).get(name, name) in ("dose", "dose_unit")


def _is_of_labels(column: str) -> bool:
    """Whether a column is called so, among other words (`Finding Labels`, `true_class`)."""
    words = re.findall(r"[a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", column).lower())
    return len(words) > 1 and words[-1] in ("label", "labels", "class", "category", "diagnosis")


def _words_for(numbers: pd.Series[Any], words: pd.Series[Any]) -> bool:
    """Whether a column of text names what another one numbers."""
    if not pd.api.types.is_numeric_dtype(numbers) or pd.api.types.is_numeric_dtype(words):
        return False
    pairs = len(pd.concat([numbers, words], axis=1).drop_duplicates())
    return pairs == int(numbers.nunique()) and pairs == int(words.nunique())


def _ask_folders(names: Manifest, understood: Understanding, options: ImportOptions) -> None:
    """Split and class of the folders, where the table does not say them.

    Folders that the table does not write, and that are no splits, only store files: they are no classes.
    """
    told, entries = by_folders([entry.path for entry in names.entries], "", options)
    understood.folders = told.folders
    split, label = told.layout.split_level, told.layout.class_level
    column = "label" if "label" not in names.table.columns else "folder"
    classes = {e.columns.get("label") for e in entries} - {None}
    asked = options.class_level not in (None, NOTHING)
    take_split = split is not None and "split" not in names.table.columns and options.split != NOTHING
    take_label = asked or (
        not understood.label and len(classes) > 1 and (split is not None or names.writes_folders) and label is not None
    )
    if not (take_split or take_label):
        return
    own = {entry.path: entry.columns for entry in entries}
    left = {item["file"]: item["reason"] for item in told.skipped}
    understood.skipped += [{"file": path, "reason": reason} for path, reason in left.items()]
    kept = []
    for entry in names.entries:
        if entry.path in own:
            said = own[entry.path]
            more = {"split": said["split"]} if take_split and "split" in said else {}
            kept.append(
                Entry(entry.path, {**entry.columns, **more, **({column: said.get("label")} if take_label else {})})
            )
    names.entries = kept
    if take_split:
        understood.layout = replace(understood.layout, split_level=split)
        understood.guess("split", "the folders of the images", "the table does not say it")
    if take_label:
        understood.label, understood.layout = column, replace(understood.layout, class_level=label)
        if not asked:
            understood.guess("label", "the folder that an image lies in", "the table does not say it")


def _with_labels(
    understood: Understanding, entries: Sequence[Entry], found: Mapping[str, Manifest]
) -> tuple[list[Entry], list[str]]:
    """Entries without a class folder labelled by a table whose values are classes of the others (Tiny ImageNet's
    `val_annotations.txt`), and the tables that gave labels."""
    classes = {entry.columns.get("label") for entry in entries} - {None}
    done, used = list(entries), []
    for path, manifest in found.items() if classes else ():
        labels = manifest.labels_among(classes)
        places = [i for i, e in enumerate(done) if e.columns.get("label") is None and e.path in labels]
        for i in places:
            done[i] = Entry(done[i].path, {**done[i].columns, "label": labels[done[i].path]})
        if places:
            used.append(path)
            understood.notes.append(f"the labels of {len(places)} images are those of {path}")
    still = sum(entry.columns.get("label") is None for entry in done) if understood.label else 0
    lie = "images lie in no class folder and have" if still > 1 else "image lies in no class folder and has"
    understood.notes += [f"{still} {lie} no label"] if still else []
    return done, used
