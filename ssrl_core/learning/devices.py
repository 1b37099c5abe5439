"""Where a training runs, in what precision, which images come when, and their pixels on the device."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ssrl_core.compositions.pixels import send
from ssrl_core.errors import SpecError


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
_SAME_BITS = {torch.uint16: torch.int16}  # uint16 tensors cannot be indexed, int16 ones can


def epoch_order(count: int, *, seed: int, epoch: int) -> NDArray[np.int64]:
    """A permutation of 0..count-1 that depends on seed and epoch alone: the same on every device and numpy."""
    keys = np.random.Philox(key=[seed, epoch]).random_raw(count)
    return np.argsort(keys, kind="stable").astype(np.int64)


class PixelBank:
    """Pixels of some images: resident on the device when they fit, else read from the file batch by batch.

    Args:
        pixels: (N,C,H,W) uint8 or uint16, an array or a memory map.
        image_ids: (n,) the images that will be asked for; row r of the bank is image `image_ids[r]`.
    """

    def __init__(self, pixels: NDArray[Any], image_ids: NDArray[np.int64], device: torch.device) -> None:
        self.pixels, self.image_ids, self.device = pixels, image_ids, device
        one = int(np.prod(pixels.shape[1:])) * pixels.dtype.itemsize
        self.resident: Tensor | None = None
        if one * len(image_ids) <= _resident_limit(device):
            whole = torch.from_numpy(np.ascontiguousarray(pixels[image_ids]))
            self.type = whole.dtype
            self.resident = whole.view(_SAME_BITS.get(whole.dtype, whole.dtype)).to(device)

    def batch(self, rows: NDArray[np.int64]) -> Tensor:
        """(B,C,H,W) pixels of these rows, in the file's type, on the device."""
        if self.resident is not None:
            return self.resident.index_select(0, send(rows, self.device, torch.int64)).view(self.type)
        chunk = torch.from_numpy(np.ascontiguousarray(self.pixels[self.image_ids[rows]]))
        if self.device.type == "cuda":
            chunk = chunk.pin_memory()
        return chunk.to(self.device, non_blocking=True)


def _resident_limit(device: torch.device) -> float:
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0] * _CUDA_SHARE
    return _CPU_RESIDENT_BYTES
