"""Annotated nuclei of real images, in two halves by a fixed rule, and how a finder does on them.

`python -m bench.support.nuclei` fits the weights of `datasets.cells.candidates` on the first half and prints them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.support.images import shared_folder
from ssrl_core.datasets.cells import candidates as forest
from ssrl_core.datasets.cells.nuclei import searched, usual_width

Array = np.ndarray[Any, Any]
TUNED_ON, HELD_OUT = "tuned on", "held out"
_JITTER = (0.7, 1.0, 1.4)  # of the diameter while fitting: in use it is measured, not known
_SPECK = 0.06  # discs: candidates below this are nobody's


@dataclass(frozen=True)
class Annotated:
    """An image and its nuclei.

    Attributes:
        half: TUNED_ON or HELD_OUT, by the name of the file.
        image: (H, W) uint8.
        truth: (H, W) 1..n, 0 = background.
    """

    name: str
    half: str
    image: Array
    truth: Array


def half_of(file_name: str) -> str:
    """By the first byte of the name's SHA-256: even = tuned on, odd = held out."""
    return HELD_OUT if hashlib.sha256(file_name.encode()).digest()[0] % 2 else TUNED_ON


def annotated() -> list[Annotated]:
    """The images of `$SSRL_SHARED/data/nuclei`; none where there is no such folder."""
    found = []
    for path in sorted((shared_folder() / "data" / "nuclei").glob("*.npz")):
        with np.load(path) as file:
            _, truth = np.unique(file["lab"], return_inverse=True)
            found.append(Annotated(path.stem, half_of(path.name), file["im"], truth.reshape(file["lab"].shape)))
    return found


@dataclass(frozen=True)
class Marks:
    """How found nuclei meet the true ones of one image, or of several.

    Attributes:
        matched, missed, invented: pairs with IoU of 0.5 or more, true nuclei without one, found ones without one.
        merged: true nuclei that lie, by more than half, in a found one together with another.
        split: true nuclei that hold two found ones or more, each by more than half.
        hit: (found,) bool, which of the found ones match.
    """

    matched: int
    missed: int
    invented: int
    merged: int
    split: int
    hit: Array

    @property
    def f1(self) -> float:
        """2 matched / (2 matched + missed + invented)."""
        return 2 * self.matched / max(2 * self.matched + self.missed + self.invented, 1)


def marks(truth: Array, found: Array) -> Marks:
    """Of two label maps (H, W), 0 = background."""
    true, many = int(truth.max()), int(found.max())
    both = np.bincount(found.ravel().astype(np.int64) * (true + 1) + truth.ravel(), minlength=(many + 1) * (true + 1))
    table = both.reshape(many + 1, true + 1)
    areas, own = np.maximum(table.sum(axis=0)[1:], 1), np.maximum(table.sum(axis=1)[1:, None], 1)
    overlap = table[1:, 1:]
    good = overlap / (own + areas - overlap) >= 0.5
    inside = (overlap / areas > 0.5).sum(axis=1)
    matched = int(good.any(axis=0).sum())
    return Marks(
        matched,
        true - matched,
        many - int(good.any(axis=1).sum()),
        int(inside[inside > 1].sum()),
        int(((overlap / own > 0.5).sum(axis=0) > 1).sum()),
        good.any(axis=1),
    )


def summed(every: list[Marks]) -> Marks:
    """Of all images together."""
    names = ("matched", "missed", "invented", "merged", "split")
    counts = {name: sum(int(getattr(m, name)) for m in every) for name in names}
    return Marks(**counts, hit=np.concatenate([m.hit for m in every]))


