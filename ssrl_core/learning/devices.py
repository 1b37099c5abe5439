"""Where a training runs, and in what precision."""

from __future__ import annotations

import torch

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
        raise SpecError(
            where="Run",
            field="device",
            rule="a device of this machine: " + ", ".join(["auto", *_present()]),
            value=name,
            remedy="Use auto.",
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
