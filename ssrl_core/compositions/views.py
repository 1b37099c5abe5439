"""One function makes views, for the preview, LPIPS, the forecast and training alike (C4 of docs/contracts.md).

The work is cut into pieces: bounded memory, and on the CPU one piece a core. A piece runs on one thread. Many small
operations that each wait for all cores are slow as soon as another process uses one of them; whole pieces side by side
are not.

On a card, where each small operation costs a launch, a plan is one graph of a compiler. What depends on numbers that
the host knows is reckoned there and laid out in arrays, one row a view: placements, weights of blurs, rectangles, who
takes a step. What is left is arithmetic without a question, the same for every view, which `torch.compile` takes as one
graph: steps that a view does not take are made and not used. Views go together whose chains are rendered in the same
way, so that each is what it would be alone.
"""

from __future__ import annotations

import dataclasses
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ssrl_core.compositions import Array, colour, geometry
from ssrl_core.compositions.draws import Draws, GroupDraws
from ssrl_core.compositions.pixels import HUGE, Pixels, checked, send
from ssrl_core.compositions.plan import MOST_VALUES, Bound, Plan, Run, build, make_plan, view_side
from ssrl_core.compositions.resampling import Turn, density, look_up, render
from ssrl_core.compositions.separable import Axis, Upright, resample_apart
from ssrl_core.errors import SpecError
from ssrl_core.specs.composition import Composition, Step, ViewGroup

_CPU_VALUES = 1 << 18
_DEVICE_VALUES = 1 << 26
_lock = threading.Lock()
_pools: dict[int, ThreadPoolExecutor] = {}


__all__ = ["make_views", "strip", "view_side"]


@torch.no_grad()
def make_views(
    pixels: Any, draws: Draws, composition: Composition, *, max_value: float, carry: Carry | None = None
) -> list[Tensor]:
    """The views that were drawn.

    Values are 0..1 (pixel / max_value), clipped after each colour step, never rounded. Consecutive geometric steps are
    one resampling. The same draws give the same bits in any batch on one device.

    Args:
        pixels: (M, C, H, W) uint8, uint16 or float, numpy or torch, in the order of `draws.needed`, which are
            `draws.image_ids` unless different images pair.
        draws: of this composition.
        max_value: the pixel value that becomes 1 (for floats in 0..1: 1). Brighter whole numbers count as 1.
        carry: how a plan is carried out as one graph (`graphs.compiled`); else step by step, on the CPU by kernels.

    Returns:
        One (V, B, C, S, S) float32 tensor for each view group, on the device of the pixels; S is the group's size or
        else the shorter side of the images.

    Raises:
        SpecError: draws of another composition or number of images; a step that these channels cannot have; views that
            would be too large.
        DataError: pixels that are no images (shape, type, NaN, floats outside 0..max_value).
    """
    where = f'Composition "{composition.name}"'
    source = checked(pixels, max_value, where)
    _check_draws(draws, composition, source.shape[0], where)
    return [
        _make_group(source, group, drawn, draws, where, carry)
        for group, drawn in zip(composition.views, draws.groups, strict=True)
    ]


@torch.no_grad()
def strip(
    pixels: Any, draws: Draws, composition: Composition, *, max_value: float, view: int = 0
) -> list[tuple[str, Tensor]]:
    """One image after each step of one view.

    Args:
        pixels: (1, C, H, W), the image that this view of the draws' first row is of (`Draws.image_of`).
        view: counted through all groups.

    Returns:
        Label and (C, h, w) image: first the image itself, then one for each step that is switched on (its label says
        what was drawn, or that it was not applied), last the view if it still had to be resized.
    """
    where = f'Composition "{composition.name}"'
    source = checked(pixels, max_value, where)
    _check_draws(draws, composition, len(draws.needed), where)
    drawn, within = draws.place(view)
    group = composition.views[draws.groups.index(drawn)]
    member = np.array([within * len(draws.image_ids)])
    first = torch.zeros(1, dtype=torch.int64, device=source.device)
    images = [("image", source.take(first)[0])]
    for count, step in enumerate(drawn.steps, 1):
        if not step.step.enabled:
            continue
        label = "; ".join(step.words(within, 0)) or f"{step.transform.replace('_', ' ')}: not applied"
        images.append((label, _one(source, group, drawn, count, member, where, finish=False)))
    side = view_side(group, (source.shape[2], source.shape[3]))
    if images[-1][1].shape[1:] != (side, side):
        final = _one(source, group, drawn, len(drawn.steps), member, where, finish=True)
        images.append((f"resized to {side} px", final))
    return images


