"""Which classes have an opposite partner under several methods (table 6)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ssrl_core.analysis.bias.axis import Bools, Floats
from ssrl_core.errors import SpecError


def shared_classes(classes: pd.DataFrame, *, over: str = "method", corrected: bool = False) -> pd.DataFrame:
    """How many classes have an opposite partner under at least 2, at least 3 … and under all methods.

    Args:
        classes: of `Opposition`.
        over: `method`, as in the paper, or another column of the setting (`backbone`, `dataset` …).
        corrected: count the partners that are left after the correction.

    A class that a method could not test (a constant accuracy, no images) has no partner there; it still counts where
    enough others call it.

    Returns:
        the other setting columns, at_least, of (methods; the last row has at_least = of: all of them), classes (how
        many), share (of all classes), all_classes, tested (classes that every method could test), expected (classes,
        had each method as many of those that it could test, but independently of the others), names (list). One
        method only: at_least = of = 1.

    Raises:
        SpecError: `over` is no column of the setting.
    """
    settings = list(classes.columns[: classes.columns.get_loc("class")])
    if over not in settings:
        raise SpecError(where="Shared classes", field="over", rule=f"one of {', '.join(settings)}", value=over)
    others = [name for name in settings if name != over]
    flag = "opposite_corrected" if corrected else "opposite"
    rows: list[dict[str, Any]] = []
    for key, part in classes.groupby(others, sort=False, dropna=False):
        wide = part.assign(tested=part["tested"].astype(bool)).pivot(index="class", columns=over)
        called, tested = (wide[name].eq(True).to_numpy(dtype=bool) for name in (flag, "tested"))
        place = dict(zip(others, key, strict=True))
        rows += [place | row for row in _levels(called, tested, [str(name) for name in wide.index])]
    return pd.DataFrame(rows)


def _levels(called: Bools, tested: Bools, names: list[str]) -> list[dict[str, Any]]:
    """One row for each number of methods; called, tested (C, M)."""
    methods = called.shape[1]
    times, chance = called.sum(axis=1), _by_chance(called, tested)
    rows = []
    for least in range(min(2, methods), methods + 1):
        shared = [name for name, count in zip(names, times, strict=True) if count >= least]
        rows.append(
            {
                "at_least": least,
                "of": methods,
                "classes": len(shared),
                "share": len(shared) / len(names) if tested.any() else np.nan,
                "all_classes": len(names),
                "tested": int(tested.all(axis=1).sum()),
                "expected": float(chance[least]) if tested.any() else np.nan,
                "names": shared,
            }
        )
    return rows


def _by_chance(called: Bools, tested: Bools) -> Floats:
    """(M + 1,) classes that at least 0, 1, … M methods would call, each class by the methods that could test it."""
    rates = called.sum(axis=0) / np.maximum(tested.sum(axis=0), 1)
    return np.asarray(np.sum([at_least(np.where(row, rates, 0.0)) for row in tested], axis=0))


def at_least(rates: Floats) -> Floats:
    """(M + 1,) probability that at least 0, 1, … M of independent events happen (Poisson binomial)."""
    exactly = np.ones(1)
    for rate in rates:
        exactly = np.convolve(exactly, [1 - rate, rate])
    return np.asarray(np.cumsum(exactly[::-1])[::-1])
