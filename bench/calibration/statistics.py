"""Rank correlations of the calibration: within an image set, pooled over sets, with intervals over compositions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

Floats = NDArray[np.float64]
RESAMPLES = 1000
LEAST = 3
"""Compositions that an image set needs to have a rank correlation."""


@dataclass(frozen=True)
class Pair:
    """One quantity of one image set: (n,T) of n compositions, as networks were trained to and as was predicted.

    Columns with a NaN in either are left out. `changes`: each column counts from its mean over the compositions.
    """

    trained: Floats
    predicted: Floats
    changes: bool = False


@dataclass(frozen=True)
class Agreement:
    """A rank correlation with its 95 % interval over compositions; `sets` the image sets it is the mean of."""

    value: float
    low: float
    high: float
    sets: int


def spearman(a: Floats, b: Floats) -> Floats:
    """Rank correlations of the rows of two arrays (R,m), as (R,); 0 where either is the same throughout.

    Source: Spearman 1904; ties share their mean rank.
    """
    x, y = (rankdata(v, axis=-1) - (v.shape[-1] + 1) / 2 for v in (a, b))
    scale = np.sqrt(np.square(x).sum(axis=-1) * np.square(y).sum(axis=-1))
    found: Floats = np.divide((x * y).sum(axis=-1), scale, out=np.zeros_like(scale), where=scale > 0)
    return found


def within(pair: Pair) -> float:
    """Rank correlation over compositions and columns of one image set."""
    return float(_drawn(pair, np.arange(len(pair.trained))[None])[0])


def agreement(pairs: Mapping[str, Pair], *, seed: int = 0, resamples: int = RESAMPLES) -> Agreement:
    """Mean over image sets of the rank correlation within each; compositions are drawn anew within each set."""
    found = {name: pair for name, pair in pairs.items() if len(pair.trained) >= LEAST}
    drawn = {name: _drawn(pair, _rows(pair, seed + n, resamples)) for n, (name, pair) in enumerate(found.items())}
    return _interval(found, {name: within(pair) for name, pair in found.items()}, drawn, 1.0)


def better(pairs: Mapping[str, Pair], others: Mapping[str, Pair], *, seed: int = 0) -> Agreement:
    """How much more one predictor agrees than another, on the same compositions."""
    found = {name: pair for name, pair in pairs.items() if name in others and len(pair.trained) >= LEAST}
    drawn = {}
    for number, (name, pair) in enumerate(found.items()):
        rows = _rows(pair, seed + number, RESAMPLES)
        drawn[name] = _drawn(pair, rows) - _drawn(others[name], rows)
    values = {name: within(pair) - within(others[name]) for name, pair in found.items()}
    return _interval(found, values, drawn, 2.0)


def _interval(
    pairs: Mapping[str, Pair], values: Mapping[str, float], drawn: Mapping[str, Floats], most: float
) -> Agreement:
    """The mean over sets, and an interval from values of resamples.

    A few compositions drawn with repetition agree less, and vary less, than the same number of different ones: the
    resamples are moved to the value and spread by sqrt(n / (n - 1)). On planted data this covers the truth 91 to 98
    times of 100, plain percentiles 81 to 97 (tests/forecast/test_calibration.py).

    Source: bootstrap, Efron 1979.
    """
    if not values:
        return Agreement(float("nan"), float("nan"), float("nan"), 0)
    value, means = float(np.mean(list(values.values()))), np.mean(list(drawn.values()), axis=0)
    n = float(np.mean([len(pair.trained) for pair in pairs.values()]))
    low, high = value + (np.quantile(means, (0.025, 0.975)) - means.mean()) * np.sqrt(n / (n - 1))
    return Agreement(value, max(float(low), -most), min(float(high), most), len(values))


def _rows(pair: Pair, seed: int, resamples: int) -> NDArray[np.int64]:
    n = len(pair.trained)
    return np.random.default_rng(seed).integers(0, n, (resamples, n))


def _drawn(pair: Pair, rows: NDArray[np.int64]) -> Floats:
    """(R,) rank correlations of compositions (R,n)."""
    known = np.isfinite(pair.trained).all(axis=0) & np.isfinite(pair.predicted).all(axis=0)
    if not known.any():
        return np.zeros(len(rows))
    a, b = (v[:, known][rows] for v in (pair.trained, pair.predicted))
    if pair.changes:
        a, b = (v - v.mean(axis=1, keepdims=True) for v in (a, b))
    return spearman(a.reshape(len(rows), -1), b.reshape(len(rows), -1))


def two_by_two(pair: Pair, least: float) -> tuple[int, int]:
    """(pairs of compositions in the right order, pairs that differ by `least` or more when trained); one column."""
    a, b = pair.trained[:, 0], pair.predicted[:, 0]
    told = [(a[i] - a[j], b[i] - b[j]) for i, j in combinations(range(len(a)), 2)]
    clear = [(x, y) for x, y in told if abs(x) >= least]
    return int(sum(x * y > 0 for x, y in clear)), len(clear)


def left_out(
    sets: Sequence[str], settings: Sequence[str], score: Callable[[str, str], float]
) -> dict[str, tuple[str, float]]:
    """Each image set -> the setting that scores best on all others (mean), and its score on this one."""
    found = {}
    for name in sets:
        rest = [other for other in sets if other != name]
        best = max(settings, key=lambda one: float(np.mean([score(one, other) for other in rest])))
        found[name] = best, score(best, name)
    return found
