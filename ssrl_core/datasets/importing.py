"""Bringing images in: a folder, a zip, an .npz, a table of file names, or image files.

What a source holds is understood once (`understand`): the import, the page and the report show the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import BinaryIO

import pandas as pd

from ssrl_core import stores
from ssrl_core.datasets.builtin import BUILT_IN
from ssrl_core.datasets.creation import Metadata, check_free, create
from ssrl_core.datasets.imageset import ImageSet
from ssrl_core.datasets.progress import Report, or_silent
from ssrl_core.datasets.reading.archives import forget, unpacked
from ssrl_core.datasets.reading.folders import list_tree
from ssrl_core.datasets.reading.image import check_fit, is_image
from ssrl_core.datasets.reading.npz import NpzImages
from ssrl_core.datasets.reading.source import FileTree, FolderTree, OpenedFile, Tree, ZipTree
from ssrl_core.datasets.reading.table import TABLES, list_table
from ssrl_core.datasets.reading.understanding import Listing, Reading, Understanding
from ssrl_core.datasets.splits import NO_GROUP
from ssrl_core.datasets.store import keep_warnings, load
from ssrl_core.errors import DataError, SpecError
from ssrl_core.stores import held

Source = str | Path | Sequence[str | Path]
RENAMED = {"concentration": "dose"}
_GLANCE = "a-glance"


@dataclass(frozen=True)
class ImportOptions:
    """What an import of images is told.

    Attributes:
        title: the name for people; None = the image set's name.
        label: the column that is the truth; None = the class folder, `y`, or a column called label or class.
        group: a column no value of which may be in two splits; None = wells, where they are known; `none` = nothing.
        size: the side that images are fitted to; needed where they have several (224 if it is left out).
        fit: crop (the short side fills, the middle is kept) | pad (the long side fits, 0 around it) | stretch.
        layout: NHW | NHWC | NCHW of an .npz whose sides do not tell.
        seed: decides the order and the split.
        max_value: the pixel value that stands for 1 (4095 for 12 bits in a 16-bit file); None = as the source says.
    """

    title: str | None = None
    label: str | None = None
    group: str | None = None
    size: int | None = None
    fit: str = "crop"
    layout: str | None = None
    seed: int = 5
    max_value: int | None = None


def understand(src: Source, options: ImportOptions | None = None, *, report: Report | None = None) -> Understanding:
    """What an import would make of a source: its names, tables and the heads of its files are read, nothing is written.

    Raises:
        SpecError, DataError: see `import_source`.
    """
    with _unpacked_for_now(src, _GLANCE):
        return _reading(src, _GLANCE, options or ImportOptions(), report).understood


def label_columns(file: OpenedFile) -> list[str]:
    """Columns of an uploaded file that `label` could name, without looking at an image.

    Raises:
        DataError: an archive that cannot be read, or may not be.
    """
    understood = _listing(file, _GLANCE, ImportOptions()).understood
    own = {"split"} if understood.layout.split_level is not None else set()
    return [name for name in understood.column_names if name not in own]


def import_source(
    src: Source, name: str, options: ImportOptions | None = None, *, report: Report | None = None
) -> ImageSet:
    """Make an image set of what is at `src`.

    Memory: one image file, or 16 MB of an .npz, at a time, and the table (about 1 kB an image).

    Args:
        src: a folder of class folders, a zip of one, a folder or zip of OME-Zarr (each field is an image), an .npz, a
            table (CSV, TSV, Parquet) of file names, an image file, or several image files.
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
        )
        create(name, reading.pixels, lambda: _renamed(reading.table()), metadata)
    imageset = keep_warnings(load(name))
    for warning in imageset.meta["warnings"]:
        or_silent(report)(0, 0, warning)
    return imageset


@contextmanager
def _unpacked_for_now(src: Source, by: str) -> Iterator[None]:
    """What a zip was unpacked to goes, whatever happens."""
    try:
        yield
    finally:
        if isinstance(src, str | Path):
            forget(Path(src).expanduser(), by)


def _reading(src: Source, by: str, options: ImportOptions, report: Report | None) -> Reading:
    """The images of a source, and what was understood of it, told what the options say."""
    check_fit(options.size, options.fit)
    reading = _listing(src, by, options).read(options.size, options.fit, or_silent(report))
    understood = reading.understood
    label = options.label if understood.layout.kind != "npz" else None  # an .npz has answered it
    understood.label = _ours(label or understood.label)
    understood.group = (_ours(options.group) or understood.group) if options.group != NO_GROUP else None
    understood.max_value = options.max_value if options.max_value is not None else understood.max_value
    return reading


def _listing(src: Source | OpenedFile, by: str, options: ImportOptions) -> Listing:
    if isinstance(src, OpenedFile):
        return _of_file(src.name, src.file, src, src, by, options)
    if not isinstance(src, str | Path):
        return list_tree(FileTree([_existing(path) for path in src]))
    path = _existing(src)
    if path.is_dir():
        return _of_tree(FolderTree(path), path, by)
    return _of_file(str(path), path, FileTree([path]), FolderTree(path.parent), by, options)


def _of_file(
    where: str, content: Path | BinaryIO, alone: Tree, beside: Tree, by: str, options: ImportOptions
) -> Listing:
    """One file, by the ending of its name: `alone`, or with what lies `beside` it (the files that a table names)."""
    kind = PurePath(where).suffix.lower()
    if kind == ".npz":
        return NpzImages(content, where, layout=options.layout, label=options.label)
    if options.layout is not None:
        raise SpecError.at("data import", "--layout", "given for an .npz only", options.layout)
    if kind == ".zip":
        return _of_tree(ZipTree(content, where), content, by)
    return list_table(beside, PurePath(where).name) if kind in TABLES else list_tree(alone)


def _of_tree(tree: FolderTree | ZipTree, content: Path | BinaryIO, by: str) -> Listing:
    """The image files of a folder or a zip; where there are none, but OME-Zarr, its fields."""
    from ssrl_core.datasets.cells.field_lists import WholeFields

    if not tree.zarrs or any(is_image(file) for file in tree.files) or not isinstance(content, Path):
        listed = list_tree(tree)
        listed.understood.notes += _about_channels(listed.understood, tree)
        return listed
    if isinstance(tree, ZipTree):
        tree.close()
        unpacked(content, by)
    return WholeFields(content)


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
    if not path.exists():
        raise DataError(f"{path}: there is no such file or folder. Check the path.")
    return path
