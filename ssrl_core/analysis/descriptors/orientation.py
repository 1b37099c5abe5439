"""Which way the largest object of an image points."""

from __future__ import annotations

import numpy as np

from ssrl_core.analysis.descriptors.images import Array, ImageBatch

ROUND = 1.05  # long over short axis below which nothing points anywhere


def orientation(batch: ImageBatch) -> Array:
    """(B,) degrees from the horizontal to the long axis, counter-clockwise, in -90..90; NaN for round or no object."""
    of = batch.largest_moments
    long, short = of.axes
    angle = np.degrees(np.arctan2(-2 * of.xy, of.xx - of.yy) / 2)  # y runs downwards
    return np.where(long > ROUND * short, angle, np.nan).astype(np.float32)
