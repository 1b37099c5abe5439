"""Runs to start from: small ones for any machine, the paper's own, and every run that was made before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

_TINY = {
    "backbone": "tiny_cnn",
    "method": {
        "name": "moco_v2_plus",
        "hidden_dim": 256,
        "projection_dim": 64,
        "temperature": 0.1,
        "queue_size": 1024,
    },
    "optimizer": {"name": "adam", "lr": 0.002, "weight_decay": 0.0001},
    "batch_size": 128,
}
_PAPER = {
    "method": {"name": "moco_v2_plus", "temperature": 0.07, "queue_size": 1024, "projection_dim": 128},
    "optimizer": {"name": "adam", "lr": 0.001, "weight_decay": 0.0001},
}


@dataclass(frozen=True)
class Start:
    """A run to start from.

    Attributes:
        sentence: what one learns from it, and what it costs.
    """

    title: str
    group: str
    sentence: str
    spec: dict[str, Any]


STARTS: dict[str, Start] = {
    "quick": Start(
        "Quick look",
        "On any machine",
        "A tiny network on drawn digits: a few minutes on a laptop, enough to see clusters form.",
        {
            **_TINY,
            "dataset": "strokes",
            "terms": "mnist-first-set",
            "epochs": 8,
            "limit_train": 4096,
            "evaluate": {"layouts": ["umap"]},
        },
    ),
    "quick-second": Start(
        "Quick look, other transformations",
        "On any machine",
        "The same images and network under the paper's second set: other things are kept, so other clusters form.",
        {
            **_TINY,
            "dataset": "strokes",
            "terms": "mnist-second-set",
            "epochs": 8,
            "limit_train": 4096,
            "evaluate": {"layouts": ["umap"]},
        },
    ),
    "mnist-small": Start(
        "MNIST, small",
        "On any machine",
        "6,000 handwritten digits and a tiny network: about ten minutes on two cores.",
        {**_TINY, "dataset": "mnist", "terms": "mnist-first-set", "epochs": 12, "limit_train": 6000},
    ),
    "as-it-comes": Start(
        "A network as it comes",
        "On any machine",
        "No training: measure and explore VGG16 with ImageNet weights, or with a file of yours, on your images.",
        {
            "dataset": "mnist",
            "backbone": {"name": "vgg16", "weights": "imagenet"},
            "method": "pretrained",
            "limit_train": 2000,
            "evaluate": {"layouts": ["umap"]},
        },
    ),
    "paper-mnist-first": Start(
        "MNIST, first set",
        "The paper",
        "VGG11 for 250 epochs under the set that keeps the digit (table 2, figure 4). Hours on a GPU.",
        {
            **_PAPER,
            "dataset": "mnist",
            "backbone": "vgg11",
            "terms": "mnist-first-set",
            "batch_size": 32,
            "epochs": 250,
        },
    ),
    "paper-mnist-second": Start(
        "MNIST, second set",
        "The paper",
        "The same under the set that keeps the handwriting (table 2, figure 4). Hours on a GPU.",
        {
            **_PAPER,
            "dataset": "mnist",
            "backbone": "vgg11",
            "terms": "mnist-second-set",
            "batch_size": 32,
            "epochs": 250,
        },
    ),
    "paper-cells": Start(
        "Cells, two compositions weighted",
        "The paper",
        "VGG13 for 400 epochs under 1.0 × figure 6 right + 0.4 × figure 6 left (table 4, figure 7). Choose your cells.",
        {
            **_PAPER,
            "dataset": "simulated-cells",
            "backbone": "vgg13",
            "terms": [
                {"composition": "cells-figure6-right", "weight": 1.0},
                {"composition": "cells-figure6-left", "weight": 0.4},
            ],
            "batch_size": 128,
            "epochs": 400,
            "evaluate": {"clusters": [2, 4, 8]},
        },
    ),
    "paper-cifar": Start(
        "CIFAR-10, the sweep's base",
        "The paper",
        "ResNet18 for 1,000 epochs with MoCo v2+'s own recipe (section 3.1). Many hours on a GPU.",
        {
            "dataset": "cifar10",
            "backbone": "resnet18",
            "method": "moco_v2_plus",
            "terms": "cifar-base",
            "batch_size": 512,
            "epochs": 1000,
        },
    ),
}
FIRST = "quick"
