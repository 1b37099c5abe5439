"""A CUDA card that is not there: tensors without numbers that say `cuda`, and every place where the host would wait.

`FakeTensorMode` refuses two tensors on different devices. On top of it a second mode sees what the host asks of the
device: `.item()`, copies to the host, blocking copies to the device, an index that lies on the host, shapes that depend
on values, solvers that ask whether they came to an end. What it cannot show is the backward pass (torch's engine wants
a real context): that one is walked through without being computed.
"""

from __future__ import annotations

import sys
import weakref
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import (
    DynamicOutputShapeException,
    FakeTensor,
    FakeTensorMode,
    unset_fake_temporarily,
)
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ssrl_core.learning.methods.base import Method
from ssrl_core.learning.optimizers import build_optimizer
from ssrl_core.learning.training import Training

CARD = torch.device("cuda:0")
_ROOMS = ("ssrl_core", "tests/learning/test_fake_cuda.py")
_COPIES = ("aten::_to_copy", "aten::copy_", "aten::to", "aten::cpu")
_INDEXED = ("aten::index", "aten::index_put", "aten::index_put_")
_ASKING = (  # linear algebra that reads on the host whether it succeeded
    *("aten::_linalg_check_errors", "aten::_linalg_svd", "aten::_linalg_eigh", "aten::linalg_eig"),
    *("aten::_linalg_eigvals", "aten::linalg_eigvals", "aten::linalg_lstsq"),
)
_STAGED = 1 << 16
"""Bytes that CUDA takes from ordinary memory at once; with more the host may wait, unless they are pinned."""


@dataclass(frozen=True)
class Wait:
    """A place where the host waits for the device: `learning/training.py:88`, and what it asks for."""

    place: str
    operation: str


def assert_waits(found: Iterable[Wait], allowed: dict[str, int] | None = None) -> None:
    """Raise where the host waits at other places, or more often, than allowed: `{"learning/embedding.py copy": 2}`.

    The message names operation, file and line of every wait.
    """
    found = list(found)
    counted = Counter(f"{wait.place.partition(':')[0]} {wait.operation}" for wait in found)
    lines = [f"{times} × {wait.operation} at {wait.place}" for wait, times in Counter(found).items()]
    assert dict(counted) == (allowed or {}), "the host waits:\n" + "\n".join(lines)


class HostWaits(TorchDispatchMode):
    """Notes where the host would wait for the device; hands out zeros where a number was asked for.

    Attributes:
        found: the waits, in order.
    """

    def __init__(self) -> None:
        super().__init__()
        self.found: list[Wait] = []
        self._pinned: weakref.WeakSet[Any] = weakref.WeakSet()

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Let an operation through, or answer in its place."""
        kwargs = kwargs or {}
        name = function._schema.name
        given = [value for value in tree_leaves((args, kwargs)) if isinstance(value, Tensor)]
        if kwargs.pop("pin_memory", False):
            with unset_fake_temporarily():
                return self.pinned(function(*args, **kwargs))
        self._look(name, given, args)
        if name == "aten::_local_scalar_dense" and given[0].is_cuda:
            self._note("item")
            with unset_fake_temporarily():
                return torch.zeros((), dtype=given[0].dtype).item()
        if not any(isinstance(tensor, FakeTensor) for tensor in given) and not _goes_to_card(args, kwargs):
            with unset_fake_temporarily():  # the host's own numbers are real ones
                return function(*args, **kwargs)
        try:
            inferring = name == "aten::to" and not isinstance(given[0], FakeTensor)  # not taken apart into simple ones
            made = torch.empty_like(given[0], device=CARD) if inferring else function(*args, **kwargs)
        except DynamicOutputShapeException as error:
            self._note(name.removeprefix("aten::"))
            raise AssertionError(f"{self.found[-1].place}: a shape that depends on values ({name})") from error
        if name in _COPIES and self._blocks(made, given, _named(function, args, kwargs)):
            self._note("copy")
            if not made.is_cuda:
                with unset_fake_temporarily():
                    return torch.zeros(made.shape, dtype=made.dtype)
        return made

    def pinned(self, tensor: Tensor) -> Tensor:
        """Remember that a tensor on the host lies in pinned memory."""
        self._pinned.add(tensor.untyped_storage())
        return tensor

    def _look(self, name: str, given: list[Tensor], args: Any) -> None:
        """Waits and mixed devices that torch's own fake tensors let pass."""
        if not any(tensor.is_cuda for tensor in given):
            return
        if name in _ASKING:
            self._note(name.removeprefix("aten::"))
        if name in _INDEXED and given[0].is_cuda:
            indices = [index for index in args[1] if index is not None]
            if any(not index.is_cuda for index in indices):
                self._note("index on the host")
            masked = any(index.dtype in (torch.bool, torch.uint8) for index in indices)
            if masked and name != "aten::index" and args[2].numel() > 1:  # of one value it is a masked fill
                self._note("nonzero")
        if name.startswith("aten::_foreach"):
            _refuse_mixed(name, [tensors for tensors in args if isinstance(tensors, list | tuple)])

    def _blocks(self, made: Tensor, given: list[Tensor], named: dict[str, Any]) -> bool:
        crossing = {made.device.type, *(tensor.device.type for tensor in given)} == {"cpu", "cuda"}
        if not crossing or not (named.get("non_blocking") and made.is_cuda):
            return crossing
        host = next(tensor for tensor in given if not tensor.is_cuda)
        return host.nbytes > _STAGED and host.untyped_storage() not in self._pinned

    def _note(self, operation: str) -> None:
        self.found.append(Wait(_place(), operation))


