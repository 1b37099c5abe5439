"""One run over several devices: a process (rank) each, which together take the step that one device would take.

Every rank makes the views of its share of the batch and takes them through the encoder; the embeddings are gathered,
with their gradients, in the order of the batch. From there on every rank does the same: heads, loss, queues,
prototypes, Sinkhorn and centre see the whole batch, so that no method needs to know of ranks. Batch norm within the
encoder takes its mean and variance over all ranks. The gradients are those of one device up to the order of sums: each
rank's loss counts 1/N, and gradients are added up over the ranks.

Ranks speak through `torch.distributed`: NCCL between CUDA cards, gloo between processes on a CPU and for what the hosts
agree on.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
from torch import Tensor, distributed, nn

from ssrl_core.errors import SpecError

_PATIENCE = timedelta(minutes=30)  # a rank that is first waits for one that reads its images from a slow disk


@dataclass(frozen=True)
class Ranks:
    """The processes of one run; `ALONE` is the only one there is.

    Attributes:
        rank: number of this process; rank 0 writes, reports and decides.
        count: how many there are.
        place: number of this process on its machine, which says what card is its own.
    """

    rank: int = 0
    count: int = 1
    place: int = 0

    @property
    def leads(self) -> bool:
        """Whether this is rank 0."""
        return self.rank == 0

    def share(self, items: Any) -> Any:
        """This rank's part of a batch, whose length the number of ranks divides."""
        part = len(items) // self.count
        return items[self.rank * part : (self.rank + 1) * part]

    def gather(self, rows: Tensor) -> Tensor:
        """(B/N,D) of each rank to (B,D) on all of them, in the order of the ranks; gradients find their way back."""
        return rows if self.count == 1 else _gathered(rows, self)

    def total(self, values: Tensor) -> Tensor:
        """Sum over the ranks; gradients are summed too."""
        return values if self.count == 1 else _summed(values)

    def add_gradients(self, parameters: Iterable[Tensor]) -> None:
        """Each gradient becomes the sum over the ranks, in one message for each type."""
        if self.count == 1:
            return
        found: dict[torch.dtype, list[Tensor]] = {}
        for parameter in parameters:
            if parameter.grad is not None:
                found.setdefault(parameter.grad.dtype, []).append(parameter.grad)
        for gradients in found.values():
            flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
            distributed.all_reduce(flat)
            parts = torch.split(flat, [gradient.numel() for gradient in gradients])
            torch._foreach_copy_(gradients, [p.view(g.shape) for p, g in zip(parts, gradients, strict=True)])

    def same(self, tensors: Iterable[Tensor]) -> None:
        """Everybody takes rank 0's values: on a GPU, sums of one epoch may differ in their last bits."""
        if self.count > 1:
            for tensor in tensors:
                plain = tensor.contiguous()
                distributed.broadcast(plain, 0)
                tensor.copy_(plain)

    def agree(self, decision: bool) -> bool:
        """What rank 0 decides; the hosts speak, no device waits."""
        if self.count == 1:
            return decision
        told = torch.tensor([decision], dtype=torch.uint8)
        distributed.broadcast(told, 0)
        return bool(told[0])

    def told(self, something: Any) -> Any:
        """What rank 0 has (tensors, numbers, texts), on every rank."""
        if self.count == 1:
            return something
        held = [something]
        distributed.broadcast_object_list(held, 0, device=torch.device("cpu"))
        return held[0]

    def leave(self) -> None:
        """Let go of the others."""
        if self.count > 1 and distributed.is_initialized():
            distributed.destroy_process_group()


ALONE = Ranks()


def join(rank: int, count: int, meeting: str, device: torch.device, *, place: int | None = None) -> Ranks:
    """Meet the other ranks; returns when all are there.

    Args:
        meeting: where, as torch names it: `file:///…/meeting`, `tcp://host:port` or `env://`.
        device: that the run names.
        place: of this process on its machine; the rank, where all are on one.
    """
    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
    distributed.init_process_group(backend, init_method=meeting, rank=rank, world_size=count, timeout=_PATIENCE)
    return Ranks(rank, count, rank if place is None else place)


def rank_device(place: int, device: torch.device) -> torch.device:
    """Each rank of a machine has a card of its own, from the first on that the run may see; on a CPU all share it."""
    if device.type != "cuda" or place == 0:
        return device
    chosen = torch.device("cuda", (device.index or 0) + place)
    torch.cuda.set_device(chosen)
    return chosen


