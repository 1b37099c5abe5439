"""Linear evaluation: cached embeddings beside the paper's protocol (images through the frozen network each epoch).

The ratio is of whole evaluations, embedding included. `agreement` is the difference of their accuracies in points (a
hundredth each): the fast one may stand for the other where it is below 0.5.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

from bench.support import images
from bench.support.measuring import Item, Options, item
from bench.support.trained import imageset_of, spec_of
from ssrl_core.datasets.imageset import ImageSet
from ssrl_core.learning.backbones.encoder import Encoder
from ssrl_core.learning.embedding import embed, untrained_encoder
from ssrl_core.learning.probes.linear import linear_probe, linear_probe_through

TITLE = "Linear evaluation on cached embeddings beside the paper's protocol."
NAME = "probe"
CASES = {"cifar-32-tiny_cnn": "tiny_cnn", "cifar-32-resnet18": "resnet18"}
EPOCHS = 100
_FEW_EPOCHS = 2
_IMAGES = 2000


def measure(options: Options) -> Iterator[Item]:
    """Every case that was asked for."""
    for case, backbone in CASES.items():
        if not options.wanted(case):
            continue
        pictures = images.cifar_32(_IMAGES)
        with imageset_of(pictures, images.cifar_32_labels(_IMAGES)) as imageset:
            yield from _case(case, untrained_encoder(spec_of(backbone, 256), imageset), imageset, pictures.what)


def _case(case: str, encoder: Encoder, imageset: ImageSet, what: str) -> Iterator[Item]:
    train, test = imageset.split_ids("train"), imageset.split_ids("test")
    # A large network would take an hour for 100 epochs: then a few are timed, and the accuracies are not compared.
    epochs = EPOCHS if encoder.name == "tiny_cnn" else _FEW_EPOCHS
    fast, fast_s = _timed(lambda: _cached(encoder, imageset, train, test, EPOCHS))
    slow, slow_s = _timed(lambda: linear_probe_through(encoder, imageset, train, test, epochs=epochs))
    if epochs != EPOCHS:
        _, none_s = _timed(lambda: _embedded(encoder, imageset, train, test))
        slow_s = none_s + (slow_s - none_s) * EPOCHS / epochs
    common: dict[str, Any] = {"images": what, "threads": torch.get_num_threads()}
    yield item(
        NAME,
        f"{case}-{EPOCHS}-epochs",
        "speed",
        "evaluations/s",
        1 / fast_s,
        peer=1 / slow_s,
        peer_name="the paper's protocol",
        peer_version="viewloom",
        ratio=slow_s / fast_s,
        **common,
    )
    if epochs == EPOCHS:
        truth = imageset.label_ids[test]
        points = 100 * abs(float((fast == truth).mean()) - float((slow == truth).mean()))
        yield item(NAME, f"{case}-agreement", "difference of top1", "points", points, **common)


def _cached(encoder: Encoder, imageset: ImageSet, train: np.ndarray, test: np.ndarray, epochs: int) -> np.ndarray:
    bank, asked = _embedded(encoder, imageset, train, test)
    return linear_probe(bank, imageset.label_ids[train], asked, classes=len(imageset.classes), epochs=epochs)


def _embedded(encoder: Encoder, imageset: ImageSet, *ids: np.ndarray) -> list[np.ndarray]:
    pixels, most = imageset.pixels, imageset.max_value
    return [embed(encoder, pixels, some, max_value=most, device="auto") for some in ids]


def _timed(work: Callable[[], object]) -> tuple[np.ndarray, float]:
    started = time.perf_counter()
    found = work()
    return np.asarray(found, dtype=object if isinstance(found, list) else None), time.perf_counter() - started


if __name__ == "__main__":
    from bench.support.measuring import main

    raise SystemExit(main(NAME))
