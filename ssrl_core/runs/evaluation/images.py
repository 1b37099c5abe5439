"""What a network (and, beside it, an untrained one and the raw pixels) makes of a run's images."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ssrl_core.runs.folder.run_folder import bank_ids, evaluated_ids, kept_ids

if TYPE_CHECKING:
    from torch import Tensor

    from ssrl_core.datasets.imageset import ImageSet
    from ssrl_core.learning.backbones.encoder import Encoder
    from ssrl_core.specs.run import RunSpec

Rows = np.ndarray[Any, np.dtype[np.float32]]
PIXEL_SIDE = 32  # larger images are averaged down to it for the raw-pixel reference, which has to fit into memory
_CHUNK = 512


@dataclass
class EvaluationImages:
    """The images that a run is measured on.

    Attributes:
        bank: ids of the train images that were trained on.  asked: ids of the evaluated split.
        kept: ids that have a row in the arrays of the run.
    """

    spec: RunSpec
    imageset: ImageSet
    bank: np.ndarray = field(init=False)
    asked: np.ndarray = field(init=False)
    kept: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.bank = bank_ids(self.spec, self.imageset)
        self.asked = evaluated_ids(self.spec, self.imageset)
        self.kept = kept_ids(self.spec, self.imageset)

    @property
    def labels(self) -> np.ndarray | None:
        """(N,) class ids of all images, -1 where missing; None for an image set without labels."""
        known = self.imageset.label is not None and bool((self.imageset.label_ids >= 0).any())
        return self.imageset.label_ids if known else None

    @cached_property
    def asked_labels(self) -> np.ndarray | None:
        """Class ids of the evaluated images, or None."""
        return None if self.labels is None else self.labels[self.asked]


@dataclass
class Features:
    """Rows of numbers of some images: `of(ids)` gives those of others."""

    ids: np.ndarray
    x: Rows

    def of(self, ids: np.ndarray) -> Rows:
        """(n, D) rows of these images, which must be among `ids` (ascending)."""
        return self.x[np.searchsorted(self.ids, ids)]

    def covers(self, ids: np.ndarray) -> bool:
        """Whether there is a row for each of these images."""
        return bool(np.isin(ids, self.ids).all())


Extractor = Callable[["Tensor"], Rows]
"""From images (B,C,H,W) in 0..1 to rows (B, D)."""


def extract(images: Iterable[Tensor], lenses: Mapping[str, Extractor]) -> dict[str, Rows]:
    """The same images through several lenses, each image made once."""
    parts: dict[str, list[Rows]] = {name: [] for name in lenses}
    for some in images:
        for name, lens in lenses.items():
            parts[name].append(lens(some))
    return {name: np.concatenate(found) for name, found in parts.items()}


def whole_images(ground: EvaluationImages, ids: np.ndarray) -> Iterator[Tensor]:
    """Images as they are, some at a time: (B,C,H,W) in 0..1."""
    import torch

    from ssrl_core.learning.embedding import as_float

    images = ground.imageset
    for start in range(0, len(ids), _CHUNK):
        chunk = np.ascontiguousarray(images.pixels[ids[start : start + _CHUNK]])
        yield as_float(torch.from_numpy(chunk), images.max_value)


def viewed_images(ground: EvaluationImages, ids: np.ndarray, device: Any) -> Iterator[Tensor]:
    """Each image passed once, with fixed draws, through the first term's composition."""
    from ssrl_core.learning.embedding import views_of

    spec = ground.spec
    found = views_of(ground.imageset, ids, spec.terms[0].composition, seed=spec.seed, device=device, batch_size=_CHUNK)
    return (made for _, made in found)


def encoder_features(encoder: Encoder, device: Any) -> Extractor:
    """The embedding of a network."""

    def lens(images: Tensor) -> Rows:
        from ssrl_core.learning.embedding import embed

        return embed(encoder, images.cpu().numpy(), np.arange(len(images)), max_value=1, device=device)

    return lens


def pixel_features(images: Tensor) -> Rows:
    """The pixels themselves: rows (B, C·h·w), sides above `PIXEL_SIDE` averaged down."""
    from torch.nn.functional import adaptive_avg_pool2d

    height, width = images.shape[2:]
    side = (min(PIXEL_SIDE, height), min(PIXEL_SIDE, width))
    small = images if (height, width) == side else adaptive_avg_pool2d(images, side)
    return np.asarray(small.flatten(1).cpu().numpy(), dtype=np.float32)
