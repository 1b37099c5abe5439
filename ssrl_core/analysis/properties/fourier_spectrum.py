"""The Fourier spectrum of images: how fast power falls with frequency, and how much of it is fine detail."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssrl_core.analysis.properties.grey import Floats, grey
from ssrl_core.errors import DataError

NAMES = ("fourier_slope", "high_frequency")
HIGH = 0.25
"""Cycles per pixel from which detail counts as fine: half of the highest frequency, waves shorter than 4 pixels."""
LEAST_SIDE = 8
CHUNK_NUMBERS = 4_000_000


def fourier(images: NDArray[Any], *, max_value: float | None = None) -> Floats:
    """Two numbers of each image's power spectrum.

    - fourier_slope: a in power ~ 1 / frequency^a, the negative slope of the straight line through log power against
      log frequency; larger is smoother (natural photographs about 2). Power is averaged over rings one frequency step
      wide, from one cycle per side to 0.5 cycles per pixel (the corners, seen in some directions only, are left out).
    - high_frequency: share of the power (without the mean brightness) at HIGH and above, corners included.

    The mean is taken off and a Hann window laid over first, so that the edges of the picture are no edges in it.

    Args:
        images, max_value: as for `grey`; sides of at least 8 pixels.

    Returns:
        (n, 2); NaN for an image of one grey value, which has no spectrum.

    Source:
        van der Schaaf and van Hateren, Vision Research 36 (1996): slope of the rotational average. Torralba and Oliva,
        Network 14 (2003): it differs between categories of scenes.
    """
    if images.ndim == 4 and min(images.shape[-2:]) < LEAST_SIDE:
        raise DataError(
            where="Fourier spectrum", field="sides", rule=f"at least {LEAST_SIDE} px", value=tuple(images.shape[-2:])
        )
    if 0 in images.shape:
        raise DataError(where="Fourier spectrum", field="images", rule="at least one", value=tuple(images.shape))
    size = max(1, CHUNK_NUMBERS // (images.shape[-1] * images.shape[-2]))
    chunks = range(0, len(images), size)
    return np.concatenate([_numbers(grey(images[i : i + size], max_value=max_value)) for i in chunks])


def _numbers(bright: Floats) -> Floats:
    _, height, width = bright.shape
    window = np.outer(_hann(height), _hann(width))
    mean = (bright * window).sum(axis=(1, 2)) / window.sum()
    power = np.abs(np.fft.rfft2((bright - mean[:, None, None]) * window)) ** 2
    radius = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    both = np.full(radius.shape, 2.0)  # rfft2 keeps one half: its other columns stand for two
    both[:, 0] = 1.0
    if width % 2 == 0:
        both[:, -1] = 1.0
    flat = np.ptp(bright, axis=(1, 2)) == 0
    numbers = np.stack([_slope(power, radius, both, min(height, width)), _share(power, radius, both)], axis=1)
    numbers[flat] = np.nan
    return numbers


def _hann(size: int) -> Floats:
    """Never 0, so that no pixel is lost."""
    return np.asarray(np.sin(np.pi * (np.arange(size) + 0.5) / size) ** 2)


def _slope(power: Floats, radius: Floats, both: Floats, side: int) -> Floats:
    ring = np.rint(radius * side).astype(np.int64)
    rings = np.arange(1, side // 2 + 1)
    counts = np.bincount(ring.ravel(), weights=both.ravel())[rings]
    centre = np.bincount(ring.ravel(), weights=(both * radius).ravel())[rings] / counts
    member = (ring.ravel()[:, None] == rings) * both.ravel()[:, None]
    mean = power.reshape(len(power), -1) @ member / counts
    x = np.log(centre) - np.log(centre).mean()
    with np.errstate(divide="ignore", invalid="ignore"):
        y = np.log(mean)
        slope = (x * (y - y.mean(axis=1, keepdims=True))).sum(axis=1) / (x**2).sum()
    return np.asarray(-slope, dtype=np.float64)


def _share(power: Floats, radius: Floats, both: Floats) -> Floats:
    weighted = power * both
    weighted[:, 0, 0] = 0.0
    total = weighted.sum(axis=(1, 2))
    fine = weighted[:, radius >= HIGH].sum(axis=1)
    share = np.divide(fine, total, out=np.full(len(power), np.nan), where=total > 0)
    return np.asarray(share, dtype=np.float64)