def otsu_watershed(image: Array) -> Array:
    """The peer: blur, Otsu's threshold, distance transform, watershed; (H, W) labels."""
    from scipy import ndimage
    from skimage import feature, filters, measure, segmentation

    smooth = filters.gaussian(image.astype(float), 1, preserve_range=True)
    mask = ndimage.binary_fill_holes(smooth > filters.threshold_otsu(smooth))
    pieces = measure.label(mask)
    mask &= (np.bincount(pieces.ravel()) >= 20)[pieces]
    distance = ndimage.distance_transform_edt(mask)
    peaks = feature.peak_local_max(
        filters.gaussian(distance, 1), min_distance=5, labels=measure.label(mask), exclude_border=False
    )
    seeds = np.zeros(image.shape, np.int32)
    seeds[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    labels: Array = segmentation.watershed(-distance, seeds, mask=mask)
    return labels


def examples(one: Annotated, diameter: float) -> tuple[Array, Array]:
    """(n, 13) terms of every candidate of an image, and (n,) bool whether it is one nucleus."""
    search = searched(one.image, diameter)
    found, times = search.found, search.times
    truth = one.truth[times // 2 :: times, times // 2 :: times]
    truth = np.pad(truth, [(0, found.smooth.shape[i] - truth.shape[i]) for i in (0, 1)], mode="edge").ravel()
    numbers = forest.numbers_of(found.sums, found.level, found.growth(), found.diameter)
    usual = found.usual_brightness(numbers)
    forest.with_parts(found, numbers)
    rows, good = [], []
    for some, area, at, number in _regions(found, numbers):
        large = area > _SPECK * np.pi / 4 * found.diameter**2
        rows.append(forest.terms(some, usual)[large])
        good.append(_is_one(truth, at, number, len(area))[large])
    return np.concatenate(rows), np.concatenate(good)


def _regions(found: forest.Candidates, numbers: Array) -> Iterator[tuple[Array, Array, Array, Array]]:
    """The pieces, then the parts of each: numbers, areas, pixels, which region each pixel is in."""
    yield numbers, found.sums[0], np.concatenate(found.places), np.concatenate(found.pieces)
    for piece, part in found.parts.items():
        count = part.sums.shape[1]
        level, growth = np.full(count, found.level[piece]), np.full(count, numbers[piece, 4])
        some = forest.numbers_of(part.sums, level, growth, found.diameter)
        yield some, part.sums[0], part.places, part.part


def _is_one(truth: Array, at: Array, number: Array, count: int) -> Array:
    """Whether each region lies mostly in one true nucleus, holds a good part of it, and little of any other."""
    true = int(truth.max())
    both = np.bincount(number * (true + 1) + truth[at], minlength=count * (true + 1)).reshape(count, true + 1)
    size, areas = np.maximum(both.sum(axis=1), 1), np.maximum(np.bincount(truth, minlength=true + 1)[1:], 1)
    overlap = both[:, 1:]
    own, each = overlap.argmax(axis=1), np.arange(count)
    share = overlap / areas
    holds = share[each, own].copy()
    share[each, own] = 0
    good: Array = (overlap[each, own] / size > 0.6) & (holds > 0.35) & (share.max(axis=1) < 0.3)
    return good


def fitted(images: list[Annotated]) -> dict[str, float]:
    """The weights of `candidates.WEIGHTS`, every image counting the same."""
    from sklearn.linear_model import LogisticRegression

    rows, good, counts = [], [], []
    for one in images:
        diameter = usual_width(np.bincount(one.truth.ravel())[1:])
        assert diameter is not None
        for times in _JITTER:
            x, y = examples(one, times * diameter)
            rows.append(x)
            good.append(y)
            counts.append(np.full(len(y), 1 / len(y)))
    weights = np.concatenate(counts)
    model = LogisticRegression(C=100, max_iter=10_000)
    model.fit(np.concatenate(rows)[:, 1:], np.concatenate(good), sample_weight=weights / weights.mean())
    values = [float(model.intercept_[0]), *map(float, model.coef_[0])]
    return {name: round(value, 3) for name, value in zip(forest.WEIGHTS, values, strict=True)}


if __name__ == "__main__":
    print(fitted([one for one in annotated() if one.half == TUNED_ON]))
