"""CIFAR-10 and CIFAR-100: torchvision's address and checksums, or the official archive laid by hand.

The archives hold Python pickles. torchvision unpickles a file only after its checksum was found to be the official one,
so that nobody else's pickle is ever read.
"""

from __future__ import annotations

import shutil
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ssrl_core import stores
from ssrl_core.datasets.builtin import BuiltIn
from ssrl_core.datasets.creation import create_built_in
from ssrl_core.datasets.made.fetching import cannot_fetch, fetch, has_md5
from ssrl_core.datasets.progress import Report, or_silent
from ssrl_core.errors import DataError

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Archive:
    """An official archive, as torchvision.datasets.CIFAR10 and CIFAR100 name it."""

    file: str
    folder: str
    md5: str

    @property
    def url(self) -> str:
        """Where it is fetched from."""
        return f"https://www.cs.toronto.edu/~kriz/{self.file}"


# held here too, because importing torchvision only to learn that there is no network would take seconds
ARCHIVES = {
    "cifar10": Archive("cifar-10-python.tar.gz", "cifar-10-batches-py", "c58f30108f718f92721af3b95e74349a"),
    "cifar100": Archive("cifar-100-python.tar.gz", "cifar-100-python", "eb9058c3a382ffc7106e4002c42a8d85"),
}


def make(row: BuiltIn, report: Report | None = None) -> None:
    """Create `cifar10` or `cifar100` in the store.

    Raises:
        DataError: no network and no archive; it says which to lay where.
    """
    archive, top = ARCHIVES[row.name], stores.downloads_root()
    if not (top / archive.folder).is_dir():
        _official(row.name, archive, top / archive.file, report)
    stores.prepare_caches()
    from torchvision.datasets import CIFAR10, CIFAR100

    kind = CIFAR10 if row.name == "cifar10" else CIFAR100
    _unpacked(kind, archive, top, report)
    or_silent(report)(0, 0, "reading images")
    parts = {split: kind(str(top), train=split == "train", download=False) for split in ("train", "test")}
    counts = [len(part.data) for part in parts.values()]
    table = pd.DataFrame(
        {
            "source": [f"{row.name}-{split}#{i}" for split, n in zip(parts, counts, strict=True) for i in range(n)],
            "split": np.repeat(list(parts), counts),
            "label": [part.classes[target] for part in parts.values() for target in part.targets],
        }
    )
    create_built_in(
        row,
        (np.moveaxis(np.asarray(part.data), -1, 1) for part in parts.values()),
        table,
        licence="none stated",
        citation="Krizhevsky 2009, Learning multiple layers of features from tiny images",
    )


def _official(name: str, archive: Archive, path: Path, report: Report | None) -> None:
    """Make sure that the official archive lies at `path`; nothing else is ever opened."""
    if not path.is_file():
        why = fetch([archive.url], path, md5=archive.md5, report=report)
        if why is not None:
            raise cannot_fetch(name, [archive.file], path.parent, why)
    elif not has_md5(path, archive.md5):
        raise DataError(
            f"{path}: this is not the official archive (its checksum is not {archive.md5}). Fetch {archive.url} again."
        )


def _unpacked(kind: Any, archive: Archive, top: Path, report: Report | None) -> None:
    """Make sure that the official files lie unpacked in `downloads`."""
    if _complete(kind, top):
        return
    path = top / archive.file
    if not path.is_file():
        raise DataError(
            f"{top / archive.folder}: files are missing or not the official ones. "
            f"Delete the folder and fetch {archive.url}."
        )
    _official(archive.folder, archive, path, report)
    or_silent(report)(0, 0, f"unpacking {archive.file}")
    _take_out(kind, path, top)
    if not _complete(kind, top):
        raise DataError(f"{path}: files are missing in it. Fetch {archive.url} again.")


def _take_out(kind: Any, path: Path, top: Path) -> None:
    """Copy the expected files out of the archive, and nothing else that may be in it."""
    (top / kind.base_folder).mkdir(parents=True, exist_ok=True)
    with tarfile.open(path) as archive:
        present = set(archive.getnames())
        for file, _ in _files(kind):
            name = f"{kind.base_folder}/{file}"
            content = archive.extractfile(name) if name in present else None
            if content is not None:
                with content, open(top / name, "wb") as out:
                    shutil.copyfileobj(content, out)


def _complete(kind: Any, top: Path) -> bool:
    paths = [(top / kind.base_folder / file, md5) for file, md5 in _files(kind)]
    return all(path.is_file() and has_md5(path, md5) for path, md5 in paths)


def _files(kind: Any) -> list[tuple[str, str]]:
    """(name, MD5) of the official files."""
    return [*kind.train_list, *kind.test_list, (kind.meta["filename"], kind.meta["md5"])]
