"""Where a training runs, in what precision, which images come when, and their pixels on the device."""

from __future__ import annotations

import mmap
import os
import weakref
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ssrl_core.compositions.pixels import send
from ssrl_core.errors import DataError, SpecError


def pick_device(name: str) -> torch.device:
    """The device of a name: auto (CUDA where there is one, else the CPU), cpu, cuda:0, mps.

    Raises:
        SpecError: a device that this machine does not have.
    """
    if name == "auto":
        return torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        present = _is_present(device)
    except RuntimeError:
        present = False
    if not present:
        raise SpecError.at(
            "Run", "device", "a device of this machine: " + ", ".join(["auto", *_present()]), name, "Use auto."
        )
    return device


def training_precision(name: str, device: torch.device) -> torch.dtype | None:
    """The autocast type of a precision setting, None for float32. "auto" is bf16 on CUDA from compute capability 8."""
    if name == "bf16":
        return torch.bfloat16
    if name == "auto" and device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False):
        return torch.bfloat16
    return None


def _is_present(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count()
    if device.type == "mps":
        return torch.backends.mps.is_available()
    return device.type == "cpu"


def _present() -> list[str]:
    cards = [f"cuda:{i}" for i in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    return ["cpu", *cards, *(["mps"] if torch.backends.mps.is_available() else [])]


_CPU_RESIDENT_BYTES = 2_000_000_000
_CUDA_SHARE = 0.4  # of the free memory; activations need the rest
_READERS = 4
_TYPES = {"uint8": torch.uint8, "uint16": torch.uint16}
_SAME_BITS = {torch.uint16: torch.int16}  # uint16 tensors cannot be indexed, int16 ones can


def epoch_order(count: int, *, seed: int, epoch: int) -> NDArray[np.int64]:
    """A permutation of 0..count-1 that depends on seed and epoch alone: the same on every device and numpy."""
    keys = np.random.Philox(key=[seed, epoch]).random_raw(count)
    return np.argsort(keys, kind="stable").astype(np.int64)


class PixelBank:
    """Pixels of some images: resident on the device when they fit, else read from the file, a batch ahead.

    Args:
        pixels: (N,C,H,W) uint8 or uint16, an array or a memory map.
        image_ids: (n,) the images that will be asked for; row r of the bank is image `image_ids[r]`.
    """

    def __init__(self, pixels: NDArray[Any], image_ids: NDArray[np.int64], device: torch.device) -> None:
        self.pixels, self.image_ids, self.device = pixels, image_ids, device
        one = int(np.prod(pixels.shape[1:])) * pixels.dtype.itemsize
        self.resident: Tensor | None = None
        self._coming: tuple[NDArray[np.int64], Tensor, list[Future[None]]] | None = None
        if one * len(image_ids) <= _resident_limit(device):
            whole = torch.from_numpy(np.ascontiguousarray(pixels[image_ids]))
            self.type = whole.dtype
            self.resident = whole.view(_SAME_BITS.get(whole.dtype, whole.dtype)).to(device)

    def batch(self, rows: NDArray[np.int64]) -> Tensor:
        """(B,C,H,W) pixels of these rows, in the file's type, on the device.

        Raises:
            DataError: the file ends before them.
        """
        if self.resident is not None:
            return self.resident.index_select(0, send(rows, self.device, torch.int64)).view(self.type)
        coming, self._coming = self._coming, None
        if coming is not None and np.array_equal(coming[0], rows):
            _, chunk, readings = coming
        else:
            chunk, readings = self._reading(rows)
        for reading in readings:
            reading.result()
        return chunk.to(self.device, non_blocking=True)

    def ahead(self, rows: NDArray[np.int64]) -> None:
        """Begin to read what `batch` will be asked for next, while the device is at work."""
        if self.resident is None:
            self._coming = (rows, *self._reading(rows))

    @cached_property
    def _file(self) -> _RowFile:
        return _RowFile(self.pixels)

    def _reading(self, rows: NDArray[np.int64]) -> tuple[Tensor, list[Future[None]]]:
        return self._file.read(self.image_ids[rows], pinned=self.device.type == "cuda")


class _RowFile:
    """Rows of an array that lies in a file, read by several threads at once: a disk answers many questions faster.

    Pinned memory comes from torch's own pool, which gives a block out again once its copy to the card is over.
    """

    def __init__(self, pixels: NDArray[Any]) -> None:
        self._readers = _READERS if isinstance(pixels, np.ndarray) else max(_READERS, os.cpu_count() or 1)  # decoding
        self._pixels, self._file, self._threads = pixels, None, ThreadPoolExecutor(self._readers, "pixels")
        weakref.finalize(self, self._threads.shutdown, wait=False)
        if isinstance(pixels, np.memmap) and isinstance(pixels.base, mmap.mmap) and hasattr(os, "preadv"):
            self._file = os.open(str(pixels.filename), os.O_RDONLY)
            weakref.finalize(self, os.close, self._file)

    def read(self, ids: NDArray[np.int64], *, pinned: bool) -> tuple[Tensor, list[Future[None]]]:
        """A tensor that is being filled with these images, and what to wait for."""
        shape = (len(ids), *self._pixels.shape[1:])
        if pinned:
            chunk = torch.empty(shape, dtype=_TYPES[self._pixels.dtype.name], pin_memory=True)
        else:
            chunk = torch.from_numpy(np.empty(shape, self._pixels.dtype))
        into, parts = chunk.numpy(), np.array_split(np.arange(len(ids)), min(self._readers, len(ids)))
        return chunk, [self._threads.submit(self._fill, into, ids, part) for part in parts]

    def _fill(self, into: NDArray[Any], ids: NDArray[np.int64], places: NDArray[np.int64]) -> None:
        if self._file is None:
            into[places] = self._pixels[ids[places]]
            return
        one, begins = into[0].nbytes, int(self._pixels.offset)  # type: ignore[attr-defined]
        for place in places:
            left = memoryview(into[place].reshape(-1).view(np.uint8))
            at = begins + int(ids[place]) * one
            while len(left):
                got = os.preadv(self._file, [left], at)
                if not got:
                    raise DataError(f"{self._pixels.filename}: the pixels end early. Import the image set again.")  # type: ignore[attr-defined]
                left, at = left[got:], at + got


def _resident_limit(device: torch.device) -> float:
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0] * _CUDA_SHARE
    return _CPU_RESIDENT_BYTES
