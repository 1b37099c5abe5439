"""Properties of images: grey values, the spectrum of frequencies, and how grey values lie beside each other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssrl_core.errors import DataError, SpecError

Floats = NDArray[np.float64]
LUMA = np.array([0.299, 0.587, 0.114])


def grey(images: NDArray[Any], *, max_value: float | None = None) -> Floats:
    """The brightness of each image.

    Args:
        images: (n, C, H, W) uint8, uint16 or float in 0..1. Three channels are taken for red, green, blue and
            weighted by ITU-R BT.601; any other number of channels is averaged.
        max_value: the value of full brightness; None takes that of the type (1 for float).

    Returns:
        (n, H, W) float64 in 0..1.

    Raises:
        DataError: not four-dimensional, or a value that is not finite.
    """
    if images.ndim != 4:
        raise DataError.at("Images", "shape", "(n, C, H, W)", tuple(images.shape))
    if max_value is None:
        max_value = 1.0 if images.dtype.kind == "f" else float(np.iinfo(images.dtype).max)
    weights = LUMA if images.shape[1] == 3 else np.full(images.shape[1], 1 / images.shape[1])
    bright = np.tensordot(images.astype(np.float64) / max_value, weights, axes=(1, 0))
    if not np.isfinite(bright).all():
        raise DataError.at("Images", "values", "finite", "NaN or infinity")
    return np.asarray(np.clip(bright, 0.0, 1.0))


SPECTRUM_NAMES = ("fourier_slope", "high_frequency")
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
        raise DataError.at("Fourier spectrum", "sides", f"at least {LEAST_SIDE} px", tuple(images.shape[-2:]))
    if 0 in images.shape:
        raise DataError.at("Fourier spectrum", "images", "at least one", tuple(images.shape))
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


COOCCURRENCE_NAMES = ("contrast", "homogeneity", "energy", "correlation")
LEVELS = 32
STEPS = ((0, 1), (1, 1), (1, 0), (1, -1))
"""Neighbours at 0°, 45°, 90° and 135° (rows, columns), times the distance; counted both ways, so 180° more are in it.

A diagonal step at distance 2 is 2 rows and 2 columns, as in the source (scikit-image rounds a circle: 1 and 1).
"""


def texture(
    images: NDArray[Any], *, max_value: float | None = None, levels: int = LEVELS, distances: tuple[int, ...] = (1,)
) -> Floats:
    """Four texture features of each image.

    With P(i, j) the share of neighbouring pixels of grey levels i and j (symmetric, sum 1; one matrix for each
    distance and direction), m and s² the mean and variance of i under P:
    - contrast = Σ P (i - j)²
    - homogeneity = Σ P / (1 + (i - j)²)
    - energy = sqrt(Σ P²)
    - correlation = Σ P (i - m)(j - m) / s²; undefined (NaN) for an image of one grey level

    averaged over directions and distances. Grey 0..1 is cut into `levels` equal levels, the same for every image, so
    that contrast stays comparable between images.

    Args:
        images, max_value: as for `grey`.
        levels: 2..256. distances: in pixels, each smaller than the sides.

    Returns:
        (n, 4) in the order of NAMES.

    Source:
        Haralick, Shanmugam, Dinstein, IEEE Trans. SMC 3 (1973), features 1, 2 (energy is the root of the angular
        second moment), 3 and 5 (homogeneity is the inverse difference moment).
    """
    where = "Texture"
    if not 2 <= levels <= 256:
        raise SpecError.at(where, "levels", "in 2..256", levels)
    side = min(images.shape[-2:])
    if not distances or not all(1 <= d < side for d in distances):
        raise SpecError.at(where, "distances", f"in 1..{side - 1} pixels", distances)
    if 0 in images.shape:
        raise DataError.at(where, "images", "at least one", tuple(images.shape))
    size = max(1, CHUNK_NUMBERS // (levels * levels + images.shape[-1] * images.shape[-2]))
    parts = []
    for start in range(0, len(images), size):
        bright = grey(images[start : start + size], max_value=max_value)
        binned = np.minimum((bright * levels).astype(np.int64), levels - 1)
        parts.append(np.mean([_features(p) for p in cooccurrences(binned, levels, distances)], axis=0))
    return np.concatenate(parts)


def cooccurrences(binned: NDArray[np.int64], levels: int, distances: tuple[int, ...]) -> Iterator[Floats]:
    """(n, levels, levels) symmetric shares of each distance and direction, for images of grey levels (n, H, W)."""
    n, height, width = binned.shape
    for distance in distances:
        for down, right in ((d * distance, r * distance) for d, r in STEPS):
            left, stop = max(0, -right), width - max(0, right)
            first = binned[:, : height - down, left:stop]
            second = binned[:, down:, left + right : stop + right]
            image = np.arange(n)[:, None, None] * levels * levels
            counts = np.bincount((image + first * levels + second).ravel(), minlength=n * levels * levels)
            counts = counts.reshape(n, levels, levels)
            yield (counts + counts.transpose(0, 2, 1)) / (2 * first[0].size)


def _features(p: Floats) -> Floats:
    """(n, 4) features of (n, L, L) shares."""
    level = np.arange(p.shape[1])
    apart = (level[:, None] - level) ** 2
    marginal = p.sum(axis=2)
    mean = marginal @ level
    variance = marginal @ level**2 - mean**2
    product = (p * np.outer(level, level)).sum(axis=(1, 2))
    flat = (marginal > 0).sum(axis=1) == 1
    with np.errstate(divide="ignore", invalid="ignore"):
        correlation = np.where(flat, np.nan, (product - mean**2) / variance)
    contrast, homogeneity = (p * apart).sum(axis=(1, 2)), (p / (1 + apart)).sum(axis=(1, 2))
    return np.stack([contrast, homogeneity, np.sqrt((p**2).sum(axis=(1, 2))), correlation], axis=1)
