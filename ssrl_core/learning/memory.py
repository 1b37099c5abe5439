"""How much memory a step will take, and the largest batch that fits, without taking it: tensors without numbers.

One step of the method's own code runs on fake tensors: every storage that it would hold is counted from its birth to
its end, through forward, backward and optimizer. What libraries take beside (contexts, workspaces of convolutions) is
not seen; `RESERVE` stands for it on a card.
"""

from __future__ import annotations

import weakref
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ssrl_core.compositions.views import view_side
from ssrl_core.datasets.imageset import ImageSet
from ssrl_core.learning.embedding import fresh_encoder
from ssrl_core.learning.methods import build_method
from ssrl_core.learning.methods.base import Method, Setup, Views
from ssrl_core.learning.optimizers import build_optimizer
from ssrl_core.learning.training import arranged, conditions_of
from ssrl_core.specs.composition import Composition
from ssrl_core.specs.run import RunSpec

RESERVE = 1_200_000_000
"""Bytes of a card that torch's context and the libraries' workspaces take."""
_LINES = 2


def step_bytes(spec: RunSpec, imageset: ImageSet, images: int) -> int:
    """The most bytes that a step holds at once: weights, gradients, optimizer, teacher, queues, views, activations.

    Against what torch's allocator counts on a CPU: 3 to 11 % too low in what was tried.

    Args:
        images: of one forward pass; the batch of the spec, divided by `accumulate`, or a number to try.
    """
    settings = dict(spec.method.settings)
    if settings.get("queue_size", images) % images:
        settings["queue_size"] = -(-settings["queue_size"] // images) * images  # the next that a batch divides
    if "whitening_size" in settings:
        settings["whitening_size"] = images  # any number of images is tried, groups or not
    conditions = conditions_of(spec, imageset)
    setup = Setup(
        batch_size=images,
        images=max(images, len(imageset.split_ids("train", limit_train=spec.limit_train))),
        terms=len(spec.terms),
        own_heads=spec.heads == "per_term",
        seed=spec.seed,
        precision=torch.bfloat16 if spec.precision == "bf16" else None,
        told=0 if conditions is None else conditions.width,
    )
    method = build_method(spec.method.name, fresh_encoder(spec, imageset), settings, setup)
    with FakeTensorMode(allow_non_fake_inputs=True), _Living() as living:
        _emptied(method)
        optimizer = build_optimizer(spec.optimizer.name, method, lr=0.1, weight_decay=0.1)
        for _ in range(2):  # the optimizer's own memory comes with the first
            total = torch.zeros(())
            for number, term in enumerate(spec.terms):
                method.term = number
                views, places = _views(term.composition, imageset, images, setup.told), torch.empty(images).long()
                total = total + method.term_loss(number, views, places).loss
            torch.autograd.backward(total)
            method.after_backward()
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            del total
        peak: int = living.peak
    return peak


def largest_batch(spec: RunSpec, imageset: ImageSet, free_bytes: float) -> int:
    """Images of one forward pass that a memory holds: 0 where not even two do.

    A pass takes nearly the same by the image, once it has so many that activations outweigh the optimizer: the line
    through two such numbers is followed, and drawn anew where it led.
    """
    room = free_bytes - RESERVE
    if step_bytes(spec, imageset, 2) > room:
        return 0
    images, other = 512, 1024
    held, other_held = (step_bytes(spec, imageset, count) for count in (images, other))
    for _ in range(_LINES):
        each = (other_held - held) / (other - images)
        found = max(2, int(other + (room - other_held) / each))
        if found in (images, other):
            break
        images, held, other = other, other_held, found
        other_held = step_bytes(spec, imageset, found)
    return other


class _Living(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Bytes of all storages that are alive, and the most there were."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = self.peak = 0
        self._known: weakref.WeakSet[Any] = weakref.WeakSet()

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = function(*args, **(kwargs or {}))
        for value in tree_leaves(made):
            if isinstance(value, Tensor):
                self._count(value)
        return made

    def _count(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        if storage in self._known:
            return
        self._known.add(storage)
        size = storage.nbytes()
        self.now += size
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._ended, size)

    def _ended(self, size: int) -> None:
        self.now -= size


def _emptied(method: Method) -> None:
    """Its weights and buffers as tensors without numbers."""
    for part in method.modules():
        for name, weight in part._parameters.items():
            if weight is not None:
                empty = torch.empty(weight.shape, dtype=weight.dtype)
                part._parameters[name] = nn.Parameter(empty, requires_grad=weight.requires_grad)
        for name, value in part._buffers.items():
            if value is not None:
                part._buffers[name] = torch.empty(value.shape, dtype=value.dtype)


def _views(composition: Composition, imageset: ImageSet, images: int, told: int) -> Views:
    sides = [view_side(group, imageset.shape[1:]) for group in composition.views]
    shapes = [(group.count, images) for group in composition.views]
    pixels = [torch.empty((*shape, imageset.shape[0], s, s)) for shape, s in zip(shapes, sides, strict=True)]
    return arranged(composition, pixels, [torch.empty((*shape, told)) for shape in shapes] if told else None)
