"""Whether a training's network is compiled for its device: tried at the start of a run, dropped where it does not pay.

Three ways to take pixels through the encoder: plainly, operation by operation; compiled (torch's inductor); on CUDA
also compiled and replayed as one CUDA graph, which takes the launching of many small kernels away. There, views may be
made as one graph too (`compositions/views.py`). Each is tried for a
few steps on a copy of the network that nobody needs afterwards; nothing of the run is drawn or changed by it. A run
keeps its way in its checkpoint, as two ways differ in the last bits of a sum: what goes on from there takes the same.
"""

from __future__ import annotations

import copy
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ssrl_core import stores
from ssrl_core.compositions import views as graphs
from ssrl_core.errors import SpecError
from ssrl_core.learning.backbones.encoder import Encoder
from ssrl_core.learning.methods.base import Method, plainly
from ssrl_core.learning.training import Rows, Training, lacks_memory

PLAIN, COMPILED, GRAPHS = "plain", "compiled", "graphs"
VIEWS = "+views"
"""Follows the network's way where views are compiled too."""
WORTH_S = 120.0
"""Seconds of training below which `auto` does not try: compiling takes about as long as it could save."""
VIEWS_WORTH_S = 120.0
"""Seconds of making views below which `auto` does not try them: each way of rendering is a graph of its own, which took
an H200 23 s."""
_GAIN = 1.03
_TIMED, _SETTLING = 3, 3  # steps that are timed; steps before, in which a graph is recorded
_LOSS_APART, _GRADIENT_APART, _VIEWS_APART = 0.02, 0.1, 1e-3
"""How far what is compiled may be from what is plain: shares of a loss and of a gradient's length (bf16 rounds to
1/256), mean of a view's numbers in 0..1. What is further is a mistake of the compiler and is not taken."""
_LEAST_LOSS, _LEAST_GRADIENT = 0.1, 1e-3  # shares of less than these are not asked for
_WORDS = {PLAIN: "plain", COMPILED: "compiled", GRAPHS: "compiled, as a CUDA graph"}


@dataclass(frozen=True)
class Choice:
    """The way that a training takes, and the sentence that says why."""

    way: str
    sentence: str


@dataclass
class _Tried:
    """Seconds of a step by way; why one could not be had; loss and length of the gradient of the last one."""

    seconds: dict[str, float]
    refused: str = ""
    gave: tuple[float, float] | None = None

    def beside(self, other: _Tried) -> _Tried:
        """Both, what the other gave among them."""
        refused = "; ".join(filter(None, (self.refused, other.refused)))
        return _Tried(self.seconds | other.seconds, refused, other.gave)


def settle(training: Training, before: str | None, step: int) -> Choice | None:
    """Choose a training's way and take it from now on; None where the spec asks for nothing.

    Args:
        before: the way of the checkpoint that the training goes on from, None at the start.
        step: that comes next.

    Raises:
        SpecError: `compile: always` where nothing can be compiled.
    """
    asked = _asked(training)
    if asked == "never" or (reason := _out_of_question(training)):
        return None if asked == "never" else _without(asked, reason)
    stores.prepare_caches(stores.COMPILER_CACHES)
    if training.device.type == "cpu":
        _alone()
    if before is not None:
        return _as_before(training, before)
    if asked == "auto":
        found = _measured(training, step)
    else:
        plain = _try(training, PLAIN)
        tried = _try_compiled(training, plain)
        if not tried.seconds:
            return _without(asked, tried.refused)
        found = _fastest(tried.seconds, plain.beside(tried))
    training.method.run_encoder = runner(found.way)
    return _with_views(training, found, step) if training.device.type == "cuda" else found


def _asked(training: Training) -> str:
    """What the spec asks for on this device: `never`, `auto` or `always`."""
    asked = training.spec.compile
    if asked != "gpu":
        return asked
    return "auto" if training.device.type == "cuda" and training.ranks.count == 1 else "never"


def _with_views(training: Training, network: Choice, step: int) -> Choice:
    """Whether views are made as one graph too: on a card, where the CPU has its kernels."""
    plain = _views_seconds(training, None)
    if _asked(training) == "auto" and (training.steps - step) * plain < VIEWS_WORTH_S:
        return network
    try:
        graph = graphs.compiled("inductor")
        took = _views_seconds(training, graph)
    except Exception as error:  # noqa: BLE001 (compilers fail in many ways)
        return Choice(network.way, f"{network.sentence} Views are not compiled: {_short(error)}.")
    said = f"views took {1000 * plain:.0f} ms, compiled {1000 * took:.0f} ms."
    if took * _GAIN > plain:
        return Choice(network.way, f"{network.sentence} Views are not compiled: {said}")
    if (apart := _views_apart(training, graph)) > _VIEWS_APART:
        return Choice(network.way, f"{network.sentence} Views are not compiled: they are {apart:.2g} apart from plain.")
    training.carry = graph
    return Choice(network.way + VIEWS, f"{network.sentence} Views are compiled: {said}")


