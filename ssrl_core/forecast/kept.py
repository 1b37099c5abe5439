"""The forecast: which descriptors, columns and classes an embedding still tells under a composition."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ssrl_core.errors import SpecError
from ssrl_core.forecast.result import Forecast
from ssrl_core.forecast.setting import Recipe, Setting
from ssrl_core.specs.backbones import DEFAULT, check_bank

if TYPE_CHECKING:
    from ssrl_core.datasets.imageset import ImageSet

Array = NDArray[Any]

MU, DIM, POWER = 0.1, 64, 1.0
LEAST = 40
"""Images that a forecast needs: half of them are solved on, half are asked about."""


def forecast(
    dataset: str | ImageSet,
    composition: Recipe,
    *,
    against: Recipe | None = None,
    by_step: bool = False,
    images: int = 1000,
    views: int = 8,
    bank: str = DEFAULT,
    seed: int = 5,
    input: str = "whole",
    mu: float = MU,
    dim: int = DIM,
    power: float = POWER,
    device: str = "cpu",
    progress: Callable[[float], None] | None = None,
) -> Forecast:
    """What a network trained with a composition is likely to keep, within seconds.

    Half of the images are solved on, the other half are asked about. Ranks are promised, not values: networks differ,
    and a share of 0 says that a linear reading finds nothing.

    Args:
        dataset: name of an image set, or one.
        composition: a name, file, mapping, composition, or weighted terms.
        against: a second composition to set beside.
        by_step: also leave out one step after another.
        images: so many of the image set, at random by the seed.
        views: of each image.
        bank: feature bank, see `specs.backbones`.
        input: "whole", or "fixed_steps": images are embedded as the composition's steps without chance leave them.
        mu, dim, power: of the closed form; at most one direction for every three images that are solved on.
        device: of features and views.
        progress: told the share done, 0..1; what it raises ends the work.

    Raises:
        SpecError: too few images, an unknown name, settings out of range, missing weights.
        DataError: images that are all the same.

    Source:
        `learning.closed_form`; probes on held-out images (Alain & Bengio 2016, arXiv:1610.01644).
    """
    started = time.monotonic()
    setting = prepare(
        dataset,
        images=images,
        views=views,
        bank=bank,
        seed=seed,
        input=input,
        mu=mu,
        dim=dim,
        power=power,
        device=device,
    )
    found = setting.forecast(composition, against=against, by_step=by_step, progress=progress)
    return replace(found, seconds=round(time.monotonic() - started, 3))


def prepare(
    dataset: str | ImageSet,
    *,
    images: int = 1000,
    views: int = 8,
    bank: str = DEFAULT,
    seed: int = 5,
    input: str = "whole",
    mu: float = MU,
    dim: int = DIM,
    power: float = POWER,
    device: str = "cpu",
) -> Setting:
    """What forecasts of several compositions on the same images share; arguments as in `forecast`.

    Raises:
        SpecError: too few images, an unknown name, settings out of range.
    """
    _check(images, views, seed, input, bank)
    imageset = imageset_of(dataset)
    return Setting(imageset, chosen_images(imageset, images, seed), bank, views, seed, input, (mu, dim, power), device)


def imageset_of(dataset: str | ImageSet) -> ImageSet:
    """The image set of a name; one that is given already is returned."""
    if not isinstance(dataset, str):
        return dataset
    from ssrl_core.datasets import store

    return store.load(dataset)


def chosen_images(imageset: ImageSet, images: int, seed: int) -> Array:
    """Ids (n,) of at most so many images by the seed.

    Raises:
        SpecError: fewer than 40.
    """
    ids = imageset.split_ids("all")
    if len(ids) < LEAST:
        rule = f"{LEAST} or more (half to solve on, half to ask about)"
        where = f"Forecast on {imageset.name!r}"
        raise SpecError.at(where, "images", rule, len(ids), "Choose a larger image set.")
    return np.random.default_rng(seed).permutation(ids)[:images]


def _check(images: int, views: int, seed: int, input: str, bank: str) -> None:
    check_bank(bank, "Forecast")
    for name, value, low, high in (("images", images, LEAST, 10**7), ("views", views, 2, 32), ("seed", seed, 0, 2**32)):
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or not low <= value <= high:
            raise SpecError.at("Forecast", name, f"a whole number in {low}..{high}", value, "Change it.")
    if input not in ("whole", "fixed_steps"):
        raise SpecError.at("Forecast", "input", "whole or fixed_steps", input, "Use whole.")
