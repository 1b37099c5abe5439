"""The arrays of a run (C9): rows as `embedding_ids.npy`, each with a JSON file of how it was made; written once.

That file holds the array's checksum too, so that bytes a disk changed are named, not used (`stores.read_array`).
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from ssrl_core import stores
from ssrl_core.runs.folder.results import clean


def save_array(path: Path, array: np.ndarray, info: dict[str, Any] | None = None) -> None:
    """Write an array, and before it the JSON beside it, so that no array is ever without its parameters.

    Args:
        info: how it was made; `crc32`, the checksum of the array's file, is put beside it.

    Raises:
        OSError: the disk is full; nothing half-written stays.
    """
    beside, checksum = path.with_suffix(".json"), stores.Checksum()
    np.save(checksum, array, allow_pickle=False)
    said = {"version": 1, **clean(info or {}), "crc32": checksum.text()}
    if path.exists() and stores.checksum_of(path) != said["crc32"]:
        path.unlink()  # or a kill before the last line would leave the old numbers with the new checksum
    stores.write_json(beside, said)
    stores.replace(path, lambda file: np.save(file, array, allow_pickle=False))


def clusters_file(k: int, seed: int) -> str:
    """Name of a k-means clustering."""
    return f"clusters_kmeans_k{k}_s{seed}.npy"


def layout_file(method: str, params: dict[str, Any], like: str | None = None) -> str:
    """Name of a layout; its key is made from its parameters, or names the run that it lies like."""
    if like is not None:
        return f"layout_{method}_like_{like}.npy"
    key = hashlib.sha256(json.dumps(clean(params), sort_keys=True).encode()).hexdigest()[:6]
    return f"layout_{method}_{key}.npy"


def spread(values: np.ndarray, rows: np.ndarray, n: int, *, empty: float) -> np.ndarray:
    """Values of some rows in an array for all rows.

    Args:
        values: (m, …).  rows: (m,) row numbers.  n: rows in all.
        empty: what the other rows hold (-1: no cluster, NaN: no place on the map).

    Returns:
        (n, …) of the same type.
    """
    full = np.full((n, *values.shape[1:]), empty, dtype=values.dtype)
    full[rows] = values
    return full
