"""Bringing images in: a folder, a zip, an .npz, a table of file names, or image files.

What a source holds is understood once (`understand`): the import, the page and the report show the same.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ssrl_core import access, stores
from ssrl_core.datasets.builtin import BUILT_IN
from ssrl_core.datasets.columns import class_names, column_of, sort_names
from ssrl_core.datasets.creation import Metadata, check_free, create
from ssrl_core.datasets.imageset import Channel, ImageSet
from ssrl_core.datasets.progress import Report, or_silent
from ssrl_core.datasets.reading.archives import forget, unpacked
from ssrl_core.datasets.reading.files import PACKED
from ssrl_core.datasets.reading.image import is_image
from ssrl_core.datasets.reading.in_place import ShardTree, shards_of
from ssrl_core.datasets.reading.manifests import list_table, list_tree
from ssrl_core.datasets.reading.npz import NpzImages
from ssrl_core.datasets.reading.source import FileTree, FolderTree, ZipTree
from ssrl_core.datasets.reading.table import SPREADSHEETS, TABLES, TEXTS
from ssrl_core.datasets.reading.understanding import (
    NOTHING,
    ImportOptions,
    Listing,
    Reading,
    Understanding,
    told_wrong,
)
from ssrl_core.datasets.splits import NO_GROUP, read_given, well_names
from ssrl_core.datasets.store import keep_warnings, load
from ssrl_core.errors import DataError
from ssrl_core.stores import held

Array = np.ndarray[Any, Any]
Source = str | Path | Sequence[str | Path]
RENAMED = {"concentration": "dose"}
_UNPACK = "Unpack it and give the folder, or pack the folder as a zip."
_SAVE_NPZ = "Save the images as x and the labels as y with numpy.savez_compressed, and give the .npz."
_OTHER_KINDS = {
    **dict.fromkeys(PACKED, _UNPACK),
    **dict.fromkeys((".npy", ".h5", ".hdf5", ".mat", ".pkl", ".pt", ".tfrecord"), _SAVE_NPZ),
}
_GLANCE = "a-glance"
_WHOLE = 4  # images that are shown before and after fitting
_OF_EACH, _MOST = 12, 240  # images of a class that are shown, and of all together


@dataclass(frozen=True)
class Glance:
    """What an import would make of a source.

    Attributes:
        table: one row an image, as they would come; `split` only where the source says it.
        rows: some of them, of every class; `pixels`: (n, C, H, W), theirs.
        whole: (C, H, W) each, some of these before they are fitted; empty where nothing is fitted.
    """

    understood: Understanding
    table: pd.DataFrame
    rows: tuple[int, ...]
    pixels: Array
    whole: tuple[Array, ...] = ()


def glance(
    src: Source,
    options: ImportOptions | None = None,
    *,
    report: Report | None = None,
) -> Glance:
    """What an import would make of a source, with some images of each class; nothing is written.

    Raises:
        SpecError, DataError: see `import_source`.
    """
    with _unpacked_for_now(src, _GLANCE):
        reading = _reading(src, _GLANCE, options or ImportOptions(), report)
        planned = _renamed(reading.planned)
        rows, images = reading.sample(_some_of_each(planned, reading.understood.label), False)
        pixels = np.stack(images) if images else np.zeros((0, 1, 1, 1), np.uint8)
        some = rows[:: max(1, len(rows) // _WHOLE)][:_WHOLE]
        whole = [image for image in reading.sample(some, True)[1] if image.shape[1:] != pixels.shape[2:]]
        return Glance(reading.understood, planned, tuple(rows), pixels, tuple(whole))


def _some_of_each(table: pd.DataFrame, label: str | None) -> list[int]:
    """Rows of every class, spread over it, fewer of each where there are many classes."""
    if label not in table:
        return [int(i) for i in np.unique(np.linspace(0, len(table) - 1, min(4 * _OF_EACH, len(table))).astype(int))]
    groups = list(table.groupby(label, sort=False).indices.values())
    each = max(1, min(_OF_EACH, _MOST // max(1, len(groups))))
    spread = [group[np.unique(np.linspace(0, len(group) - 1, each).astype(int))] for group in groups[:_MOST]]
    return [int(i) for group in spread for i in group]


def understand(src: Source, options: ImportOptions | None = None, *, report: Report | None = None) -> Understanding:
    """What an import would make of a source: its names, tables and the heads of its files are read, nothing is written.

    Raises:
        SpecError, DataError: see `import_source`.
    """
    with _unpacked_for_now(src, _GLANCE):
        return _reading(src, _GLANCE, options or ImportOptions(), report).understood


def import_source(
    src: Source, name: str, options: ImportOptions | None = None, *, report: Report | None = None
) -> ImageSet:
    """Make an image set of what is at `src`.

    Memory: one image file, or 16 MB of an .npz, at a time, and the table (about 1 kB an image).

    Args:
        src: a folder of class folders, a zip of one, tars as WebDataset writes them (one, or a folder of them), a
            folder or zip of OME-Zarr (each field is an image), an .npz, a table (CSV, TSV, Parquet) of file names, an
            image file, or several image files.
        name: the image set's name, a slug.
        report: told how it goes.

    Raises:
        SpecError: a name that is taken, a column that is not there, a bad size or fit.
        DataError: nothing that can be read; names the file. Nothing is left in the store.
    """
    options = options or ImportOptions()
    stores.check_slug(name, where="data import")
    check_free(name)
    with held(name), _unpacked_for_now(src, name):
        reading = _reading(src, name, options, report)
        understood = reading.understood
        if options.in_place:
            understood.notes.append(f"the pixels stay in their files ({understood.source})")
        for note in understood.notes:
            or_silent(report)(0, 0, note)
        metadata = Metadata(
            title=options.title or (BUILT_IN[name].title if name in BUILT_IN else name),
            classes=understood.classes,
            label=understood.label,
            max_value=lambda: understood.max_value,
            channels=understood.channels,
            seed=options.seed,
            group=understood.group,
            by_well=options.group is None,
            source=lambda: "; ".join([understood.source, *understood.notes]),
            skipped=understood.skipped,
            understood=understood.as_json,
            in_place=_in_place(reading) if options.in_place else None,
        )
        create(name, reading.pixels, lambda: _renamed(reading.table()), metadata)
    imageset = keep_warnings(load(name))
    for warning in imageset.meta["warnings"]:
        or_silent(report)(0, 0, warning)
    return imageset


def _in_place(reading: Reading) -> Callable[[Path, list[str]], None]:
    if reading.in_place is None:
        rule = "for image files of 8 bits with one image each, in a folder or in tars"
        raise told_wrong("in_place", rule, reading.understood.source)
    return reading.in_place


@contextmanager
def _unpacked_for_now(src: Source, by: str) -> Iterator[None]:
    """What a zip was unpacked to goes, whatever happens."""
    try:
        yield
    finally:
        if isinstance(src, str | Path):
            forget(Path(src).expanduser(), by)


def _reading(src: Source, by: str, options: ImportOptions, report: Report | None) -> Reading:
    """The images of a source, and what was understood of it, told what the options say.

    Raises:
        SpecError: also a label, a group or channels that are not there.
    """
    reading = _listing(src, by, options.checked()).read(options, or_silent(report))
    understood = reading.understood
    label = options.label if understood.layout.kind != "npz" else None  # an .npz has answered it
    understood.label = None if label == NOTHING else _ours(label or understood.label)
    if options.label is not None:
        understood.guessed = [guess for guess in understood.guessed if guess.what != "label"]
    understood.group = (_ours(options.group) or understood.group) if options.group != NO_GROUP else None
    table = _renamed(reading.planned)
    for field_name, column in (("label", understood.label), ("group", understood.group)):
        if column is not None and column not in table:
            known = ", ".join(str(c) for c in table.columns if c not in ("source", "split")) or "none"
            raise told_wrong(field_name, f"a column of the table ({known})", column)
    if options.group is None and understood.group is None and "split" not in table and well_names(table) is not None:
        understood.guess("kept together", "whole wells", f"column {column_of(table, 'well')!r}")
    _take_channels(understood, options)
    understood.counts = _counts(table, understood.label)
    return reading


def _take_channels(understood: Understanding, options: ImportOptions) -> None:
    """The names that were asked for; what the files say of colours stays."""
    if options.channels is None:
        return
    names = [name.strip() for name in options.channels]
    if understood.shape is not None and len(names) != understood.shape[0]:
        raise told_wrong("channels", f"{understood.shape[0]} names, one for each channel", ", ".join(names))
    said = list(understood.channels or names)
    kept = [replace(old, name=new) if isinstance(old, Channel) else new for old, new in zip(said, names, strict=True)]
    understood.channels = kept


def _counts(table: pd.DataFrame, label: str | None) -> dict[str, dict[str, int]]:
    """See `Understanding.counts`."""
    classes = class_names(table[label]) if label is not None else [None] * len(table)
    given = read_given(table["split"]) if "split" in table else None
    splits = [""] * len(table) if given is None else given.tolist()
    counts: dict[str, dict[str, int]] = {name: {} for name in sort_names({c or "" for c in classes})}
    for (name, split), count in Counter(zip(classes, splits, strict=True)).items():
        counts[name or ""][split] = count
    return counts


def _listing(src: Source, by: str, options: ImportOptions) -> Listing:
    if not isinstance(src, str | Path):
        return list_tree(FileTree([_existing(path) for path in src]), options)
    path = _existing(src)
    if shards := shards_of(path):
        return list_tree(ShardTree(path, shards), options)
    if path.is_dir():
        return _of_tree(FolderTree(path), path, by, options)
    return _of_file(path, by, options)


def _of_file(path: Path, by: str, options: ImportOptions) -> Listing:
    """One file, by the ending of its name: alone, or with what lies beside it (the files that a table names)."""
    kind = path.suffix.lower()
    if kind == ".npz":
        return NpzImages(path, layout=options.layout, label=options.label)
    if options.layout is not None:
        raise told_wrong("layout", "given for an .npz only", options.layout)
    if kind == ".zip":
        return _of_tree(ZipTree(path, options.code_page), path, by, options)
    if kind in SPREADSHEETS:
        raise DataError(f"{path}: spreadsheets are not read. Save the table as CSV (UTF-8) beside the images.")
    if kind in _OTHER_KINDS:
        raise DataError(f"{path}: {kind} files are not read. {_OTHER_KINDS[kind]}")
    if kind in (*TABLES, *TEXTS):
        return list_table(FolderTree(path.parent), path.name, options)
    return list_tree(FileTree([path]), options)


def _of_tree(tree: FolderTree | ZipTree, path: Path, by: str, options: ImportOptions) -> Listing:
    """The image files of a folder or a zip; where there are none, but OME-Zarr, its fields."""
    from ssrl_core.datasets.cells.field_lists import WholeFields

    if not tree.zarrs or any(is_image(file) for file in tree.files):
        listed = list_tree(tree, options)
        listed.understood.notes += tree.notes
        listed.understood.notes += _about_channels(listed.understood, tree)
        return listed
    if isinstance(tree, ZipTree):
        tree.close()
        unpacked(path, by)
    return WholeFields(path)


def _about_channels(understood: Understanding, tree: FolderTree | ZipTree) -> list[str]:
    """What to say where the names of files are those of fields whose channels have files of their own."""
    from ssrl_core.datasets.cells.field_names import fields_by_name

    files = [Path(file) for file in tree.files if is_image(file)] if understood.layout.kind != "table" else []
    try:
        named = fields_by_name(files)
    except DataError:
        return []  # names that are not known may be anything
    if named is None or len(named.channels) < 2:
        return []
    shown = ", ".join(named.channels[:5])
    return [f"the names tell of fields with the channels {shown}: each file is an image here; data cells joins them"]


def _ours(column: str | None) -> str | None:
    return RENAMED.get(column or "", column)


def _renamed(table: pd.DataFrame) -> pd.DataFrame:
    """The table with our names for the columns that others call differently."""
    return table.rename(columns={old: new for old, new in RENAMED.items() if new not in table.columns})


def _existing(src: str | Path) -> Path:
    path = Path(src).expanduser()
    access.require_readable(path, "Import")
    if not os.path.exists(path):
        raise DataError(f"{path}: there is no such file or folder. Check the path.")
    return path
