"""What one writes with scikit-image to get cells out of fields: its documented steps, one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ssrl_core.datasets.cells.fields import FieldRow

Array = np.ndarray[Any, Any]
_SIGMA = 2.0
_SEED_GAP = 12
_SMALLEST = 200


def detect(dna: Array) -> Array:
    """(H, W) labels: Gaussian blur, Otsu's threshold, distance transform, watershed, small objects gone."""
    from scipy import ndimage
    from skimage import feature, filters, measure, segmentation

    smooth = filters.gaussian(dna, _SIGMA, preserve_range=True)
    mask = ndimage.binary_fill_holes(smooth > filters.threshold_otsu(smooth))
    distance = ndimage.distance_transform_edt(mask)
    peaks = feature.peak_local_max(
        filters.gaussian(distance, _SIGMA), min_distance=_SEED_GAP, labels=measure.label(mask), exclude_border=False
    )
    seeds = np.zeros(dna.shape, np.int32)
    seeds[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    labels = segmentation.watershed(-distance, seeds, mask=mask)
    small = np.bincount(labels.ravel()) < _SMALLEST
    labels[small[labels]] = 0
    result: Array = segmentation.relabel_sequential(labels)[0]
    return result


def cut(image: Array, labels: Array, size: int) -> Array:
    """(n, C, size, size): squares around the middles of the nuclei that lie inside the field."""
    from skimage import measure

    crops = []
    for region in measure.regionprops(labels):
        top, left = (round(v - (size - 1) / 2) for v in region.centroid)
        if 0 <= top <= image.shape[1] - size and 0 <= left <= image.shape[2] - size:
            crops.append(image[:, top : top + size, left : left + size])
    return np.stack(crops) if crops else np.empty((0, len(image), size, size), image.dtype)


def import_all(rows: Sequence[FieldRow], out: Path, size: int) -> int:
    """Read every field, find, cut, and write the cells into one file; returns how many."""
    from skimage import io

    count = 0
    with open(out, "wb") as file:
        for row in rows:
            image = np.stack([io.imread(files[0]) for files in row.files])
            crops = cut(image, detect(image[0]), size)
            file.write(np.ascontiguousarray(crops).data)
            count += len(crops)
    return count
