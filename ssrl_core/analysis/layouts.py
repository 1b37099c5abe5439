"""Two-dimensional pictures of an embedding. They show neighbours; sizes and gaps on them mean little."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ssrl_core.analysis.layout_quality import NEIGHBOURS, neighbour_hit, trustworthiness
from ssrl_core.analysis.matrix import Floats, all_equal, checked, principal_components
from ssrl_core.analysis.tsne import tsne
from ssrl_core.analysis.umap_points import umap
from ssrl_core.errors import SpecError

Report = Callable[[float], None]

METHODS = {"tsne": "t-SNE", "umap": "UMAP", "pca": "PCA"}
FIRST_COMPONENTS = 50
_LEAST_ROWS = 8  # below, neighbours mean nothing: t-SNE and UMAP fall back to the principal components


@dataclass(frozen=True)
class Layout:
    """Points (n, 2) float32 in the rows of the embedding, how they were made, and how far to believe them.

    `trustworthiness` and `neighbour_hit` are in 0..1, None where undefined. `seconds` is the time it took.
    """

    points: NDArray[np.float32]
    params: dict[str, Any]
    seconds: float
    trustworthiness: float | None
    neighbour_hit: float | None


def layout(
    x: ArrayLike,
    method: str,
    *,
    seed: int = 0,
    labels: NDArray[np.int64] | None = None,
    report: Report | None = None,
) -> Layout:
    """Lay an embedding out in the plane.

    Args:
        x: (n, D) embedding; it is first reduced to its 50 largest principal components.
        method: `tsne`, `umap` or `pca`.
        seed: same seed, same machine, same points.
        labels: (n,) int, -1 for none; only for `neighbour_hit`.
        report: told the share done, 0..1.

    Raises:
        SpecError: an unknown method.
        DataError: an embedding that is empty or not finite.
    """
    if method not in METHODS:
        raise SpecError(where="Layout", field="method", rule=f"one of {', '.join(METHODS)}", value=method)
    table = checked(x)
    started = time.perf_counter()
    exact, params = _points(table, method, seed, report)
    points = exact.astype(np.float32)
    trust = trustworthiness(table, points, seed=seed)
    hit = None if labels is None else neighbour_hit(points, labels, seed=seed)
    if report is not None:
        report(1.0)
    params = {"method": method, "seed": seed, "quality_neighbours": NEIGHBOURS, **params}
    return Layout(points, params, time.perf_counter() - started, trust, hit)


def _points(x: Floats, method: str, seed: int, report: Report | None) -> tuple[NDArray[np.float64], dict[str, Any]]:
    if all_equal(x):
        return np.zeros((len(x), 2)), {"note": "every row of the embedding is the same"}
    reduced = principal_components(x, FIRST_COMPONENTS)
    kept = {"components": reduced.shape[1]}
    if method == "pca" or len(x) < _LEAST_ROWS:
        note = {} if method == "pca" else {"note": f"principal components, as {len(x)} rows are too few for {method}"}
        return _plane(reduced), {"explained": _explained(x, reduced), **note}
    if method == "tsne":
        points, params = tsne(reduced, seed=seed, report=report)
    else:
        points, params = umap(reduced, seed=seed)
    return points, {**kept, **params}


def _plane(reduced: Floats) -> NDArray[np.float64]:
    plane = np.zeros((len(reduced), 2))
    plane[:, : min(2, reduced.shape[1])] = reduced[:, :2]
    return plane


def _explained(x: Floats, reduced: Floats) -> list[float]:
    """Share of the whole variance on each axis of the plane."""
    whole = float(x.var(axis=0, dtype=np.float64).sum())
    return [float(v / whole) for v in reduced[:, :2].var(axis=0, dtype=np.float64)]