def _views_seconds(training: Training, carry: graphs.Carry | None) -> float:
    """Seconds of a batch's views; those of three batches are made before, as each may ask for a graph of its own."""
    parts, took = [_part(training, number) for number in range(min(_SETTLING, training.steps_per_epoch))], []
    with _carried_by(training, carry):
        for number in range(_SETTLING + _TIMED):
            _wait(training.device)
            started = time.perf_counter()
            training._views(parts[number % len(parts)], 0)
            _wait(training.device)
            took.append(time.perf_counter() - started)
    return min(took[_SETTLING:])


def _part(training: Training, step: int) -> Rows:
    """The first part of a batch."""
    return training._rows(step)[: training.spec.batch_size // training.spec.accumulate]


@contextmanager
def _carried_by(training: Training, carry: graphs.Carry | None) -> Iterator[None]:
    """Views are made in this way meanwhile."""
    before, training.carry = training.carry, carry
    try:
        yield
    finally:
        training.carry = before


def _views_apart(training: Training, carry: graphs.Carry) -> float:
    """Mean difference of the views of some images, made plainly and as one graph."""
    made = []
    for way in (None, carry):
        with _carried_by(training, way):
            made.append([view.pixels for views in training._views(_part(training, 0), 0) for view in views.all])
    return max(float((a - b).abs().mean()) for a, b in zip(*made, strict=True))


def try_ways(training: Training) -> Iterator[tuple[str, float]]:
    """Seconds of forward and backward of a batch, and of its views, plainly and in every way that can be compiled."""
    for way in (PLAIN, *_ways(training.device)):
        for found in _try(training, way).seconds.values():
            yield f"network-{way}", found
    yield f"views-{PLAIN}", _views_seconds(training, None)
    if training.device.type == "cuda":
        yield f"views-{COMPILED}", _views_seconds(training, graphs.compiled("inductor"))


def _alone() -> None:
    """A CPU's few pieces are compiled in this process: torch's helpers, a process a core, take longer to start."""
    import torch._inductor.config

    torch._inductor.config.compile_threads = 1


def forget() -> None:
    """Let go of what was compiled; a process may take other runs."""
    torch.compiler.reset()


def _out_of_question(training: Training) -> str:
    if training.ranks.count > 1:
        return "a run on several devices is not compiled"
    if training.device.type not in ("cpu", "cuda"):
        return f"there is no compiler for {training.device.type}"
    return ""


def _without(asked: str, reason: str) -> Choice:
    if asked == "always":
        raise SpecError.at("Run", "compile", "never or auto here", asked, f"Nothing can be compiled: {reason}.")
    return Choice(PLAIN, f"The network is not compiled: {reason}.")


def _as_before(training: Training, way: str) -> Choice:
    """The checkpoint's way; where it cannot be had any more, the run goes on plainly."""
    network = way.removesuffix(VIEWS)
    if network != PLAIN and (refused := _try(training, network).refused):
        return Choice(PLAIN, f"The network was compiled and no longer is ({refused}): last bits differ from here.")
    if network != way:
        training.carry = graphs.compiled("inductor")
    training.method.run_encoder = runner(network)
    views = ", views are compiled" if network != way else ""
    return Choice(way, f"The network is {_WORDS[network]}{views}, as before.")


def _measured(training: Training, step: int) -> Choice:
    try:
        plain = _try(training, PLAIN)
    except RuntimeError as error:
        if not lacks_memory(error):
            raise
        traceback.clear_frames(error.__traceback__)  # else its frames hold the copy
        _empty(training.device)
        return Choice(PLAIN, "The network is not compiled: there is no memory for the copy that it would be tried on.")
    left = (training.steps - step) * training.spec.accumulate * plain.seconds[PLAIN]
    if left < WORTH_S:
        return Choice(PLAIN, f"The network is not compiled: {left:.0f} s of training are too few to pay for it.")
    tried = plain.beside(_try_compiled(training, plain))
    return _fastest(tried.seconds, tried)


def _fastest(among: dict[str, float], tried: _Tried) -> Choice:
    """The fastest way; a compiled one only where it is faster by more than the clock's play."""
    best = min(among, key=lambda way: among[way] * (_GAIN if way != PLAIN else 1.0))
    times = ", ".join(f"{_WORDS[way]} {1000 * took:.0f} ms" for way, took in tried.seconds.items())
    left_out = f" ({tried.refused})" if tried.refused else ""
    return Choice(best, f"The network is {_WORDS[best]}: forward and backward of a batch took {times}{left_out}.")


def _ways(device: torch.device) -> tuple[str, ...]:
    """The faster first: on a card most of a step is the launching of kernels (H200, ResNet18 of 32 px: forward and
    backward of 256 images plainly 22.5 ms, compiled 21.8 ms, as a graph 10.7 ms)."""
    return (GRAPHS, COMPILED) if device.type == "cuda" else (COMPILED,)


def _try_compiled(training: Training, plain: _Tried) -> _Tried:
    """The first compiled way that can be had and gives what the plain one gave; a second one would have to be compiled
    too."""
    tried = _Tried({})
    for way in _ways(training.device):
        if not tried.seconds:
            tried = tried.beside(_try(training, way, plain.gave))
    return tried


def runner(way: str) -> Callable[[Encoder, Tensor], Tensor]:
    """What takes pixels through an encoder in this way; its weights stay where and what they are."""
    if way == PLAIN:
        return plainly
    mode = "reduce-overhead" if way == GRAPHS else None
    compiled: Callable[[Encoder, Tensor], Tensor] = torch.compile(plainly, dynamic=False, mode=mode)
    if way == COMPILED:
        return compiled

    def replayed(encoder: Encoder, pixels: Tensor) -> Tensor:
        return compiled(encoder, pixels).clone()  # a graph writes its answers over those of its last replay

    return replayed


def _try(training: Training, way: str, wanted: tuple[float, float] | None = None) -> _Tried:
    """Seconds of forward and backward of the first part of a batch, on a copy, in this way; plainly, it must go.

    Args:
        wanted: loss and length of the gradient that it has to give.
    """
    device = training.device
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        try:
            tried = _tried(training, way, wanted)
        except Exception as error:
            if way == PLAIN:
                raise
            memory = isinstance(error, RuntimeError) and lacks_memory(error)
            tried = _Tried({}, f"{_WORDS[way]}: " + ("the memory does not suffice" if memory else _short(error)))
        if device.type == "cuda" and way != PLAIN:
            forget()  # a graph keeps the card's memory that it was recorded in
        _empty(device)
    return tried


def _tried(training: Training, way: str, wanted: tuple[float, float] | None) -> _Tried:
    """The copy ends with this function."""
    spare = copy.deepcopy(training.method)
    spare.run_encoder = runner(way)
    made = training.rehearsal(spare)
    seconds = _seconds(training.device, made)
    gave = _gave(spare, made())
    apart = _apart(gave, wanted) if wanted else ""
    return _Tried({}, f"{_WORDS[way]}: {apart}", gave) if apart else _Tried({way: seconds}, gave=gave)


def _empty(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.empty_cache()


def _gave(spare: Method, losses: list[Tensor]) -> tuple[float, float]:
    """The sum of the losses, and the length of the encoder's gradient."""
    found = [p.grad for p in spare.encoder.parameters() if p.grad is not None]
    length = torch.stack([one.float() for one in torch._foreach_norm(found)]).norm() if found else torch.zeros(())
    return float(torch.stack([loss.detach().float() for loss in losses]).sum()), float(length)


def _apart(gave: tuple[float, float], wanted: tuple[float, float]) -> str:
    """In words what is further from what the plain way gave than rounding explains; "" where nothing is."""
    rules = ("loss", _LOSS_APART, _LEAST_LOSS), ("gradient's length", _GRADIENT_APART, _LEAST_GRADIENT)
    for (what, most, least), a, b in zip(rules, gave, wanted, strict=True):
        if not abs(a - b) <= most * max(abs(b), least):  # one that is no number is apart
            return f"its {what} is {a:.4g}, {b:.4g} when plain"
    return ""


def _seconds(device: torch.device, made: Callable[[], Any]) -> float:
    for _ in range(_SETTLING):
        made()
    took = []
    for _ in range(_TIMED):
        _wait(device)
        started = time.perf_counter()
        made()
        _wait(device)
        took.append(time.perf_counter() - started)
    return min(took)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _short(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    said: Any = lines[0] if lines else type(error).__name__
    return f"{type(error).__name__}: {said[:160]}"
