"""A plan as one graph of a compiler: for a card, where each small operation costs a launch.

What depends on numbers that the host knows is reckoned there and laid out in arrays, one row a view: placements,
weights of blurs, rectangles, who takes a step. What is left is arithmetic without a question, the same for every view,
which `torch.compile` takes as one graph: steps that a view does not take are made and not used. Views go together whose
chains are rendered in the same way, so that each is what it would be alone.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ssrl_core.compositions import Array, geometry
from ssrl_core.compositions.pixels import Pixels, send
from ssrl_core.compositions.plan import Bound, Plan, Run
from ssrl_core.compositions.resampling import Turn, density, look_up
from ssrl_core.compositions.separable import Axis, Upright, resample_apart
from ssrl_core.specs.composition import Step

_VARIANTS = 256  # graphs of a process: ways of rendering, and numbers of taps, that occur in its compositions


@dataclass(frozen=True)
class Change:
    """A change of values: which images take it, and its numbers."""

    step: Step
    module: ModuleType
    applied: Any
    values: dict[str, Any]


Laid = tuple[Turn | Upright | Change, ...]
"""The stages of a plan for some members, their numbers arrays or, on the device, tensors."""
Carry = Callable[[Tensor, Tensor, float, Laid], Tensor]


def carried(images: Tensor, rows: Tensor, max_value: float, laid: Laid) -> Tensor:
    """Views (n, C, S, S) of images (N, C, H, W); `rows` (n,) says of which each is. Nothing but torch."""
    source, made = Pixels(images, max_value), None
    for stage in laid:
        if isinstance(stage, Change):
            made = source.take(rows) if made is None else made
            changed = stage.module.apply(made.clone(), stage.step, stage.values)
            made = changed.where(stage.applied[:, None, None, None], made)
            continue
        if made is not None:
            source, rows = Pixels(made), torch.arange(len(made), device=made.device)
        made = look_up(source, rows, stage) if isinstance(stage, Turn) else resample_apart(source, rows, stage)
    return source.take(rows) if made is None else made


def compiled(backend: str) -> Carry:
    """`carried` as one graph, or an error; a group of one is carried out as it stands."""
    import torch._dynamo

    torch._dynamo.config.recompile_limit = torch._dynamo.config.accumulated_recompile_limit = _VARIANTS
    graph: Carry = torch.compile(carried, backend=backend, fullgraph=True)

    def carry(images: Tensor, rows: Tensor, max_value: float, laid: Laid) -> Tensor:
        if len(rows) < 2:  # compilers take a length of one for another program
            return carried(images, rows, max_value, laid)
        for tensor in (rows, *_tensors(laid)):
            torch._dynamo.maybe_mark_dynamic(tensor, 0)
        return graph(images, rows, max_value, laid)

    return carry


def groups(plan: Plan, members: Array) -> Iterator[Array]:
    """Places among the members of those that are rendered alike in every run."""
    kinds = [np.zeros(len(members), np.int64)]
    for run in (stage for stage in plan.stages if isinstance(stage, Run)):
        chain = run.chain(members)
        shrink, points = density(geometry.whole(chain))
        kinds.append(np.where(geometry.upright(chain), 0, (shrink << 16) + points))
    _, which = np.unique(np.stack(kinds, axis=1), axis=0, return_inverse=True)
    for kind in range(which.max(initial=-1) + 1):
        yield np.flatnonzero(which.reshape(-1) == kind)


def lay(plan: Plan, members: Array, channels: int, frame: geometry.Frame) -> Laid:
    """The numbers of some members that `groups` found to be alike."""
    stages: list[Turn | Upright | Change] = []
    for stage in plan.stages:
        if isinstance(stage, Bound):
            values = stage.laid(stage.at(members), (channels, *frame))
            stages.append(Change(stage.step, stage.module, stage.applied[members], values))
            continue
        chain = stage.chain(members)
        shrink, points = density(geometry.whole(chain))
        if geometry.upright(chain)[0]:
            upright = Upright.of(chain)
            stages.append(Upright(_usual(upright.down), _usual(upright.across)))
        else:
            stages.append(Turn.of(chain, int(shrink[0]), int(points[0])))
        frame = chain[-1].new
    return tuple(stages)


def _usual(axis: Axis) -> Axis:
    """The same weights in one of few forms: both kinds where one shrinks, a power of two of taps."""
    if axis.how == "near":
        return axis
    return replace(axis, how="both", taps=1 << (axis.taps - 1).bit_length())


def sent(laid: Any, device: torch.device) -> Any:
    """The same with tensors on the device; nothing waits for them."""
    if isinstance(laid, np.ndarray):
        whole = laid.astype(np.int64) if laid.dtype.kind in "iu" else laid
        return send(whole, device, None)
    if isinstance(laid, tuple):
        return tuple(sent(part, device) for part in laid)
    if isinstance(laid, dict):
        return {name: sent(part, device) for name, part in laid.items()}
    if dataclasses.is_dataclass(laid) and not isinstance(laid, Step | type):
        named = {field.name: getattr(laid, field.name) for field in dataclasses.fields(laid)}
        return replace(laid, **{name: sent(part, device) for name, part in named.items()})
    return laid


def _tensors(laid: Any) -> Iterator[Tensor]:
    if isinstance(laid, Tensor):
        yield laid
    elif isinstance(laid, tuple | dict):
        for part in laid.values() if isinstance(laid, dict) else laid:
            yield from _tensors(part)
    elif dataclasses.is_dataclass(laid) and not isinstance(laid, Step | type):
        for field in dataclasses.fields(laid):
            yield from _tensors(getattr(laid, field.name))
