"""Selections of images that an address names: few images are written out in it, many are kept under a short name.

"3-7.12.40"     images 3 to 7, 12 and 40
"@9f2c41d07ab3" kept in `models/selections/`, by the hash of its content
"""

from __future__ import annotations

import hashlib
import os
import re
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ssrl_core import stores
from ssrl_core.errors import DataError, SpecError

Ids = NDArray[np.int64]

LONGEST = 600  # characters that an address takes; longer selections are kept
MOST_KEPT = 500
_FOLDER = "selections"
_WRITTEN = re.compile(r"\d{1,12}(-\d{1,12})?(\.\d{1,12}(-\d{1,12})?)*")


def written(image_ids: Ids) -> str:
    """Images as text, the runs among them from-to.

    Args:
        image_ids: (m,) ascending.
    """
    ids = np.asarray(image_ids, np.int64)
    if not len(ids):
        return ""
    ends = np.flatnonzero(np.diff(ids) != 1)
    firsts, lasts = ids[np.r_[0, ends + 1]], ids[np.r_[ends, len(ids) - 1]]
    return ".".join(f"{a}" if a == b else f"{a}-{b}" for a, b in zip(firsts, lasts, strict=True))


def name_of(image_ids: Ids) -> str:
    """What an address says for a selection: the images themselves, or the name that it is kept under from now on.

    Returns:
        "" where it is too long for an address and cannot be kept (a full disk, a store that is read only).
    """
    ids = np.asarray(image_ids, np.int64)
    ends = int((np.diff(ids) != 1).sum()) + 1 if len(ids) else 0
    if ends <= LONGEST:
        text = written(ids)
        if len(text) <= LONGEST:
            return text
    try:
        return "@" + _keep(ids)
    except OSError:
        return ""


def read(name: str, most: int) -> Ids:
    """The images of an address, ascending.

    Args:
        most: images that there are; those beyond are left out.

    Raises:
        SpecError: it names none.
        DataError: the kept selection is not here, or damaged.
    """
    if name.startswith("@"):
        return _kept(name[1:], most)
    if not _WRITTEN.fullmatch(name):
        rule = "images as in 3-7.12, or @ and the name of a kept selection"
        raise SpecError.at("Address", "sel", rule, name[:80])
    chosen = np.zeros(most, bool)
    for part in name.split("."):
        first, _, last = part.partition("-")
        chosen[int(first) : int(last or first) + 1] = True
    return np.flatnonzero(chosen).astype(np.int64)


def _keep(ids: Ids) -> str:
    """Write it down, once; those that were not named for longest go when there are more than 500."""
    chosen = np.zeros(int(ids[-1]) + 1, bool)
    chosen[ids] = True
    bits = np.packbits(chosen, bitorder="little")
    name = hashlib.sha256(bits.tobytes()).hexdigest()[:12]
    folder = stores.models_root() / _FOLDER
    path = folder / f"{name}.npy"
    if path.is_file():
        with suppress(OSError):
            os.utime(path)
        return name
    stores.replace(path, lambda file: np.save(file, bits, allow_pickle=False))
    for old in sorted(folder.glob("*.npy"), key=_named_last)[:-MOST_KEPT]:
        with suppress(OSError):
            old.unlink()
    return name


def _named_last(path: Path) -> float:
    """When it was named last; one that somebody else took away meanwhile counts as the oldest."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _kept(name: str, most: int) -> Ids:
    path = stores.models_root() / _FOLDER / f"{name}.npy"
    if not re.fullmatch(r"[0-9a-f]{12}", name) or not path.is_file():
        raise DataError.at(
            "Address",
            "sel",
            "a selection that is kept in this store",
            f"@{name[:40]}",
            "An address of many images holds in the store it was made in; a tag keeps them with their run.",
        )
    try:
        bits = np.load(path, allow_pickle=False)
        if bits.dtype != np.uint8 or bits.ndim != 1:
            raise ValueError(f"{bits.dtype} numbers of shape {bits.shape}")
    except stores.DAMAGED_ARRAY as error:
        raise DataError.at(str(path), "selection", "readable", str(error)) from error
    return np.flatnonzero(np.unpackbits(bits, bitorder="little")[:most]).astype(np.int64)
