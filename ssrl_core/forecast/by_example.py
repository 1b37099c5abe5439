"""Descriptors by example: "like these, not like those" is a direction in a feature bank, kept beside its image set.

`by_example.json` in the image set's folder holds the two lists of images of each, and the direction that they gave.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ssrl_core import access, stores
from ssrl_core.errors import DataError, SpecError
from ssrl_core.forecast.reading import batches

if TYPE_CHECKING:
    from pathlib import Path

    from ssrl_core.datasets.imageset import ImageSet
    from ssrl_core.learning.features import Bank

Array = NDArray[Any]

BANK, SEED = "random", 5
"""Of the direction, whatever bank a forecast takes: the name means the same everywhere."""
LEAST, LONGEST = 2, 60  # images of either list; letters of a name
_AROUND = 500  # further images that tell how features vary anyhow
_RIDGE = 10.0  # of the mean variance of the features: a few examples tell few directions (docs/log.md)
_VERSION = 1


@dataclass(frozen=True)
class ByExample:
    """A number of an image: 0 is like the one list on average, 1 like the other.

    Attributes:
        like, unlike: ids of the examples.
        right: share of the examples that the others of both lists put on their own side of the middle.
        weights, offset: value = features @ weights + offset, features (D,) of the bank `BANK`.
        mean, sd: that images are brought to before the bank.
    """

    name: str
    like: tuple[int, ...]
    unlike: tuple[int, ...]
    right: float
    weights: tuple[float, ...]
    offset: float
    mean: tuple[float, ...]
    sd: tuple[float, ...]

    @cached_property
    def bank(self) -> Bank:
        """The feature bank, made when it is asked for."""
        import torch

        from ssrl_core.learning import features

        return features.build(BANK, torch.zeros(1, len(self.mean), 8, 8), seed=SEED, mean=self.mean, sd=self.sd)

    @property
    def key(self) -> str:
        """The same while the two lists are."""
        return hashlib.sha256(json.dumps([self.like, self.unlike]).encode()).hexdigest()[:10]

    def measure(self, images: Array) -> NDArray[np.float32]:
        """(n,) values of images (n,C,S,S) in 0..1."""
        import torch

        found = self.bank.features(torch.from_numpy(np.ascontiguousarray(images, dtype=np.float32))).numpy()
        return np.asarray(found @ np.array(self.weights) + self.offset, dtype=np.float32)

    def values(self, imageset: ImageSet, ids: Array) -> NDArray[np.float32]:
        """(n,) of some images of a set."""
        parts = [self.measure(images) for images in batches(imageset, ids)]
        return np.concatenate([np.empty(0, np.float32), *parts])


def defined(imageset: ImageSet) -> dict[str, ByExample]:
    """Those that an image set has, by name; none where its pixels or channels were changed since."""
    try:
        data = stores.read_json(_path(imageset), version=_VERSION)
        if data.get("fingerprint") != imageset.fingerprint:
            return {}
        rows = {name: _from_json(name, row) for name, row in data["descriptors"].items()}
        return {name: row for name, row in rows.items() if len(row.mean) == imageset.shape[0]}
    except (DataError, SpecError, KeyError, TypeError, ValueError):
        return {}  # none, or damaged: the lists are asked for again


def define(imageset: ImageSet, name: str, like: Sequence[int], unlike: Sequence[int]) -> ByExample:
    """Fit a direction and keep it under a name; one of that name is replaced.

    Args:
        name: words of one's own, such as "rounded".
        like, unlike: ids of images, two or more of each; five of each are few, twenty good.

    Raises:
        SpecError: a name that means something else already, too few images, unknown ones, one in both lists.
        DataError: examples that are all the same.

    Source:
        Linear discriminant analysis with a ridge (Friedman 1989): features are whitened by how these and other images
        of the set vary, and the means of the two lists are joined. A concept is a direction as in TCAV (Kim et al.
        2018).
    """
    access.require_editor("Defining a descriptor")
    where = f"Descriptor by example {str(name)!r}"
    _check_name(imageset, name, where)
    lists = [_checked(imageset, ids, side, where) for ids, side in ((like, "like"), (unlike, "unlike"))]
    both = sorted(set(lists[0]) & set(lists[1]))
    if both:
        raise SpecError.at(where, "images", "in one of the two lists only", both, "Take them out of one.")
    made = _fitted(imageset, name.strip(), *lists, where=where)
    _keep(imageset, defined(imageset) | {made.name: made})
    return made


def forget(imageset: ImageSet, name: str) -> None:
    """Take one away.

    Raises:
        SpecError: there is none of that name.
    """
    access.require_editor("Defining a descriptor")
    known = defined(imageset)
    if name not in known:
        there = ", ".join(known) or "none yet"
        raise SpecError.at(imageset.name, "descriptor", "one that was made by example", name, f"There is: {there}.")
    _keep(imageset, {other: row for other, row in known.items() if other != name})


def _keep(imageset: ImageSet, rows: Mapping[str, ByExample]) -> None:
    told = {name: {key: getattr(row, key) for key in _FIELDS} for name, row in rows.items()}
    data = {"version": _VERSION, "fingerprint": imageset.fingerprint, "bank": BANK, "seed": SEED, "descriptors": told}
    stores.write_json(_path(imageset), data)


_FIELDS = ("like", "unlike", "right", "weights", "offset", "mean", "sd")


def _from_json(name: str, row: Mapping[str, Any]) -> ByExample:
    given: dict[str, Any] = {key: tuple(row[key]) if isinstance(row[key], list) else row[key] for key in _FIELDS}
    return ByExample(name, **given)


def _path(imageset: ImageSet) -> Path:
    return imageset.folder / "by_example.json"


def _fitted(imageset: ImageSet, name: str, like: list[int], unlike: list[int], *, where: str) -> ByExample:
    import torch
    from scipy.linalg import cho_factor, cho_solve

    from ssrl_core.learning.closed_form import SD_FLOOR

    mean, sd = imageset.channel_stats()
    empty = ByExample(name, tuple(like), tuple(unlike), 0.0, (), 0.0, tuple(mean.tolist()), tuple(_above_0(sd)))
    others = np.random.default_rng(SEED).permutation(imageset.count)[:_AROUND]
    ids = np.concatenate([like, unlike, np.setdiff1d(others, [*like, *unlike])]).astype(np.int64)
    parts = [empty.bank.features(torch.from_numpy(images)).numpy() for images in batches(imageset, ids)]
    features = np.concatenate(parts).astype(np.float64)
    scale = features.std(axis=0)
    if not scale.max() > 1e-6:
        raise DataError.at(
            where, "images", "different from one another", "images that are all the same", "Take others."
        )
    scale = np.maximum(scale, SD_FLOOR * np.sqrt(np.square(scale).mean()))
    features /= scale
    count = len(like) + len(unlike)
    ridge = np.cov(features.T) + _RIDGE * np.eye(len(scale))
    own, solved = features[:count], cho_solve(cho_factor(ridge), features[:count].T).T
    truth = np.arange(count) < len(like)
    weights, offset = _direction(own, solved, truth, where)
    told = _told_by_the_others(own, solved, truth)
    return replace(empty, right=told, weights=tuple((weights / scale).tolist()), offset=offset)


def _direction(own: Array, solved: Array, truth: Array, where: str) -> tuple[Array, float]:
    """Weights and offset with which the two means of the examples have the values 1 and 0.

    Args:
        own, solved: (n,D) features of the examples, and each times the inverse of the covariance.
        truth: (n,) which are of the list `like`.
    """
    weights = solved[truth].mean(axis=0) - solved[~truth].mean(axis=0)
    ends = own[truth].mean(axis=0) @ weights, own[~truth].mean(axis=0) @ weights
    if not ends[0] - ends[1] > 1e-9:
        raise DataError.at(where, "lists", "of different images", "two lists that look alike", "Take other examples.")
    return weights / (ends[0] - ends[1]), float(-ends[1] / (ends[0] - ends[1]))


def _told_by_the_others(own: Array, solved: Array, truth: Array) -> float:
    """Share of the examples on their own side of the middle, of a direction that does without them."""
    right = []
    for row in range(len(own)):
        rest = np.arange(len(own)) != row
        weights = solved[rest & truth].mean(axis=0) - solved[rest & ~truth].mean(axis=0)
        middle = (own[rest & truth].mean(axis=0) + own[rest & ~truth].mean(axis=0)) @ weights / 2
        right.append((own[row] @ weights > middle) == truth[row])
    return float(np.mean(right))


def _above_0(sd: Array) -> list[float]:
    return [float(value) for value in np.maximum(sd, 1e-3)]


def _check_name(imageset: ImageSet, name: str, where: str) -> None:
    from ssrl_core.analysis.descriptors import DESCRIPTORS, descriptor
    from ssrl_core.specs.wishes import CLASSES, GROUPS

    if not isinstance(name, str) or not 0 < len(name.strip()) <= LONGEST or "\n" in name:
        raise SpecError.at(where, "name", f"1 to {LONGEST} letters", name, "Say in a word or two what they share.")
    titles = {row.title for row in DESCRIPTORS.values()}
    taken = {CLASSES, *GROUPS, *titles, *imageset.table.columns}
    if name.strip() in taken or descriptor(name.strip()) is not None:
        raise SpecError.at(where, "name", "one that means nothing else", name, "Choose another.")


def _checked(imageset: ImageSet, ids: Sequence[int], side: str, where: str) -> list[int]:
    found = list(dict.fromkeys(int(i) for i in ids))
    if len(found) < LEAST:
        raise SpecError.at(where, side, f"{LEAST} images or more", len(found), "Add examples.")
    wrong = [i for i in found if not 0 <= i < imageset.count]
    if wrong:
        rule = f"ids in 0..{imageset.count - 1}"
        raise SpecError.at(where, side, rule, wrong[:5], "An image's id is its row in the table.")
    return found
