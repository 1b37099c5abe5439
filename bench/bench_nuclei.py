"""Nuclei of annotated real images, beside plain Otsu and watershed: found, merged, split, dropped, kept, and how fast.

The images are those of `$SSRL_SHARED/data/nuclei` (2018 Data Science Bowl), each taken as a set of its own: diameter,
brightness and focus are measured on it. The weights were fitted on the half that is named *tuned on*; what counts is
the other. Which half an image is in is decided by the SHA-256 of its file's name.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from bench.support.measuring import Item, Options, installed, item, side_by_side
from bench.support.nuclei import HELD_OUT, TUNED_ON, Annotated, Marks, annotated, marks, otsu_watershed, summed
from ssrl_core.datasets.cells import CellSettings, cut, detect

TITLE = "Nuclei of annotated images, beside Otsu and watershed."
NAME = "nuclei"
PEER = "scikit-image"

Array = np.ndarray[Any, Any]


def measure(options: Options) -> Iterator[Item]:
    """Every case that was asked for; nothing where the images are not there."""
    images = annotated()
    if not images:
        print("nuclei is left out: set SSRL_SHARED to the folder that holds data/nuclei", file=sys.stderr)
        return
    for half in (HELD_OUT, TUNED_ON, "all"):
        some = [one for one in images if half in (one.half, "all")]
        if options.wanted(half):
            yield from _quality(half, some)
    if options.wanted("speed"):
        yield _speed(images, options)


def _quality(half: str, images: list[Annotated]) -> Iterator[Item]:
    ours, kept = [], []
    for one in images:
        labels = detect(one.image)
        ours.append(marks(one.truth, labels))
        kept.append(_kept(one.image, labels))
    peer = [marks(one.truth, otsu_watershed(one.image)) for one in images]
    yield _item(half, "F1 at IoU 0.5, mean over images", "share", _mean(ours), _mean(peer), len(images))
    for side in sorted({one.image.shape for one in images}):
        own, other = (
            _mean([m for m, i in zip(every, images, strict=True) if i.image.shape == side]) for every in (ours, peer)
        )
        yield _item(f"{half}, {side[1]}×{side[0]}", "F1 at IoU 0.5", "share", own, other, len(images))
    a, b = summed(ours), summed(peer)
    yield _item(half, "F1 at IoU 0.5, pooled", "share", a.f1, b.f1, len(images))
    for what, pick in _COUNTS.items():
        yield _item(half, what, "nuclei", pick(a), pick(b), len(images))
    good = np.concatenate(kept)
    yield _item(half, "found rightly, dropped", "share", float((a.hit & ~good).sum() / a.hit.sum()), None, len(images))
    yield _item(half, "kept, not a nucleus", "share", float((~a.hit & good).sum() / good.sum()), None, len(images))


_COUNTS: dict[str, Callable[[Marks], float]] = {
    "missed": lambda m: m.missed,
    "invented": lambda m: m.invented,
    "merged": lambda m: m.merged,
    "split": lambda m: m.split,
}


def _mean(every: list[Marks]) -> float:
    return float(np.mean([m.f1 for m in every]))


def _kept(image: Array, labels: Array) -> Array:
    """(n,) bool: which found nuclei become cells, or would but for the border."""
    free = cut(image[None], labels, CellSettings(keep_border=True))
    own = free.table["nucleus_id"].to_numpy() - 1
    at_edge = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    kept = np.zeros(int(labels.max()), bool)
    kept[own] = True
    kept[at_edge[at_edge > 0] - 1] = True
    return kept


def _speed(images: list[Annotated], options: Options) -> Item:
    def ours() -> int:
        for one in images:
            detect(one.image)
        return len(images)

    def peer() -> int:
        for one in images:
            otsu_watershed(one.image)
        return len(images)

    found = side_by_side(ours, {PEER: peer}, rounds=min(options.rounds, 3), seconds=options.seconds)[PEER]
    return _item("speed", "images, diameter measured on each", "images/s", found.ours, found.peer, len(images))


def _item(case: str, metric: str, unit: str, ours: float, peer: float | None, count: int) -> Item:
    named = {"peer_name": PEER, "peer_version": installed(PEER)} if peer is not None else {}
    ratio = ours / peer if peer else None
    what = f"{count} annotated images of the 2018 Data Science Bowl"
    return item(NAME, f"nuclei-{case}", metric, unit, ours, peer=peer, ratio=ratio, images=what, **named)


if __name__ == "__main__":
    from bench.support.measuring import main

    raise SystemExit(main(NAME))
