"""The spectrum of the features of a class: in how many directions they vary, and how fast the variances fall."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ssrl_core.analysis.properties.grey import Floats
from ssrl_core.errors import SpecError

NAMES = ("effective_rank", "spectrum_decay", "first_share")
LEAST_ROWS = 10


@dataclass(frozen=True)
class Spectrum:
    """The spectrum of one class.

    Args:
        effective_rank: exp of the entropy of the singular values divided by their sum; 1 (a line) to min(n - 1, D).
        spectrum_decay: a in variance of the i-th direction ~ i^-a, from the straight line through the logarithms of
            the directions 1..`fitted`; larger falls faster.
        first_share: share of the variance along the first direction.
        variances: eigenvalues of the covariance (n - 1), falling, those of rounding left out.
        fitted, n: directions in the line, images.
        reason: why numbers are NaN; None where all are known.

    All three depend on the number of images: compare classes with as many each.
    """

    effective_rank: float
    spectrum_decay: float
    first_share: float
    variances: Floats
    fitted: int
    n: int
    reason: str | None = None


def covariance_spectrum(x: ArrayLike) -> Spectrum:
    """The spectrum of the covariance of features.

    The line of the decay leaves out the lower half of the directions: with few images per dimension they are pressed
    towards 0, which is a matter of the number of images, not of the class.

    Args:
        x: (n, D) features of the images of one class, n >= 10.

    Source:
        Effective rank: Roy and Vetterli, EUSIPCO 2007. Decay of the eigenspectrum as a power law: Stringer et al.,
        Nature 571 (2019). The paper says "spectrum of feature covariance" without a definition.
    """
    rows = np.asarray(x, dtype=np.float64)
    if rows.ndim != 2 or not np.isfinite(rows).all():
        raise SpecError(where="Feature spectrum", field="x", rule="(n, D) and finite", value=rows.shape)
    n = len(rows)
    if n < LEAST_ROWS:
        return _unknown(n, f"{n} images, at least {LEAST_ROWS} are needed")
    singular = np.linalg.svd(rows - rows.mean(axis=0), compute_uv=False)
    singular = singular[singular > singular.max(initial=0) * 1e-10]
    if not len(singular):
        return _unknown(n, "all images have the same features")
    shares = singular / singular.sum()
    variances = singular**2 / (n - 1)
    fitted = (len(singular) + 1) // 2
    decay = _decay(variances[:fitted])
    return Spectrum(
        float(np.exp(-(shares * np.log(shares)).sum())),
        decay,
        float(variances[0] / variances.sum()),
        variances,
        fitted,
        n,
        f"the features vary in {len(singular)} directions: too few for a decay" if np.isnan(decay) else None,
    )


def _decay(variances: Floats) -> float:
    """Negative slope of log variance against log rank; NaN with fewer than three directions."""
    if len(variances) < 3:
        return float("nan")
    x, y = np.log(np.arange(1, len(variances) + 1)), np.log(variances)
    return float(-((x - x.mean()) * (y - y.mean())).sum() / ((x - x.mean()) ** 2).sum())


def _unknown(n: int, reason: str) -> Spectrum:
    nan = float("nan")
    return Spectrum(nan, nan, nan, np.zeros(0), 0, n, reason)
