"""How well each class is told apart, with how sure one can be, and what changed between two runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ssrl_core.analysis.intervals import difference, wilson
from ssrl_core.errors import SpecError


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
