"""The cases of the calibration: image sets, compositions that keep different things, how each network is trained."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from bench.support.images import bbbc021, cifar10, mnist
from ssrl_core.datasets import store
from ssrl_core.datasets.creation import Metadata, create
from ssrl_core.specs.run import RunSpec

TAG = "calibration"
SEEDS = (5, 6, 7)
_LONGER = 2
_KINDS, _EACH = 10, 200  # mechanisms of real cells that are asked about, and images of each


def _step(transform: str, **settings: Any) -> dict[str, Any]:
    return {"transform": transform, **settings}


def _own(name: str, size: int, *steps: dict[str, Any]) -> dict[str, Any]:
    return {"version": 1, "name": name, "size": size, "steps": list(steps)}


_FLIPS = (_step("horizontal_flip", p=0.5), _step("vertical_flip", p=0.5))
_TURNS = (*_FLIPS, _step("rotation", degrees=360))
_CENTRE = _step("center_crop", side=[0.5, 0.5])
_SMALL = _step("resized_crop", scale=[0.1, 0.5])
_CROP = _step("resized_crop", scale=[0.2, 1.0])
_HALF_CROP = _step("resized_crop", scale=[0.5, 1.0])
_BLUR = _step("gaussian_blur", p=0.8, sigma=[0.5, 2.0])


def _jitter(strength: float, hue: float) -> dict[str, Any]:
    return _step("color_jitter", brightness=strength, contrast=strength, saturation=strength, hue=hue)


# Chosen before any network was trained: every composition crops or turns, as those that people train with do (networks
# that only see small shifts or other colours find short cuts: the first calibration, docs/log.md); within an image set
# they differ in what they leave, from nearly all to little; the presets of the paper come first.
_DIGITS = (
    "mnist-first-set",
    "mnist-second-set",
    "mnist-rotation-crop-padding",
    "mnist-rotation-crop-flips",
    _own("small-crops", 28, _SMALL),
    "mnist-rotation-crop",
    _own("turned", 28, _step("rotation", degrees=180), _HALF_CROP),
    _own("crop-blur-erase", 28, _CROP, _BLUR, _step("random_erasing", p=0.9)),
)
_PHOTOS = (
    _own("base", 28, _CROP, _jitter(0.4, 0.1), _FLIPS[0]),
    _own("turned-grey", 28, _step("grayscale"), _step("rotation", degrees=180), *_FLIPS, _CROP),
    _own("crop", 28, _CROP, _FLIPS[0]),
    _own("small-crops", 28, _step("resized_crop", scale=[0.08, 0.5]), _FLIPS[0]),
    _own("hue", 28, _CROP, _jitter(0.4, 0.5), _FLIPS[0]),
    _own("grey", 28, _step("grayscale"), _CROP, _FLIPS[0]),
    _own("turned", 28, _step("rotation", degrees=180), *_FLIPS, _HALF_CROP),
    _own("crop-blur", 28, _CROP, _jitter(0.8, 0.2), _step("grayscale", p=0.2), _BLUR, _FLIPS[0]),
)


_CELLS = (
    "cells-figure6-left",
    "cells-figure6-right",
    "cells-first-set",
    _own("centre-turned", 32, *_TURNS, _CENTRE),
    _own("small-crops", 32, _SMALL),
    _own("centre-crops", 32, _jitter(0.4, 0.125), _HALF_CROP, _CENTRE),
    "cells-second-set",
    "cells-figure6-right-random",
)


@dataclass(frozen=True)
class Images:
    """An image set of the calibration.

    Attributes:
        title: as the page and the package say it.
        make: creates it in the store, whole or not at all.
        compositions: names or mappings, the most different ones first.
        side: of the views, px.
        method, epochs, limit_train: of its trainings.
        classes: numbers of clusters asked for.
        longer: epochs of trainings of the first two compositions that ask whether longer ones keep the same; 0: none.
        input: `evaluate.input`, for trained networks and forecasts alike.
        asked: images at the end of the set that trained networks are read on, all others are read from; 0: as split.
    """

    name: str
    title: str
    make: Callable[[], object]
    compositions: tuple[Any, ...]
    side: int
    method: str
    epochs: int
    limit_train: int
    classes: int
    longer: int = 0
    input: str = "whole"
    asked: int = 0


@dataclass(frozen=True)
class Case:
    """One network: its image set, the place of its composition in the table, the seed, whether it is trained longer."""

    images: Images
    place: int
    seed: int
    longer: bool = False

    @property
    def composition(self) -> Any:
        """A preset's name or a mapping, at the side of the image set's views."""
        given = self.images.compositions[self.place]
        if not isinstance(given, str):
            return given
        from ssrl_core.specs.composition import load

        return load(given).to_mapping() | {"size": self.images.side}

    @property
    def name(self) -> str:
        """Of the composition."""
        given = self.images.compositions[self.place]
        return given if isinstance(given, str) else str(given["name"])

    def spec(self, *, epochs: int | None = None, limit_train: int | None = None) -> RunSpec:
        """The run to train.

        Args:
            epochs, limit_train: other than the table's.
        """
        return RunSpec.from_mapping(
            {
                "name": f"{self.images.name}, {self.name}",
                "dataset": self.images.name,
                "backbone": "tiny_cnn",
                "method": self.images.method,
                "recipe": "small",
                "terms": [{"composition": self.composition}],
                "epochs": epochs or (self.images.longer if self.longer else self.images.epochs),
                "schedule": {"name": "cosine", "warmup_epochs": 1},
                "seed": self.seed,
                "limit_train": limit_train or self.images.limit_train,
                "device": "cpu",
                "evaluate": {
                    "clusters": [self.images.classes],
                    "linear": None,
                    "layouts": [],
                    "input": self.images.input,
                    "online_every_epochs": 0,
                },
                "keep": {"embedding": "all", "checkpoint": "always"},
                "tags": {TAG: True},
            }
        )


def cases(sets: dict[str, Images], *, rounds: int = 1) -> Iterator[Case]:
    """Every case, image sets in turn, so that any first part of them is a calibration.

    Args:
        rounds: how many networks each composition gets, by different seeds; the first seeds go on from place to place.
    """
    most = max(len(images.compositions) for images in sets.values())
    for again in range(rounds):
        for place in range(most):
            for images in sets.values():
                if place < len(images.compositions):
                    yield Case(images, place, SEEDS[(place + again) % len(SEEDS)])


def longer_cases(sets: dict[str, Images]) -> Iterator[Case]:
    """The first two compositions of each image set, trained about twice as long."""
    for place in range(_LONGER):
        for images in sets.values():
            if images.longer:
                yield Case(images, place, SEEDS[place], longer=True)


def _mnist() -> object:
    pixels, digits = mnist(4000, 4000)
    return create("calib-mnist", pixels, _split(digits, 4000, "digit"), Metadata(label="digit"))


def _cifar() -> object:
    """The archive goes by class, so the images to train on are drawn from all 5,000 of its train part."""
    pixels, kinds = cifar10()
    order = np.concatenate([np.random.default_rng(0).permutation(5000), np.arange(5000, len(pixels))])
    table = _split(kinds[order], 4000, "label")
    return create("calib-cifar10", np.ascontiguousarray(pixels[order]), table, Metadata(label="label"))


def _split(labels: Any, train: int, column: str) -> pd.DataFrame:
    return pd.DataFrame({column: labels, "split": ["train"] * train + ["test"] * (len(labels) - train)})


def _real_cells() -> object:
    """BBBC021's crops; ten mechanisms of at most 200 images are asked about, the others are only trained on."""
    pixels, moa = bbbc021()
    order = np.random.default_rng(0).permutation(len(moa))
    names, counts = np.unique(moa, return_counts=True)
    split, label = np.full(len(moa), "train", object), np.full(len(moa), None, object)
    for kind in names[np.argsort(-counts)[:_KINDS]]:
        own = [i for i in order if moa[i] == kind][:_EACH]
        label[own] = kind
        split[own[: len(own) // 2]] = "test"
    top = int(np.quantile(pixels, 0.999))
    table = pd.DataFrame({"moa": label, "split": split})
    return create("calib-real-cells", np.minimum(pixels, top), table, Metadata(label="moa", max_value=top))


def _simulated() -> object:
    from ssrl_core.datasets.made.simulated_cells import CHANNELS, camera_for, simulate

    parts = list(simulate(6600, side=64, seed=5, only="sim-nocodazole"))
    table = pd.concat([part for _, part in parts], ignore_index=True)
    table["split"] = np.where(np.random.default_rng(0).permutation(len(table)) < 2000, "train", "test")
    about = Metadata(label="response", channels=CHANNELS, max_value=camera_for(64).top)
    return create("calib-simulated-cells", np.concatenate([pixels for pixels, _ in parts]), table, about)


def _strokes() -> object:
    from ssrl_core.datasets.builtin import BUILT_IN

    BUILT_IN["strokes"].make()
    return store.load("strokes")


IMAGES: dict[str, Images] = {
    images.name: images
    for images in (
        Images("strokes", "strokes", _strokes, _DIGITS, 28, "vicreg", 12, 2500, 10, longer=36),
        Images("calib-mnist", "MNIST", _mnist, _DIGITS, 28, "vicreg", 12, 2500, 10, longer=36),
        Images("calib-cifar10", "CIFAR-10", _cifar, _PHOTOS, 28, "simclr", 10, 4000, 10, longer=30, asked=2000),
        Images(
            "calib-simulated-cells", "simulated cells", _simulated, _CELLS, 32, "vicreg", 16, 2000, 4, 48, "fixed_steps"
        ),
        Images("calib-real-cells", "real cells", _real_cells, _CELLS, 32, "vicreg", 24, 2000, 10, 0, "fixed_steps"),
    )
}
