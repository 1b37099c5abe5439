"""Resampling of images whose rows and columns stay apart: cut, mirrored, shifted, padded, resized.

Each output row is a weighted sum of a few input rows, then each output column of a few columns. Only elementwise
arithmetic and gathers, summed tap by tap: the same bits in any batch and on every device (a matrix product would be
neither), and the identity keeps every byte.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from ssrl_core.compositions.geometry import Placement
from ssrl_core.compositions.pixels import Pixels
from ssrl_core.compositions.taps import Taps, axis_of, taps


def resample(source: Pixels, rows: Tensor, chain: Sequence[Placement]) -> Tensor:
    """Render images that `geometry.upright` found.

    Args:
        source: images that are taken from.
        rows: (n,) int64 on the device of source: which of them each output takes.
        chain: placements of the n outputs, in the order of the steps.

    Returns:
        (n, C, h, w) float32 in the last frame.
    """
    down, across = axis_of(chain, 1), axis_of(chain, 0)
    row_taps, column_taps = taps(down, source.device), taps(across, source.device)
    out = source.take(rows) if down.still else _rows(source, rows, row_taps)
    out = out if across.still else _columns(out, column_taps)
    for (fill, y0, y1), (_, x0, x1) in zip(row_taps.seen, column_taps.seen, strict=True):
        if fill:
            lost = y0[:, :, None] * x0[:, None, :] - y1[:, :, None] * x1[:, None, :]
            out += (lost * fill).to(torch.float32)[:, None]
    return out.clamp_(0.0, 1.0)


def _rows(source: Pixels, rows: Tensor, down: Taps) -> Tensor:
    channels, height, width = source.shape[1:]
    plane = rows[:, None] * channels + torch.arange(channels, device=rows.device)
    shape = (len(rows), channels, -1, width)

    def parts() -> Iterator[Tensor]:
        for index, weight in zip(down.index, down.weights, strict=True):
            line = (plane[:, :, None] * height + index[:, None, :]).reshape(-1)
            yield source.lines(line).view(shape).mul_(weight[:, None, :, None])

    return _added(parts())


def _columns(images: Tensor, across: Taps) -> Tensor:
    shape = (*images.shape[:3], across.index.shape[2])
    return _added(
        torch.gather(images, 3, index[:, None, None, :].expand(shape)).mul_(weight[:, None, None, :])
        for index, weight in zip(across.index, across.weights, strict=True)
    )


def _added(parts: Iterator[Tensor]) -> Tensor:
    out = next(parts)
    for part in parts:
        out += part
    return out
