"""A queue of projections of earlier batches: a buffer with a place, so that a checkpoint has both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ssrl_core.errors import SpecError


class Queue(nn.Module):
    """The last `size` rows of unit length; it starts with random directions.

    `items` is (size, dim). The size is a multiple of the batch, so that a batch never wraps round the end.
    """

    items: Tensor
    place: Tensor

    def __init__(self, size: int, dim: int) -> None:
        super().__init__()
        self.register_buffer("items", functional.normalize(torch.randn(size, dim), dim=1))
        self.register_buffer("place", torch.zeros(1, dtype=torch.int64))

    @torch.no_grad()
    def push(self, rows: Tensor) -> None:
        """Replace the oldest rows by (B, dim) new ones of unit length."""
        where = (self.place + torch.arange(len(rows), device=rows.device)) % len(self.items)
        self.items.index_copy_(0, where, rows.detach())
        self.place.add_(len(rows)).remainder_(len(self.items))


def nearest(rows: Tensor, queue: Tensor) -> Tensor:
    """(B,D) rows of the queue with the largest dot product; both have unit length."""
    return queue[(rows @ queue.T).argmax(dim=1)]


def check_queue(name: str, settings: Mapping[str, Any], batch_size: int) -> None:
    """Refuse a queue that is no multiple of the batch.

    Raises:
        SpecError: with the nearest size that works.
    """
    size = settings["queue_size"]
    if size % batch_size:
        near = max(1, round(size / batch_size)) * batch_size
        raise SpecError(
            where=f"Method {name}",
            field="queue_size",
            rule=f"a multiple of the {batch_size} images of one pass",
            value=size,
            remedy=f"Set queue_size to {near}.",
        )
