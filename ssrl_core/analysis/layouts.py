"""Two-dimensional pictures of an embedding, how far to believe them, and what is selected on them.

They show neighbours; sizes and gaps on them mean little.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ssrl_core.analysis.intervals import wilson
from ssrl_core.analysis.matrix import Floats, all_equal, checked, drawn_rows, principal_components
from ssrl_core.errors import DataError, SpecError
from ssrl_core.specs.parts import LAYOUTS

FIRST_COMPONENTS = 50
_LEAST_KNOWN = 0.5
_LEAST_ROWS = 8  # below, neighbours mean nothing: every layout falls back to the principal components


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


def compute_layout(
    x: ArrayLike,
    method: str,
    *,
    seed: int = 0,
    init: ArrayLike | None = None,
    labels: NDArray[np.int64] | None = None,
    report: Report | None = None,
) -> Layout:
    """Lay an embedding out in the plane.

    Args:
        x: (n, D) embedding; it is first reduced to its 50 largest principal components.
        method: a name of `specs.parts.LAYOUTS`.
        seed: same seed, same machine, same points.
        init: (n, 2) points to start from, of any scale, such as the layout of another run of the same images: the two
            maps then lie alike. PCA has no start.
        labels: (n,) int, -1 for none; only for `neighbour_hit`.
        report: told the share done, 0..1.

    Raises:
        SpecError: an unknown method.
        DataError: an embedding that is empty or not finite; a start that is not (n, 2) and finite.
    """
    if method not in LAYOUTS:
        raise SpecError.at("Layout", "method", f"one of {', '.join(LAYOUTS)}", method)
    table = checked(x)
    start = None if init is None else _checked_start(init, len(table))
    started = time.perf_counter()
    exact, params = _points(table, method, seed, start, report)
    points = exact.astype(np.float32)
    trust = trustworthiness(table, points, seed=seed)
    hit = None if labels is None else neighbour_hit(points, labels, seed=seed)
    if report is not None:
        report(1.0)
    params = {"method": method, "seed": seed, "quality_neighbours": NEIGHBOURS, **params}
    return Layout(points, params, time.perf_counter() - started, trust, hit)


def _checked_start(init: ArrayLike, n: int) -> Points:
    points = np.asarray(init, np.float64)
    if points.shape != (n, 2) or not np.isfinite(points).all():
        raise DataError.at("Layout", "init", f"({n}, 2) and finite", points.shape)
    return points


def _points(
    x: Floats, method: str, seed: int, init: Points | None, report: Report | None
) -> tuple[Points, dict[str, Any]]:
    if all_equal(x):
        return np.zeros((len(x), 2)), {"note": "every row of the embedding is the same"}
    reduced = principal_components(x, FIRST_COMPONENTS)
    if method == "pca" or len(x) < _LEAST_ROWS:
        note = {} if method == "pca" else {"note": f"principal components, as {len(x)} rows are too few for {method}"}
        plane = np.zeros((len(x), 2))
        plane[:, : min(2, reduced.shape[1])] = reduced[:, :2]
        return plane, {"explained": _explained(x, reduced), **note}
    make = getattr(import_module(f"ssrl_core.analysis.{method}"), method)
    points, params = make(reduced, seed=seed, init=init, report=report)
    return points, {"components": reduced.shape[1], **params}


def started_like(x: ArrayLike, known: ArrayLike) -> Points:
    """Where each row begins, for a map that lies like another.

    Args:
        x: (n, D) the embedding that is to be laid out.
        known: (n, 2) where its rows lie on the other map, NaN for those that are not on it.

    Returns:
        (n, 2): rows that are not on the other map begin at the one nearest to them in the embedding that is.

    Raises:
        SpecError: fewer than half of the rows are on the other map.
    """
    from sklearn.neighbors import NearestNeighbors

    table, start = checked(x), np.array(known, np.float64)
    there = np.asarray(np.isfinite(start).all(axis=1))
    if there.mean() < _LEAST_KNOWN:
        raise SpecError.at(
            "Layout",
            "images",
            "shared with the other run, at least half of them",
            f"{int(there.sum()):,} of {len(there):,}",
            "Take a run that was evaluated on the same images, or lay the map out by itself.",
        )
    if not there.all():
        reduced = principal_components(table, FIRST_COMPONENTS)
        search = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(reduced[there])
        start[~there] = start[there][search.kneighbors(reduced[~there], return_distance=False)[:, 0]]
    return start


def _explained(x: Floats, reduced: Floats) -> list[float]:
    """Share of the whole variance on each axis of the plane."""
    whole = float(x.var(axis=0, dtype=np.float64).sum())
    return [float(v / whole) for v in reduced[:, :2].var(axis=0, dtype=np.float64)]


NEIGHBOURS = 10
MOST_QUERIES = 2000
_BLOCK, _DISTANCES = 256, 1 << 25  # rows whose distances to all others are found at once, and the most of those


def trustworthiness(x: Floats, points: ArrayLike, *, k: int = NEIGHBOURS, seed: int = 0) -> float | None:
    """1 where the k nearest on the map are the k nearest in the embedding, 0 where they are the farthest.

    Args:
        x: (n, D) the embedding.  points: (n, 2) its layout.
        k: neighbours looked at, < n / 2.
        seed: of the 2,000 rows looked at where there are more; ranks are among all rows.

    Returns:
        the value, or None for fewer than 2 k + 2 rows, where it is not defined.

    Source:
        Venna & Kaski 2001.
    """
    flat = np.asarray(points, dtype=np.float64)
    n = len(x)
    if n < 2 * k + 2:
        return None
    queries = drawn_rows(n, MOST_QUERIES, seed)
    on_map = _map_neighbours(flat, queries, k)
    squares = np.einsum("ij,ij->i", x, x, dtype=np.float64)
    penalty, size = 0, max(1, min(_BLOCK, _DISTANCES // n))
    for start in range(0, len(queries), size):
        block = slice(start, start + size)
        penalty += _intrusion(x, squares, queries[block], on_map[block], k)
    return 1.0 - penalty * 2.0 / (len(queries) * k * (2 * n - 3 * k - 1))


def neighbour_hit(points: ArrayLike, labels: NDArray[np.int64], *, k: int = NEIGHBOURS, seed: int = 0) -> float | None:
    """Share of the k nearest on the map that carry the same label, averaged over labelled rows.

    Args:
        points: (n, 2).  labels: (n,) int, -1 for none.

    Returns:
        0..1, or None where fewer than two rows have a label.
    """
    known = np.flatnonzero(np.asarray(labels) >= 0)
    if len(known) < 2:
        return None
    flat, own = np.asarray(points, dtype=np.float64)[known], np.asarray(labels)[known]
    queries = drawn_rows(len(known), MOST_QUERIES, seed)
    near = _map_neighbours(flat, queries, min(k, len(known) - 1))
    return float((own[near] == own[queries][:, None]).mean())


def _map_neighbours(flat: NDArray[np.float64], queries: NDArray[np.int64], k: int) -> NDArray[np.int64]:
    from scipy.spatial import cKDTree

    _, near = cKDTree(flat).query(flat[queries], k=k + 1)
    others = np.empty((len(queries), k), dtype=np.int64)
    for i, (row, query) in enumerate(zip(near, queries, strict=True)):
        others[i] = row[row != query][:k]  # among equal points the row itself need not come first
    return others


def _intrusion(
    x: Floats, squares: NDArray[np.float64], queries: NDArray[np.int64], near: NDArray[np.int64], k: int
) -> int:
    distances = squares[queries][:, None] + squares[None, :] - 2.0 * (x[queries] @ x.T)
    distances[np.arange(len(queries)), queries] = -np.inf
    numbers, penalty = np.arange(len(x)), 0
    for column in near.T[:, :, None]:  # its rank: how many lie nearer, of equally near ones those before it
        own = np.take_along_axis(distances, column, axis=1)
        nearer = distances < own
        nearer |= (distances == own) & (numbers < column)
        penalty += int(np.maximum(np.count_nonzero(nearer, axis=1) - k, 0).sum())
    return penalty


Report = Callable[[float], None]
Points = NDArray[np.float64]


MOST_VALUES = 1000


def in_polygon(points: ArrayLike, outline: ArrayLike) -> NDArray[np.bool_]:
    """Which points lie in a polygon, by the even-odd rule (a loop drawn twice cuts a hole).

    Args:
        points: (n, 2); NaN rows are never inside.
        outline: (m, 2) corners, closed by itself; fewer than 3 enclose nothing.

    Returns:
        (n,) bool. A point on an edge may fall on either side, but of two polygons that share the edge only one has it.
    """
    flat, corners = np.asarray(points, dtype=np.float64), np.asarray(outline, dtype=np.float64).reshape(-1, 2)
    result = np.zeros(len(flat), dtype=bool)
    if len(corners) < 3 or not len(flat):
        return result
    low, high = corners.min(axis=0), corners.max(axis=0)
    near = np.flatnonzero(((flat >= low) & (flat <= high)).all(axis=1))
    near = near[np.argsort(flat[near, 1], kind="stable")]  # by height: an edge concerns one stretch of them
    x, y = flat[near, 0], flat[near, 1]
    odd = np.zeros(len(near), dtype=bool)
    for (x1, y1), (x2, y2) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        if y1 == y2:
            continue
        if y1 > y2:  # always upwards: an edge cuts the same for both polygons that share it
            x1, y1, x2, y2 = x2, y2, x1, y1
        first, last = np.searchsorted(y, (y1, y2))
        at = slice(first, last)
        odd[at] ^= x[at] < x1 + (y[at] - y1) * (x2 - x1) / (y2 - y1)
    result[near] = odd
    return result


def counts(values: Sequence[Any] | pd.Series, chosen: NDArray[np.bool_]) -> pd.DataFrame:
    """How often each value of a column is among the chosen rows, beside how often it is among all.

    Args:
        values: (n,) a column; missing values are counted as None.
        chosen: (n,) bool.

    Returns:
        columns value, selected, all, share (of the selected), low, high (its 95 % Wilson interval), share_all, times
        (share / share_all): most frequent in the selection first. At most 1,000 values come back;
        `attrs["left_out"]` counts the others.
    """
    column = pd.Series(np.asarray(values, dtype=object))
    keys, uniques = pd.factorize(column.where(column.notna(), None), use_na_sentinel=True)
    return counts_of_codes(keys, list(uniques), chosen)


def counts_of_codes(codes: NDArray[Any], names: Sequence[Any], chosen: NDArray[np.bool_]) -> pd.DataFrame:
    """The same of a column that is numbered already: a million rows in a few milliseconds.

    Args:
        codes: (n,) int, place in `names`; below 0 is a missing value.
    """
    values, keys = [*names, None], np.where(codes < 0, len(names), codes)
    everywhere = np.bincount(keys, minlength=len(values))
    here = np.bincount(keys[chosen], minlength=len(values))
    total, n = int(here.sum()), len(keys)
    order = np.lexsort((np.arange(len(values)), -everywhere, -here))
    order = order[everywhere[order] > 0]
    rows = [_count(values[i], int(here[i]), int(everywhere[i]), total, n) for i in order[:MOST_VALUES]]
    frame = pd.DataFrame(rows, columns=["value", "selected", "all", "share", "low", "high", "share_all", "times"])
    frame["value"] = frame["value"].astype(object).where(frame["value"].notna(), None)
    frame.attrs["left_out"] = max(0, len(order) - MOST_VALUES)
    return frame


def _count(value: Any, here: int, everywhere: int, total: int, n: int) -> dict[str, Any]:
    share, share_all = (here / total if total else 0.0), everywhere / n
    low, high = wilson(here, total)
    return {
        "value": value,
        "selected": here,
        "all": everywhere,
        "share": share,
        "low": low,
        "high": high,
        "share_all": share_all,
        "times": share / share_all if share_all else 0.0,
    }
