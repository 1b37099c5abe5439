"""Pixels as they come (8 bit, 16 bit, float; numpy or torch) and as the transforms want them: float32 in 0..1."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ssrl_core.errors import DataError, SpecError

_INTEGERS = {torch.uint8: 255, torch.uint16: 65535}
HUGE = 1 << 24
"""Values of one image above which it is never copied whole as float32 unless a step needs it."""


_STAGED = 1 << 16
"""Bytes that CUDA takes from ordinary memory without letting the host wait."""


def send(values: Any, device: torch.device, dtype: torch.dtype | None = torch.float32) -> Tensor:
    """A small array from the host to the device, without waiting for it; what is there already stays.

    Args:
        dtype: that it gets; None: its own.
    """
    if isinstance(values, Tensor):
        return values.to(dtype=dtype)
    here = torch.from_numpy(np.ascontiguousarray(values)).to(dtype=dtype)
    if device.type == "cuda" and here.nbytes > _STAGED:
        here = here.pin_memory()
    return here.to(device, non_blocking=True)


class Pixels:
    """Images to take from, in their own type.

    Args:
        images: (N, C, H, W) uint8, uint16 or float tensor.
        max_value: the pixel value that becomes 1; brighter ones count as 1.
    """

    def __init__(self, images: Tensor, max_value: float = 1.0) -> None:
        self.images = images.contiguous()
        self.max_value = float(max_value)

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, C, H, W)."""
        return tuple(self.images.shape)

    @property
    def device(self) -> torch.device:
        """Where the images are."""
        return self.images.device

    def take(self, rows: Tensor) -> Tensor:
        """(n, C, H, W) float32 in 0..1: a copy of some of the images."""
        return self._unit(_select(self.images, rows))

    def lines(self, index: Tensor) -> Tensor:
        """(m, W) float32 in 0..1: rows of pixels, counted through all images and channels."""
        return self._unit(_select(self.images.view(-1, self.shape[3]), index))

    def _unit(self, values: Tensor) -> Tensor:
        out = values.view(self.images.dtype).to(torch.float32)
        if self.max_value != 1.0:
            out = out.div_(self.max_value)
        top = _INTEGERS.get(self.images.dtype)
        return out.clamp_(max=1.0) if top is not None and self.max_value < top else out


def _select(images: Tensor, rows: Tensor) -> Tensor:
    # torch indexes few things as uint16; the bits travel as int16
    carried = images.view(torch.int16) if images.dtype == torch.uint16 else images
    return carried.index_select(0, rows)


def checked(pixels: Any, max_value: float, where: str) -> Pixels:
    """The images, refused where they are not images.

    Raises:
        DataError: a wrong shape or type, NaN or infinity, floats outside 0..max_value.
        SpecError: a max_value that is not a positive number.
    """
    if not np.isfinite(max_value) or max_value <= 0:
        raise SpecError.at(where, "max_value", "above 0", max_value, "Take the image set's max_value.")
    images = _tensor(pixels, where)
    if images.ndim != 4 or 0 in images.shape[1:]:
        raise DataError.at(
            where,
            "pixels",
            "(images, channels, height, width), none of the last three 0",
            tuple(images.shape),
            "One image needs a first axis of length 1.",
        )
    if images.dtype in _INTEGERS:
        return Pixels(images, max_value)
    if not images.dtype.is_floating_point:
        raise DataError.at(where, "pixels", "uint8, uint16 or float", str(images.dtype), "Convert them first.")
    images = images.to(torch.float32)
    _check_floats(images, max_value, where)
    return Pixels(images, max_value)


def _tensor(pixels: Any, where: str) -> Tensor:
    if isinstance(pixels, Tensor):
        return pixels.detach()
    array = np.asarray(pixels)
    if array.dtype.kind not in "uif":
        raise DataError.at(where, "pixels", "numbers", str(array.dtype), "Pass uint8, uint16 or float images.")
    if not array.flags.writeable or not array.flags.c_contiguous or not array.dtype.isnative:
        array = np.array(array, dtype=array.dtype.newbyteorder("="), order="C")
    return torch.from_numpy(array)


def _check_floats(images: Tensor, max_value: float, where: str) -> None:
    if not images.numel():
        return
    low, high = float(images.amin()), float(images.amax())
    if not (low >= 0.0 and high <= max_value):
        found = "NaN" if low != low or high != high else f"{low:g}..{high:g}"
        raise DataError.at(
            where,
            "pixels",
            f"in 0..{max_value:g}",
            found,
            "Scale the images, and replace missing values, before they are used.",
        )
