"""Accuracy over the values of a parameter: of classes, all together and methods; the value to count changes from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ssrl_core.analysis.bias.columns import Floats
from ssrl_core.analysis.bias.grid import Grid, XNames, grids, mean_over_seeds, sd_over_seeds
from ssrl_core.analysis.bias.sentences import reason, reason_table
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
