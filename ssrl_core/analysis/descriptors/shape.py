"""Where the objects of an image lie, how many there are, and what shape they have."""

from __future__ import annotations

import numpy as np

from ssrl_core.analysis.descriptors.images import Array, Descriptor, ImageBatch, depths

ROUND = 1.05  # long over short axis below which nothing points anywhere


def area(batch: ImageBatch) -> Array:
    """(B,) share of the image that its objects cover, 0 to 1."""
    pieces = batch.objects[0]
    return np.asarray((pieces > 0).mean(axis=(1, 2)), dtype=np.float32)


def place_x(batch: ImageBatch) -> Array:
    """(B,) the middle of all objects as a share of the width, 0 left and 1 right; NaN without any."""
    return np.asarray((batch.object_moments.x + 0.5) / batch.pixels.shape[-1], dtype=np.float32)


def place_y(batch: ImageBatch) -> Array:
    """(B,) the middle of all objects as a share of the height, 0 top and 1 bottom; NaN without any."""
    return np.asarray((batch.object_moments.y + 0.5) / batch.pixels.shape[-2], dtype=np.float32)


def orientation(batch: ImageBatch) -> Array:
    """(B,) degrees from the horizontal to the long axis, counter-clockwise, in -90..90; NaN for round or no object."""
    of = batch.largest_moments
    long, short = of.axes
    angle = np.degrees(np.arctan2(-2 * of.xy, of.xx - of.yy) / 2)  # y runs downwards
    return np.where(long > ROUND * short, angle, np.nan).astype(np.float32)


def elongation(batch: ImageBatch) -> Array:
    """(B,) long over short axis of the ellipse with the largest object's second moments, 1 and more; NaN without."""
    long, short = batch.largest_moments.axes
    return np.asarray(long / short, dtype=np.float32)


def symmetry(batch: ImageBatch) -> Array:
    """(B,) correlation of an image's grey values with those of its mirror image: 1 symmetric, about 0 unlike.

    NaN for an image of one grey value.
    """
    away = batch.grey - batch.grey.mean(axis=(1, 2), keepdims=True)
    own = np.square(away).sum(axis=(1, 2))
    with np.errstate(invalid="ignore", divide="ignore"):
        alike = (away * away[:, :, ::-1]).sum(axis=(1, 2)) / own
    return np.where(own > 1e-6, alike, np.nan).astype(np.float32)


def stroke_thickness(batch: ImageBatch) -> Array:
    """(B,) width of a straight stroke that would be as far from its edges as the objects' pixels are, px.

    NaN without an object. Right for strokes of an even width, by 1 / width too large for odd ones.

    Source:
        Four times the mean distance to the edge, which grows as w / 4 across a stroke of width w (distance transform).
    """
    inside = batch.objects[0] > 0
    distance = depths(np.pad(inside, ((0, 0), (1, 1), (1, 1))))
    size = inside.sum(axis=(1, 2))
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = distance.sum(axis=(1, 2)) / size - 0.5  # to the edge, half a pixel before the next pixel's middle
    return np.where(size > 0, 4 * mean * batch.px, np.nan).astype(np.float32)


def slant(batch: ImageBatch) -> Array:
    """(B,) degrees from the vertical, in -90..90, above 0 where the objects lean to the right; NaN without any.

    Source:
        The horizontal shear that makes second moments upright, as in Morpho-MNIST (Castro et al. 2019).
    """
    of = batch.object_moments
    return np.asarray(np.degrees(np.arctan2(-of.xy, of.yy)), dtype=np.float32)


def objects(batch: ImageBatch) -> Array:
    """(B,) number of connected pieces of the foreground that are no specks (at least 0.3 % of the image)."""
    return np.bincount(batch.objects[1], minlength=len(batch.grey)).astype(np.float32)


DESCRIPTORS = (
    Descriptor(
        "area",
        "area",
        unit="share of the image",
        more="larger",
        less="smaller",
        sentence="Share of the image that its objects cover: what stands out from the ground (Otsu's threshold).",
        measure=area,
        cost_s=0.01,
    ),
    Descriptor(
        "place_x",
        "place, left to right",
        unit="share of the width",
        more="further right",
        less="further left",
        sentence="Middle of the objects, 0 at the left edge and 1 at the right one.",
        measure=place_x,
        cost_s=0.01,
    ),
    Descriptor(
        "place_y",
        "place, top to bottom",
        unit="share of the height",
        more="lower down",
        less="higher up",
        sentence="Middle of the objects, 0 at the top and 1 at the bottom.",
        measure=place_y,
        cost_s=0.01,
    ),
    Descriptor(
        "orientation",
        "orientation",
        unit="°",
        more="more counter-clockwise",
        less="more clockwise",
        sentence="Angle of the long axis of the largest object: 0 lies, 90 stands; none for round objects.",
        measure=orientation,
        cost_s=0.01,
    ),
    Descriptor(
        "elongation",
        "elongation",
        unit="",
        more="longer and thinner",
        less="rounder",
        sentence="Long axis over short axis of the largest object: 1 is round.",
        measure=elongation,
        cost_s=0.01,
    ),
    Descriptor(
        "symmetry",
        "symmetry",
        unit="",
        more="more symmetric",
        less="less symmetric",
        sentence="Likeness of the image and its mirror image: 1 is symmetric, left to right.",
        measure=symmetry,
        cost_s=0.01,
    ),
    Descriptor(
        "stroke_thickness",
        "stroke thickness",
        unit="px",
        more="thicker strokes",
        less="thinner strokes",
        sentence="Width of the strokes of the objects, from the distance of their pixels to the edge.",
        measure=stroke_thickness,
        cost_s=0.6,
    ),
    Descriptor(
        "slant",
        "slant",
        unit="°",
        more="more slanted to the right",
        less="more slanted to the left",
        sentence="How far upright strokes lean from the vertical.",
        measure=slant,
        cost_s=0.01,
    ),
    Descriptor(
        "objects",
        "number of objects",
        unit="objects",
        more="more objects",
        less="fewer objects",
        sentence="Separate pieces that stand out from the ground, specks left out.",
        measure=objects,
        cost_s=0.01,
    ),
)
