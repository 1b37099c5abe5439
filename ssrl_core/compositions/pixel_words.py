"""Random words for each pixel of an image, from a drawn seed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ssrl_core.compositions.laws import Array
from ssrl_core.compositions.philox import philox

if TYPE_CHECKING:
    from torch import Tensor


def pixel_words(images: Tensor, seeds: Array) -> Tensor:
    """(n, C, H, W) int64 in 0..2^32-1 on the device of the images.

    The counter is (row, column, channel // 4, 0); its four words are four channels.

    Args:
        seeds: (n, 2), the key.
    """
    import torch

    from ssrl_core.compositions.pixels import send

    n, channels, height, width = images.shape
    quads = -(-channels // 4)
    key = send(seeds[:, :, None, None, None].astype(np.int64), images.device, torch.int64)
    counter = (
        torch.arange(height, device=images.device).view(1, 1, -1, 1),
        torch.arange(width, device=images.device).view(1, 1, 1, -1),
        torch.arange(quads, device=images.device).view(1, -1, 1, 1),
        0,
    )
    words = philox(counter, (key[:, 0], key[:, 1]))
    shape = (n, quads, height, width)
    return torch.stack([word.expand(shape) for word in words], dim=2).flatten(1, 2)[:, :channels]
