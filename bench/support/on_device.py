"""What someone with a card wants to know of it, in minutes: views and training steps there, beside peers.

Everything runs on a CPU too, which is how it is tried without a card; what only a card has (waits of the host, memory)
is left out there.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bench.support.images import Pictures
from bench.support.measuring import Item, Options, Work, installed, item, side_by_side
from bench.support.trained import HIDDEN, JITTER, LR, MOMENTUM, PROJECTION, WEIGHT_DECAY, imageset_of, spec_of
from bench.support.views_peers import MEAN, SD
from ssrl_core.compositions.draws import draw
from ssrl_core.compositions.views import make_views
from ssrl_core.datasets.imageset import ImageSet
from ssrl_core.learning import compiling
from ssrl_core.learning.memory import step_bytes
from ssrl_core.learning.methods.simclr import simclr_loss
from ssrl_core.learning.training import Training
from ssrl_core.specs.composition import Composition

_CURVE_STEPS = 20
_WAITING = ("cudaStreamSynchronize", "cudaDeviceSynchronize", "cudaEventSynchronize", "cudaMemcpy")
_PROFILED_STEPS = 5


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
    """Steps in float32 and bf16 beside a plain loader's loop, the step's parts, the loss curve, waits and memory."""
    device = torch.device(options.device)
    with imageset_of(pictures) as imageset:
        for precision in ("float32", "bf16"):
            case = f"{device.type}-{backbone}-batch{batch}-{precision}"
            if not options.wanted(case):
                continue
            spec = spec_of(backbone, batch, device=options.device, precision=precision)
            training = Training(spec, imageset, device=device)
            yield from _beside_a_loader(name, case, training, imageset, options)
            for part, value, unit in (*_parts(training), *_of_card(training, imageset)):
                yield item(name, f"{case}-{part}", part, unit, value)
            yield item(name, f"{case}-curve", "largest difference to the CPU's losses", "of a loss", curve(training))


def _beside_a_loader(name: str, case: str, training: Training, imageset: ImageSet, options: Options) -> Iterator[Item]:
    batch, steps = training.spec.batch_size, 0

    def ours() -> int:
        nonlocal steps
        training.step(steps % training.steps)
        steps += 1
        waited(training.device)
        return batch

    with PlainLoop(training, imageset) as peer:
        found = side_by_side(ours, {"loader": peer.step}, rounds=options.rounds, seconds=options.seconds)["loader"]
    more: dict[str, Any] = {
        "peer": found.peer,
        "peer_name": "a PIL loader's loop",
        "peer_version": installed("torchvision"),
    }
    yield item(name, f"{case}-step", "speed", "images/s", found.ours, ratio=found.ratio, **more)


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

    def __enter__(self) -> PlainLoop:
        import os

        from torch.utils.data import DataLoader

        workers = (os.cpu_count() or 1) if self.device.type == "cuda" else 0
        more: dict[str, Any] = {"persistent_workers": True, "prefetch_factor": 4} if workers else {}
        self._loader = DataLoader(
            _Pictures(self._images), self._batch, shuffle=True, drop_last=True, num_workers=workers,
            pin_memory=self.device.type == "cuda", **more,
        )  # fmt: skip
        self._batches = self._endless()
        return self

    def __exit__(self, *error: object) -> None:
        del self._batches, self._loader

    def _endless(self) -> Iterator[list[Tensor]]:
        while True:
            yield from self._loader

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
    """Milliseconds of a step, of its views alone, and of forward and backward, plainly and compiled."""
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
    if training.device.type != "cuda" or training.spec.precision != "bf16":
        return  # compiling takes a minute a way, and eight are all there are
    for name, took in compiling.try_ways(training).items():
        yield f"{name}-ms", 1000 * took, "ms"


def _of_card(training: Training, imageset: ImageSet) -> Iterator[tuple[str, float, str]]:
    """Waits of the host in a step, and the memory of a step beside what was forecast."""
    device = training.device
    if device.type != "cuda":
        return
    torch.cuda.reset_peak_memory_stats(device)
    training.step(0)
    waited(device)
    held, forecast = (
        torch.cuda.max_memory_allocated(device),
        step_bytes(training.spec, imageset, training.spec.batch_size),
    )
    yield "memory", held / 1e9, "GB"
    yield "memory-forecast", forecast / 1e9, "GB"
    with torch.profiler.profile(
        activities=[torch.profiler.ProfilerActivity.CPU, torch.profiler.ProfilerActivity.CUDA]
    ) as seen:
        for number in range(_PROFILED_STEPS):
            training.step(number % training.steps)
    calls = {event.key: event.count for event in seen.key_averages()}
    yield "host-waits", sum(calls.get(name, 0) for name in _WAITING) / _PROFILED_STEPS, "a step"


def curve(training: Training) -> float:
    """The largest relative difference of the first steps' losses to those of a CPU in float32, from the same start."""
    spec, imageset = training.spec, training.imageset
    here = Training(spec, imageset, device=training.device)
    there = Training(spec_of(spec.backbone.name, spec.batch_size, device="cpu"), imageset, device=torch.device("cpu"))
    apart = 0.0
    for number in range(min(_CURVE_STEPS, here.steps)):
        ours, theirs = (float(one.step(number).loss) for one in (here, there))
        apart = max(apart, abs(ours - theirs) / abs(theirs))
    return apart
