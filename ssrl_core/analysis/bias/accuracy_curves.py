"""Accuracy against the parameter, overall and of each class: mean and sd over seeds (figure 1)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ssrl_core.analysis.bias.axis import Floats
from ssrl_core.analysis.bias.grid import Grid, XNames, grids, mean_over_seeds, sd_over_seeds
from ssrl_core.analysis.bias.reasons import reason, reason_table


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
