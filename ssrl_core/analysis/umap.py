"""UMAP, given its neighbours: without that it searches them in Python, four times as long for a few thousand rows."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssrl_core.analysis.matrix import Floats, nearest_rows, principal_components

NEIGHBOURS = 15
MIN_DISTANCE = 0.1
_START_EXTENT = 10.0


def umap(
    x: Floats,
    *,
    seed: int = 0,
    init: NDArray[np.float64] | None = None,
    report: Callable[[float], None] | None = None,
) -> tuple[NDArray[np.float64], dict[str, Any]]:
    """A UMAP layout.

    Args:
        x: (n, D) finite, n >= 4; reduce it to 50 columns first.
        seed: of the sampling; the start is the first two principal components.
        init: (n, 2) points to start from instead, of any scale.
        report: not told anything: umap-learn does not say how far it is.

    Returns:
        points (n, 2) float64 and the parameters that made them.

    Source:
        McInnes, Healy & Melville 2018, arXiv:1802.03426; umap-learn's defaults but for the start, which is linear so
        that maps of one embedding lie the same way round.
    """
    from ssrl_core import stores

    stores.prepare_caches()  # numba keeps what it compiled in the store
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the import, and that new points cannot be added: we never add any
        from umap import UMAP

        rows, distances = _with_itself(x, min(NEIGHBOURS, len(x) - 1))
        model = UMAP(
            n_neighbors=rows.shape[1],
            min_dist=MIN_DISTANCE,
            random_state=seed,
            n_jobs=1,
            init=_start(x if init is None else init, seed),
            precomputed_knn=(rows, distances, None),
        )
        points = model.fit_transform(x)
    params = {"neighbours": rows.shape[1], "min_distance": MIN_DISTANCE, "metric": "euclidean"}
    return np.asarray(points, dtype=np.float64), {**params, "start": "pca" if init is None else "given"}


def _with_itself(x: Floats, k: int) -> tuple[NDArray[np.int32], Floats]:
    rows, distances = nearest_rows(x, k - 1)  # umap counts the row itself among its neighbours
    own = np.arange(len(x))[:, None]
    return np.hstack([own, rows]).astype(np.int32), np.hstack([np.zeros((len(x), 1), np.float32), distances])


def _start(x: NDArray[Any], seed: int) -> Floats:
    first = x - x.mean(axis=0) if x.shape[1] == 2 else principal_components(x, 2)
    if first.shape[1] < 2:
        first = np.column_stack([first, np.zeros(len(x), dtype=np.float32)])
    jitter = np.random.default_rng(seed).normal(size=first.shape) * 1e-4
    return (first * (_START_EXTENT / (np.abs(first).max() or 1.0)) + jitter).astype(np.float32)
