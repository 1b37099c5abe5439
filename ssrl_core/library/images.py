"""What a script hands over: images, the views made of them (small pictures in a notebook), and specs as plain data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssrl_core.analysis.matrix import drawn_rows
from ssrl_core.datasets import store
from ssrl_core.datasets.imageset import Channel, ImageSet
from ssrl_core.datasets.pictures import default_channels
from ssrl_core.errors import SpecError
from ssrl_core.specs.composition import Composition
from ssrl_core.specs.run import RunSpec, load_run
from ssrl_core.specs.sweep import SweepSpec, load_sweep

Array = NDArray[Any]
_TOPS = {"uint8": 255, "uint16": 65535}


@dataclass(frozen=True)
class Pixels:
    """Images that are in no set: pixels (B, C, H, W), numbered from 0."""

    pixels: Array
    max_value: int
    channels: tuple[Channel, ...]


def opened(images: str | ImageSet | Array) -> ImageSet | Pixels:
    """The images that are meant: a set by its name, a set, or an array.

    Raises:
        SpecError: no such set, or an array that is not (B, C, H, W) of uint8, uint16 or float.
    """
    if isinstance(images, str):
        return store.load(images)
    return images if isinstance(images, ImageSet) else _of_array(np.asarray(images))


def some_ids(images: ImageSet | Pixels, limit: int, seed: int) -> NDArray[np.int64]:
    """(n,) int64, ascending: at most `limit` images of a set, by chance; all of an array.

    Raises:
        SpecError: a limit below 1.
    """
    if limit < 1:
        raise SpecError.at("Images", "limit", "at least 1", limit, "Ask for some images.")
    if not isinstance(images, ImageSet):
        return np.arange(len(images.pixels), dtype=np.int64)
    ids: NDArray[np.int64] = images.split_ids()
    return ids[drawn_rows(len(ids), limit, seed)]


def _of_array(pixels: Array) -> Pixels:
    if pixels.ndim != 4 or not len(pixels) or (pixels.dtype.name not in _TOPS and pixels.dtype.kind != "f"):
        raise SpecError.at(
            "Images",
            "pixels",
            "(B, C, H, W) of uint8, uint16 or float in 0..1, B at least 1",
            f"{pixels.shape} {pixels.dtype}",
            "Put channels before height and width: pixels.transpose(0, 3, 1, 2).",
        )
    channels = default_channels(None, pixels.shape[1], where="Images")
    return Pixels(pixels, _TOPS.get(pixels.dtype.name, 1), channels)


@dataclass(frozen=True, repr=False)
class Views(Sequence[Array]):
    """Views of some images: a sequence of one (V, B, C, S, S) float32 array for each view group.

    Attributes:
        composition: that made them.  images: that they were made of, (B, C, H, W).
        groups: the arrays, values 0..1.
    """

    composition: Composition
    images: Pixels
    groups: tuple[Array, ...]

    def __getitem__(self, place: Any) -> Any:
        return self.groups[place]

    def __len__(self) -> int:
        return len(self.groups)

    def __iter__(self) -> Iterator[Array]:
        return iter(self.groups)

    @property
    def array(self) -> Array:
        """(V, B, C, S, S) float32: the views of the only group.

        Raises:
            SpecError: there are several groups.
        """
        if len(self.groups) > 1:
            names = [group.name for group in self.composition.views]
            raise SpecError.at("Views", "array", "of one view group", names, "Take one: views[0].")
        return self.groups[0]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.array(self.array, dtype=dtype, copy=copy)

    def __repr__(self) -> str:
        shapes = ", ".join(
            f"{group.name} {made.shape}" for group, made in zip(self.composition.views, self.groups, strict=True)
        )
        return f"<Views by {self.composition.name}: {shapes}>"

    def _repr_html_(self) -> str:
        """A grid: a row an image, first the image itself, then its views."""
        from ssrl_core.datasets import pictures

        limits = pictures.shown_limits(self.images.pixels, self.images.channels, self.images.max_value)
        shown = _scaled(self.images.pixels, self.images.max_value)
        columns = [shown, *(view for group in self.groups for view in group)]
        side = max(column.shape[-1] for column in columns)
        rgb = [_fitted(pictures.to_rgb(c, self.images.channels, limits=limits), min(side, 96)) for c in columns]
        rows = np.stack(rgb, axis=1).reshape(-1, *rgb[0].shape[1:])
        words = f"{self.composition.name}: {self.composition.sentence()}. Left: the images themselves."
        return pictures.html(pictures.montage(rows, columns=len(rgb), scale=None), words)


def _scaled(pixels: Array, max_value: float) -> Array:
    return pixels.astype(np.float32) / np.float32(max_value)


def _fitted(rgb: Array, side: int) -> Array:
    from ssrl_core.datasets import pictures

    return rgb if rgb.shape[1:3] == (side, side) else pictures.shrunk(rgb, side, side)


def read_run(spec: str | Path | Mapping[str, Any] | RunSpec) -> RunSpec:
    """The spec of a run.

    Raises:
        SpecError: naming field, rule and remedy.
    """
    if isinstance(spec, RunSpec):
        return spec
    return load_run(plain(spec) if isinstance(spec, Mapping) else spec)


def read_sweep(spec: str | Path | Mapping[str, Any] | SweepSpec) -> SweepSpec:
    """The spec of a sweep.

    Raises:
        SpecError: naming field, rule and remedy.
    """
    if isinstance(spec, SweepSpec):
        return spec
    return SweepSpec.from_mapping(plain(spec)) if isinstance(spec, Mapping) else load_sweep(spec)


def plain(value: Any) -> Any:
    """The same data with names for image sets and mappings for compositions.

    Raises:
        SpecError: some images or channels of an image set, for which a spec has words of its own.
    """
    if isinstance(value, Composition):
        return value.to_mapping()
    if isinstance(value, ImageSet):
        return _name(value)
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value


def _name(imageset: ImageSet) -> str:
    if type(imageset) is not ImageSet:
        raise SpecError.at(
            "Spec",
            "dataset",
            "a whole image set, or {name, channels, where}",
            f"a selection of {imageset.name}",
            f"Write dataset: {{name: {imageset.name}, where: {{COLUMN: [VALUE]}}}}.",
        )
    return imageset.name
