"""Numbers of an image that a person understands: their table, and measuring them on a batch of images.

A new descriptor is a function and its row in one of the files here, or a file of its own with its name in `FILES`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from importlib import import_module

import numpy as np

from ssrl_core.analysis.descriptors.images import Array, Descriptor, ImageBatch
from ssrl_core.datasets.pictures import nucleus_channel

CELLS, INTENSITY = "cells", "intensity "
FILES = ("colour", "shape", "texture", CELLS)
_ROWS: Mapping[str, tuple[Descriptor, ...]] = {file: import_module(f"{__name__}.{file}").DESCRIPTORS for file in FILES}
DESCRIPTORS: Mapping[str, Descriptor] = {row.name: row for rows in _ROWS.values() for row in rows}
"""Every row of the files; the intensities of channels come to them (`descriptor`)."""


def descriptors_of(channels: Sequence[str]) -> dict[str, Descriptor]:
    """The descriptors that images of these channels have.

    Args:
        channels: their names. Those of cells need one that says nuclei; several give the intensity of each.
    """
    files = FILES if nucleus_channel(channels) is not None else [file for file in FILES if file != CELLS]
    rows = [row for file in files for row in _ROWS[file]]
    if len(channels) > 1:
        rows += [_intensity(name, number) for number, name in enumerate(channels)]
    return {row.name: row for row in rows}


def descriptor(name: str) -> Descriptor | None:
    """The row of a name, for its words; None where it is no descriptor."""
    if name.startswith(INTENSITY):
        return _intensity(name.removeprefix(INTENSITY), 0)
    return DESCRIPTORS.get(name)


_UNITS = {"px": "px", "deg": "°", "um": "µm", "um2": "µm²"}


def titled(name: str, kind: str) -> str:
    """A thing as one reads it: a descriptor's title, a column with its unit apart."""
    row = descriptor(name) if kind == "descriptor" else None
    if row is not None:
        return row.title
    words = name.replace("_", " ").split()
    unit = _UNITS.get(words[-1]) if len(words) > 1 else None
    return f"{' '.join(words[:-1])} ({unit})" if unit else " ".join(words)


def describe(pixels: Array, *, max_value: float, channels: Sequence[str] = (), px: float = 1.0) -> dict[str, Array]:
    """Every descriptor of some images.

    Args:
        pixels: (B, C, H, W) uint8, uint16 or float.
        max_value: the value that stands for 1.
        channels: their names, see `descriptors_of`.
        px: of the image as it is stored in one px here.

    Returns:
        {name: (B,) float32}, NaN where one is undefined (no object, one grey value).
    """
    batch = ImageBatch(pixels.astype(np.float32) / np.float32(max_value), nucleus_channel(channels), px)
    rows = descriptors_of(channels)
    return {name: np.asarray(row.measure(batch), dtype=np.float32) for name, row in rows.items()}


def _intensity(channel: str, number: int) -> Descriptor:
    return Descriptor(
        INTENSITY + channel,
        f"intensity of {channel}",
        unit="",
        more=f"more {channel}",
        less=f"less {channel}",
        sentence=f"Mean of channel {channel} over the whole picture, 0 black to 1 full.",
        measure=partial(_mean_of, number=number),
        cost_s=0.01,
    )


def _mean_of(batch: ImageBatch, number: int) -> Array:
    return np.asarray(batch.pixels[:, number].mean(axis=(1, 2)))
