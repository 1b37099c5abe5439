"""Images of any number of channels as pictures for the eye: RGB, montages, PNG."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np

from ssrl_core.datasets.imageset import Channel, ImageSet

Array = np.ndarray[Any, Any]
BACKGROUND = (11, 13, 16)
_PERCENTILES = (0.5, 99.5)
_SAMPLE = 256
_LIMITS: dict[tuple[Any, ...], Array] = {}  # two numbers a channel, for each image set that was shown


def to_rgb(
    pixels: Array, channels: Sequence[Channel], *, max_value: int | None = None, limits: Array | None = None
) -> Array:
    """Pictures of images.

    Args:
        pixels: (B, C, H, W) uint8, uint16, or float in 0..1.
        channels: C channels; one is shown grey, more as the sum of each channel in its colour (so red, green and blue
            ones as they are).
        max_value: the pixel value that stands for 1 (left out: 255, 65535, or 1 for float).
        limits: (C, 2) values (as `pixels` has them) shown black and full; left out, 8-bit and float images run from 0
            to max_value, 16-bit images, which seldom fill their range, between percentiles of each channel
            (`percentile_limits`).

    Returns:
        (B, H, W, 3) uint8.
    """
    pixels = np.asarray(pixels)
    top = max_value or {"uint8": 255, "uint16": 65535}.get(pixels.dtype.name, 1)
    if limits is None:
        stretched = pixels.dtype == np.uint16
        limits = percentile_limits(pixels) if stretched else np.tile([0, top], (pixels.shape[1], 1))
    low, high = np.asarray(limits, np.float32)[:, 0], np.asarray(limits, np.float32)[:, 1]
    span = np.maximum(high - low, np.float32(1e-9))
    shares = (pixels.astype(np.float32) - low[:, None, None]) / span[:, None, None]
    mixed = np.einsum("bchw,cd->bhwd", np.clip(shares, 0, 1), _colours(channels, pixels.shape[1]))
    shown: Array = np.rint(np.clip(mixed, 0, 1) * 255).astype(np.uint8)
    return shown


def rgb_of(imageset: ImageSet, image_ids: Any) -> Array:
    """(B, H, W, 3) uint8: images of a set as they are shown everywhere."""
    pixels = np.asarray(imageset.pixels[image_ids])
    return to_rgb(pixels, imageset.channels, max_value=imageset.max_value, limits=display_limits(imageset))


def display_limits(imageset: ImageSet) -> Array:
    """(C, 2): what to show black and full of an image set, the same wherever it is shown.

    A channel's own window where it has one; else 8-bit sets run from 0 to max_value, and 16-bit sets, which seldom fill
    their range, between percentiles of up to 256 of their images, taken evenly.
    """
    if imageset.dtype == "uint8":
        limits = np.tile([0.0, float(imageset.max_value)], (imageset.shape[0], 1))
    else:
        limits = _of_sample(imageset, _SAMPLE)
    return with_windows(limits, imageset.channels)


def with_windows(limits: Array, channels: Sequence[Channel], *, max_value: float = 1.0) -> Array:
    """(C, 2): the limits, in the place of which stands the window of each channel that has one.

    Args:
        limits: (C, 2), in pixel values, or as shares of `max_value`.
        max_value: what windows are divided by.
    """
    rows = [
        low_high if channel.window is None else np.asarray(channel.window) / max_value
        for low_high, channel in zip(limits, channels, strict=True)
    ]
    return np.array(rows, np.float64).reshape(len(rows), 2)


def _of_sample(imageset: ImageSet, sample: int) -> Array:
    key = (imageset.fingerprint, tuple(channel.name for channel in imageset.channels), sample)
    if key not in _LIMITS:
        ids = np.unique(np.linspace(0, len(imageset.pixels) - 1, sample).astype(np.int64))
        _LIMITS[key] = percentile_limits(np.asarray(imageset.pixels[ids]))
    return _LIMITS[key]


def percentile_limits(pixels: Array) -> Array:
    """(C, 2): what to show black and full of each channel, from the 0.5th and 99.5th percentile of all these images."""
    flat = np.moveaxis(np.asarray(pixels), 1, 0).reshape(pixels.shape[1], -1)
    step = max(1, flat.shape[1] // 2_000_000)  # a percentile needs no more
    low, high = np.percentile(flat[:, ::step], _PERCENTILES, axis=1)
    return np.stack([low, np.maximum(high, low + 1e-6)], axis=1)


def shown_limits(pixels: Array, channels: Sequence[Channel], max_value: int) -> Array:
    """(C, 2) in 0..1: what is shown black and full, by `to_rgb`'s rule, the same for images and all their views.

    Args:
        pixels: (B, C, H, W) uint8 or uint16, the source images.
        channels: C channels; one that has a window of its own is shown in it.
    """
    stretched = pixels.dtype == np.uint16
    limits = percentile_limits(pixels) / max_value if stretched else np.tile([0.0, 1.0], (pixels.shape[1], 1))
    return with_windows(limits, channels, max_value=max_value)


def montage(
    rgb: Array, *, columns: int, gap: int = 2, scale: int | None = 1, background: tuple[int, int, int] = BACKGROUND
) -> Array:
    """Pictures side by side, row by row.

    Args:
        rgb: (B, H, W, 3) uint8.
        columns: pictures in a row.
        gap: px between them.
        scale: whole number that each pixel is repeated by; None makes pictures about 64 px high.

    Returns:
        (H', W', 3) uint8.
    """
    count, height, width, _ = rgb.shape
    times = scale or max(1, round(64 / height))
    columns = max(1, min(columns, count))
    rows = max(1, -(-count // columns))
    cell_h, cell_w = height * times + gap, width * times + gap
    sheet = np.empty((rows * cell_h - gap, columns * cell_w - gap, 3), np.uint8)
    sheet[:] = background
    for i, picture in enumerate(rgb):
        top, left = i // columns * cell_h, i % columns * cell_w
        big = picture.repeat(times, axis=0).repeat(times, axis=1)
        sheet[top : top + height * times, left : left + width * times] = big
    return sheet


def shrunk(rgb: Array, height: int, width: int) -> Array:
    """(B, height, width, 3) uint8: pictures made smaller, each by an antialiased triangle filter."""
    from PIL import Image

    small = [Image.fromarray(picture).resize((width, height), Image.Resampling.BILINEAR) for picture in rgb]
    return np.stack([np.asarray(picture) for picture in small])


def png(rgb: Array) -> bytes:
    """A picture (H, W, 3) uint8 as the bytes of a PNG."""
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(rgb).save(out, format="PNG", compress_level=3)
    return out.getvalue()


def html(rgb: Array, words: str = "") -> str:
    """A picture (H, W, 3) uint8 inside HTML, for notebooks, with words under it."""
    data = base64.b64encode(png(rgb)).decode()
    below = f"<figcaption>{escape(words)}</figcaption>" if words else ""
    return f'<figure style="margin:0"><img src="data:image/png;base64,{data}" alt="{escape(words)}">{below}</figure>'


def thumbnails(imageset: ImageSet, image_ids: Array, *, columns: int = 12, side: int = 64) -> Array:
    """Some images of a set as one picture (H', W', 3) uint8, each at most `side` px high."""
    rgb = rgb_of(imageset, image_ids)
    height, width = rgb.shape[1:3]
    if height > side:
        rgb = shrunk(rgb, side, max(1, round(width * side / height)))
    return montage(rgb, columns=columns, scale=None)


def _colours(channels: Sequence[Channel], count: int) -> Array:
    """(C, 3) float32 in 0..1."""
    if count == 1:
        return np.ones((1, 3), np.float32)
    colours = [_rgb(channel.colour) for channel in channels]
    return np.array(colours, np.float32) / 255


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
