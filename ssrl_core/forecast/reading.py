"""What can be read from an embedding on images that it was not made from: a ridge, its R² or accuracy, an interval."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from ssrl_core.datasets.imageset import ImageSet


Array = NDArray[Any]
Targets = Mapping[str, tuple[str, Array, Array]]
"""name -> (kind, values of images to fit on, of images to ask about); kinds are descriptor, column and classes."""

_RIDGES = tuple(10.0**power for power in range(-4, 4))
_RESAMPLES = 200
_FLAT = 1e-12


@dataclass(frozen=True)
class Reading:
    """A share and its 95 % interval over test images."""

    value: float
    low: float
    high: float


def read_numbers(
    train: Array, test: Array, numbers: Mapping[str, tuple[Array, Array]], *, seed: int
) -> dict[str, Reading | None]:
    """Held-out R² of numbers, cut at 0; those that are known of the same train images share one decomposition.

    Args:
        train, test: (n,D), (m,D) embeddings.
        numbers: name -> values (n,) of the train images, (m,) of the test images; rows with NaN are left out.

    Returns:
        None where a number is the same for all images, or known for fewer than ten of either half.
    """
    found: dict[str, Reading | None] = dict.fromkeys(numbers)
    alike: dict[bytes, list[str]] = {}
    for name, (here, there) in numbers.items():
        known, asked = np.isfinite(here), np.isfinite(there)
        if min(known.sum(), asked.sum()) >= 10 and _varies(here[known]) and _varies(there[asked]):
            alike.setdefault(known.tobytes(), []).append(name)
    for names in alike.values():
        known = np.isfinite(numbers[names[0]][0])
        targets = np.stack([numbers[name][0][known] for name in names], axis=1)
        predicted = _ridge(train[known], targets, test)
        found |= {name: _read(numbers[name][1], predicted[:, row], seed) for row, name in enumerate(names)}
    return found


def _read(truth: Array, predicted: Array, seed: int) -> Reading:
    """R² of predictions (m,) where the truth is known."""
    asked = np.isfinite(truth)
    y = truth[asked]
    wrong = np.square(y - predicted[asked])
    weights = _resamples(len(y), seed)
    means = weights @ y
    spread = weights @ np.square(y) - np.square(means)
    values = 1 - (weights @ wrong) / np.maximum(spread, _FLAT)
    return _reading(1 - wrong.mean() / y.var(), values)


def read_classes(
    train: Array, labels: Array, test: Array, truth: Array, *, classes: int, seed: int
) -> tuple[Reading, Array]:
    """Held-out accuracy of a ridge classifier.

    Args:
        labels, truth: (n,), (m,) class ids, 0 or more.

    Returns:
        overall, and (classes, classes) share of the images of a class (row) that are taken for each class: the diagonal
        is its accuracy; NaN where the test images have none.
    """
    scores = _ridge(train, np.eye(classes)[labels], test)
    said = scores.argmax(axis=1)
    right = (said == truth).astype(float)
    counts = np.zeros((classes, classes))
    np.add.at(counts, (truth, said), 1)
    with np.errstate(invalid="ignore"):
        taken = counts / counts.sum(axis=1, keepdims=True)
    return _reading(right.mean(), _resamples(len(truth), seed) @ right), taken


def read_targets(
    train: Array, test: Array, targets: Targets, *, classes: int, seed: int
) -> tuple[dict[str, Reading], Array]:
    """What can be read of everything that is asked about; names that cannot be read are left out.

    Args:
        train, test: (n,D), (m,D) embeddings of the images that the targets are of.
        classes: how many there are.

    Returns:
        readings by name, and what each class is taken for as in `read_classes`, (0,0) where no classes are read.
    """
    numbers = {name: (here, there) for name, (kind, here, there) in targets.items() if kind != "classes"}
    found, taken = read_numbers(train, test, numbers, seed=seed), np.empty((0, 0))
    for name, (kind, here, there) in targets.items():
        known, asked = here >= 0, there >= 0
        if kind == "classes" and len(np.unique(here[known])) > 1 and asked.any():
            given = train[known], here[known], test[asked], there[asked]
            found[name], taken = read_classes(*given, classes=classes, seed=seed)
    return {name: reading for name, reading in found.items() if reading is not None}, taken


def _ridge(train: Array, targets: Array, test: Array) -> Array:
    """Predictions (m,T) by ridges whose weights leave-one-out chooses, one for each target; by one decomposition."""
    mean, sd = train.mean(axis=0), train.std(axis=0)
    sd = np.where(sd > 1e-4 * max(float(sd.max()), _FLAT), sd, np.inf)
    x, asked = (train - mean) / sd, (test - mean) / sd
    middle = targets.mean(axis=0)
    y = targets - middle
    left, squares = _left_vectors(x.astype(np.float64))
    inside = left.T @ y
    best = np.full(y.shape[1], np.inf)
    chosen = np.zeros_like(inside)
    for ridge in _RIDGES:
        damped = squares + ridge * len(x)
        hat = np.square(left) @ (squares / damped) + 1 / len(x)
        fitted = left @ ((squares / damped)[:, None] * inside)
        error = np.square((y - fitted) / np.maximum(1 - hat, 1e-6)[:, None]).mean(axis=0)
        better = error < best
        best = np.where(better, error, best)
        chosen = np.where(better, inside / damped[:, None], chosen)
    predicted: Array = asked @ (x.T @ (left @ chosen)) + middle
    return predicted


def _left_vectors(x: Array) -> tuple[Array, Array]:
    """Left singular vectors (n,r) of a table (n,D), and the squares (r,) of its singular values."""
    if x.shape[1] <= len(x):
        left, values, _ = np.linalg.svd(x, full_matrices=False)
        return left, np.square(values)
    squares, left = np.linalg.eigh(x @ x.T)  # pixels: ten times as fast, and no ridge is as small as what it loses
    return left, np.maximum(squares, 0.0)


@lru_cache(maxsize=4)
def _resamples(count: int, seed: int) -> Array:
    """(200,n) weights of bootstrap samples, each row summing to 1; most numbers of a forecast take the same."""
    chance = np.random.default_rng(seed)
    drawn: Array = chance.multinomial(count, np.full(count, 1 / count), size=_RESAMPLES) / count
    drawn.flags.writeable = False
    return drawn


def _reading(value: float, values: Array) -> Reading:
    low, high = np.quantile(values, (0.025, 0.975))
    return Reading(*(float(np.clip(v, 0.0, 1.0)) for v in (value, low, high)))


def _varies(values: Array) -> bool:
    return bool(values.std() > 1e-9 * max(1.0, float(np.abs(values).max())))


MOST_PX = 96
"""Side above which images are made smaller before they are described: seconds count here."""
_VALUES = 1 << 22  # of the images that are looked at at once


def described(images: Array, channels: Sequence[str]) -> dict[str, Array]:
    """Every descriptor that images (n,C,S,S) in 0..1 of these channels have, at 96 px or less: {name: (n,)}."""
    from ssrl_core.analysis.descriptors import describe

    small = shrunk(images)
    return describe(small, max_value=1.0, channels=channels, px=images.shape[-1] / small.shape[-1])


def shrunk(images: Array) -> Array:
    """Images (…,C,H,W) at a whole fraction of their sides, at most 96 px: means over squares."""
    step = -(-max(images.shape[-2:]) // MOST_PX)
    if step == 1:
        return images
    import torch

    flat = torch.from_numpy(np.ascontiguousarray(images)).flatten(0, -4)
    small = torch.nn.functional.avg_pool2d(flat, tuple(min(step, side) for side in images.shape[-2:])).numpy()
    return np.asarray(small.reshape(*images.shape[:-2], *small.shape[-2:]))


def batches(imageset: ImageSet, ids: Array) -> Iterator[Array]:
    """Images (B,C,S,S) float32 in 0..1 of a set, so many at a time as memory takes."""
    step = max(1, _VALUES // int(np.prod(imageset.shape)))
    for start in range(0, len(ids), step):
        yield imageset.take(np.asarray(ids[start : start + step])).astype(np.float32) / np.float32(imageset.max_value)


def targets_of(imageset: ImageSet, solve_ids: Array, ask_ids: Array) -> dict[str, tuple[str, Array, Array]]:
    """`Targets` of some images: descriptors, numeric columns, the label."""
    import pandas as pd

    from ssrl_core.datasets.columns import informative_columns
    from ssrl_core.forecast.by_example import defined

    channels = [channel.name for channel in imageset.channels]

    def measured(ids: Array) -> dict[str, Array]:
        parts = [described(images, channels) for images in batches(imageset, ids)]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    here, there = measured(solve_ids), measured(ask_ids)
    found: dict[str, tuple[str, Array, Array]] = {n: ("descriptor", here[n], there[n]) for n in here}
    for name, row in defined(imageset).items():
        found[name] = ("descriptor", row.values(imageset, solve_ids), row.values(imageset, ask_ids))
    for name in informative_columns(imageset.table, imageset.label):
        column = imageset.table[name]
        numeric = pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)
        if name != imageset.label and numeric:  # a column of the same name is the user's own, and is meant
            values = column.to_numpy(dtype=float)
            found[name] = ("column", values[solve_ids], values[ask_ids])
    if imageset.label is not None:
        ids = imageset.label_ids
        found[imageset.label] = ("classes", ids[solve_ids], ids[ask_ids])
    return found
