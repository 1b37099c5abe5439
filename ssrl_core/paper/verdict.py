"""A claim as a difference with its 95 % interval, and what may be said of it: shown, not shown, reversed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from ssrl_core.analysis.spread import welch

SHOWN, NOT_SHOWN, REVERSED, NOT_RUN = "shown", "not shown", "reversed", "not run"
VERDICTS = (SHOWN, NOT_SHOWN, REVERSED, NOT_RUN)


@dataclass(frozen=True)
class Contrast:
    """One claim.

    Attributes:
        claim: what the paper says, as a sentence.
        difference, low, high: in the direction of the claim (positive agrees), 95 %; None without two seeds a side.
        n: seeds of both sides. unit: of the difference.
        verdict: one of `VERDICTS`. reason: why there is no interval.
    """

    claim: str
    difference: float | None
    low: float | None
    high: float | None
    n: tuple[int, int]
    unit: str
    verdict: str
    reason: str = ""

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self) | {"n": list(self.n)}


def contrast(claim: str, higher: ArrayLike, lower: ArrayLike, unit: str = "") -> Contrast:
    """Is the mean of `higher` above that of `lower`, as the paper says?

    Args:
        higher, lower: one number a seed; NaN are left out.

    Returns:
        Shown where the whole interval lies above 0, reversed where it lies below, else not shown.

    Source:
        Welch's t interval (Welch 1947), which does not ask for equal variances.
    """
    a, b = _finite(higher), _finite(lower)
    n = (len(a), len(b))
    if not len(a) or not len(b):
        return Contrast(claim, None, None, None, n, unit, NOT_RUN, "no results yet")
    difference = float(a.mean() - b.mean())
    if len(a) < 2 or len(b) < 2:
        return Contrast(claim, difference, None, None, n, unit, NOT_SHOWN, "one seed: no interval")
    half = _half_width(a, b)
    low, high = difference - half, difference + half
    verdict = SHOWN if low > 0 else REVERSED if high < 0 else NOT_SHOWN
    return Contrast(claim, difference, low, high, n, unit, verdict)


def above(claim: str, values: ArrayLike, level: float = 0.0, unit: str = "") -> Contrast:
    """Is the mean of `values` above a level? t interval of one sample."""
    a = _finite(values)
    if not len(a):
        return Contrast(claim, None, None, None, (0, 0), unit, NOT_RUN, "no results yet")
    difference = float(a.mean() - level)
    if len(a) < 2:
        return Contrast(claim, difference, None, None, (1, 0), unit, NOT_SHOWN, "one seed: no interval")
    half = float(special.stdtrit(len(a) - 1, 0.975) * a.std(ddof=1) / np.sqrt(len(a)))
    low, high = difference - half, difference + half
    verdict = SHOWN if low > 0 else REVERSED if high < 0 else NOT_SHOWN
    return Contrast(claim, difference, low, high, (len(a), 0), unit, verdict)


def stated(claim: str, holds: bool | None, n: int = 0, *, against: bool = False, reason: str = "") -> Contrast:
    """A claim that is no difference of means (an order, a p-value): it holds, does not, or was not run.

    Args:
        against: that it does not hold means the opposite was found.
    """
    verdict = NOT_RUN if holds is None else SHOWN if holds else REVERSED if against else NOT_SHOWN
    return Contrast(claim, None, None, None, (n, 0), "", verdict, reason)


def overall(contrasts: Sequence[Contrast]) -> str:
    """The verdict of an item: shown where every claim is, reversed where one is and none is shown, else not shown."""
    found = {c.verdict for c in contrasts}
    if not found or found == {NOT_RUN}:
        return NOT_RUN
    if found == {SHOWN}:
        return SHOWN
    return REVERSED if REVERSED in found and SHOWN not in found else NOT_SHOWN


def _half_width(a: np.ndarray, b: np.ndarray) -> float:
    _, error, dof = welch(a, b)
    return float(special.stdtrit(dof, 0.975) * error) if error > 0 else 0.0


def _finite(values: ArrayLike) -> np.ndarray:
    found = np.asarray(values, dtype=np.float64).ravel()
    return found[np.isfinite(found)]
