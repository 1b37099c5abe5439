"""Which classes have an opposite partner under several methods (table 6)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ssrl_core.analysis.bias.axis import Floats
from ssrl_core.errors import SpecError


def shared_classes(classes: pd.DataFrame, *, over: str = "method", corrected: bool = False) -> pd.DataFrame:
    """How many classes have an opposite partner under at least 2, at least 3 … and under all methods.

    Args:
        classes: of `Opposition`.
        over: `method`, as in the paper, or another column of the setting (`backbone`, `dataset` …).
        corrected: count the partners that are left after the correction.

    Returns:
        the other setting columns, at_least, of (methods; the last row has at_least = of: all of them), classes (how
        many), share (of the classes that every one of them could test), tested, expected (classes, had each method
        as many but independently of the others), names (list). One method only: at_least = of = 1.

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
        wide = part.pivot(index="class", columns=over, values=flag)
        known = part.assign(tested=part["tested"].astype(bool)).pivot(index="class", columns=over, values="tested")
        usable = known.eq(True).all(axis=1)
        called = wide[usable].to_numpy(dtype=bool)
        rows += [dict(zip(others, key, strict=True)) | row for row in _levels(called, list(wide.index[usable]))]
    return pd.DataFrame(rows)


def _levels(called: Any, names: list[str]) -> list[dict[str, Any]]:
    """One row for each number of methods, called (C, M) bool."""
    tested, methods = called.shape
    times = called.sum(axis=1)
    chance = at_least(called.mean(axis=0) if tested else np.full(methods, np.nan))
    rows = []
    for least in range(min(2, methods), methods + 1):
        shared = [name for name, count in zip(names, times, strict=True) if count >= least]
        rows.append(
            {
                "at_least": least,
                "of": methods,
                "classes": len(shared),
                "share": len(shared) / tested if tested else np.nan,
                "tested": tested,
                "expected": float(tested * chance[least]) if tested else np.nan,
                "names": shared,
            }
        )
    return rows


def at_least(rates: Floats) -> Floats:
    """(M + 1,) probability that at least 0, 1, … M of independent events happen (Poisson binomial)."""
    exactly = np.ones(1)
    for rate in rates:
        exactly = np.convolve(exactly, [1 - rate, rate])
    return np.asarray(np.cumsum(exactly[::-1])[::-1])
