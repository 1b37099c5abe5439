"""The solved run beside a network trained for minutes, the feature bank alone and raw pixels.

On each image set the same train images and the same composition: `method: spectral` at its defaults, tiny_cnn with
`recipe: small` stopped after so many minutes of a processor (one training, looked at on its way; the rate is constant,
as a schedule would know its end), the bank without any solution, raw pixels. k-means AMI and kNN are of the test
images. Minutes are of the processor, as machines are shared; MNIST and CIFAR-10 are read from `$SSRL_SHARED/data`.
`--only` takes sets and budgets: `--only strokes-trained-1-minute`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from bench.calibration.cases import IMAGES
from bench.support.made_stores import own_stores
from bench.support.measuring import Item, Options, item
from ssrl_core.analysis.clusters import kmeans
from ssrl_core.analysis.scores import ami
from ssrl_core.datasets import store
from ssrl_core.datasets.imageset import ImageSet
from ssrl_core.learning.backbones.encoder import Encoder
from ssrl_core.learning.embedding import embed, showing, untrained_encoder
from ssrl_core.learning.probes.knn import knn_top1
from ssrl_core.learning.solving import shown, solve_run
from ssrl_core.learning.training import Training
from ssrl_core.specs.run import RunSpec

TITLE = "The solved run beside tiny_cnn trained for minutes, the bank alone and raw pixels: AMI, kNN, seconds."
NAME = "forecast"
MINUTES: tuple[float, ...] = (1, 5, 20)
SETS = {
    "strokes": ("strokes", "mnist-first-set", "vicreg"),
    "mnist": ("calib-mnist", "mnist-first-set", "vicreg"),
    "cifar10": ("calib-cifar10", "cifar-base", "simclr"),
    "simulated-cells": ("calib-simulated-cells", "cells-figure6-right", "vicreg"),
}
"""Case -> image set, composition, method of the training (the one that learns most in minutes, results/learning.md)."""

Floats = NDArray[np.float32]
Numbers = dict[str, float]


def measure(options: Options) -> Iterator[Item]:
    """Every image set and budget that was asked for."""
    for case in SETS:
        budgets = [minutes for minutes in MINUTES if options.wanted(f"{case}-trained-{_told(minutes)}")]
        if not budgets and not options.wanted(f"{case}-references"):
            continue
        with own_stores():
            yield from _of_set(case, budgets)


def _of_set(case: str, budgets: list[float]) -> Iterator[Item]:
    name, composition, method = SETS[case]
    IMAGES[name].make()
    imageset = store.load(name)
    solved_spec, trained_spec = (_spec(name, composition, way) for way in ("spectral", method))
    started = time.process_time()
    solved = _scores(solve_run(solved_spec, imageset), solved_spec, imageset) | {
        "seconds": time.process_time() - started
    }
    alone = _scores(untrained_encoder(solved_spec, imageset), solved_spec, imageset)
    yield from _items(f"{case}-references", solved, alone, "the bank alone")
    yield from _items(f"{case}-references", solved, _of_pixels(solved_spec, imageset), "raw pixels")
    for minutes, found in _trained(trained_spec, imageset, budgets):
        yield from _items(f"{case}-trained-{_told(minutes)}", solved, found, f"tiny_cnn, {method}")


def _spec(name: str, composition: str, method: str) -> RunSpec:
    settings: dict[str, Any] = {"dataset": name, "method": method, "terms": composition, "device": "cpu"}
    settings["evaluate"] = {"input": IMAGES[name].input}
    if method != "spectral":
        constant = {"name": "constant", "warmup_epochs": 0}
        settings |= {"backbone": "tiny_cnn", "recipe": "small", "epochs": 100_000, "schedule": constant}
    return RunSpec.from_mapping(settings)


def _trained(spec: RunSpec, imageset: ImageSet, budgets: list[float]) -> Iterator[tuple[float, Numbers]]:
    """Scores of a training after so many minutes of the processor each; looking at it takes none of them."""
    if not budgets:
        return
    training, used, step = Training(spec, imageset), 0.0, 0
    training.begin_epoch(0)
    for minutes in sorted(budgets):
        while used < 60 * minutes:
            started = time.process_time()
            if step and step % training.steps_per_epoch == 0:
                training.begin_epoch(step // training.steps_per_epoch)
            training.step(step)
            step += 1
            used += time.process_time() - started
        yield minutes, _scores(training.method.encoder.eval(), spec, imageset) | {"seconds": used}


def _scores(encoder: Encoder, spec: RunSpec, imageset: ImageSet) -> Numbers:
    ways: dict[str, Any] = {"max_value": imageset.max_value, "device": "cpu", "show": showing(spec, imageset)}
    train, test = imageset.split_ids("train"), imageset.split_ids("test")
    return _of_features(imageset, *(embed(encoder, imageset.pixels, ids, **ways) for ids in (train, test)))


def _of_pixels(spec: RunSpec, imageset: ImageSet) -> Numbers:
    composition, fixed = spec.terms[0].composition, spec.evaluate.input == "fixed_steps"
    pair = [
        torch.cat([x.flatten(1) for _, x in shown(imageset, imageset.split_ids(split), composition, fixed=fixed)])
        for split in ("train", "test")
    ]
    return _of_features(imageset, pair[0].numpy(), pair[1].numpy())


def _of_features(imageset: ImageSet, bank: Floats, asked: Floats) -> Numbers:
    here, there = (imageset.label_ids[imageset.split_ids(split)] for split in ("train", "test"))
    clusters = kmeans(asked, len(np.unique(there))).ids
    return {"AMI": float(ami(there, clusters)), "kNN": knn_top1(bank, here, asked, there)}


def _items(case: str, solved: Numbers, peer: Numbers, name: str) -> Iterator[Item]:
    for metric, value in solved.items():
        other = peer.get(metric)
        yield item(
            NAME,
            case,
            f"{metric} of the solved run" if metric != "seconds" else "seconds of the processor",
            "s" if metric == "seconds" else "",
            round(value, 3),
            peer=None if other is None else round(other, 3),
            peer_name=name,
            peer_version="viewloom",
            ratio=None if not other else value / other,
            threads=torch.get_num_threads(),
        )


def _told(minutes: float) -> str:
    return f"{minutes:g}-minute{'' if minutes == 1 else 's'}"


if __name__ == "__main__":
    from bench.support.measuring import main

    raise SystemExit(main(NAME))
