"""An image set on disk: pixels, the table of what is known of them, and imageset.json (docs/contracts.md C2).

A part of one (`dataset.channels`, `dataset.where` of a run) has the same interface; its image ids stay those of the
whole set, so that whatever a run stores points at the same images.
"""

from __future__ import annotations

import mmap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property, lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ssrl_core import stores
from ssrl_core.datasets.columns import class_names
from ssrl_core.datasets.splits import SPLITS
from ssrl_core.errors import DataError, SpecError

Array = np.ndarray[Any, Any]
_PIECE, _LARGE = 1 << 20, 1 << 26
DOCUMENT = "decoded.json"  # of image sets whose pixels stay in their files
PACKED = "pixels.png"  # of image sets that ship: small, without loss, and never written into


@dataclass(frozen=True)
class Channel:
    """One channel: its name, the colour it is shown in (`#rrggbb`), and the values shown black and full, if chosen."""

    name: str
    colour: str
    window: tuple[float, float] | None = None


@dataclass(frozen=True, repr=False)
class ImageSet:
    """Images that training takes. Image i is row i of `pixels` and of `table`.

    Attributes:
        shape: (C, H, W).
        max_value: the pixel value that stands for 1.0.
        label: the column that is the truth, or None.
        classes: class names; `label_ids` count into them.
        fingerprint: sha256 of pixels, label, split, order and max_value.
        skipped: files that could not be taken in: [{file, reason}].
        meta: imageset.json as it is on disk.
    """

    name: str
    title: str
    count: int
    shape: tuple[int, int, int]
    dtype: str
    max_value: int
    channels: tuple[Channel, ...]
    pixel_size_um: float | None
    label: str | None
    classes: tuple[str, ...]
    fingerprint: str
    folder: Path
    skipped: tuple[Mapping[str, str], ...] = ()
    meta: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @cached_property
    def pixels(self) -> Array:
        """(N, C, H, W) uint8 or uint16, memory-mapped (those of the example unpacked; of a set whose pixels stay in
        their files, decoded when they are asked for), read-only."""
        path, packed = self.folder / "pixels.npy", self.folder / PACKED
        try:
            if (self.folder / DOCUMENT).is_file():
                pixels = _in_files(self)
            elif packed.is_file():
                pixels = _unpacked(packed, packed.stat().st_mtime_ns, self.shape)
            else:
                pixels = np.load(path, mmap_mode="r", allow_pickle=False)
        except stores.DAMAGED_ARRAY as error:
            raise DataError(
                f"{path}: the pixels cannot be read ({error}). Delete the image set and import it again."
            ) from error
        if pixels.shape != (self.count, *self.shape) or pixels.dtype.name != self.dtype:
            raise DataError.at(
                str(path),
                "pixels",
                f"{(self.count, *self.shape)} {self.dtype}, as imageset.json says",
                f"{pixels.shape} {pixels.dtype}",
                "Delete the image set and import it again.",
            )
        result: Array = pixels
        return result

    def take(self, ids: Array) -> Array:
        """(n, C, H, W) pixels of some images, copied.

        What was read of a large file stays in the system's cache, but no longer counts as memory of this process.
        """
        found = np.ascontiguousarray(self.pixels[ids])
        mapped: Any = getattr(self.pixels, "_mmap", None)
        if self.pixels.nbytes > _LARGE and hasattr(mapped, "madvise"):
            mapped.madvise(mmap.MADV_DONTNEED)
        return found

    @cached_property
    def table(self) -> pd.DataFrame:
        """What is known of each image; row i = image i. Take a copy before changing it."""
        path = self.folder / "table.parquet"
        try:
            table = pd.read_parquet(path)
        except (OSError, ValueError) as error:
            raise DataError(
                f"{path}: the table cannot be read ({error}). Delete the image set and import it again."
            ) from error
        if len(table) != self.count:
            raise DataError(f"{path}: {self.count} rows were expected, {len(table)} found. Import the image set again.")
        return table

    @cached_property
    def label_ids(self) -> Array:
        """(N,) int64 class ids; -1 where the label is missing."""
        ids: Array = self.table["label_id"].to_numpy(dtype=np.int64)
        return ids

    def split_ids(self, split: str = "all", *, limit_train: int | None = None) -> Array:
        """Image ids of a split, ascending.

        Args:
            split: train | val | test | all.
            limit_train: of train, only the images of lowest `order`; more than there are means all of them.

        Returns:
            (n,) int64.

        Raises:
            SpecError: an unknown split, or a limit below 1.
        """
        if split not in (*SPLITS, "all"):
            raise SpecError.at(f"image set {self.name!r}", "split", "train, val, test or all", split)
        chosen = self._chosen & (self.table["split"].to_numpy() == split) if split != "all" else self._chosen
        ids = np.flatnonzero(chosen).astype(np.int64)
        if split != "train" or limit_train is None:
            return ids
        if isinstance(limit_train, bool) or not isinstance(limit_train, int | np.integer) or limit_train < 1:
            raise SpecError.at(f"image set {self.name!r}", "limit_train", "a whole number ≥ 1", limit_train)
        order = self.table["order"].to_numpy()[ids]
        return np.sort(ids[np.argsort(order, kind="stable")[:limit_train]])

    @property
    def split_counts(self) -> dict[str, int]:
        """How many images each split has: {train, val, test}."""
        return {split: len(self.split_ids(split)) for split in SPLITS}

    @property
    def empty_splits(self) -> tuple[str, ...]:
        """Splits without an image (very small sets, or splits given so)."""
        return tuple(split for split, count in self.split_counts.items() if count == 0)

    def channel_stats(self) -> tuple[Array, Array]:
        """Mean and standard deviation of each channel over the train split (all images if it is empty).

        Computed once, chunk by chunk, and kept beside the pixels.

        Returns:
            (C,), (C,) float64 of values in 0..1.
        """
        path = self.folder / "channel_stats.json"
        try:
            kept = stores.read_json(path)
            if kept.get("fingerprint") == self.fingerprint:
                return np.array(kept["mean"]), np.array(kept["sd"])
        except (DataError, KeyError):
            pass  # not computed yet, or damaged: compute
        mean, sd = stats_of(self.pixels, self._train_or_all(), self.max_value)
        document = {"version": 1, "fingerprint": self.fingerprint, "mean": mean.tolist(), "sd": sd.tolist()}
        with stores.kept_if_possible(path):
            stores.write_json(path, document)
        return mean, sd

    def select(
        self, channels: Sequence[str] | None = None, where: Mapping[str, Sequence[Any]] | None = None
    ) -> ImageSet:
        """Some channels, or the images that match, under the same interface and the same image ids.

        Args:
            channels: channel names, in the order wanted; None = all.
            where: column -> values to keep; all columns must match.

        Raises:
            SpecError: an unknown channel or column, or nothing left.
        """
        return select(self, channels, where or {})

    def __repr__(self) -> str:
        classes = f", {len(self.classes)} classes by {self.label}" if self.label else ""
        sides = " × ".join(map(str, self.shape))
        return f"<ImageSet {self.name}: {self.count:,} images, {sides} {self.dtype}{classes}>"

    def _repr_html_(self) -> str:
        """Two dozen of its images, evenly taken, for notebooks."""
        from ssrl_core.datasets.pictures import html, thumbnails

        ids = self.split_ids()
        some = ids[np.unique(np.linspace(0, len(ids) - 1, 24).astype(np.int64))]
        what = f"{len(self.classes)} classes" if self.classes else "no labels"
        shape = " × ".join(map(str, self.shape))
        return html(thumbnails(self, some), f"{self.title} ({self.name}): {len(ids):,} images of {shape}, {what}")

    @property
    def _chosen(self) -> Array:
        return np.ones(len(self.table), dtype=bool)

    def _train_or_all(self) -> Array:
        train = self.split_ids("train")
        return train if len(train) else self.split_ids("all")


