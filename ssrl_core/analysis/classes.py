"""How well each class is told apart, with how sure one can be, and what changed between two runs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ssrl_core.errors import SpecError

Z_95 = 1.959963984540054


def wilson(correct: int, n: int) -> tuple[float, float]:
    """95 % interval of a share.

    Args:
        correct, n: 0 <= correct <= n.

    Returns:
        (low, high) within 0..1; (0, 1) for n = 0, where nothing is known.

    Source:
        Wilson 1927; stays inside 0..1 and keeps its coverage near the ends, where the normal interval does not.
    """
    if not 0 <= correct <= n:
        raise SpecError(where="Interval", field="correct", rule=f"in 0..{n}", value=correct)
    if n == 0:
        return 0.0, 1.0
    share, z2 = correct / n, Z_95 * Z_95
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z_95 * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    return (0.0 if correct == 0 else middle - half), (1.0 if correct == n else middle + half)


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
    return {
        "top1": float(correct.sum() / counts.sum()) if counts.sum() else None,
        "classes": {name: _row(int(correct[i]), int(counts[i])) for i, name in enumerate(names)},
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


def difference(first: tuple[int, int], second: tuple[int, int]) -> tuple[float, float, float]:
    """How much larger the second share is than the first.

    Args:
        first, second: (correct, n) of each, n >= 1.

    Returns:
        (difference, low, high), a 95 % interval in -1..1.

    Source:
        Newcombe 1998, method 10 (from the two Wilson intervals). It takes the two for independent; runs that were
        tested on the same images agree more than that, so the interval is rather too wide than too narrow.
    """
    (c1, n1), (c2, n2) = first, second
    p1, p2 = c1 / n1, c2 / n2
    (low1, high1), (low2, high2) = wilson(c1, n1), wilson(c2, n2)
    delta = p2 - p1
    low = delta - math.hypot(p2 - low2, high1 - p1)
    high = delta + math.hypot(high2 - p2, p1 - low1)
    return delta, low, high


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
    rows = []
    for name in first:
        ours, theirs = first[name], second.get(name)
        if theirs is None or not ours["n"] or not theirs["n"]:
            continue
        delta, low, high = difference((ours["correct"], ours["n"]), (theirs["correct"], theirs["n"]))
        rows.append(
            {
                "class": name,
                "first": ours["correct"] / ours["n"],
                "second": theirs["correct"] / theirs["n"],
                "difference": delta,
                "low": low,
                "high": high,
                "clear": bool(low > 0 or high < 0),
                "n_first": ours["n"],
                "n_second": theirs["n"],
            }
        )
    return sorted(rows, key=lambda row: -row["difference"])


def _pairs(truth: ArrayLike, predicted: ArrayLike, size: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    true_ids, found_ids = np.asarray(truth, dtype=np.int64), np.asarray(predicted, dtype=np.int64)
    if true_ids.shape != found_ids.shape or true_ids.ndim != 1:
        raise SpecError(
            where="Class accuracy",
            field="predicted",
            rule=f"as long as truth, {true_ids.shape}",
            value=found_ids.shape,
        )
    known = true_ids >= 0
    true_ids, found_ids = true_ids[known], found_ids[known]
    if len(true_ids) and (max(true_ids.max(), found_ids.max()) >= size or found_ids.min() < 0):
        raise SpecError(
            where="Class accuracy",
            field="ids",
            rule=f"in 0..{size - 1}",
            value=(int(found_ids.min()), int(max(true_ids.max(), found_ids.max()))),
        )
    return true_ids, found_ids


def _row(correct: int, n: int) -> dict[str, Any]:
    low, high = wilson(correct, n)
    return {"n": n, "correct": correct, "accuracy": correct / n if n else None, "low": low, "high": high}
