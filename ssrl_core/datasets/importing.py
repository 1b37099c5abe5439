"""Bringing images in: a folder, a zip, an .npz, a table of file names, or image files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pandas as pd

from ssrl_core import stores
from ssrl_core.datasets.builtin import BUILT_IN
from ssrl_core.datasets.creation import check_free, create
from ssrl_core.datasets.imageset import ImageSet
from ssrl_core.datasets.locking import held
from ssrl_core.datasets.progress import Report, told
from ssrl_core.datasets.reading.archives import forget, laid_open
from ssrl_core.datasets.reading.fitting import Fit
from ssrl_core.datasets.reading.npz import read_npz
from ssrl_core.datasets.reading.outcome import Outcome
from ssrl_core.datasets.reading.source import FileTree, FolderTree, Tree, ZipTree
from ssrl_core.datasets.reading.table import TABLES
from ssrl_core.errors import DataError, SpecError

Source = str | Path | Sequence[str | Path]
RENAMED = {"concentration": "dose"}


def import_source(
    src: Source,
    name: str,
    *,
    size: int | None = None,
    fit: str = "crop",
    label: str | None = None,
    layout: str | None = None,
    seed: int = 5,
    group: str | None = None,
    title: str | None = None,
    max_value: int | None = None,
    report: Report | None = None,
) -> ImageSet:
    """Make an image set of what is at `src`.

    Memory: one image file, or 16 MB of an .npz, at a time, and the table (about 1 kB an image).

    Args:
        src: a folder of class folders, a zip of one, a folder or zip of OME-Zarr (each field is an image), an .npz, a
            table (CSV, TSV, Parquet) of file names, an image file, or several image files.
        name: the image set's name, a slug.
        size: the side that images are fitted to; needed where they have several (224 if it is left out).
        fit: crop (the short side fills, the middle is kept) | pad (the long side fits, 0 around it) | stretch.
        label: the column that is the truth; default: the class folder, `y`, or a column called label or class.
        layout: NHW | NHWC | NCHW of an .npz whose sides do not tell.
        seed: decides the order and the split.
        group: a column no value of which may be in two splits.
        max_value: the pixel value that stands for 1 (4095 for 12 bits in a 16-bit file).
        report: told how it goes.

    Raises:
        SpecError: a name that is taken, a column that is not there, a bad size or fit.
        DataError: nothing that can be read; names the file. Nothing is left in the store.
    """
    stores.check_slug(name, where="data import")
    check_free(name)
    with held(name), _unpacked_for_now(src, name):
        outcome = _read(src, name, Fit.asked(size, fit), label, layout, report)
        for note in outcome.notes:
            told(report)(0, 0, note)
        return create(
            name,
            outcome.pixels,
            lambda: _renamed(outcome.table()),
            title=title or (BUILT_IN[name].title if name in BUILT_IN else name),
            classes=outcome.classes,
            label=RENAMED.get(outcome.label or "", outcome.label),
            max_value=max_value if max_value is not None else outcome.max_value,
            channels=outcome.channels,
            seed=seed,
            group=RENAMED.get(group or "", group),
            source=lambda: "; ".join([outcome.source, *outcome.notes]),
            skipped=outcome.skipped,
        )


@contextmanager
def _unpacked_for_now(src: Source, name: str) -> Iterator[None]:
    """What a zip was unpacked to goes, whatever happens."""
    try:
        yield
    finally:
        if isinstance(src, str | Path):
            forget(Path(src).expanduser(), name)


def _read(src: Source, name: str, fit: Fit, label: str | None, layout: str | None, report: Report | None) -> Outcome:
    from ssrl_core.datasets.reading.folders import read_tree
    from ssrl_core.datasets.reading.table import read_table

    if not isinstance(src, str | Path):
        tree: Tree = FileTree([_existing(path) for path in src])
        return read_tree(tree, fit, label, report)
    path = _existing(src)
    if path.is_dir():
        return _of_tree(FolderTree(path), path, name, fit, label, report)
    kind = path.suffix.lower()
    if kind == ".npz":
        outcome = read_npz(path, layout=layout, label=label, report=report)
        return fit.whole(outcome)
    if layout is not None:
        raise SpecError(where="data import", field="--layout", rule="given for an .npz only", value=layout)
    if kind == ".zip":
        return _of_tree(ZipTree(path), path, name, fit, label, report)
    if kind in TABLES:
        return read_table(FolderTree(path.parent), path.name, fit, label, report)
    return read_tree(FileTree([path]), fit, label, report)


def _of_tree(
    tree: FolderTree | ZipTree, path: Path, name: str, fit: Fit, label: str | None, report: Report | None
) -> Outcome:
    """The image files of a folder or a zip; where there are none, but OME-Zarr, its fields."""
    from ssrl_core.datasets.cells.field_lists import read_whole_fields
    from ssrl_core.datasets.reading.folders import read_tree
    from ssrl_core.datasets.reading.image import is_image

    if not tree.zarrs or any(is_image(file) for file in tree.files):
        return read_tree(tree, fit, label, report)
    if isinstance(tree, ZipTree):
        tree.close()
        laid_open(path, name)
    return read_whole_fields(path, fit, label, report)


def _renamed(table: pd.DataFrame) -> pd.DataFrame:
    """The table with our names for the columns that others call differently."""
    return table.rename(columns={old: new for old, new in RENAMED.items() if new not in table.columns})


def _existing(src: str | Path) -> Path:
    path = Path(src).expanduser()
    if not path.exists():
        raise DataError(f"{path}: there is no such file or folder. Check the path.")
    return path
