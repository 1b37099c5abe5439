"""What the closed form gives beside its bank alone and raw pixels: `python -m bench.solved [--sets strokes …]`.

1,000 train and 1,000 test images of each set, whole (or their centre half, as the composition shows them); one line of
JSON for each composition: seconds, k-means AMI, kNN and ridge accuracy on the test images. MNIST, CIFAR-10 and the
crops of BBBC021 are read from `$SSRL_SHARED/data`.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from bench.support import images
from ssrl_core.analysis.clusters import kmeans
from ssrl_core.analysis.scores import ami
from ssrl_core.datasets import store
from ssrl_core.datasets.creation import Metadata, create
from ssrl_core.datasets.imageset import ImageSet
from ssrl_core.forecast.reading import read_classes
from ssrl_core.learning.closed_form import solve
from ssrl_core.learning.probes.knn import knn_top1
from ssrl_core.learning.solving import bank_for, features_of, moments_of, shown
from ssrl_core.specs.composition import load
from ssrl_core.specs.run import Term

DIGITS = (
    "mnist-rotation-crop",
    "mnist-rotation-crop-padding",
    "mnist-first-set",
    "mnist-rotation-crop-flips",
    "mnist-second-set",
)
FIGURE_6 = ("cells-figure6-left", "cells-figure6-right")
CELLS = ("cells-first-set", "cells-second-set", *FIGURE_6)
SETS = {
    "strokes": DIGITS,
    "mnist": DIGITS,
    "cifar10": ("identity", "cifar-base", "sololearn-symmetric"),
    "simulated-nocodazole": FIGURE_6,
    "bbbc021": CELLS,
}


def main() -> None:
    """Print one line for each image set, composition and way of showing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=list(SETS))
    parser.add_argument("--bank", default="random")
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--views", type=int, default=6)
    parser.add_argument("--seeds", type=int, nargs="+", default=[5])
    parser.add_argument("--only", nargs="+", default=None, help="compositions")
    args = parser.parse_args()
    for name in args.sets:
        imageset = MADE[name]() if name in MADE else store.load(name)
        for composition in args.only or SETS[name]:
            for seed in args.seeds:
                for line in _lines(imageset, composition, args.bank, args.images, args.views, seed):
                    print(json.dumps(line), flush=True)


def _lines(
    imageset: ImageSet, name: str, bank_name: str, limit: int, views: int, seed: int
) -> Iterator[dict[str, Any]]:
    composition = load(name)
    train = imageset.split_ids("train", limit_train=limit)
    test = np.setdiff1d(imageset.split_ids("all"), imageset.split_ids("train"))[:limit]
    started, worked = time.monotonic(), time.process_time()
    side = composition.views[0].size or max(imageset.shape[1:])
    bank = bank_for(bank_name, imageset, train, side, seed=seed)
    found = solve(
        moments_of(imageset, train, [Term(composition)], bank, views=views, seed=seed), mu=0.01, dim=32, power=1
    )
    seconds, cpu = time.monotonic() - started, time.process_time() - worked
    for fixed in (False, True) if "figure6-right" in name else (False,):
        pair = [features_of(imageset, ids, composition, bank, fixed=fixed) for ids in (train, test)]
        pixels = [
            np.concatenate([x.flatten(1).numpy() for _, x in shown(imageset, ids, composition, fixed=fixed)])
            for ids in (train, test)
        ]
        ways = {"solved": [found.embed(x) for x in pair], "bank_alone": pair, "pixels": pixels}
        yield {
            "set": imageset.name,
            "composition": name,
            "shown": "fixed_steps" if fixed else "whole",
            "bank": bank_name,
            "seed": seed,
            "seconds": round(seconds, 1),
            "cpu_s": round(cpu, 1),
            **{way: _scores(imageset, train, test, *x) for way, x in ways.items()},
        }


def _scores(imageset: ImageSet, train: Any, test: Any, a: Any, b: Any) -> dict[str, float]:
    """AMI with k-means, kNN and ridge accuracy of the label; of cells also two clusters and the neighbours."""
    labels, found = _labels(imageset), {}
    k = 4 if "neighbours" in imageset.table else len(np.unique(labels))
    found["ami"] = ami(labels[test], kmeans(b, k).ids)
    if "neighbours" in imageset.table:
        crowded = (imageset.table["neighbours"].to_numpy() >= 3).astype(int)
        found["ami_neighbours"] = ami(crowded[test], kmeans(b, 2).ids)
    found["knn"] = knn_top1(a, labels[train], b, labels[test])
    classes = int(labels.max()) + 1
    if a.shape[1] <= 1200:
        found["top1"] = read_classes(a, labels[train], b, labels[test], classes=classes, seed=0)[0].value
    return {name: round(float(value), 3) for name, value in found.items()}


def _labels(imageset: ImageSet) -> Any:
    if "response" in imageset.table:
        return imageset.table["response"].astype("category").cat.codes.to_numpy().astype(np.int64)
    return imageset.label_ids


def _mnist() -> ImageSet:
    return _made("mnist-2000", *images.mnist(1000, 1000), np.arange(2000) < 1000)


def _cifar() -> ImageSet:
    return _made("cifar10-7000", *images.cifar10(), np.arange(7000) < 5000)


def _real_cells() -> ImageSet:
    """Crops of the ten commonest mechanisms and DMSO, at most 150 of each, half of them to test on."""
    crops, kinds = images.bbbc021()
    order = np.random.default_rng(0).permutation(len(kinds))
    names, counts = np.unique(kinds, return_counts=True)
    some = [order[kinds[order] == name][:150] for name in names[np.argsort(-counts)[:11]]]
    ids, train = np.concatenate(some), np.concatenate([np.arange(len(own)) % 2 == 0 for own in some])
    pixels = crops[ids]
    top = int(np.quantile(pixels, 0.999))
    return _made("bbbc021-crops", np.minimum(pixels, top), kinds[ids], train, max_value=top)


def _made(name: str, pixels: Any, labels: Any, train: Any, **about: Any) -> ImageSet:
    if store.is_ready(name):
        return store.load(name)
    import pandas as pd

    table = pd.DataFrame({"label": labels, "split": np.where(train, "train", "test")})
    return create(name, np.ascontiguousarray(pixels), table, Metadata(label="label", **about))


MADE = {"mnist": _mnist, "cifar10": _cifar, "bbbc021": _real_cells}


if __name__ == "__main__":
    main()
