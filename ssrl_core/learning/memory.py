"""When the memory of a device does not suffice: which batch would fit?"""

from __future__ import annotations

import traceback
from pathlib import Path

import torch

from ssrl_core.errors import RunError
from ssrl_core.learning.training import Training


def lacks_memory(error: RuntimeError) -> bool:
    """Whether an error of torch says that a device's memory ran out."""
    return isinstance(error, torch.OutOfMemoryError) or "allocate memory" in str(error)


def out_of_memory(error: RuntimeError, training: Training, folder: Path) -> RunError:
    """The error to raise, with a batch that fits in its remedy: tried, not guessed."""
    traceback.clear_frames(error.__traceback__)  # else its frames hold the activations that filled the memory
    spec, part = training.spec, training.spec.batch_size // training.spec.accumulate
    fitting = _fitting(training, part)
    if fitting is None:
        remedy = "Not even two images fit: choose a smaller backbone, smaller views, or a device with more memory."
    else:
        remedy = f"{fitting} at a time fit: set accumulate to {spec.batch_size // fitting}, or batch_size to {fitting}."
    return RunError(
        where=folder.name,
        field="batch_size",
        rule="small enough for the device's memory",
        value=f"{part} images at a time",
        remedy=remedy,
    )


def _fitting(training: Training, part: int) -> int | None:
    """The first divisor of the batch, at most half as large each time, that passes forward and backward."""
    batch = training.spec.batch_size
    while (part := max(d for d in range(1, max(2, part // 2 + 1)) if batch % d == 0)) >= 2:
        training.optimizer.zero_grad(set_to_none=True)
        if training.device.type == "cuda":
            torch.cuda.empty_cache()
        try:
            training.rehearse(part)
        except RuntimeError as error:
            if not lacks_memory(error):
                raise
            traceback.clear_frames(error.__traceback__)
        else:
            return part
    return None
