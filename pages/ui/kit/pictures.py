"""Views as pictures, quickly: what `datasets.pictures.to_rgb` gives, computed on tensors without copying them often."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ssrl_core.datasets.imageset import Channel

Array = np.ndarray[Any, Any]
_RGB = ("#ff0000", "#00ff00", "#0000ff")


def shown_limits(pixels: Array, channels: Sequence[Channel], max_value: int) -> Array:
    """(C, 2) in 0..1: what is shown black and full, by `to_rgb`'s rule, the same for the source and all its views.

    Args:
        pixels: (B, C, H, W) uint8 or uint16, the source images.
        channels: C channels; one that has a window of its own is shown in it.
    """
    from ssrl_core.datasets.pictures import percentile_limits, with_windows

    stretched = pixels.dtype == np.uint16
    limits = percentile_limits(pixels) / max_value if stretched else np.tile([0.0, 1.0], (pixels.shape[1], 1))
    return with_windows(limits, channels, max_value=max_value)


def pictures(views: Any, channels: Any, limits: Array) -> Array:
    """Pictures of views.

    Args:
        views: (n, C, H, W) float32 tensor in 0..1.
        channels: C channels with their colours.
        limits: (C, 2) in 0..1.

    Returns:
        (n, H, W, 3) uint8.
    """
    import torch

    if not np.array_equal(limits, np.tile([0.0, 1.0], (len(limits), 1))):
        low = torch.from_numpy(limits[:, :1, None].astype(np.float32))
        span = torch.from_numpy(np.maximum(limits[:, 1:, None] - limits[:, :1, None], 1e-9).astype(np.float32))
        views = ((views - low) / span).clamp_(0, 1)
    colours = [channel.colour.lower() for channel in channels]
    if len(colours) > 1 and tuple(colours) != _RGB:
        table = [[int(colour[at : at + 2], 16) / 255 for colour in colours] for at in (1, 3, 5)]
        mix = torch.tensor(table, dtype=torch.float32)
        views = torch.matmul(mix, views.flatten(2)).clamp_(0, 1).unflatten(2, views.shape[-2:])
    bytes_ = views.mul(255).round_().to(torch.uint8)
    if len(colours) == 1:
        bytes_ = bytes_.expand(-1, 3, -1, -1)
    return bytes_.permute(0, 2, 3, 1).contiguous().numpy()


def fitted(rgb: Array, side: tuple[int, int]) -> Array:
    """(B, H, W, 3) at the size of a cell: as it is, enlarged pixel by pixel, or made smaller by averaging.

    A picture that is not square gets dark bars rather than another shape.
    """
    rgb = _squared(rgb) if side[0] == side[1] else rgb
    if rgb.shape[1:3] == tuple(side):
        return rgb
    from PIL import Image

    height, width = side
    how = Image.Resampling.BOX if rgb.shape[1] > height else Image.Resampling.NEAREST
    return np.stack([np.asarray(Image.fromarray(image).resize((width, height), how)) for image in rgb])


def _squared(rgb: Array) -> Array:
    from ssrl_core.datasets.pictures import BACKGROUND

    count, height, width = rgb.shape[:3]
    if height == width:
        return rgb
    side = max(height, width)
    square = np.empty((count, side, side, 3), np.uint8)
    square[:] = BACKGROUND
    top, left = (side - height) // 2, (side - width) // 2
    square[:, top : top + height, left : left + width] = rgb
    return square
