"""A training step: ours beside lightly's loop with the same network, head, loss, optimizer and kind of views.

`step` is the whole of it, views included; `maths` is forward, backward and optimizer on views that are there already.
Both losses are compared on the same views and weights before anything is timed. `share` items say what of our own step
goes into views, metrics and checkpoint.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench.support import images
from bench.support.measuring import Item, Options, installed, item, side_by_side
from bench.support.on_device import training_items
from bench.support.trained import Lightly, imageset_of, spec_of
from ssrl_core.learning.checkpoint import write_checkpoint
from ssrl_core.learning.loop import CHECKPOINT_EVERY_S
from ssrl_core.learning.metrics import effective_rank, line_stride, spread
from ssrl_core.learning.training import Training

TITLE = "Images a second of a training step beside lightly's."
NAME = "training"
CASES = {"cifar-32-resnet18-batch256": ("resnet18", 256), "cifar-32-resnet18-batch64": ("resnet18", 64)}
_LONG_RUN_STEPS = 10_000


def measure(options: Options) -> Iterator[Item]:
    """Every case that was asked for; on a card what somebody who has one asks (`support/on_device.py`)."""
    if options.device != "cpu":
        yield from training_items(NAME, images.cifar_32(4096), "resnet18", 256, options)
        return
    for case, (backbone, batch) in CASES.items():
        if not options.wanted(case):
            continue
        pictures = images.cifar_32(max(512, batch))
        with imageset_of(pictures) as imageset:
            training = Training(spec_of(backbone, batch), imageset)
            yield from _beside_lightly(case, training, pictures, options)
            yield from _shares(case, training, pictures.what)


def _beside_lightly(case: str, training: Training, pictures: images.Pictures, options: Options) -> Iterator[Item]:
    if installed("lightly") is None:
        yield item(NAME, f"{case}-step", "speed", "images/s", _alone(training), images=pictures.what)
        return
    peer, batch = Lightly(training), training.spec.batch_size
    ready = _ready(training)
    _assert_same_maths(training, peer, ready)
    from PIL import Image

    raw = [Image.fromarray(one.transpose(1, 2, 0)) for one in pictures.pixels[:batch]]
    first, second = ((view - training.method.encoder.mean) / training.method.encoder.sd for view in ready)
    makers: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
        "step": (lambda: training.step(0).loss, lambda: peer.step(lambda: peer.views(raw))),
        "maths": (lambda: _maths(training), lambda: peer.step(lambda: (first, second))),
    }
    for kind, (ours, theirs) in makers.items():
        found = side_by_side(
            _counted(ours, batch),
            {"lightly": _counted(theirs, batch)},
            rounds=options.rounds,
            seconds=options.seconds,
        )["lightly"]
        yield item(
            NAME,
            f"{case}-{kind}",
            "speed",
            "images/s",
            found.ours,
            images=pictures.what,
            peer=found.peer,
            peer_name="lightly",
            peer_version=installed("lightly"),
            ratio=found.ratio,
            threads=torch.get_num_threads(),
        )


def _counted(work: Callable[[], Any], batch: int) -> Callable[[], int]:
    def counted() -> int:
        float(work())  # waits for the device
        return batch

    return counted


def _alone(training: Training) -> float:
    training.step(0)
    started = time.perf_counter()
    float(training.step(0).loss)
    return training.spec.batch_size / (time.perf_counter() - started)


def _ready(training: Training) -> list[torch.Tensor]:
    return [view.pixels for view in training._views(training._rows(0), 0)[0].whole]


def _maths(training: Training) -> torch.Tensor:
    """Our step on views that are there already."""
    views = training._views
    kept = training.__dict__.setdefault("_bench_views", views(training._rows(0), 0))
    training._views = lambda rows, epoch: kept  # type: ignore[method-assign]
    try:
        return training.step(0).loss
    finally:
        training._views = views  # type: ignore[method-assign]


def _assert_same_maths(training: Training, peer: Lightly, ready: list[torch.Tensor]) -> None:
    """Both losses on the same views and weights; batch norm is that of the batch in both."""
    encoder = training.method.encoder
    training.method.train()
    with torch.no_grad():
        ours = float(training._forward(training._rows(0), 0)[0])
        theirs = float(peer.loss(*((view - encoder.mean) / encoder.sd for view in ready)))
    training.method.forget()
    if abs(ours - theirs) > 1e-3 * abs(ours):
        raise RuntimeError(f"the losses differ: ours {ours}, lightly's {theirs}")


def _shares(case: str, training: Training, what: str) -> Iterator[Item]:
    """Views, metric lines and checkpoints as shares of a step."""
    step = _seconds(lambda: float(training.step(0).loss))
    rows = training._rows(0)
    result = training.step(0)
    metrics = _seconds(lambda: (float(spread(result.seen.projection)), float(effective_rank(result.seen.embedding))))
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = _seconds(lambda: write_checkpoint(Path(folder), training.state()))
    parts = {
        "views": _seconds(lambda: training._views(rows, 0)) / step,
        "metrics": metrics / line_stride(_LONG_RUN_STEPS) / step,
        # every 30 s, and more seldom where a checkpoint would cost more than 1 % of the time
        "checkpoint": min(0.01, checkpoint / CHECKPOINT_EVERY_S),
    }
    for name, share in {**parts, "all": sum(parts.values())}.items():
        yield item(
            NAME,
            f"{case}-share-{name}",
            "share of a step",
            "of the time",
            share,
            images=what,
            threads=torch.get_num_threads(),
        )


def _seconds(work: Callable[[], Any], times: int = 3) -> float:
    """Median of a few."""
    work()
    found = []
    for _ in range(times):
        started = time.perf_counter()
        work()
        found.append(time.perf_counter() - started)
    return float(np.median(found))


if __name__ == "__main__":
    from bench.support.measuring import main

    raise SystemExit(main(NAME))
