"""Accuracy over the values of a parameter: of classes, all together and methods; who gains or loses, and how surely."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import special

from ssrl_core.analysis.bias.columns import Floats, Ints
from ssrl_core.analysis.bias.grid import Grid, XNames, grids, mean_over_seeds, sd_over_seeds
from ssrl_core.analysis.bias.sentences import reason, reason_table
from ssrl_core.analysis.intervals import difference
from ssrl_core.errors import SpecError


@dataclass(frozen=True)
class Curves:
    """Each table: the setting's columns, (class, superclass,) x, accuracy, sd, seeds.

    `accuracy` is the mean over seeds, NaN where no seed has one; `seeds` is their number; `sd` (n - 1) is NaN with
    fewer than two.
    """

    overall: pd.DataFrame
    classes: pd.DataFrame
    reasons: pd.DataFrame


def curves(table: pd.DataFrame, x: XNames) -> Curves:
    """The curves of every setting.

    Args:
        table, x: as for `grids`.

    Raises:
        DataError, SpecError: as `grids`.
    """
    overall, classes, told = [], [], []
    for grid in grids(table, x):
        runs, reasons = overall_accuracy(grid)
        overall.append(_overall_rows(grid, runs))
        classes.append(_class_rows(grid))
        told += [*grid.reasons, *reasons]
    return Curves(pd.concat(overall, ignore_index=True), pd.concat(classes, ignore_index=True), reason_table(told))


def overall_accuracy(grid: Grid) -> tuple[Floats, list[dict[str, Any]]]:
    """(V, S) top-1 of each run: correct images of all classes over all images.

    Where a class lacks in one run but not in other seeds of the same value, its mean over those stands in for it (a
    run without a hard class would look better than it is); where it lacks in all of them, the overall is NaN. Classes
    without any image in the setting count for nothing. Without numbers of images every class counts the same.

    Returns:
        accuracies, NaN where unknown, and the reasons.
    """
    known = np.isfinite(grid.accuracy)
    used = known.any(axis=(1, 2))
    ran = known.any(axis=0)
    images = np.nan_to_num(grid.images).max(axis=(1, 2), initial=0)
    weights = np.where(used, images if (images[used] > 0).all() else 1.0, 0.0)
    standing = np.where(known, grid.accuracy, grid.mean[..., None])[used]
    total = (weights[used, None, None] * standing).sum(axis=0)
    overall = np.where(ran & (weights.sum() > 0), total / max(float(weights.sum()), 1e-300), np.nan)
    return overall, list(_told(grid, known[used], ran, overall))


def _told(grid: Grid, known: Any, ran: Any, overall: Floats) -> Iterator[dict[str, Any]]:
    lacking = (~known).any(axis=0) & ran
    filled, lost = int((lacking & np.isfinite(overall)).sum()), int((lacking & ~np.isfinite(overall)).sum())
    if filled:
        text = f"In {filled} runs classes are missing: their mean over the other seeds stands in for them overall."
        yield reason(grid.setting, "overall_filled", text)
    if lost:
        text = f"In {lost} runs a class is missing that no other seed has: no overall accuracy there."
        yield reason(grid.setting, "overall_missing", text)


def _overall_rows(grid: Grid, runs: Floats) -> pd.DataFrame:
    return pd.DataFrame(
        {
            **grid.setting,
            "x": grid.axis.cells(),
            "accuracy": mean_over_seeds(runs),
            "sd": sd_over_seeds(runs),
            "seeds": np.isfinite(runs).sum(axis=1),
        },
        index=range(len(runs)),
    )


def _class_rows(grid: Grid) -> pd.DataFrame:
    count, values = grid.mean.shape
    return pd.DataFrame(
        {
            **grid.setting,
            "class": np.repeat(np.array(grid.classes, dtype=object), values),
            "superclass": np.repeat(np.array(grid.superclasses, dtype=object), values),
            "x": grid.axis.cells() * count,
            "accuracy": grid.mean.ravel(),
            "sd": grid.sd.ravel(),
            "seeds": grid.counts.ravel(),
        },
        index=range(count * values),
    )


def reference_place(grid: Grid, value: float | str | None = None) -> int | None:
    """The place of the reference among the values of a grid.

    Args:
        value: a value of the parameter; None takes the one with the highest overall accuracy (the first of equals).

    Returns:
        the place; None where no value has an overall accuracy.

    Raises:
        SpecError: the sweep does not have that value.
    """
    if value is None:
        overall = mean_over_seeds(overall_accuracy(grid)[0])
        return int(np.nanargmax(overall)) if np.isfinite(overall).any() else None
    for place, cell in enumerate(grid.axis.cells()):
        if cell == value or (isinstance(cell, float) and _close(cell, value)):
            return place
    raise SpecError.at(
        "Reference", grid.axis.path, f"one of {', '.join(grid.axis.labels)}", value, "Choose a value that was run."
    )


def _close(cell: float, value: float | str) -> bool:
    try:
        return bool(np.isclose(cell, float(value), rtol=1e-9, atol=1e-12))
    except ValueError:
        return False


def method_summary(table: pd.DataFrame, x: XNames) -> pd.DataFrame:
    """The mean and sd over the values of the parameter, of the means over the seeds of each value.

    Args:
        table, x: as for `grids`.

    Returns:
        the setting's columns, mean, sd (n - 1, over values; NaN for one value), lowest, highest, values (that have an
        accuracy), of (planned), seeds (fewest, most of a value as seeds_low, seeds_high), sd_seeds (what seeds alone
        do: root mean square of the sd within values; an sd of the means of about sd_seeds / sqrt(seeds) is noise),
        reason.
    """
    return pd.DataFrame([_row(grid) for grid in grids(table, x)])


def _row(grid: Grid) -> dict[str, Any]:
    runs, told = overall_accuracy(grid)
    means, within = mean_over_seeds(runs), sd_over_seeds(runs)
    there = means[np.isfinite(means)]
    spread = within[np.isfinite(within)]
    counts = np.isfinite(runs).sum(axis=1)
    counts = counts[counts > 0]
    reasons = [row["reason"] for row in (*grid.reasons, *told) if row["class"] is None]
    return {
        **grid.setting,
        "mean": float(there.mean()) if len(there) else np.nan,
        "sd": float(there.std(ddof=1)) if len(there) > 1 else np.nan,
        "lowest": float(there.min()) if len(there) else np.nan,
        "highest": float(there.max()) if len(there) else np.nan,
        "values": len(there),
        "of": len(means),
        "seeds_low": int(counts.min()) if len(counts) else 0,
        "seeds_high": int(counts.max()) if len(counts) else 0,
        "sd_seeds": float(np.sqrt((spread**2).mean())) if len(spread) else np.nan,
        "reason": " ".join(reasons) or None,
    }


@dataclass(frozen=True)
class Differences:
    """Accuracy at each value minus accuracy at a reference, each field (C, V) but `basis`.

    Args:
        change: NaN where either is missing.
        low, high: 95 % interval; 0 width at the reference itself.
        basis: (C,) `seeds` (spread over seeds), `images` (one seed: sampling of the test images only, which leaves
            out what another seed would change), or None.
    """

    change: Floats
    low: Floats
    high: Floats
    basis: tuple[str | None, ...]


def differences(mean: Floats, sd: Floats, counts: Ints, images: Floats, reference: Ints) -> Differences:
    """What each class gains and loses at each value against its reference.

    With seeds, the spread of a class is pooled over the values (with 3 to 5 seeds each value alone would tell little):
    s² = Σ (S_v - 1) sd_v² / Σ (S_v - 1), the interval t · s · sqrt(1/S_a + 1/S_b) with Σ (S_v - 1) degrees of freedom.
    Without, Newcombe's interval of two independent shares from their Wilson intervals.

    Args:
        mean, sd, counts: (C, V) over seeds. images: (C, V) images behind each mean, NaN if not known.
        reference: (C,) place of the reference value of each class.

    Source:
        Pooled t interval; Newcombe, Statistics in Medicine 17 (1998), method 10.
    """
    rows = np.arange(len(mean))
    change = mean - mean[rows, reference][:, None]
    dof = np.where(counts > 1, counts - 1, 0).sum(axis=1)
    squares = np.where(counts > 1, (counts - 1) * np.nan_to_num(sd) ** 2, 0.0).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        pooled = np.sqrt(squares / dof)
        scale = np.sqrt(1 / counts + 1 / counts[rows, reference][:, None])
        half = (special.stdtrit(np.maximum(dof, 1), 0.975) * pooled)[:, None] * scale
    low, high = change - half, change + half
    by_images = _newcombe(mean, images, reference)
    seeded = dof > 0
    low = np.where(seeded[:, None], low, by_images[0])
    high = np.where(seeded[:, None], high, by_images[1])
    low[rows, reference] = high[rows, reference] = change[rows, reference]
    known = np.asarray(np.isfinite(by_images[0]).any(axis=1))
    basis = tuple("seeds" if s else "images" if k else None for s, k in zip(seeded, known, strict=True))
    low, high = (np.where(np.isfinite(change), end, np.nan) for end in (low, high))
    return Differences(change, low, high, basis)


def _newcombe(share: Floats, n: Floats, reference: Ints) -> tuple[Floats, Floats]:
    rows = np.arange(len(share))
    first = ((share * n)[rows, reference][:, None], n[rows, reference][:, None])
    return difference(first, (share * n, n))[1:]


ORDERS = ("range", "change", "eta2")


def movers(table: pd.DataFrame, x: XNames, count: int | None = None, *, by: str = "range") -> pd.DataFrame:
    """The classes of each setting, the one that moves most first.

    Args:
        table, x: as for `grids`.
        count: the first so many of each setting; None for all.
        by: `range` (highest minus lowest mean), `change` (from the first to the last value, either way), or `eta2`
            (share of the variance over runs that the value explains).

    Returns:
        the setting's columns, class, superclass, lowest, lowest_at, highest, highest_at, range, first, last, change
        (last minus first value, with low, high: 95 %, basis: seeds | images | None), f, p, eta2 (one-way analysis of
        variance over the runs, values as groups: NaN without a second seed), n (runs). Classes without two values
        are last, with NaN.

    The range of noise alone is not 0 (with 20 values about 3.7 sd of a mean): p says whether it is more than that.
    """
    if by not in ORDERS:
        raise SpecError.at("Movers", "by", f"one of {', '.join(ORDERS)}", by)
    parts = []
    for grid in grids(table, x):
        rows = _rows(grid)
        order = rows[by].abs().sort_values(ascending=False, kind="stable", na_position="last").index
        parts.append(rows.loc[order].head(len(rows) if count is None else count))
    return pd.concat(parts, ignore_index=True)


def furthest(moved: pd.DataFrame) -> list[str]:
    """The two classes that lose most and the two that gain most, mean over the settings of `movers`."""
    order = moved.groupby("class", sort=False)["change"].mean().dropna().sort_values()
    return list(dict.fromkeys(map(str, [*order.index[:2], *order.index[::-1][:2]])))


def _rows(grid: Grid) -> pd.DataFrame:
    mean, counts = grid.mean, grid.counts
    there = np.isfinite(mean)
    low_at = np.where(there, mean, np.inf).argmin(axis=1)
    high_at = np.where(there, mean, -np.inf).argmax(axis=1)
    first, last = there.argmax(axis=1), mean.shape[1] - 1 - there[:, ::-1].argmax(axis=1)
    rows = np.arange(len(mean))
    enough = there.sum(axis=1) > 1
    images = np.where(np.isfinite(grid.accuracy), grid.images, 0.0).sum(axis=2)
    moved = differences(mean, grid.sd, counts, images, first)
    cells = np.array(grid.axis.cells(), dtype=object)
    f, p, eta2 = one_way(grid.accuracy)
    nowhere = ~np.asarray(there.any(axis=1))

    def at(places: Ints) -> list[object]:
        return [None if nowhere[c] else cells[places[c]] for c in rows]

    def only(values: Floats) -> Floats:
        return np.where(enough, values, np.nan)

    return pd.DataFrame(
        {
            **grid.setting,
            "class": list(grid.classes),
            "superclass": list(grid.superclasses),
            "lowest": mean[rows, low_at],
            "lowest_at": at(low_at),
            "highest": mean[rows, high_at],
            "highest_at": at(high_at),
            "range": only(mean[rows, high_at] - mean[rows, low_at]),
            "first": at(first),
            "last": at(last),
            "change": only(moved.change[rows, last]),
            "low": only(moved.low[rows, last]),
            "high": only(moved.high[rows, last]),
            "basis": list(moved.basis),
            "f": f,
            "p": p,
            "eta2": eta2,
            "n": np.isfinite(grid.accuracy).sum(axis=(1, 2)),
        },
        index=range(len(rows)),
    )


def one_way(accuracy: Floats) -> tuple[Floats, Floats, Floats]:
    """(C,) F, p and eta² of each class over (C, V, S) runs, the values as groups; NaN where undefined.

    Source:
        One-way analysis of variance (Fisher); eta² = sum of squares between values / total.
    """
    there = np.isfinite(accuracy)
    count = there.sum(axis=2)
    filled = np.where(there, accuracy, 0.0)
    total_n, groups = count.sum(axis=1), (count > 0).sum(axis=1)
    grand = filled.sum(axis=(1, 2)) / np.maximum(total_n, 1)
    means = filled.sum(axis=2) / np.maximum(count, 1)
    between = (count * (means - grand[:, None]) ** 2).sum(axis=1)
    within = (np.where(there, accuracy - means[..., None], 0.0) ** 2).sum(axis=(1, 2))
    between, within = (np.where(a < 1e-20, 0.0, a) for a in (between, within))
    df1, df2 = groups - 1, total_n - groups
    tested = (df1 > 0) & (df2 > 0) & (between + within > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        f = np.where(tested, (between / df1) / (within / df2), np.nan)
        p = np.where(tested, special.fdtrc(np.maximum(df1, 1), np.maximum(df2, 1), f), np.nan)
        eta2 = np.where(tested, between / (between + within), np.nan)
    return f, np.where(np.isposinf(f), 0.0, p), eta2