def _in_files(imageset: ImageSet) -> Any:
    from ssrl_core.datasets.reading.in_place import Decoded

    return Decoded(imageset.folder, (imageset.count, *imageset.shape))


def pack(pixels: Array) -> Array:
    """(N, C, H, W) as the picture that `PACKED` is: images below one another, (N·H, W[, C]).

    Args:
        pixels: uint8 of one channel or three.
    """
    rows = np.moveaxis(pixels, 1, -1).reshape(-1, pixels.shape[3], pixels.shape[1])
    return np.ascontiguousarray(rows[..., 0] if pixels.shape[1] == 1 else rows)


@lru_cache(maxsize=4)
def _unpacked(path: Path, changed: int, shape: tuple[int, int, int]) -> Array:
    from PIL import Image

    channels, height, width = shape
    with Image.open(path) as picture:
        rows = np.asarray(picture)
    pixels = np.ascontiguousarray(np.moveaxis(rows.reshape(-1, height, width, channels), -1, 1))
    pixels.flags.writeable = False
    return pixels


def stats_of(pixels: Array, ids: Array, max_value: int) -> tuple[Array, Array]:
    """Mean and sd of each channel over some images, in 0..1, about a million pixels of a channel at a time.

    The sums are of whole numbers below 2^53 and so exact: the size of the pieces does not change the result.

    Returns:
        (C,), (C,) float64.
    """
    channels, area = int(pixels.shape[1]), int(np.prod(pixels.shape[2:]))
    total, squares, step = [0] * channels, [0] * channels, max(1, _PIECE // area)
    for start in range(0, len(ids), step):
        block = np.asarray(pixels[ids[start : start + step]])
        for c in range(channels):
            values = block[:, c].astype(np.float64).ravel()
            total[c] += int(values.sum())
            squares[c] += int(values @ values)
    n = max(1, len(ids) * area)
    mean = np.array([t / n for t in total])
    variance = np.array([s / n - (t / n) ** 2 for t, s in zip(total, squares, strict=True)])
    return mean / max_value, np.sqrt(np.maximum(variance, 0)) / max_value


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
