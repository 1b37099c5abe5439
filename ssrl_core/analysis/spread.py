"""Mean, standard deviation and Welch's comparison of few values."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def mean_sd(values: Iterable[float | None]) -> tuple[float | None, float | None, int]:
    """(mean, sd, n) of what is there and finite: sd with n - 1, None for one value; (None, None, 0) without any."""
    known = np.asarray([v for v in values if v is not None], dtype=float)
    known = known[np.isfinite(known)]
    if not len(known):
        return None, None, 0
    return float(known.mean()), float(known.std(ddof=1)) if len(known) > 1 else None, len(known)


def welch(a: Floats, b: Floats) -> tuple[Floats, Floats, Floats]:
    """(difference of the means a - b, its standard error, degrees of freedom) over the last axis, two values at least.

    Degrees of freedom are NaN where neither side varies.

    Source:
        Welch, Biometrika 34 (1947), which does not ask for equal variances.
    """
    va, vb = (np.asarray(x.var(axis=-1, ddof=1) / x.shape[-1]) for x in (a, b))
    with np.errstate(divide="ignore", invalid="ignore"):
        dof = (va + vb) ** 2 / (va**2 / (a.shape[-1] - 1) + vb**2 / (b.shape[-1] - 1))
    return np.asarray(a.mean(axis=-1) - b.mean(axis=-1)), np.sqrt(va + vb), np.asarray(dof)
