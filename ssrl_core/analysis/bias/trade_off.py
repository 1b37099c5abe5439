"""Where each class is highest, and what other classes pay for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import numpy as np
import pandas as pd
from numpy.random import Generator
from numpy.typing import NDArray

from ssrl_core.analysis.bias.accuracy_curves import Differences, differences, reference_place
from ssrl_core.analysis.bias.columns import DECIMALS, Bools, Floats, Ints
from ssrl_core.analysis.bias.grid import Grid, XNames, grids, sd_over_seeds
from ssrl_core.analysis.bias.sentences import reason, reason_table
from ssrl_core.errors import SpecError, some_of

GAINS, LOSES, UNCLEAR, SAME = "gains", "loses", "not told apart", "unchanged"


@dataclass(frozen=True)
class Highest:
    """What `own_highest` finds; each table starts with the columns of the setting.

    Args:
        highest: for (the class), x (where its mean accuracy is highest), accuracy, sd, seeds, alike (list of the values
            whose difference from it has an interval with 0 in it: the highest of noisy means is picked, not known;
            empty where there are no intervals),
            reference (the value to compare with), reference_accuracy, gain (own change from it) with low, high, basis;
            others (how many), others_change (their mean), winners, losers (others with an interval above, below 0),
            worst, worst_change (the other that loses most).
        prices: for, x, class, change (from the reference), low, high (95 %), verdict (`verdicts`), accuracy (at x),
            from_own_highest (less the highest of its own, 0 or below), one row for each class that a choice is made
            for and each class that it does something to (itself too).
    """

    highest: pd.DataFrame
    prices: pd.DataFrame
    reasons: pd.DataFrame


def own_highest(table: pd.DataFrame, x: XNames, *, reference: float | str | None = None) -> Highest:
    """For every class its own highest value, and what choosing it does to every other.

    Args:
        table, x: as for `grids`; `by_superclass(table)` for superclasses.
        reference: the value that changes are counted from; None takes the one with the highest overall accuracy.

    Raises:
        SpecError: the sweep does not have the reference.
    """
    highest, prices, told = [], [], []
    for grid in grids(table, x):
        parts = _highest_part(grid, reference)
        highest.append(parts[0])
        prices.append(parts[1])
        told += [*grid.reasons, *parts[2]]
    return Highest(pd.concat(highest, ignore_index=True), pd.concat(prices, ignore_index=True), reason_table(told))


def images_behind(grid: Grid) -> Floats:
    """(C, V) images that each mean rests on; NaN where not known."""
    there = np.isfinite(grid.accuracy)
    total = np.where(there, grid.images, 0.0).sum(axis=2)
    return np.where(total > 0, total, np.nan)


def verdicts(low: Floats, high: Floats) -> NDArray[np.object_]:
    """gains | loses | not told apart of each interval, unchanged where it is the reference; None without one."""
    names = np.where(low > 0, GAINS, np.where(high < 0, LOSES, UNCLEAR)).astype(object)
    names[(low == 0) & (high == 0)] = SAME
    names[~np.isfinite(low)] = None
    return names


def no_intervals(grid: Grid, found: Differences) -> list[dict[str, Any]]:
    """The reason why changes have no interval, if some have none."""
    known = np.asarray(np.isfinite(grid.accuracy).any(axis=(1, 2)))
    if all(basis is not None for basis, there in zip(found.basis, known, strict=True) if there):
        return []
    text = "One seed and no numbers of images: changes have no interval, so none can be told from chance."
    return [reason(grid.setting, "no_intervals", text)]


def _highest_part(grid: Grid, reference: float | str | None) -> tuple[pd.DataFrame, pd.DataFrame, list[dict[str, Any]]]:
    mean, size = grid.mean, len(grid.classes)
    there = np.isfinite(mean)
    known: Bools = np.asarray(there.any(axis=1))
    top = np.where(there, mean, -np.inf).argmax(axis=1)
    told = [
        reason(grid.setting, "no_highest", f"{grid.classes[c]} has no accuracy at any value.", name=grid.classes[c])
        for c in np.flatnonzero(~known)
    ]
    place = reference_place(grid, reference)
    if place is None:
        told.append(reason(grid.setting, "no_reference", "No value has an overall accuracy: nothing to compare with."))
    images = images_behind(grid)
    own = differences(mean, grid.sd, grid.counts, images, top)
    against = differences(mean, grid.sd, grid.counts, images, np.full(size, place or 0))
    if place is None:
        nothing = np.full(mean.shape, np.nan)
        against = Differences(nothing, nothing, nothing, (None,) * size)
    change, low, high = (a[:, top].T for a in (against.change, against.low, against.high))  # rows: for, columns: class
    told += no_intervals(grid, against)
    rows = _highest_rows(grid, top, known, own, against, place)
    others = _others(grid, change, low, high)
    return pd.DataFrame({**rows, **others}, index=range(size)), _prices(grid, top, known, (change, low, high)), told


def _highest_rows(
    grid: Grid, top: Ints, known: Bools, own: Differences, against: Differences, place: int | None
) -> dict[str, Any]:
    rows, cells, mean = np.arange(len(top)), grid.axis.cells(), grid.mean
    sure = [known[c] and own.basis[c] is not None for c in rows]
    alike = [[cells[v] for v in np.flatnonzero(own.high[c] >= 0)] if sure[c] else [] for c in rows]
    return {
        **grid.setting,
        "for": list(grid.classes),
        "x": [cells[top[c]] if known[c] else None for c in rows],
        "accuracy": mean[rows, top],
        "sd": grid.sd[rows, top],
        "seeds": grid.counts[rows, top],
        "alike": alike,
        "reference": None if place is None else cells[place],
        "reference_accuracy": mean[:, place] if place is not None else np.full(len(top), np.nan),
        "gain": against.change[rows, top],
        "low": against.low[rows, top],
        "high": against.high[rows, top],
        "basis": list(against.basis),
    }


def _others(grid: Grid, change: Floats, low: Floats, high: Floats) -> dict[str, Any]:
    """Sums over the others of each row (choice)."""
    size = len(change)
    other = np.isfinite(change) & ~np.eye(size, dtype=bool)
    count = other.sum(axis=1)
    total = np.where(other, change, 0.0).sum(axis=1)
    worst = np.where(other, change, np.inf).argmin(axis=1) if size else np.zeros(0, dtype=np.int64)
    some = count > 0
    rows = np.arange(size)
    return {
        "others": count,
        "others_change": np.divide(total, count, out=np.full(size, np.nan), where=some),
        "winners": (other & (low > 0)).sum(axis=1),
        "losers": (other & (high < 0)).sum(axis=1),
        "worst": [grid.classes[worst[c]] if some[c] else None for c in rows],
        "worst_change": np.where(some, change[rows, worst], np.nan),
    }


def _prices(grid: Grid, top: Ints, known: Bools, changes: tuple[Floats, Floats, Floats]) -> pd.DataFrame:
    names = np.array(grid.classes, dtype=object)
    cells = np.array([*grid.axis.cells(), None], dtype=object)
    size = len(names)
    at = cells[np.where(known, top, -1)]
    there = grid.mean[:, top].T  # rows: for, columns: class
    own = grid.mean[np.arange(size), top]
    parts = (*changes, there, np.round(there - own, DECIMALS))
    change, low, high, accuracy, regret = (np.where(known[:, None], a, np.nan).ravel() for a in parts)
    return pd.DataFrame(
        {
            **grid.setting,
            "for": np.repeat(names, size),
            "x": np.repeat(at, size),
            "class": np.tile(names, size),
            "change": change,
            "low": low,
            "high": high,
            "verdict": verdicts(low, high),
            "accuracy": accuracy,
            "from_own_highest": regret,
        },
        index=range(size * size),
    )


RESAMPLES = 1000


@dataclass(frozen=True)
class TradeOff:
    """What `tradeoff` finds; each table starts with the columns of the setting.

    Args:
        values: x, score (weighted mean accuracy of the chosen classes), change (from the reference) with low, high
            (95 %), basis (seeds | images | None), on_front (no other value is at least as good for every chosen class
            and better for one), front_share and highest_share (of 1,000 resamplings of the seeds: how often the value
            is on the front, has the highest score), beaten_by (a value on the front that beats it, None on the front).
            A value that lacks one of the classes: NaN, not on the front, and a reason.
        changes: x, class, weight, accuracy, sd, seeds, change, low, high, verdict (`highest.verdicts`),
            all against the reference.
        sentences: one for each setting.
        reference: the setting's columns and reference (value).
    """

    values: pd.DataFrame
    changes: pd.DataFrame
    sentences: tuple[str, ...]
    reference: pd.DataFrame
    reasons: pd.DataFrame


def tradeoff(
    table: pd.DataFrame,
    x: XNames,
    weights: Mapping[str, float],
    *,
    reference: float | str | None = None,
    seed: int = 0,
) -> TradeOff:
    """The front of values for the chosen classes.

    Args:
        table, x: as for `grids`; `by_superclass(table)` for superclasses.
        weights: class -> how much it matters, above 0; "caterpillar matters twice" is {"caterpillar": 2, …: 1}.
            Weights move the score, never the front.
        reference: the value that changes are counted from; None takes the one with the highest overall accuracy.
        seed: of the resampling.

    Raises:
        SpecError: no class, an unknown class, a weight that is not above 0, a reference that was not run.
    """
    parts = []
    for grid in grids(table, x):
        _check(weights, grid)
        parts.append(_part(grid, weights, reference, np.random.default_rng(seed)))
    values, changes, sentences, references, told = zip(*parts, strict=True)
    return TradeOff(
        pd.concat(values, ignore_index=True),
        pd.concat(changes, ignore_index=True),
        tuple(sentences),
        pd.DataFrame(list(references)),
        reason_table([row for rows in told for row in rows]),
    )


def on_front(means: Floats) -> NDArray[np.bool_]:
    """Which values no other beats.

    Args:
        means: (…, V, K) accuracy of K classes at V values; a value with a NaN is never on the front.

    Returns:
        (…, V) bool.
    """
    values, classes = means.shape[-2:]
    no_worse = np.ones((*means.shape[:-2], values, values), dtype=bool)
    better = np.zeros_like(no_worse)
    for k in range(classes):  # one class at a time keeps the arrays small
        own, other = means[..., :, None, k], means[..., None, :, k]
        no_worse &= other >= own
        better |= other > own
    beaten = np.asarray((no_worse & better).any(axis=-1))
    return np.asarray(~beaten & np.isfinite(means).all(axis=-1))


def _check(weights: Mapping[str, float], grid: Grid) -> None:
    where = "Trade-off"
    if not weights:
        raise SpecError.at(where, "weights", "given for at least one class", {})
    for name, weight in weights.items():
        if name not in grid.classes:
            close = get_close_matches(str(name), grid.classes, n=1)
            hint = f"Did you mean {close[0]!r}?" if close else f"The classes are {some_of(grid.classes)}."
            raise SpecError.at(where, "weights", "of classes of the table", name, hint)
        if not (np.isfinite(weight) and weight > 0):
            raise SpecError.at(where, f"weight of {name}", "above 0", weight, "Leave the class out.")


def _part(
    grid: Grid, weights: Mapping[str, float], reference: float | str | None, rng: Generator
) -> tuple[pd.DataFrame, pd.DataFrame, str, dict[str, Any], list[dict[str, Any]]]:
    chosen = [grid.classes.index(name) for name in weights]
    weight = np.array([float(w) for w in weights.values()])
    means = grid.mean[chosen].T  # (V, K)
    place = reference_place(grid, reference)
    values = _values(grid, chosen, weight, means, place, rng)
    changes = _changes(grid, chosen, weight, place)
    told = [*grid.reasons, *_missing(grid, list(weights), means, place)]
    if place is not None and values["basis"].isna().all():
        told.append(
            reason(grid.setting, "no_intervals", "One seed and no numbers of images: changes have no interval.")
        )
    cells = grid.axis.cells()
    spoken = {**grid.setting, "reference": None if place is None else cells[place]}
    return values, changes, _sentence(grid, weights, values), spoken, told


def _values(
    grid: Grid, chosen: list[int], weight: Floats, means: Floats, place: int | None, rng: Generator
) -> pd.DataFrame:
    runs = np.tensordot(weight / weight.sum(), grid.accuracy[chosen], axes=1)  # (V, S)
    score = np.where(np.isfinite(means).all(axis=1), np.round(means @ weight / weight.sum(), DECIMALS), np.nan)
    front = on_front(means)
    by_score = differences(
        score[None],
        sd_over_seeds(runs)[None],
        np.isfinite(runs).sum(axis=1)[None],
        images_behind(grid)[chosen].sum(axis=0)[None],
        np.array([place or 0]),
    )
    known = place is not None
    shares = _resampled(grid.accuracy[chosen], weight, rng)
    return pd.DataFrame(
        {
            **grid.setting,
            "x": grid.axis.cells(),
            "score": score,
            "change": by_score.change[0] if known else np.nan,
            "low": by_score.low[0] if known else np.nan,
            "high": by_score.high[0] if known else np.nan,
            "basis": by_score.basis[0] if known else None,
            "on_front": front,
            "front_share": shares[0],
            "highest_share": shares[1],
            "beaten_by": _beaten_by(grid, means, front, score),
        },
        index=range(len(score)),
    )


def _beaten_by(grid: Grid, means: Floats, front: NDArray[np.bool_], score: Floats) -> list[Any]:
    """The value on the front with the highest score among those that beat each value."""
    cells, found = grid.axis.cells(), []
    for own in means:
        beats = front & (means >= own).all(axis=1) & (means > own).any(axis=1)
        found.append(cells[int(np.where(beats, score, -np.inf).argmax())] if beats.any() else None)
    return found


def _resampled(accuracy: Floats, weight: Floats, rng: Generator) -> tuple[Floats, Floats]:
    """(V,) shares of resamplings in which each value is on the front, and has the highest score.

    The seeds of each value are drawn again with replacement, whole runs at a time, so that classes keep moving
    together; deviations from the mean are widened by sqrt(S / (S - 1)), which few seeds need. Runs that lack a chosen
    class are left out. NaN where a value has fewer than two runs.

    Source:
        Efron and Tibshirani, An Introduction to the Bootstrap (1993); the widening removes its bias for small samples.
    """
    whole = np.asarray(np.isfinite(accuracy).all(axis=0))  # (V, S)
    counts = whole.sum(axis=1)
    classes, values, _ = accuracy.shape
    usable = counts > 1
    nothing = np.full(values, np.nan)
    if not usable.any():
        return nothing, nothing
    draws = np.full((RESAMPLES, values, classes), np.nan)
    for v in map(int, np.flatnonzero(usable)):
        runs = accuracy[:, v, whole[v]].T  # (S, K)
        middle = runs.mean(axis=0)
        wide = (runs - middle) * np.sqrt(len(runs) / (len(runs) - 1))
        again = wide[rng.integers(len(runs), size=(RESAMPLES, len(runs)))].mean(axis=1)
        draws[:, v] = np.round(middle + again, DECIMALS)
    front = np.mean([on_front(part).mean(axis=0) for part in np.array_split(draws, 20)], axis=0)
    scores = np.where(usable, draws @ weight, -np.inf)
    top = np.bincount(scores.argmax(axis=1), minlength=values) / RESAMPLES
    return np.where(usable, front, np.nan), np.where(usable, top, np.nan)


def _changes(grid: Grid, chosen: list[int], weight: Floats, place: int | None) -> pd.DataFrame:
    mean, sd, counts = grid.mean[chosen], grid.sd[chosen], grid.counts[chosen]
    size, values = mean.shape
    moved = differences(mean, sd, counts, images_behind(grid)[chosen], np.full(size, place or 0))
    low, high = (np.full(mean.shape, np.nan) if place is None else a for a in (moved.low, moved.high))
    return pd.DataFrame(
        {
            **grid.setting,
            "x": grid.axis.cells() * size,
            "class": np.repeat(np.array(grid.classes, dtype=object)[chosen], values),
            "weight": np.repeat(weight, values),
            "accuracy": mean.ravel(),
            "sd": sd.ravel(),
            "seeds": counts.ravel(),
            "change": (np.full(mean.shape, np.nan) if place is None else moved.change).ravel(),
            "low": low.ravel(),
            "high": high.ravel(),
            "verdict": verdicts(low.ravel(), high.ravel()),
        },
        index=range(size * values),
    )


def _missing(grid: Grid, names: list[str], means: Floats, place: int | None) -> list[dict[str, Any]]:
    told = []
    cells = grid.axis.cells()
    for v in np.flatnonzero(~np.isfinite(means).all(axis=1)):
        lacking = [name for name, mean in zip(names, means[v], strict=True) if not np.isfinite(mean)]
        text = f"{grid.axis.labels[v]} is not compared: no accuracy of {some_of(lacking)} there."
        told.append(reason(grid.setting, "not_compared", text, value=cells[v]))
    if place is None:
        told.append(reason(grid.setting, "no_reference", "No value has an overall accuracy: no changes."))
    return told


def _sentence(grid: Grid, weights: Mapping[str, float], values: pd.DataFrame) -> str:
    named = some_of(name if weight == 1 else f"{name} (×{weight:g})" for name, weight in weights.items())
    front = values[values["on_front"]]
    if front.empty:
        return f"For {named}: no value has an accuracy of all of them."
    place = int(front["score"].to_numpy().argmax())
    labels = [label for label, stays in zip(grid.axis.labels, values["on_front"], strict=True) if stays]
    others = [label for i, label in enumerate(labels) if i != place]
    compared = int(values["score"].notna().sum())
    score = f"{front['score'].iloc[place]:.1%}"
    text = f"For {named}: of {compared} values {labels[place]} has the highest weighted accuracy, {score}"
    if not others:
        return f"{text}, and no other value is better for any of them."
    return f"{text}; on the front too, with more for one of them and less for another: {some_of(others)}."
