"""What the preview is made of: which images, how many views, which draws. The choices are in the address."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st

from pages.ui.kit import choices

IMAGES = {
    "one": "one image",
    "4": "4 at random",
    "8": "8 at random",
    "16": "16 at random",
    "classes": "one of each class",
}
VIEWS = ("2", "4", "8", "12")
MOST_CLASSES = 24
_LARGEST = 2**32 - 1


@dataclass(frozen=True)
class Scene:
    """What the grid shows.

    Attributes:
        imageset: the chosen set.
        image_ids: its images in the grid.
        views: columns beside the source, for a composition of one view group.
        seed: of the draws.
    """

    imageset: Any
    image_ids: tuple[int, ...]
    views: int
    seed: int


def choose_images() -> str:
    """Which images the grid shows: a key of IMAGES, in the address."""
    return choices.from_address("Images", list(IMAGES), key="images", default="8", shown=IMAGES.__getitem__)


def choose_views() -> int:
    """How many views of each image, in the address."""
    return int(choices.from_address("Views", VIEWS, key="views", default="4"))


def image_ids(imageset: Any, which: str, *, seed: int, one: int = 0) -> tuple[int, ...]:
    """Images for the grid.

    Args:
        which: a key of IMAGES.
        seed: the same seed gives the same images.
        one: the image that `one` shows.
    """
    if which == "one":
        return (min(max(one, 0), imageset.count - 1),)
    random = np.random.default_rng(seed)
    if which == "classes" and imageset.classes:
        return _one_of_each(imageset.label_ids, len(imageset.classes), random)
    count = min(int(which) if which.isdigit() else 8, imageset.count)
    return tuple(int(i) for i in random.choice(imageset.count, count, replace=False))


def sample_for_lpips(imageset: Any, count: int, *, seed: int) -> tuple[int, ...]:
    """Images that LPIPS is measured on, drawn so that every class has its turn (as far as there are labels)."""
    random = np.random.default_rng(seed)
    order = random.permutation(imageset.count)
    labels = np.asarray(imageset.label_ids)[order]
    turn = np.zeros(len(order), dtype=np.int64)
    for label in np.unique(labels):
        members = labels == label
        turn[members] = np.arange(members.sum())
    first = order[np.argsort(turn, kind="stable")][: min(count, imageset.count)]
    return tuple(int(i) for i in first)


def roll() -> None:
    """Other draws, the same images."""
    st.session_state["compose-seed"] = int(np.random.default_rng().integers(0, _LARGEST, dtype=np.uint64)) % 100_000


def other_images() -> None:
    """Other images, the same draws."""
    st.session_state["compose-image-seed"] = st.session_state.get("compose-image-seed", 0) + 1


def seed() -> int:
    """Seed of the draws in this session."""
    return int(st.session_state.setdefault("compose-seed", 5))


def _one_of_each(labels: Sequence[int], classes: int, random: np.random.Generator) -> tuple[int, ...]:
    labels = np.asarray(labels)
    picked = []
    for label in range(min(classes, MOST_CLASSES)):
        members = np.flatnonzero(labels == label)
        if len(members):
            picked.append(int(random.choice(members)))
    return tuple(picked) or (0,)
