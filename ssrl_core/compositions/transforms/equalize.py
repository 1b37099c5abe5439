"""Brightness values spread evenly over the whole range, in each channel of each image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ssrl_core.compositions import Array
from ssrl_core.specs.composition import Step

if TYPE_CHECKING:
    from torch import Tensor

    from ssrl_core.compositions.plan import Change

SLOTS = 0
BINS = 256


def apply(images: Tensor, step: Step, values: dict[str, Array]) -> Tensor:
    """Through a table of 256 values, in whole numbers.

    Source: torchvision.transforms.v2.functional.equalize on float images: bin = floor(x · 255.999); with step = (pixels
    not in the brightest bin that occurs) // 255, the table is (pixels in darker bins + step // 2) // step; a channel
    with step 0 (nearly constant) stays as it is.
    """
    import torch

    flat = images.reshape(images.shape[0] * images.shape[1], -1)
    bins = (flat * (BINS - 1e-3)).to(torch.int64)
    counts = torch.zeros((len(flat), BINS), dtype=torch.int64, device=images.device)
    counts.scatter_add_(1, bins, torch.ones_like(bins))
    numbers = torch.arange(BINS, device=images.device)
    brightest = (numbers * (counts > 0)).amax(1, keepdim=True)
    width = (flat.shape[1] - counts.gather(1, brightest)) // (BINS - 1)
    darker = counts.cumsum(1) - counts
    table = ((darker + width // 2) // width.clamp(min=1)).clamp(max=BINS - 1).to(torch.float32) / (BINS - 1)
    return torch.where(width > 0, table.gather(1, bins), flat).view(images.shape)


def compiled(step: Step, values: dict[str, Array], applied: Array) -> Change:
    """The same, counted in one pass and looked up in a second."""
    from ssrl_core.compositions.kernels import values as kernels

    return lambda images, first: kernels.equalize(images.reshape(*images.shape[:2], -1), first, applied)


def describe(step: Step, values: dict[str, Any]) -> str:
    """For people."""
    return "brightness spread evenly"
