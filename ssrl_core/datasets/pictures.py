"""Images of any number of channels as pictures for the eye: channels with names and colours, RGB, montages, PNG."""

from __future__ import annotations

import base64
import io
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from html import escape
from typing import Any

import numpy as np

from ssrl_core.datasets.imageset import Channel, ImageSet
from ssrl_core.errors import SpecError

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


GREY = "#ffffff"
RGB = (("red", "#ff0000"), ("green", "#00ff00"), ("blue", "#0000ff"))
# By what is stained; the first that is found in a channel's name decides.
STAINS = (
    ("dna|dapi|hoechst|nucle|histone", "#3d7dff"),
    ("actin|phalloidin", "#ff3dd0"),
    ("tubulin|microtub", "#3ddc5a"),
    ("mito", "#ff5a3d"),
    ("golgi|membrane", "#ffc53d"),
    (r"(?:\b|orig)er\b|rna", "#3de0ff"),
)
SPARE = ("#3d7dff", "#ff3dd0", "#3ddc5a", "#ffc53d", "#3de0ff", "#ff5a3d", "#b48cff", "#c8ff3d")


def nucleus_channel(names: Sequence[str]) -> int | None:
    """Number of the first channel whose name says that nuclei are stained in it (DNA, DAPI, Hoechst, …)."""
    return next((n for n, name in enumerate(names) if re.search(STAINS[0][0], name, re.IGNORECASE)), None)


def default_channels(given: Sequence[Channel | str] | None, count: int, *, where: str) -> tuple[Channel, ...]:
    """Channels with names and colours.

    Args:
        given: channels, or names only, or None; one of them without a name or a colour gets the usual one.
        count: how many channels the images have.

    Raises:
        SpecError: not as many names as channels, or a name twice.
    """
    if given is None:
        return _unnamed(count)
    named = [item if isinstance(item, Channel) else Channel(str(item).strip(), "") for item in given]
    if len(named) == count and not any(c.name for c in named):
        named = [replace(usual, colour=c.colour or usual.colour, window=c.window)
                 for c, usual in zip(named, _unnamed(count), strict=True)]  # fmt: skip
    if len(named) != count or len({c.name for c in named}) != count:
        raise SpecError.at(where, "channels", f"{count} different names", [c.name for c in named])
    return tuple(c if c.colour else replace(c, colour=_colour(c.name, i, count)) for i, c in enumerate(named))


def as_json(channels: Sequence[Channel]) -> list[dict[str, Any]]:
    """As imageset.json keeps them (docs/contracts.md C2)."""
    return [{"name": c.name, "colour": c.colour} | ({"window": list(c.window)} if c.window else {}) for c in channels]


def from_json(items: Sequence[Mapping[str, Any]]) -> tuple[Channel, ...]:
    """What `as_json` gave.

    Raises:
        KeyError, TypeError, ValueError: it is something else.
    """
    found = []
    for item in items:
        low, high = item.get("window") or (0, 0)
        found.append(Channel(item["name"], item["colour"], (float(low), float(high)) if low < high else None))
    return tuple(found)


def changed(
    channels: Sequence[Channel],
    *,
    names: Sequence[str] | None = None,
    colours: Sequence[str] | None = None,
    windows: Sequence[Sequence[float] | None] | None = None,
    where: str,
) -> tuple[Channel, ...]:
    """Channels with other names, colours or display windows; None leaves them as they are.

    Raises:
        SpecError: not one for each channel, a name twice or empty, no colour, or a window that is no range.
    """
    for field, given in (("names", names), ("colours", colours), ("windows", windows)):
        if given is not None and len(given) != len(channels):
            raise SpecError.at(where, field, f"{len(channels)}, one for each channel", list(given))
    new_names = [str(n).strip() for n in names] if names is not None else [c.name for c in channels]
    if not all(new_names) or len(set(new_names)) != len(new_names):
        raise SpecError.at(where, "names", "different for each channel", new_names)
    new_colours = [_checked_colour(c, where) for c in (colours or [c.colour for c in channels])]
    new_windows = [
        _checked_window(w, where) for w in (windows if windows is not None else [c.window for c in channels])
    ]
    return tuple(map(Channel, new_names, new_colours, new_windows))


def _checked_colour(colour: str, where: str) -> str:
    if not re.fullmatch(r"#[0-9a-fA-F]{6}", str(colour).strip()):
        raise SpecError.at(where, "colours", "#rrggbb, such as #3d7dff", colour)
    return str(colour).strip().lower()


def _checked_window(window: Sequence[float] | None, where: str) -> tuple[float, float] | None:
    if window is None:
        return None
    low, high = (float(v) for v in window) if len(window) == 2 else (0.0, 0.0)
    if not -math.inf < low < high < math.inf:
        rule = "two pixel values, that of black below that of full"
        raise SpecError.at(where, "windows", rule, list(window))
    return low, high


def _unnamed(count: int) -> tuple[Channel, ...]:
    if count == 1:
        return (Channel("grey", GREY),)
    if count == 3:
        return tuple(Channel(name, colour) for name, colour in RGB)
    return tuple(Channel(f"channel-{i + 1}", SPARE[i % len(SPARE)]) for i in range(count))


def _colour(name: str, place: int, count: int) -> str:
    for pattern, colour in STAINS:
        if re.search(pattern, name.lower()):
            return colour
    for known, colour in RGB:
        if name.lower() in (known, known[0]):
            return colour
    return GREY if count == 1 else SPARE[place % len(SPARE)]
