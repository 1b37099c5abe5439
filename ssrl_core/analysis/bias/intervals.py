"""How sure a difference between two values of the parameter is: from the seeds, or with one seed from the images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from ssrl_core.analysis.bias.axis import Floats, Ints

Z_95 = 1.959963984540054


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
    low, high = _wilson(share, n)
    rows = np.arange(len(share))
    first, first_low, first_high = (a[rows, reference][:, None] for a in (share, low, high))
    change = share - first
    return (
        change - np.hypot(share - low, first_high - first),
        change + np.hypot(high - share, first - first_low),
    )


def _wilson(share: Floats, n: Floats) -> tuple[Floats, Floats]:
    """95 % interval of shares (Wilson 1927), as `analysis.classes.wilson`, for arrays; NaN without images."""
    z2 = Z_95 * Z_95
    with np.errstate(divide="ignore", invalid="ignore"):
        n = np.where(n > 0, n, np.nan)
        middle = (share + z2 / (2 * n)) / (1 + z2 / n)
        half = Z_95 * np.sqrt(share * (1 - share) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    return middle - half, middle + half
