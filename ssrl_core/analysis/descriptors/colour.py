"""How bright an image is, how far its greys lie apart, and which colour it has."""

from __future__ import annotations

import numpy as np

from ssrl_core.analysis.descriptors.images import Array, Descriptor, ImageBatch

GREY = 1e-3  # length of the mean colour arrow below which an image has no hue
CUT_DEG = 300  # magenta: the circle of hues is cut there, so that reds lie together


def brightness(batch: ImageBatch) -> Array:
    """(B,) mean of all pixels and channels, 0 black to 1 full."""
    return np.asarray(batch.grey.mean(axis=(1, 2)))


def contrast(batch: ImageBatch) -> Array:
    """(B,) standard deviation of the grey values (RMS contrast), 0 to 0.5."""
    return np.asarray(batch.grey.std(axis=(1, 2)))


def hue(batch: ImageBatch) -> Array:
    """(B,) degrees in -60..300 of the mean colour: 0 red, 60 yellow, 120 green, 180 cyan, 240 blue.

    NaN for an image that is grey on the whole, or has not three channels.
    """
    if batch.chroma is None:
        return np.full(len(batch.pixels), np.nan, np.float32)
    mean = batch.chroma.mean(axis=(1, 2))
    angle = (np.degrees(np.angle(mean)) + 360 - CUT_DEG) % 360 + CUT_DEG - 360
    return np.where(np.abs(mean) > GREY, angle, np.nan).astype(np.float32)


def saturation(batch: ImageBatch) -> Array:
    """(B,) mean over pixels of (largest - smallest) / largest of red, green and blue; 0 grey, 1 pure colours.

    Black counts as 0; NaN where there are not three channels.

    Source:
        S of HSV (Smith 1978).
    """
    if batch.chroma is None:
        return np.full(len(batch.pixels), np.nan, np.float32)
    most, least = batch.pixels.max(axis=1), batch.pixels.min(axis=1)
    share = np.divide(most - least, most, out=np.zeros_like(most), where=most > 0)
    return np.asarray(share.mean(axis=(1, 2)), dtype=np.float32)


DESCRIPTORS = (
    Descriptor(
        "brightness",
        "brightness",
        unit="",
        more="brighter",
        less="darker",
        sentence="Mean of all pixels, 0 black to 1 full.",
        measure=brightness,
        cost_s=0.01,
    ),
    Descriptor(
        "contrast",
        "contrast",
        unit="",
        more="more contrast",
        less="less contrast",
        sentence="Standard deviation of the grey values: how far light and dark lie apart.",
        measure=contrast,
        cost_s=0.01,
    ),
    Descriptor(
        "hue",
        "hue",
        unit="°",
        more="bluer",
        less="redder",
        sentence="Mean colour as an angle: 0 red, 120 green, 240 blue; only for red, green and blue.",
        measure=hue,
        cost_s=0.01,
    ),
    Descriptor(
        "saturation",
        "saturation",
        unit="",
        more="more colourful",
        less="greyer",
        sentence="How far colours are from grey, 0 to 1; only for red, green and blue.",
        measure=saturation,
        cost_s=0.05,
    ),
)
