"""LPIPS without torch: the table of its networks, and what is said of it: an interval, each class, what each step adds.

Steps do not add up: what a step adds depends on the others, so each is left out by itself, all else drawn as before.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ssrl_core import stores
from ssrl_core.compositions import Array
from ssrl_core.specs.composition import Composition
from ssrl_core.specs.steps import Step

if TYPE_CHECKING:
    from ssrl_core.compositions.perceptual import Lpips

RESAMPLES = 2000


@dataclass(frozen=True)
class LpipsNetwork:
    """A network that LPIPS compares features of; its name is that of the `lpips` package.

    Attributes:
        files: names its weights may have: ours (keys `features.*`), then torchvision's own.
        megabytes: size of torchvision's file, which is at `address`.
        values_per_pixel: of the widest stage, per input pixel; how much memory an image takes.
    """

    title: str
    files: tuple[str, ...]
    values_per_pixel: int
    megabytes: int

    @property
    def address(self) -> str:
        """Where torchvision's file is fetched from."""
        return f"https://download.pytorch.org/models/{self.files[-1]}"

    def file(self) -> Path | None:
        """Its weights on this machine, laid into the store or fetched by torch; None where they are not."""
        home = Path(os.environ.get("TORCH_HOME") or stores.models_root() / "cache" / "torch")
        folders = (stores.weights_root(), home / "hub" / "checkpoints")
        return next((folder / name for folder in folders for name in self.files if (folder / name).is_file()), None)


NETWORKS = {
    "alex": LpipsNetwork("AlexNet", ("alexnet_features.safetensors", "alexnet-owt-7be5be79.pth"), 12, 233),
    "vgg": LpipsNetwork("VGG16", ("vgg16_features.safetensors", "vgg16-397923af.pth"), 128, 528),
}
"""The table: a new row is offered by the Compose page and every `--net` (alex is the usual one)."""


@dataclass(frozen=True)
class Mean:
    """A mean over images with its interval.

    Attributes:
        sd: over the images, with n - 1; 0 for a single image.
        low, high: 95 % percentile bootstrap over images; both the mean for a single image.
    """

    mean: float
    sd: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class LeftOut:
    """A composition without one step.

    Attributes:
        group: name of the view group; place: number of the step in it, from 1.
        step: the one that is left out.
        composition: all else, as it was.
    """

    group: str
    place: int
    step: Step
    composition: Composition


@dataclass(frozen=True)
class Dropped:
    """LPIPS without one step.

    Attributes:
        group: name of the view group; place: number of the step in it, from 1.
        without: LPIPS of the composition without the step.
        drop: how much lower that is than with it, image by image; negative where the step makes views more alike.
    """

    group: str
    place: int
    transform: str
    sentence: str
    without: Mean
    drop: Mean


def summary(values: Array, *, seed: int = 0) -> Mean:
    """Mean, standard deviation and bootstrap interval of values (n,), n >= 1.

    Source: Efron 1979; percentile interval.
    """
    n = len(values)
    mean, sd = float(np.mean(values)), float(np.std(values, ddof=1)) if n > 1 else 0.0
    rows = np.random.default_rng(seed).integers(0, n, (RESAMPLES, n))
    low, high = np.percentile(np.asarray(values)[rows].mean(1), [2.5, 97.5])
    return Mean(mean, sd, float(low), float(high), n)


def by_class(lpips: Lpips, labels: Any) -> dict[str, Mean]:
    """LPIPS of the images of each class, in the order of first appearance.

    Args:
        labels: (n,) class names of the images that were measured, in their order.
    """
    names = np.asarray(labels, dtype=object)
    return {str(name): summary(lpips.values[names == name]) for name in dict.fromkeys(names)}


def left_out(composition: Composition) -> list[LeftOut]:
    """The composition without each of its steps in turn; steps that never happen are passed over.

    The step is switched off rather than taken away, so that all other steps keep their draws.
    """
    found = []
    for number, group in enumerate(composition.views):
        for place, step in enumerate(group.steps):
            if step.enabled and step.p > 0:
                steps = [*group.steps[:place], replace(step, enabled=False), *group.steps[place + 1 :]]
                found.append(LeftOut(group.name, place + 1, step, composition.with_steps(steps, number)))
    return found


def by_step(composition: Composition, measure: Callable[[Composition], Lpips]) -> tuple[Lpips, list[Dropped]]:
    """LPIPS of a composition, and how much it drops without each of its steps that are on.

    Args:
        measure: LPIPS of a composition, always of the same images with the same seed.
    """
    whole = measure(composition)
    found = []
    for one in left_out(composition):
        values = measure(one.composition).values
        drop = summary(whole.values - values)
        found.append(Dropped(one.group, one.place, one.step.transform, one.step.sentence(), summary(values), drop))
    return whole, found