def _one(
    source: Pixels, group: ViewGroup, drawn: GroupDraws, steps: int, member: Any, where: str, *, finish: bool
) -> Tensor:
    """One view after its first steps, resized to the side of the views only to `finish`."""
    part = replace(drawn, steps=drawn.steps[:steps])
    plan = make_plan(group, part, source.shape[1], (source.shape[2], source.shape[3]), where)
    stages = list(plan.stages)
    last = stages[-1] if stages else None
    if not finish and isinstance(last, Run):
        stages[-1:] = [replace(last, end=last.middle)] if last.steps else []
    plan = replace(plan, stages=tuple(stages))
    if _compiles(source):
        made = build(plan, member, (source.shape[2], source.shape[3]))
        out = torch.empty((1, source.shape[1], *made.end))
        made.run(source, np.zeros(1, np.int64), range(1), out.numpy())
        return out[0]
    rows = torch.zeros(1, dtype=torch.int64, device=source.device)
    return carry_out(source, rows, plan, member)[0]


def _make_group(
    source: Pixels, group: ViewGroup, drawn: GroupDraws, draws: Draws, where: str, carry: Carry | None = None
) -> Tensor:
    _, channels, height, width = source.shape
    count, rows = len(draws.image_ids), draws.rows(drawn)
    plan = make_plan(group, drawn, channels, (height, width), where)
    _check_side(channels, plan.side, where, group.name)
    out = torch.empty((drawn.count, count, channels, plan.side, plan.side), device=source.device)
    flat = out.view(-1, *out.shape[2:])

    if carry is not None:
        work = _graphed(source, plan, flat, rows, carry)
    else:
        work = _fast(source, plan, flat, rows) if _compiles(source) else _slow(source, plan, flat, rows)
    each(work, list(pieces(len(flat), plan.largest, source.device)), source.device)
    return out


def _compiles(source: Pixels) -> bool:
    """Whether kernels make the views: on the CPU, unless an image is so large that it is only read where needed."""
    return source.device.type == "cpu" and int(np.prod(source.shape[1:])) <= HUGE


def _fast(source: Pixels, plan: Plan, flat: Tensor, rows: Array) -> Callable[[range], None]:
    made = build(plan, np.arange(len(flat)), (source.shape[2], source.shape[3]))
    out = flat.numpy()
    return lambda part: made.run(source, rows, part, out[part.start : part.stop])


def _slow(source: Pixels, plan: Plan, flat: Tensor, rows: Array) -> Callable[[range], None]:
    def work(part: range) -> None:
        members = np.arange(part.start, part.stop)
        own = send(rows[part.start : part.stop], source.device, torch.int64)
        flat[part.start : part.stop] = carry_out(source, own, plan, members)

    return work


def _graphed(source: Pixels, plan: Plan, flat: Tensor, rows: Array, carry: Carry) -> Callable[[range], None]:
    channels, *frame = source.shape[1:]

    def work(part: range) -> None:
        members = np.arange(part.start, part.stop)
        for places in groups(plan, members):
            mine = members[places]
            laid = sent(lay(plan, mine, channels, (frame[0], frame[1])), source.device)
            own = send(rows[mine], source.device, torch.int64)
            made = carry(source.images, own, source.max_value, laid)
            flat.index_copy_(0, send(mine, source.device, torch.int64), made)

    return work


def carry_out(source: Pixels, rows: Tensor, plan: Plan, members: Any) -> Tensor:
    """Some of the views with torch: `rows` are their images, `members` their numbers among all V·B.

    This is the way on a GPU, and the slow twin of `plan.Program` on the CPU.
    """
    images: Tensor | None = None
    for stage in plan.stages:
        if isinstance(stage, Run):
            if images is not None:
                source, rows = Pixels(images), torch.arange(len(images), device=images.device)
            images = render(source, rows, stage.chain(members))
        else:
            images = _change(source.take(rows) if images is None else images, stage, members)
    return source.take(rows) if images is None else images


