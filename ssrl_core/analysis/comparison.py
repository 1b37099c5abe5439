"""Two results on the same images: how far embeddings say the same, which clusters belong together, and which classes
are told apart better.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ssrl_core.analysis.intervals import difference, wilson
from ssrl_core.analysis.matrix import Floats, checked, drawn_rows
from ssrl_core.analysis.scores import ami
from ssrl_core.errors import DataError, SpecError

LEAST_SHARED = 0.5


def contingency(first: ArrayLike, second: ArrayLike) -> NDArray[np.int64]:
    """How many rows each pair of clusters shares.

    Args:
        first, second: (n,) int cluster ids of the same rows, -1 for none; rows where either is -1 are left out.

    Returns:
        (max(first) + 1, max(second) + 1).
    """
    a, b = np.asarray(first, np.int64), np.asarray(second, np.int64)
    rows, columns = int(a.max(initial=-1)) + 1, int(b.max(initial=-1)) + 1
    both = (a >= 0) & (b >= 0)
    return np.bincount(a[both] * columns + b[both], minlength=rows * columns).reshape(rows, columns)


def dice_overlap(table: NDArray[np.int64]) -> NDArray[np.float64]:
    """Dice overlap of every pair of a contingency: twice what they share over what they have together, 0..1."""
    together = table.sum(axis=1, keepdims=True) + table.sum(axis=0, keepdims=True)
    return np.asarray(2.0 * table / np.maximum(together, 1))


def matched(table: NDArray[np.int64], *, least: float = LEAST_SHARED) -> dict[int, tuple[int, float]]:
    """The best partner of each cluster, one to one, the most alike first.

    Args:
        table: contingency, rows the first clustering.
        least: pairs that share less (Dice) are none: a cluster that fell apart has no successor.

    Returns:
        {row: (column, shared)}.
    """
    overlap = dice_overlap(table)
    found: dict[int, tuple[int, float]] = {}
    taken: set[int] = set()
    for at in np.argsort(-overlap, axis=None, kind="stable"):
        row, column = divmod(int(at), overlap.shape[1])
        if overlap[row, column] < least:
            break
        if row not in found and column not in taken:
            found[row] = column, float(overlap[row, column])
            taken.add(column)
    return found


NEIGHBOURS = 20
MOST_QUERIES = 2000
_BLOCK = 250


def compare(first: ArrayLike, second: ArrayLike, ids: ArrayLike, others: ArrayLike, *, seed: int = 0) -> dict[str, Any]:
    """All of it (docs/contracts.md C11 `compare`).

    Args:
        first, second: (n, D), (n, E) embeddings of the same images, row by row.
        ids, others: (n,) their clusters, -1 for none.

    Returns:
        {ami, contingency (rows: the first's clusters), cka, neighbour_overlap, neighbour_chance, neighbours, n}; `ami`
        is None where fewer than two images have a cluster in both.
    """
    x, y = checked(first, where="First embedding"), checked(second, where="Second embedding")
    if len(x) != len(y):
        raise DataError.at("Comparison", "rows", "the same images", (len(x), len(y)))
    a, b = np.asarray(ids), np.asarray(others)
    both = (a >= 0) & (b >= 0)
    k = min(NEIGHBOURS, max(1, len(x) - 1))
    overlap = neighbour_overlap(x, y, k=k, seed=seed)
    return {
        "ami": ami(a[both], b[both]) if both.sum() > 1 else None,
        "contingency": contingency(a, b).tolist(),
        "cka": cka(x, y),
        "neighbour_overlap": None if overlap is None else float(overlap[1].mean()),
        "neighbour_chance": k / (len(x) - 1) if len(x) > 1 else None,
        "neighbours": k,
        "n": len(x),
    }


def cka(x: Floats, y: Floats) -> float | None:
    """Linear centred kernel alignment: 1 for embeddings that a turn and a scale make equal, about 0 for unrelated ones.

    Returns:
        0..1; None where one embedding is a single point.

    Source:
        Kornblith, Norouzi, Lee & Hinton 2019, equation 5, through the D x E matrix, so that n may be large.
    """
    a = x.astype(np.float64) - x.mean(axis=0, dtype=np.float64)
    b = y.astype(np.float64) - y.mean(axis=0, dtype=np.float64)
    cross = float(np.square(a.T @ b).sum())
    own = float(np.linalg.norm(a.T @ a) * np.linalg.norm(b.T @ b))
    return cross / own if own > 0 else None


def neighbour_overlap(
    x: Floats, y: Floats, *, k: int = NEIGHBOURS, seed: int = 0
) -> tuple[NDArray[np.int64], NDArray[np.float64]] | None:
    """Share of an image's k nearest in one embedding that are among its k nearest in the other.

    Args:
        seed: of the 2,000 rows looked at where there are more; neighbours are sought among all rows.

    Returns:
        rows looked at (m,) and their shares (m,) 0..1; None for fewer than two rows.
    """
    n = len(x)
    if n < 2:
        return None
    rows = drawn_rows(n, MOST_QUERIES, seed)
    near, other = nearest_of(x, rows, k), nearest_of(y, rows, k)
    joined = np.sort(np.hstack([near, other]), axis=1)
    return rows, np.asarray((joined[:, 1:] == joined[:, :-1]).sum(axis=1) / near.shape[1])


def nearest_of(x: Floats, rows: NDArray[np.int64], k: int) -> NDArray[np.int64]:
    """(m, k) the nearest other rows of some rows, exactly, by Euclidean distance, in no order."""
    squares = np.einsum("ij,ij->i", x, x)
    found = np.empty((len(rows), min(k, len(x) - 1)), np.int64)
    for start in range(0, len(rows), _BLOCK):
        block = rows[start : start + _BLOCK]
        away = squares[None, :] - 2.0 * (x[block] @ x.T)
        away[np.arange(len(block)), block] = np.inf
        found[start : start + _BLOCK] = np.argpartition(away, found.shape[1] - 1, axis=1)[:, : found.shape[1]]
    return found


def changed_cluster(ids: ArrayLike, others: ArrayLike) -> NDArray[np.bool_]:
    """(n,) bool: images whose cluster in the first is not matched to their cluster in the second.

    Clusters are matched one to one, those that share most first, however little that is; one without a partner has
    moved as a whole. Images in no cluster have not moved.
    """
    a, b = np.asarray(ids), np.asarray(others)
    partner = np.full(max(1, int(a.max(initial=-1)) + 1), -2)
    for row, (column, _) in matched(contingency(a, b), least=1e-9).items():
        partner[row] = column
    both = (a >= 0) & (b >= 0)
    return np.asarray(both & (partner[np.maximum(a, 0)] != b))


LEAST_OF_WHOLE = 0.15  # a part is at least this share of the whole
LEAST_OF_PART = 0.5  # and lies in it for the most part


@dataclass(frozen=True)
class Split:
    """A cluster that falls apart on the other side.

    Attributes:
        whole: the cluster that holds together.  n: its rows that have a cluster on both sides.
        parts: (cluster of the other side, rows shared with the whole), the largest first; two or more.
    """

    whole: int
    n: int
    parts: tuple[tuple[int, int], ...]

    @property
    def told_apart(self) -> int:
        """Rows outside the largest part: how much the other side tells apart."""
        return sum(count for _, count in self.parts[1:])


def splits(table: NDArray[np.int64]) -> list[Split]:
    """The columns of a contingency that its rows separate, those with most rows told apart first.

    A row is a part of a column where the two share at least 15 % of the column, and at least half of the row: a cluster
    that lies across many others separates nothing.

    Args:
        table: (r, c) rows of data shared by each pair of clusters (`matching.contingency`).
    """
    rows, columns = table.sum(axis=1), table.sum(axis=0)
    of_whole = table / np.maximum(columns, 1)[None, :]
    of_part = table / np.maximum(rows, 1)[:, None]
    is_part = (of_whole >= LEAST_OF_WHOLE) & (of_part >= LEAST_OF_PART)
    found = []
    for column in np.flatnonzero(is_part.sum(axis=0) >= 2):
        own = np.flatnonzero(is_part[:, column])
        own = own[np.argsort(-table[own, column], kind="stable")]
        parts = tuple((int(row), int(table[row, column])) for row in own)
        found.append(Split(int(column), int(columns[column]), parts))
    return sorted(found, key=lambda split: -split.told_apart)


def class_accuracy(truth: ArrayLike, predicted: ArrayLike, names: Sequence[str]) -> dict[str, Any]:
    """The accuracy of each class of a probe.

    Args:
        truth, predicted: (n,) int class ids; rows without truth (-1) are left out.
        names: of the classes, by id.

    Returns:
        {top1, classes: {name: {n, correct, accuracy, low, high}}, confusion: rows are the truth}. `accuracy` is None
        for a class without images, `top1` for no images at all.

    Raises:
        SpecError: an id outside the names, or lengths that differ.
    """
    true_ids, found_ids = _pairs(truth, predicted, len(names))
    size = len(names)
    confusion = np.bincount(true_ids * size + found_ids, minlength=size * size).reshape(size, size)
    counts, correct = confusion.sum(axis=1), confusion.diagonal()
    low, high = wilson(correct, counts)
    rows = zip(counts.tolist(), correct.tolist(), low.tolist(), high.tolist(), strict=True)
    return {
        "top1": float(correct.sum() / counts.sum()) if counts.sum() else None,
        "classes": {
            name: {"n": n, "correct": right, "accuracy": right / n if n else None, "low": least, "high": most}
            for name, (n, right, least, most) in zip(names, rows, strict=True)
        },
        "confusion": confusion.tolist(),
    }


def confused_pairs(confusion: ArrayLike, names: Sequence[str], count: int = 5) -> list[dict[str, Any]]:
    """The commonest mistakes, for a sentence above the matrix.

    Returns:
        [{truth, predicted, n, share}], most frequent first; `share` of the images of that true class.
    """
    matrix = np.asarray(confusion)
    totals = matrix.sum(axis=1)
    wrong = matrix - np.diag(matrix.diagonal())
    order = np.argsort(-wrong, axis=None, kind="stable")[:count]
    cells = [(int(at) // len(names), int(at) % len(names)) for at in order]
    return [
        {"truth": names[i], "predicted": names[j], "n": int(wrong[i, j]), "share": float(wrong[i, j] / totals[i])}
        for i, j in cells
        if wrong[i, j]
    ]


def compare_classes(
    first: Mapping[str, Mapping[str, Any]], second: Mapping[str, Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """What each class wins or loses from the first run to the second.

    Args:
        first, second: `classes` of two results, {name: {n, correct, …}}.

    Returns:
        [{class, first, second, difference, low, high, clear, n_first, n_second}], largest gain first, of the classes
        that both have images of. `clear` is True where the interval leaves out 0.
    """
    names = [name for name in first if name in second and first[name]["n"] and second[name]["n"]]
    (c1, n1), (c2, n2) = (
        tuple(np.array([of[name][key] for name in names], float) for key in ("correct", "n")) for of in (first, second)
    )
    delta, low, high = difference((c1, n1), (c2, n2))
    rows = [
        {
            "class": name,
            "first": float(c1[i] / n1[i]),
            "second": float(c2[i] / n2[i]),
            "difference": float(delta[i]),
            "low": float(low[i]),
            "high": float(high[i]),
            "clear": bool(low[i] > 0 or high[i] < 0),
            "n_first": first[name]["n"],
            "n_second": second[name]["n"],
        }
        for i, name in enumerate(names)
    ]
    return sorted(rows, key=lambda row: -row["difference"])


def _pairs(truth: ArrayLike, predicted: ArrayLike, size: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    true_ids, found_ids = np.asarray(truth, dtype=np.int64), np.asarray(predicted, dtype=np.int64)
    if true_ids.shape != found_ids.shape or true_ids.ndim != 1:
        raise SpecError.at("Class accuracy", "predicted", f"as long as truth, {true_ids.shape}", found_ids.shape)
    known = true_ids >= 0
    true_ids, found_ids = true_ids[known], found_ids[known]
    if len(true_ids) and (max(true_ids.max(), found_ids.max()) >= size or found_ids.min() < 0):
        raise SpecError.at(
            "Class accuracy",
            "ids",
            f"in 0..{size - 1}",
            (int(found_ids.min()), int(max(true_ids.max(), found_ids.max()))),
        )
    return true_ids, found_ids
