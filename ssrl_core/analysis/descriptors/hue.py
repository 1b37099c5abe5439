"""Which colour an image has."""

from __future__ import annotations

import numpy as np

from ssrl_core.analysis.descriptors.images import Array, ImageBatch

GREY = 1e-3  # length of the mean colour arrow below which an image has no hue
CUT_DEG = 300  # magenta: the circle of hues is cut there, so that reds lie together


def hue(batch: ImageBatch) -> Array:
    """(B,) degrees in -60..300 of the mean colour: 0 red, 60 yellow, 120 green, 180 cyan, 240 blue.

    NaN for an image that is grey on the whole, or has not three channels.
    """
    if batch.chroma is None:
        return np.full(len(batch.pixels), np.nan, np.float32)
    mean = batch.chroma.mean(axis=(1, 2))
    angle = (np.degrees(np.angle(mean)) + 360 - CUT_DEG) % 360 + CUT_DEG - 360
    return np.where(np.abs(mean) > GREY, angle, np.nan).astype(np.float32)