def _refuse_mixed(name: str, lists: list[Any]) -> None:
    """Tensors of one place of the lists must lie on one device, as torch asks of each operation alone."""
    for tensors in zip(*lists, strict=False):
        devices = {tensor.device for tensor in tensors if isinstance(tensor, Tensor) and tensor.ndim}
        if len(devices) > 1:
            raise RuntimeError(f"{name}: tensors must be on the same device, got {sorted(map(str, devices))}")


def _goes_to_card(args: Any, kwargs: Any) -> bool:
    return any(isinstance(value, torch.device) and value.type == "cuda" for value in tree_leaves((args, kwargs)))


def _named(function: Any, args: Any, kwargs: Any) -> dict[str, Any]:
    names = [argument.name for argument in function._schema.arguments]
    return {**dict(zip(names, args, strict=False)), **kwargs}


def _place() -> str:
    """The innermost line of our own that is at work."""
    frame = sys._getframe(1)
    while frame is not None:
        file = frame.f_code.co_filename
        for room in _ROOMS:
            if room in file:
                return f"{file[file.rindex(room) :].removeprefix('ssrl_core/')}:{frame.f_lineno}"
        frame = frame.f_back
    return "?"


@contextmanager
def fake_card(*, free_bytes: float = 1e12) -> Iterator[HostWaits]:
    """Tensors on `cuda` are fake, and the driver's own calls have answers.

    Args:
        free_bytes: what the card says is free.
    """
    driver = {
        "torch.cuda.mem_get_info": lambda *device: (free_bytes, 1e12),
        "torch.cuda.get_rng_state": lambda *device: torch.get_rng_state(),
        "torch.cuda.is_bf16_supported": lambda *flags, **named: True,
        "torch.cuda.amp.common.amp_definitely_not_available": lambda: False,
        "torch.autograd.backward": _walked,
        "ssrl_core.learning.training.build_optimizer": _unfused,  # the fused kernels ask for the driver
        "ssrl_core.learning.devices._is_present": lambda device: True,
    }
    waits = HostWaits()
    with ExitStack() as stack:
        for name, answer in driver.items():
            stack.enter_context(mock.patch(name, answer))
        stack.enter_context(mock.patch.object(Tensor, "pin_memory", lambda tensor: waits.pinned(tensor)))
        stack.enter_context(mock.patch.object(nn.Module, "to", _moved))
        stack.enter_context(FakeTensorMode(allow_non_fake_inputs=True))
        yield stack.enter_context(waits)


_to = nn.Module.to


def _moved(module: nn.Module, *args: Any, **kwargs: Any) -> nn.Module:
    """`Module.to`, which cannot change fake weights in place: they are replaced."""
    if not any(isinstance(value, torch.device) and value.type == "cuda" for value in args):
        return _to(module, *args, **kwargs)
    memo: dict[int, Tensor] = {}
    for part in module.modules():
        for table in (part._parameters, part._buffers):
            for name, value in table.items():
                if value is not None and not value.is_cuda:
                    moved = memo.setdefault(id(value), value.detach().to(CARD))
                    is_weight = isinstance(value, nn.Parameter)
                    table[name] = nn.Parameter(moved, requires_grad=value.requires_grad) if is_weight else moved
    return module


def _unfused(*args: Any, fused: bool, **named: Any) -> Any:
    return build_optimizer(*args, **named)


class FakeTraining(Training):
    """A training on the card that is not there; its weights begin as real ones."""

    def _built(self) -> Method:
        with unset_fake_temporarily():
            return super()._built()


def _walked(loss: Tensor) -> None:
    """Gradients of zeros for every weight that the loss depends on."""
    assert loss.is_cuda
    assert loss.ndim == 0
    seen, left = set(), [loss.grad_fn]
    while left:
        node = left.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if hasattr(node, "variable"):
            node.variable.grad = torch.zeros_like(node.variable)
        left.extend(following for following, _ in node.next_functions)
