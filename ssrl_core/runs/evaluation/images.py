"""The images that a run is measured on, and the features that a network (or no network) makes of them."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ssrl_core.errors import SpecError
from ssrl_core.runs.folder.run_folder import bank_ids, evaluated_ids, kept_ids

if TYPE_CHECKING:
    from torch import Tensor

    from ssrl_core.datasets.imageset import ImageSet
    from ssrl_core.learning.backbones.encoder import Encoder
    from ssrl_core.learning.embedding import Show
    from ssrl_core.specs.run import RunSpec

Rows = np.ndarray[Any, np.dtype[np.float32]]
PIXEL_SIDE = 32  # larger images are averaged down to it for the raw-pixel reference, which has to fit into memory
_ALONE = 1 << 25  # values of a bank's features that are kept while a run is measured; more are made again
_IN_MEMORY = 1 << 31  # bytes of an embedding
NO_LABELS = "the image set has no labels"

Extractor = Callable[["Tensor"], Rows]
"""From images (B,C,H,W) in 0..1 to features (B, D)."""


@dataclass
class EvaluationImages:
    """The images that a run is measured on.

    Attributes:
        bank: ids of the train images that were trained on.  evaluated: ids of the evaluated split.
        kept: ids that have a row in the arrays of the run.
    """

    spec: RunSpec
    imageset: ImageSet
    bank: np.ndarray = field(init=False)
    evaluated: np.ndarray = field(init=False)
    kept: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.bank = bank_ids(self.spec, self.imageset)
        self.evaluated = evaluated_ids(self.spec, self.imageset)
        self.kept = kept_ids(self.spec, self.imageset)

    @property
    def every(self) -> np.ndarray:
        """Ids of all that are embedded, ascending."""
        return np.union1d(self.bank, self.kept)

    @property
    def labels(self) -> np.ndarray | None:
        """(N,) class ids of all images, -1 where missing; None for an image set without labels."""
        known = self.imageset.label is not None and bool((self.imageset.label_ids >= 0).any())
        return self.imageset.label_ids if known else None

    def labels_of(self, ids: np.ndarray) -> np.ndarray:
        """Class ids of some images, -1 where missing.

        Raises:
            SpecError: the image set has no labels.
        """
        known = self.labels
        if known is None:
            raise SpecError(NO_LABELS)
        return np.asarray(known[ids])

    @cached_property
    def evaluated_labels(self) -> np.ndarray | None:
        """Class ids of the evaluated images, or None."""
        return None if self.labels is None else self.labels[self.evaluated]

    @cached_property
    def show(self) -> Show:
        """From stored pixels to what an encoder is shown of them (`evaluate.input`)."""
        from ssrl_core.learning.embedding import showing

        return showing(self.spec, self.imageset)

    def batches(self, ids: np.ndarray, device: Any = "cpu") -> Iterator[Tensor]:
        """Images as an encoder is given them, some at a time: (B,C,H,W) in 0..1 on the device.

        The embedding and the references are both made of these, so that they always mean the same images. (`finetune`
        and the paper's linear probe go through the image set again in every epoch, by the same `show`.)
        """
        import torch

        from ssrl_core.learning.embedding import at_once

        images, show, step = self.imageset, self.show, at_once(self.imageset.shape)
        for start in range(0, len(ids), step):
            chunk = torch.from_numpy(images.take(ids[start : start + step]))
            yield show(chunk.to(device))

    def views(self, ids: np.ndarray, device: Any) -> Iterator[Tensor]:
        """Each image passed once, with fixed draws, through the first term's composition."""
        from ssrl_core.learning.embedding import views_of

        composition, seed = self.spec.terms[0].composition, self.spec.seed
        found = views_of(self.imageset, ids, composition, seed=seed, device=device)
        return (views for _, views in found)


@dataclass
class Features:
    """Rows of numbers of some images: `of(ids)` gives those of others.

    Attributes:
        ids: (n,) ascending.  x: (n, D).
        alone: (n, F) of a solved network, what its bank says of the images before anything was solved for.
    """

    ids: np.ndarray
    x: Rows
    alone: Rows | None = None

    def of(self, ids: np.ndarray) -> Rows:
        """(m, D) rows of these images, which must be among `ids`; of all of them no copy is made."""
        return self.x if np.array_equal(ids, self.ids) else self.x[np.searchsorted(self.ids, ids)]


def embedding_of(
    images: EvaluationImages,
    encoder: Encoder,
    device: Any,
    report: Callable[[float], None],
    folder: Path | None = None,
) -> Features:
    """The embedding of all images that a run is measured on.

    Args:
        report: told the share done, 0..1.
        folder: on whose disk an embedding lies that is too large for the memory.
    """
    ids, features = images.every, both_features(encoder, device)
    x, alone, done = _room(len(ids), encoder.dim, folder), list[Rows](), 0
    for batch in images.batches(ids, device):
        own, bank = features(batch)
        x[done : done + len(own)] = own
        if bank is not None and bank.shape[1] * len(ids) <= _ALONE:
            alone.append(bank)
        done += len(batch)
        report(done / len(ids))
    return Features(ids, x, np.concatenate(alone) if alone else None)


def _room(count: int, dim: int, folder: Path | None) -> Rows:
    """(count, dim) to write into: in memory, or where that is much in a file without a name, which ends with it."""
    if folder is None or 4 * count * dim <= _IN_MEMORY:
        return np.empty((count, dim), np.float32)
    with tempfile.TemporaryFile(dir=folder) as file:
        return np.memmap(file, np.float32, "w+", shape=(count, dim))


def extract(batches: Iterable[Tensor], extractors: Mapping[str, Extractor]) -> dict[str, Rows]:
    """The features that several extractors make of the same images, each image made once."""
    parts: dict[str, list[Rows]] = {name: [] for name in extractors}
    for batch in batches:
        for name, features in extractors.items():
            parts[name].append(features(batch))
    return {name: np.concatenate(found) for name, found in parts.items()}


def both_features(encoder: Encoder, device: Any) -> Callable[[Tensor], tuple[Rows, Rows | None]]:
    """The embedding of a network, and of a solved one what its bank alone says: one pass for both."""
    from ssrl_core.learning.backbones.solved import Solved

    body, own = encoder.body, encoder_features(encoder, device)
    if not isinstance(body, Solved):
        return lambda images: (own(images), None)

    def both(images: Tensor) -> tuple[Rows, Rows | None]:
        found: list[Tensor] = []
        hook = body.bank.register_forward_hook(lambda module, given, features: found.append(features))
        try:
            return own(images), found[0].float().cpu().numpy()
        finally:
            hook.remove()

    return both


def solved_features(encoder: Encoder, device: Any) -> dict[str, Extractor]:
    """{own, untrained} of a solved network: its embedding and what its bank alone says, of one pass for both."""
    both, last = both_features(encoder, device), dict[str, Any]()

    def of(place: int) -> Extractor:
        def features(images: Tensor) -> Rows:
            if last.get("images") is not images:
                last.update(images=images, found=both(images))
            rows: Rows = last["found"][place]
            return rows

        return features

    return {"own": of(0), "untrained": of(1)}


def encoder_features(encoder: Encoder, device: Any) -> Extractor:
    """The embedding of a network."""

    def features(images: Tensor) -> Rows:
        from ssrl_core.learning.embedding import embed_batch

        return embed_batch(encoder, images, device=device)

    return features


def pixel_features(images: Tensor) -> Rows:
    """The pixels themselves: rows (B, C·h·w), sides above `PIXEL_SIDE` averaged down."""
    from torch.nn.functional import adaptive_avg_pool2d

    height, width = images.shape[2:]
    side = (min(PIXEL_SIDE, height), min(PIXEL_SIDE, width))
    small = images if (height, width) == side else adaptive_avg_pool2d(images, side)
    return np.asarray(small.flatten(1).cpu().numpy(), dtype=np.float32)