def _change(images: Tensor, bound: Bound, members: Any) -> Tensor:
    values = bound.at(members)

    def apply(some: Tensor, chosen: Any) -> Tensor:
        mine = bound.laid({name: v[chosen] for name, v in values.items()}, some.shape[1:])
        changed: Tensor = bound.module.apply(some, bound.step, mine)
        return changed

    return colour.only_where(images, bound.applied[members], apply)


def _check_draws(draws: Draws, composition: Composition, count: int, where: str) -> None:
    if len(draws.needed) != count:
        raise SpecError.at(
            where,
            "pixels",
            f"{len(draws.needed)} images, as many as were drawn for",
            count,
            "Draw for these images.",
        )
    drawn = [(group.count, tuple(step.step for step in group.steps)) for group in draws.groups]
    if drawn != [(group.count, group.steps) for group in composition.views]:
        raise SpecError.at(
            where,
            "draws",
            "of this composition",
            "those of another one",
            "Draw again after a change of the composition.",
        )


def _check_side(channels: int, side: int, where: str, group: str) -> None:
    if channels * side * side > MOST_VALUES:
        raise SpecError.at(
            where,
            "size",
            f"small enough for {MOST_VALUES:,} values a view",
            f"{side} × {side} px, {channels} channels",
            f"Give the views of {group!r} a size, such as 224.",
        )


def pieces(count: int, values_each: int, device: torch.device) -> Iterator[range]:
    """0..count-1 cut so that a piece holds about as many values as the device's cache (or memory) likes.

    On the CPU every thread gets as many pieces of one size, so that none waits for the last one.

    Args:
        values_each: values of one item at its largest.
    """
    limit = _CPU_VALUES if device.type == "cpu" else _DEVICE_VALUES
    size = max(1, limit // max(1, values_each))
    if device.type == "cpu" and count > size:
        threads = torch.get_num_threads()
        turns = -(-count // (size * threads))
        size = -(-count // (turns * threads))
    for start in range(0, count, size):
        yield range(start, min(count, start + size))


def each(work: Callable[[range], None], parts: list[range], device: torch.device) -> None:
    """Do the work for every piece; on the CPU on as many threads as torch was given."""
    threads = min(torch.get_num_threads(), len(parts)) if device.type == "cpu" else 1
    if threads <= 1:
        for part in parts:
            work(part)
        return
    for _ in _pool(torch.get_num_threads()).map(torch.no_grad()(work), parts):
        pass


def _pool(threads: int) -> ThreadPoolExecutor:
    with _lock:
        if threads not in _pools:
            ready = threading.Barrier(threads + 1)

            def alone() -> None:
                torch.set_num_threads(1)  # of this thread; it also becomes the default of threads to come
                ready.wait()

            pool = ThreadPoolExecutor(threads, thread_name_prefix="views", initializer=alone)
            for _ in range(threads):
                pool.submit(lambda: None)
            ready.wait()
            torch.set_num_threads(threads)  # the default as it was
            _pools[threads] = pool
        return _pools[threads]


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pools.clear)  # threads do not survive a fork


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


def precompile(most: int | None = None) -> int:
    """Compile the kernels that views need, ahead of the first look: tiny views under the presets, grey and colour.

    Compiled code is kept in the store, so this takes some seconds once for a new store, and one second ever after.

    Args:
        most: only so many presets, the first ones; None takes all.

    Returns:
        How many of these could be made (a colour step takes no grey image).
    """
    from ssrl_core.compositions.draws import draw
    from ssrl_core.specs.composition import load, preset_names

    made, ids = 0, np.arange(2)
    for name in preset_names()[:most]:
        composition = load(name)
        for channels in (1, 3):
            pixels = np.zeros((len(ids), channels, 32, 32), np.uint8)
            try:
                make_views(pixels, draw(composition, ids, seed=0, epoch=0), composition, max_value=255)
            except SpecError:
                continue
            made += 1
    return made
