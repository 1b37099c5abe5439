"""A part of an image set (`dataset.channels`, `dataset.where` of a run) under the image set's own interface.

Image ids stay those of the whole set, so that whatever a run stores points at the same images.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np

from ssrl_core.datasets.columns import class_names
from ssrl_core.datasets.imageset import ImageSet, stats_of
from ssrl_core.errors import SpecError

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Selection(ImageSet):
    """An ImageSet of which some channels, or some images, are used.

    `pixels`, `table` and `label_ids` still have a row for every image of the whole set; `count` and `split_ids` tell
    which of them belong.
    """

    whole: ImageSet = field(kw_only=True)
    channel_ids: tuple[int, ...] = field(kw_only=True)
    kept: Array = field(kw_only=True, repr=False, compare=False)

    @cached_property
    def pixels(self) -> Array:
        """(N of the whole set, chosen channels, H, W), read-only."""
        every = self.whole.pixels
        piece = as_slice(self.channel_ids)
        if isinstance(every, np.ndarray) and piece is not None:
            return every[:, piece]
        return _SomeChannels(every, self.channel_ids)  # type: ignore[return-value]

    @cached_property
    def table(self) -> Any:
        """The table of the whole set."""
        return self.whole.table

    def channel_stats(self) -> tuple[Array, Array]:
        """Mean and sd of the chosen channels over the chosen train images, in 0..1."""
        if self.kept.all():
            mean, sd = self.whole.channel_stats()
            return mean[list(self.channel_ids)], sd[list(self.channel_ids)]
        return stats_of(self.pixels, self._train_or_all(), self.max_value)

    @property
    def _chosen(self) -> Array:
        return self.kept


@dataclass(frozen=True)
class Sample(ImageSet):
    """Some images in memory, smaller, under the interface of an image set; image i is the i-th of those chosen."""

    images: Array = field(kw_only=True, repr=False, compare=False)
    rows: Any = field(kw_only=True, repr=False, compare=False)
    stats: tuple[Array, Array] = field(kw_only=True, repr=False, compare=False)

    @cached_property
    def pixels(self) -> Array:
        """(n,C,H,W)."""
        return self.images

    @cached_property
    def table(self) -> Any:
        """The rows of these images."""
        return self.rows

    def channel_stats(self) -> tuple[Array, Array]:
        """Mean and sd of each channel over the train split of the whole set, in 0..1."""
        return self.stats


def sample(imageset: ImageSet, ids: Array, side: int) -> Sample:
    """Some images of a set, read once, their shorter side at most `side` px (means over what a pixel covers)."""
    own = {f.name: getattr(imageset, f.name) for f in fields(ImageSet)}
    pixels = np.ascontiguousarray(imageset.pixels[np.asarray(ids)])
    if min(imageset.shape[1:]) > side:
        pixels = _smaller(pixels, side)
    rows = imageset.table.iloc[ids].reset_index(drop=True)
    shape = (imageset.shape[0], *pixels.shape[2:])
    return Sample(**own | {"count": len(ids), "shape": shape}, images=pixels, rows=rows, stats=imageset.channel_stats())


def _smaller(pixels: Array, side: int) -> Array:
    import torch
    from torch.nn import functional

    ratio = side / min(pixels.shape[2:])
    size = [round(length * ratio) for length in pixels.shape[2:]]
    made = functional.interpolate(
        torch.from_numpy(pixels.astype(np.float32)), size, mode="bilinear", antialias=True, align_corners=False
    )
    return np.round(made.numpy()).astype(pixels.dtype)


def select(imageset: ImageSet, channels: Sequence[str] | None, where: Mapping[str, Sequence[Any]]) -> ImageSet:
    """See `ImageSet.select`."""
    if not where and channels is None:
        return imageset
    ids = _channel_ids(imageset, channels)
    kept = imageset._chosen.copy()
    for column, values in where.items():
        kept &= _matches(imageset, column, values)
    if not kept.any():
        raise SpecError.at(f"image set {imageset.name!r}", "where", "one that some images match", dict(where))
    whole = imageset.whole if isinstance(imageset, Selection) else imageset
    before = imageset.channel_ids if isinstance(imageset, Selection) else tuple(range(len(imageset.channels)))
    own = {f.name: getattr(imageset, f.name) for f in fields(ImageSet)}
    own |= {
        "count": int(kept.sum()),
        "shape": (len(ids), *imageset.shape[1:]),
        "channels": tuple(imageset.channels[i] for i in ids),
    }
    return Selection(**own, whole=whole, channel_ids=tuple(before[i] for i in ids), kept=kept)


def as_slice(ids: Sequence[int]) -> slice | None:
    """The slice that takes these channels in this order, or None when there is no such slice."""
    step = ids[1] - ids[0] if len(ids) > 1 else 1
    if step == 0 or any(b - a != step for a, b in pairwise(ids)):
        return None
    stop = ids[-1] + step
    return slice(ids[0], stop if stop >= 0 else None, step)


class _SomeChannels:
    """Channels that no slice can take, picked as images are read (a copy of the whole set would fill the memory)."""

    ndim = 4

    def __init__(self, pixels: Array, ids: Sequence[int]) -> None:
        self._pixels, self._ids = pixels, list(ids)
        self.shape = (len(pixels), len(ids), *pixels.shape[2:])
        self.dtype = pixels.dtype

    def __len__(self) -> int:
        return len(self._pixels)

    def __getitem__(self, which: Any) -> Array:
        rows, rest = (which[0], which[1:]) if isinstance(which, tuple) else (which, ())
        images = np.asarray(self._pixels[rows])
        images = images[..., self._ids, :, :]
        lead = (slice(None),) if images.ndim == 4 else ()
        picked: Array = images[(*lead, *rest)]
        return picked

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.asarray(self._pixels[:, self._ids], dtype=dtype)


def _channel_ids(imageset: ImageSet, channels: Sequence[str] | None) -> list[int]:
    names = [channel.name for channel in imageset.channels]
    if channels is None:
        return list(range(len(names)))
    wanted = [channels] if isinstance(channels, str) else list(channels)
    unknown = [name for name in wanted if name not in names]
    if unknown or not wanted or len(set(wanted)) != len(wanted):
        raise SpecError.at(f"image set {imageset.name!r}", "channels", f"some of {', '.join(names)}, each once", wanted)
    return [names.index(name) for name in wanted]


def _matches(imageset: ImageSet, column: str, values: Sequence[Any]) -> Array:
    table = imageset.table
    if column not in table.columns:
        raise SpecError.at(
            f"image set {imageset.name!r}",
            "where",
            f"about a column of the table ({', '.join(map(str, table.columns))})",
            column,
        )
    wanted = [values] if isinstance(values, str | int | float) else list(values)
    numbers = table[column].isin(wanted).to_numpy(dtype=bool)
    names = {str(value) for value in wanted}
    named = np.array([name in names for name in class_names(table[column])], dtype=bool)
    result: Array = np.logical_or(numbers, named)
    return result
