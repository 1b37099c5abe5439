"""What lies in a folder of fields: files, and OME-Zarr folders, which count as one file each."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from ssrl_core.datasets.cells.ome_zarr import is_zarr


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
