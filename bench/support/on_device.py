"""What someone with a card wants to know of it, in minutes: views and training steps there, beside peers.

Everything runs on a CPU too, which is how it is tried without a card; what only a card has (waits of the host, memory)
is left out there.
"""

from __future__ import annotations

import gc
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bench.support.images import Pictures
from bench.support.measuring import Item, Options, Work, compared, installed, item, rate
from bench.support.trained import HIDDEN, JITTER, LR, MOMENTUM, PROJECTION, WEIGHT_DECAY, imageset_of, spec_of
from bench.support.views_peers import MEAN, SD
from ssrl_core.compositions.draws import draw
from ssrl_core.compositions.views import make_views
from ssrl_core.datasets.imageset import ImageSet
from ssrl_core.errors import SpecError
from ssrl_core.learning import compiling
from ssrl_core.learning.memory import step_bytes
from ssrl_core.learning.methods.simclr import simclr_loss
from ssrl_core.learning.training import Training
from ssrl_core.runs.queue.processes import cores
from ssrl_core.specs.composition import Composition
from ssrl_core.specs.run import RunSpec

_CURVE_STEPS, _CURVE_S = 20, 45.0
_MOST_WORKERS, _AHEAD = 16, 2  # of the loader: processes, and batches that each has ready
_WAITING = ("cudaStreamSynchronize", "cudaDeviceSynchronize", "cudaEventSynchronize", "cudaMemcpy")
_PROFILED_STEPS = 5
SYNC_DEBUG = "Synchronization debug mode is a prototype feature"
"""What torch warns of when it is told to name waits."""


def waited(device: torch.device) -> None:
    """Until the device has done all that it was told."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def views_of(pixels: NDArray[Any], composition: Composition, device: torch.device) -> Work:
    """Makes one view of every image with new draws each time; the pixels lie on the device."""
    source, ids, epoch = torch.from_numpy(pixels).to(device), np.arange(len(pixels)), 0

    def work() -> int:
        nonlocal epoch
        epoch += 1
        make_views(source, draw(composition, ids, seed=5, epoch=epoch), composition, max_value=255)
        waited(device)
        return len(pixels)

    return work


def training_items(name: str, pictures: Pictures, backbone: str, batch: int, options: Options) -> Iterator[Item]:
    """Steps in float32 and bf16 beside a plain loader's loop, the step's parts, the loss curve, waits and memory.

    What is compiled comes last: it takes minutes, and an error or the end of the time then costs no other figure.
    """
    device = torch.device(options.device)
    with imageset_of(pictures) as imageset:
        there: list[float] = []
        for precision in ("float32", "bf16"):
            case = f"{device.type}-{backbone}-batch{batch}-{precision}"
            if not options.wanted(case):
                continue
            spec = spec_of(backbone, batch, device=options.device, precision=precision)
            training = Training(spec, imageset, device=device)
            yield _beside_a_loader(name, case, training, imageset, options)
            for found in (_parts(training), _of_card(training, imageset)):
                for part, value, unit in found:
                    yield item(name, f"{case}-{part}", part, unit, value)
            there = there or losses(spec_of(backbone, batch, device="cpu"), imageset, within_s=_CURVE_S)
            apart = curve(losses(spec, imageset, most=len(there)), there)
            yield item(name, f"{case}-curve", "largest difference to the CPU's losses", "of a loss", apart)
            if precision == "bf16" and device.type == "cuda":
                for way, took in compiling.try_ways(training):
                    yield item(name, f"{case}-{way}-ms", "forward and backward, or views", "ms", 1000 * took)
                del training  # its memory counts beside the next one's
                yield from _compiled(name, case, spec, imageset, there, options)


def _compiled(
    name: str, case: str, spec: RunSpec, imageset: ImageSet, there: list[float], options: Options
) -> Iterator[Item]:
    """A whole step with network and views compiled, beside the loader's loop, and whether it learns the same."""
    training = Training(replace(spec, compile="always"), imageset)
    try:
        chosen = compiling.settle(training, None, 0)
    except SpecError as error:
        print(error.message, file=sys.stderr)
        return
    if chosen is None:
        return
    print(chosen.sentence, file=sys.stderr)
    apart = curve(losses_of(training, most=len(there)), there)
    yield item(name, f"{case}-{chosen.way}-curve", "largest difference to the CPU's losses", "of a loss", apart)
    yield _beside_a_loader(name, f"{case}-{chosen.way}", training, imageset, options)
    for part, value, unit in (*_parts(training), *_of_card(training, imageset)):
        yield item(name, f"{case}-{chosen.way}-{part}", part, unit, value)
    compiling.forget()


