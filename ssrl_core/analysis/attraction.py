"""How every point of a layout pulls the neighbours it had in the embedding: one pass over the kept pairs."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]


def attraction(similarities: Any, points: Points, pool: ThreadPoolExecutor, parts: int) -> Points:
    """Sum of the attracting forces on each point.

    Args:
        similarities: scipy CSR (n, n) float32, `p_ij`.
        points: (n, 2) float64.
        pool, parts: threads to share the rows among; the sums within a row do not depend on it.

    Returns:
        (n, 2): sum over j of p_ij (y_i - y_j) / (1 + d_ij^2).
    """
    n = len(points)
    forces = np.empty_like(points)
    kernel = _kernel()
    bounds = np.linspace(0, n, parts + 1).astype(np.int64)
    jobs = [
        pool.submit(kernel, similarities.indptr, similarities.indices, similarities.data, points, forces, first, last)
        for first, last in pairwise(bounds)
    ]
    for job in jobs:
        job.result()
    return forces


@lru_cache(maxsize=1)
def _kernel() -> Any:
    from ssrl_core import stores

    stores.prepare_caches()  # numba keeps what it compiled in the store
    import numba

    # nogil and a pool of threads instead of parallel=True: numba's own threads abort a process that has two of them
    return numba.njit(nogil=True, cache=True)(_pull)


def _pull(indptr: Any, indices: Any, data: Any, points: Any, forces: Any, first: int, last: int) -> None:
    for i in range(first, last):
        x, y = points[i, 0], points[i, 1]
        fx = fy = 0.0
        for at in range(indptr[i], indptr[i + 1]):
            j = indices[at]
            dx, dy = x - points[j, 0], y - points[j, 1]
            pull = data[at] / (1.0 + dx * dx + dy * dy)
            fx += pull * dx
            fy += pull * dy
        forces[i, 0] = fx
        forces[i, 1] = fy
