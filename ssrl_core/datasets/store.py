"""The store of image sets: which there are, one of them, a new one, one gone."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from ssrl_core import access, stores
from ssrl_core.datasets import builtin
from ssrl_core.datasets.creation import create
from ssrl_core.datasets.imageset import Channel, ImageSet
from ssrl_core.datasets.pictures import as_json, from_json
from ssrl_core.datasets.progress import Report
from ssrl_core.datasets.splits import SPLITS
from ssrl_core.errors import DataError, SpecError
from ssrl_core.stores import held

__all__ = ["create", "delete", "describe", "is_ready", "load", "names", "set_channels", "summary"]


def names() -> list[str]:
    """Every image set that can be named: the built-in ones first, then those on disk, then those of the example."""
    on_disk = _in(stores.data_root())
    return list(dict.fromkeys([*builtin.BUILT_IN, *on_disk, *_in(stores.demo_data_root())]))


def _in(root: Path) -> list[str]:
    found = (path.parent.name for path in root.glob("*/imageset.json"))
    return sorted(name for name in found if stores.SLUG.match(name))


def is_ready(name: str) -> bool:
    """Whether the image set is on disk, so that nothing need be made or fetched."""
    return bool(stores.SLUG.match(name)) and (folder_of(name) / "imageset.json").is_file()


def is_made(name: str) -> bool:
    """Whether what is on disk under a built-in name is ours (not an image set imported in its place)."""
    return name in builtin.BUILT_IN and is_ready(name) and load(name).meta.get("source") == builtin.source_of(name)


def is_example(name: str) -> bool:
    """Whether the image set ships with the finished example, which is not written into."""
    return is_ready(name) and folder_of(name).parent == stores.demo_data_root()


def folder_of(name: str) -> Path:
    """`data/<name>`; of an image set that ships, its folder in `models/demo/data`."""
    own = stores.data_root() / name
    if own.is_dir():
        return own
    shipped = stores.demo_data_root() / name
    return shipped if shipped.is_dir() else own


def load(name: str, *, report: Report | None = None) -> ImageSet:
    """An image set; a built-in one is made or fetched on first use.

    Args:
        report: told how the making goes.

    Raises:
        SpecError: there is no image set of this name (the message lists those that there are).
        DataError: its files are damaged, or it cannot be fetched.
    """
    if is_ready(name):
        return _read(folder_of(name))
    if name not in builtin.BUILT_IN:
        raise SpecError.at(
            "image set", "name", f"one of {', '.join(names())}", name, "Import it first: data import SRC --name NAME."
        )
    with held(name):
        if not is_ready(name):  # nobody made it while we waited
            builtin.BUILT_IN[name].make(report)
    return _read(folder_of(name))


def summary(name: str) -> dict[str, Any]:
    """One item of `data list` (docs/contracts.md C11); for a built-in set that is not made yet, what it will be."""
    if not is_ready(name) and name in builtin.BUILT_IN:
        return builtin.promised(builtin.BUILT_IN[name])
    imageset = load(name)
    return {
        "name": imageset.name,
        "title": imageset.title,
        "count": imageset.count,
        "shape": list(imageset.shape),
        "dtype": imageset.dtype,
        "classes": list(imageset.classes),
        "splits": dict(_split_counts(imageset.folder / "table.parquet", imageset.fingerprint)),
        "label": imageset.label,
        "fingerprint": imageset.fingerprint,
    }


def describe(name: str, *, report: Report | None = None) -> dict[str, Any]:
    """One item of `data list`, the files that were skipped, what was understood of its source (None: not kept), and the
    warnings: what the checks said when it was imported, else those that need no pixels. Of cells that were cut out of
    fields also what was dropped, by reason and by compound.

    A built-in set is made.
    """
    imageset = load(name, report=report)
    warnings = warnings_of(imageset)
    skipped = [dict(item) for item in imageset.skipped]
    told = {**summary(name), "skipped": skipped, "understood": imageset.meta.get("understood"), "warnings": warnings}
    cells = imageset.folder / "cells.json"  # of a set that was cut out of fields
    if cells.exists():
        kept = stores.read_json(cells)
        told |= {key: kept.get(key, {}) for key in ("dropped", "dropped_by")}
    return told


def warnings_of(imageset: ImageSet) -> list[str]:
    """What the checks said when it was imported, else what those say that need no pixels."""
    from ssrl_core.datasets.checks import check

    kept = imageset.meta.get("warnings")
    return check(imageset, pixels=False) if kept is None else list(kept)


def keep_warnings(imageset: ImageSet) -> ImageSet:
    """Run all checks, and keep what they say with the image set."""
    from ssrl_core.datasets.checks import check

    warnings = check(imageset)
    with held(imageset.name):
        stores.write_json(imageset.folder / "imageset.json", {**imageset.meta, "warnings": warnings})
    return load(imageset.name)


def set_channels(name: str, channels: Sequence[Channel]) -> ImageSet:
    """Keep other names, colours and display windows of an image set's channels; its pixels and fingerprint stay.

    Raises:
        SpecError: there is no such set on disk, or it has another number of channels.
    """
    access.require_editor("Changing an image set")
    _require_ready(name)
    with held(name):
        imageset = load(name)
        if len(channels) != len(imageset.channels):
            raise SpecError.at(
                f"image set {name!r}",
                "channels",
                f"{len(imageset.channels)}, as many as its images have",
                [channel.name for channel in channels],
            )
        stores.write_json(imageset.folder / "imageset.json", {**imageset.meta, "channels": as_json(channels)})
    return load(name)


def delete(name: str) -> None:
    """Remove an image set from the store (a built-in one is made anew when it is next named).

    Raises:
        SpecError: there is none on disk.
    """
    access.require_editor("Deleting an image set")
    _require_ready(name)
    with held(name):
        gone = stores.data_root() / f".gone-{name}-{os.getpid()}"
        os.replace(folder_of(name), gone)  # first out of sight, so that nobody meets half of it
        shutil.rmtree(gone)


def _require_ready(name: str) -> None:
    if not is_ready(name):
        raise SpecError.at("image set", "name", "one that is on disk", name, "See `data list`.")
    if is_example(name):
        raise SpecError.at(
            "image set",
            "name",
            "one of your own",
            name,
            "The example stays as it ships; import your images under another name.",
        )


def _read(folder: Path) -> ImageSet:
    path = folder / "imageset.json"
    meta = stores.read_json(path)
    try:
        return ImageSet(
            name=folder.name,
            title=str(meta["title"]),
            count=int(meta["count"]),
            shape=tuple(int(n) for n in meta["shape"]),  # type: ignore[arg-type]
            dtype=str(meta["dtype"]),
            max_value=int(meta["max_value"]),
            channels=from_json(meta["channels"]),
            pixel_size_um=meta["pixel_size_um"],
            label=meta["label"],
            classes=tuple(meta["classes"]),
            fingerprint=str(meta["fingerprint"]),
            folder=folder,
            skipped=tuple(meta["skipped"]),
            meta=meta,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"{path}: the file is not as expected ({error!r}). Delete the image set and import it again."
        ) from error


def torn_words(name: str) -> str:
    """See `checks.torn_words`; "" also where there is no such image set (any more)."""
    if not is_ready(name):
        return ""
    imageset = load(name)
    return _torn_words(imageset.folder / "table.parquet", imageset.fingerprint)


@lru_cache(maxsize=256)
def _torn_words(path: Path, fingerprint: str) -> str:
    """Once for a table, and of it three columns only."""
    import pyarrow.parquet as parquet

    from ssrl_core.datasets import checks

    try:
        known = [column for column in ("split", "well", "plate") if column in parquet.read_schema(path).names]
        return checks.torn_words(parquet.read_table(path, columns=known).to_pandas())
    except (OSError, ValueError):
        return ""  # who loads the set is told


@lru_cache(maxsize=256)
def _split_counts(path: Path, fingerprint: str) -> dict[str, int]:
    """Counts of each split, reading that one column only, once (a table never changes under its fingerprint)."""
    import pyarrow.parquet as parquet

    try:
        column = parquet.read_table(path, columns=["split"])["split"].to_numpy(zero_copy_only=False)
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{path}: the table cannot be read ({error}). Import the image set again.") from error
    return {split: int(np.sum(column == split)) for split in SPLITS}