def _beside_a_loader(name: str, case: str, training: Training, imageset: ImageSet, options: Options) -> Item:
    """Ours before and after the loader's loop, whose workers would take cores away from both."""
    batch, steps = training.spec.batch_size, 0

    def ours() -> int:
        nonlocal steps
        training.step(steps % training.steps)
        steps += 1
        waited(training.device)
        return batch

    pairs = []
    for _ in range(options.rounds):
        ours()
        before = rate(ours, options.seconds)
        with PlainLoop(training, imageset) as peer:
            for _ in range(1 + peer.ready):  # batches that lie ready would make it faster than its workers are
                peer.step()
            there = rate(peer.step, 3 * options.seconds)
        pairs.append(((before + rate(ours, options.seconds)) / 2, there))
    found = compared(pairs)
    more: dict[str, Any] = {
        "peer": found.peer,
        "peer_name": "a PIL loader's loop",
        "peer_version": installed("torchvision"),
    }
    return item(name, f"{case}-step", "speed", "images/s", found.ours, ratio=found.ratio, **more)


class PlainLoop:
    """SimCLR as one writes it: torchvision's transforms on PIL images in a DataLoader's workers, autocast, SGD."""

    def __init__(self, training: Training, imageset: ImageSet) -> None:
        from torchvision import models

        self.device, self.precision = training.device, training.method.setup.precision
        network = models.get_model(training.spec.backbone.name, weights=None)
        network.conv1, network.maxpool = nn.Conv2d(3, 64, 3, padding=1, bias=False), nn.Identity()
        wide = network.fc.in_features
        network.fc = nn.Sequential(nn.Linear(wide, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, PROJECTION))
        self.network = network.to(self.device, memory_format=torch.channels_last).train()
        self.optimizer = torch.optim.SGD(
            self.network.parameters(),
            lr=LR,
            momentum=MOMENTUM,
            weight_decay=WEIGHT_DECAY,
            fused=self.device.type == "cuda",
        )
        self._images, self._batch = np.array(imageset.pixels), training.spec.batch_size
        self._workers = min(_MOST_WORKERS, cores()) if self.device.type == "cuda" else 0

    @property
    def ready(self) -> int:
        """Batches that the workers make ahead."""
        return self._workers * _AHEAD

    def __enter__(self) -> PlainLoop:
        from torch.utils.data import DataLoader, RandomSampler

        pictures = _Pictures(self._images)
        endless = RandomSampler(pictures, replacement=True, num_samples=1 << 40)  # the end of an epoch would cost time
        more: dict[str, Any] = {"prefetch_factor": _AHEAD} if self._workers else {}
        on_card = self.device.type == "cuda"
        loader = DataLoader(
            pictures, self._batch, sampler=endless, num_workers=self._workers, pin_memory=on_card, **more
        )
        self._batches = iter(loader)
        return self

    def __exit__(self, *error: object) -> None:
        del self._batches  # its workers end with it

    def step(self) -> int:
        """Views of the loader, forward, backward, optimizer."""
        first, second = (view.to(self.device, non_blocking=True) for view in next(self._batches))
        with torch.autocast(
            self.device.type, dtype=self.precision or torch.bfloat16, enabled=self.precision is not None
        ):
            z1, z2 = self.network(first), self.network(second)
        loss = simclr_loss(z1.float(), z2.float())
        torch.autograd.backward(loss)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        waited(self.device)
        return self._batch