def how_many(asked: int | str, device: torch.device, part: int, *, machines: int = 1) -> int:
    """Ranks of a run.

    Args:
        asked: a number, or `auto`: as many cards as there are and the batch can be dealt out to.
        part: images of one forward pass over all ranks.
        machines: that are alike this one, itself included.

    Raises:
        SpecError: more than there are cards.
    """
    cards = machines * (torch.cuda.device_count() - (device.index or 0) if device.type == "cuda" else 1)
    if asked == "auto":
        return max(count for count in range(1, max(1, cards) + 1) if part % count == 0)
    count = int(asked)
    if device.type == "cuda" and count > cards:
        raise SpecError.at("Run", "devices", f"at most {cards}, the cards that it may use", count, "Use auto.")
    return count


def lost_another(error: RuntimeError) -> bool:
    """Whether an error of torch says that another rank is gone."""
    words = ("gloo/", "Connection closed by peer", "Connection reset by peer", "NCCL")
    return isinstance(error, distributed.DistError) or any(word in str(error) for word in words)


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, rows: Tensor, ranks: Ranks) -> Tensor:
        context.ranks = ranks
        parts = [torch.empty_like(rows) for _ in range(ranks.count)]
        distributed.all_gather(parts, rows.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        whole = gradients[0].contiguous().clone()
        distributed.all_reduce(whole)
        return context.ranks.share(whole), None


class _Sum(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, values: Tensor) -> Tensor:
        total = values.contiguous().clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> Tensor:
        total = gradients[0].contiguous().clone()
        distributed.all_reduce(total)
        return total


def _gathered(rows: Tensor, ranks: Ranks) -> Tensor:
    made: Tensor = _Gather.apply(rows, ranks)  # type: ignore[no-untyped-call]
    return made


def _summed(values: Tensor) -> Tensor:
    made: Tensor = _Sum.apply(values)  # type: ignore[no-untyped-call]
    return made


class SharedNorm(nn.modules.batchnorm._BatchNorm):
    """Batch norm whose mean and variance are those of all ranks' images; in evaluation as ever.

    torch's own `SyncBatchNorm` does the same on CUDA alone, and so could not be tried without cards.
    """

    ranks = ALONE

    def forward(self, x: Tensor) -> Tensor:
        """(B/N,C,…) to the same shape and type."""
        if not self.training or self.ranks.count == 1:
            return super().forward(x)
        exact = x if x.dtype == torch.float64 else x.float()
        axes = [axis for axis in range(x.ndim) if axis != 1]
        shape = [1, -1] + [1] * (x.ndim - 2)
        count = self.ranks.count  # shares are of one size
        mean = self.ranks.total(exact.mean(axes)) / count
        centred = exact - mean.view(shape)
        variance = self.ranks.total(centred.square().mean(axes)) / count
        self._remember(mean.detach(), variance.detach(), count * x.numel() // x.shape[1])
        made = centred * (variance + self.eps).rsqrt().view(shape)
        if self.weight is not None:
            made = made * self.weight.view(shape) + self.bias.view(shape)
        return made.to(x.dtype)

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor, values: int) -> None:
        """The running mean and (unbiased) variance move on, as torch's do."""
        if self.running_mean is None or self.running_var is None:
            return
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
        share = 0.1 if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), share)
        unbiased = variance * (values / max(1, values - 1))
        self.running_var.lerp_(unbiased.to(self.running_var.dtype), share)

    def _check_input_dim(self, input: Tensor) -> None:
        """Any number of axes from two on."""


def share_norms(network: nn.Module, ranks: Ranks) -> None:
    """Every batch norm of a network becomes one over all ranks; names and values stay.

    Raises:
        SpecError: a norm of a kind of its own, which would see its rank's images alone.
    """
    for module in network.modules():
        if not isinstance(module, nn.modules.batchnorm._BatchNorm):
            continue
        if type(module) not in (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d):
            remedy = "Use one device, or another backbone."
            raise SpecError.at("Run", "devices", "1 for a backbone with such a norm", type(module).__name__, remedy)
        module.__class__ = SharedNorm
        module.ranks = ranks  # type: ignore[assignment]
