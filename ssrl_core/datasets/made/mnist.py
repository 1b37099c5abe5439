"""MNIST: fetched from torchvision's mirrors, or the four official files laid by hand in torchvision's layout."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ssrl_core import stores
from ssrl_core.datasets.builtin import BuiltIn
from ssrl_core.datasets.creation import create_built_in
from ssrl_core.datasets.made.fetching import cannot_fetch, fetch
from ssrl_core.datasets.progress import Report
from ssrl_core.errors import DataError

Array = np.ndarray[Any, Any]
# torchvision.datasets.MNIST.mirrors and .resources; importing torchvision only to read them would take seconds
MIRRORS = ("https://ossci-datasets.s3.amazonaws.com/mnist/", "http://yann.lecun.com/exdb/mnist/")
MD5 = {
    "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
    "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
    "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
    "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
}
_FILES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}


def make(row: BuiltIn, report: Report | None = None) -> None:
    """Create `mnist` in the store.

    Raises:
        DataError: no network and no files; it says which to lay where.
    """
    _fetch_missing(report)
    parts = {split: (_read(images), _read(labels)) for split, (images, labels) in _FILES.items()}
    for split, (images, labels) in parts.items():
        if images.shape[1:] != (28, 28) or labels.shape != images.shape[:1]:
            raise DataError(
                f"{stores.downloads_root()}: the {split} files of MNIST do not fit together. Fetch them again."
            )
    table = pd.DataFrame(
        {
            "source": [f"{_FILES[split][0]}#{i}" for split, (images, _) in parts.items() for i in range(len(images))],
            "split": np.repeat(list(parts), [len(images) for images, _ in parts.values()]),
            "digit": np.concatenate([labels for _, labels in parts.values()]).astype(str),
        }
    )
    create_built_in(
        row,
        (images[:, None] for images, _ in parts.values()),
        table,
        licence="CC BY-SA 3.0 (usual statement)",
        citation="LeCun, Cortes, Burges: The MNIST database of handwritten digits",
    )


def _fetch_missing(report: Report | None) -> None:
    wanted = [f"{name}.gz" for pair in _FILES.values() for name in pair if _found(name) is None]
    if not wanted:
        return
    folder = stores.downloads_root() / "MNIST" / "raw"
    for name in wanted:
        why = fetch([mirror + name for mirror in MIRRORS], folder / name, md5=MD5[name], report=report)
        if why is not None:
            raise cannot_fetch("mnist", wanted, stores.downloads_root(), why)


def _found(name: str) -> Path | None:
    """The file, packed or not, where torchvision keeps it or straight in `downloads`."""
    top = stores.downloads_root()
    places = [folder / f"{name}{end}" for folder in (top / "MNIST" / "raw", top) for end in ("", ".gz")]
    return next((path for path in places if path.is_file()), None)


def _read(name: str) -> Array:
    """An IDX file of bytes (magic number 0x08 and the number of axes, the sides, the values)."""
    path = _found(name)
    if path is None:
        raise DataError(f"{stores.downloads_root()}: {name} is missing.")
    try:
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        axes = data[3]
        shape = np.frombuffer(data, ">i4", axes, 4)
        values = np.frombuffer(data, np.uint8, int(np.prod(shape, dtype=np.int64)), 4 + 4 * axes)
        if data[:3] != b"\0\0\x08" or len(data) != 4 + 4 * axes + len(values):
            raise ValueError("not an IDX file of bytes")
        return values.reshape(shape)
    except (OSError, EOFError, zlib.error, ValueError, IndexError) as error:
        raise DataError(f"{path}: the file is damaged ({error}). Delete it and fetch it again.") from error