class _Pictures(torch.utils.data.Dataset[tuple[Tensor, Tensor]]):
    """Two views of each image with torchvision's transforms on PIL images."""

    def __init__(self, pixels: NDArray[Any]) -> None:
        from torchvision import transforms as T

        jitter = T.RandomApply([T.ColorJitter(*JITTER.values())], 0.8)
        crop, end = T.RandomResizedCrop(pixels.shape[-1], (0.2, 1.0)), [T.ToTensor(), T.Normalize(MEAN, SD)]
        self._pixels, self._made = pixels, T.Compose([crop, jitter, T.RandomHorizontalFlip(), *end])

    def __len__(self) -> int:
        return len(self._pixels)

    def __getitem__(self, place: int) -> tuple[Tensor, Tensor]:
        from PIL import Image

        image = Image.fromarray(self._pixels[place].transpose(1, 2, 0))
        return self._made(image), self._made(image)


def _parts(training: Training) -> Iterator[tuple[str, float, str]]:
    """Milliseconds of a step, and of its views alone."""
    rows = training._rows(0)

    def made(work: Callable[[], Any]) -> float:
        took = []
        for _ in range(4):
            started = time.perf_counter()
            work()
            waited(training.device)
            took.append(1000 * (time.perf_counter() - started))
        return min(took)

    yield "step-ms", made(lambda: training.step(0)), "ms"
    yield "views-ms", made(lambda: training._views(rows, 0)), "ms"


def _of_card(training: Training, imageset: ImageSet) -> Iterator[tuple[str, float, str]]:
    """Waits of the host in a step, and the memory of a step beside what was forecast."""
    device = training.device
    if device.type != "cuda":
        return
    gc.collect()  # the loader's network
    torch.cuda.reset_peak_memory_stats(device)
    training.step(0)
    waited(device)
    held = torch.cuda.max_memory_allocated(device)
    yield "memory", held / 1e9, "GB"
    yield "memory-forecast", step_bytes(training.spec, imageset, training.spec.batch_size) / 1e9, "GB"

    def steps() -> None:
        for number in range(_PROFILED_STEPS):
            training.step(number % training.steps)

    profiled = _waits_of(steps) - _waits_of(lambda: None)  # the profiler's own
    yield "host-waits", profiled / _PROFILED_STEPS, "a step"
    yield "host-waits-named", len(named_waits(steps)) / _PROFILED_STEPS, "a step"


def _waits_of(work: Callable[[], None]) -> int:
    """Calls of the driver that the host sits through."""
    both = [torch.profiler.ProfilerActivity.CPU, torch.profiler.ProfilerActivity.CUDA]
    with torch.profiler.profile(activities=both) as seen:
        work()
    calls = {event.key: event.count for event in seen.key_averages()}
    return sum(calls.get(name, 0) for name in _WAITING)


def named_waits(work: Callable[[], None]) -> list[str]:
    """File and line of every operation that torch itself calls synchronizing; told on standard error."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            work()
        finally:
            torch.cuda.set_sync_debug_mode("default")
    told = [one for one in said if not str(one.message).startswith(SYNC_DEBUG)]
    places = [f"{one.filename}:{one.lineno}" for one in told if "synchroniz" in str(one.message)]
    for place, times in Counter(places).items():
        print(f"the host waits {times} times at {place}", file=sys.stderr)
    return places


def losses(spec: RunSpec, imageset: ImageSet, *, most: int = _CURVE_STEPS, within_s: float = 1e9) -> list[float]:
    """Losses of the first steps on the device that the spec names; the steps of so many seconds, two at least."""
    return losses_of(Training(spec, imageset), most=most, within_s=within_s)


def losses_of(training: Training, *, most: int = _CURVE_STEPS, within_s: float = 1e9) -> list[float]:
    """The same of a training that has taken no step yet."""
    found, started = [], time.perf_counter()
    for number in range(min(most, training.steps)):
        found.append(float(training.step(number).loss))
        if number > 0 and time.perf_counter() - started > within_s:
            break
    return found


def curve(here: list[float], there: list[float]) -> float:
    """The largest relative difference of losses to those of a CPU in float32, from the same start."""
    return max(abs(ours - theirs) / abs(theirs) for ours, theirs in zip(here, there, strict=True))
