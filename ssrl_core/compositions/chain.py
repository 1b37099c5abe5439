"""One run of consecutive geometric steps, rendered with one resampling."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ssrl_core.compositions import geometry, separable, warp
from ssrl_core.compositions.geometry import Placement
from ssrl_core.compositions.pixels import Pixels, send


def render(source: Pixels, rows: Tensor, chain: Sequence[Placement]) -> Tensor:
    """The images after all placements of a chain.

    Each image takes the cheapest way that is exact for it, whatever its neighbours in the batch need: a copy, rows and
    columns apart, or a look-up point by point.

    Args:
        source: images that are taken from.
        rows: (n,) int64 on the device of source.
        chain: placements of the n outputs, in the order of the steps; not empty.

    Returns:
        (n, C, h, w) float32 in 0..1.
    """
    same = geometry.untouched(chain)
    upright = geometry.upright(chain) & ~same
    ways = ((same, _copied), (upright, separable.resample), (~(same | upright), warp.resample))
    out: Tensor | None = None
    for mask, way in ways:
        if mask.all():
            return way(source, rows, chain)
        if mask.any():
            members = np.flatnonzero(mask)
            some = send(members, source.device, torch.int64)
            part = way(source, rows.index_select(0, some), [step.take(members) for step in chain])
            out = torch.empty((len(rows), *part.shape[1:]), device=source.device) if out is None else out
            out.index_copy_(0, some, part)
    return source.take(rows) if out is None else out


def _copied(source: Pixels, rows: Tensor, chain: Sequence[Placement]) -> Tensor:
    return source.take(rows)
