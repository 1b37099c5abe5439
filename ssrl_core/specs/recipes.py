"""Recipes: whole sets of settings for a method, by name. `recipe: small` in a spec fills in what the spec leaves out.

A recipe is gone once a spec is resolved: its settings stand there one by one, as if they had been written out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ssrl_core.errors import SpecError
from ssrl_core.specs.methods import METHODS


@dataclass(frozen=True)
class Recipe:
    """Settings of one method that go together.

    Attributes:
        method: settings other than the method's defaults.
        optimizer, schedule: None for the method's own.
        batch_size: None for the default of a spec.
    """

    method: Mapping[str, Any] = field(default_factory=dict)
    optimizer: Mapping[str, Any] | None = None
    schedule: Mapping[str, Any] | None = None
    batch_size: int | None = None


@dataclass(frozen=True)
class RecipeRow:
    """A row of the table.

    Attributes:
        title, sentence: what it is for.
        source: where its numbers come from.
        of: method -> recipe; methods that are not in it have none.
    """

    title: str
    sentence: str
    source: str
    of: Mapping[str, Recipe]


def _paper(lr: float, weight_decay: float, batch_size: int = 512) -> Recipe:
    """Appendix B.2: SGD; the text does not say whether rates are scaled by the batch (solo-learn's are)."""
    optimizer = {"name": "sgd", "lr": lr, "lr_scaling": "batch256", "weight_decay": weight_decay}
    return Recipe({}, optimizer, None, batch_size)


_PAPER = {
    "barlow_twins": _paper(0.3, 1e-4),
    "byol": _paper(1.0, 1e-5),
    "deepcluster_v2": _paper(0.6, 1e-6),
    "dino": _paper(0.3, 1e-4, 256),
    "moco_v2_plus": _paper(0.3, 1e-4),
    "nnbyol": _paper(1.0, 1e-5),
    "nnclr": _paper(0.4, 1e-5),
    "ressl": _paper(0.05, 1e-4),
    "simclr": _paper(0.4, 1e-5),
    "simsiam": _paper(0.5, 1e-5),
    "swav": _paper(0.6, 1e-6),
    "vibcreg": _paper(0.3, 1e-4),
    "vicreg": _paper(0.3, 1e-4, 256),
}
_PAPER_IMAGENET100 = {
    "moco_v2_plus": _paper(0.3, 1e-4, 128),
    "vicreg": _paper(0.3, 1e-4, 128),
    "simclr": _paper(0.4, 1e-5, 128),
    "byol": _paper(0.45, 1e-5, 128),
}
_NARROW = {"hidden_dim": 256, "projection_dim": 64}
_WIDE = {"hidden_dim": 256, "projection_dim": 256}
_FOLLOWS = {"momentum_start": 0.996}  # a teacher that follows faster teaches less here, docs/log.md


def _small(settings: Mapping[str, Any], lr: float = 0.001) -> Recipe:
    return Recipe(settings, {"name": "adam", "lr": lr, "weight_decay": 1e-4}, None, 64)


_SMALL = {
    "barlow_twins": _small(_WIDE, 0.002),
    "byol": _small({**_NARROW, "predictor_dim": 256}),
    "deepcluster_v2": _small({**_NARROW, "prototypes": 100}),
    "dino": _small({**_NARROW, **_FOLLOWS, "prototypes": 256, "teacher_temperature": 0.04}),
    "lejepa": _small(_NARROW),
    "moco_v2_plus": _small({**_NARROW, "temperature": 0.1, "queue_size": 256}),
    "nnbyol": _small({**_NARROW, "predictor_dim": 256, "queue_size": 256}),
    "nnclr": _small({**_NARROW, "predictor_dim": 256, "queue_size": 256}),
    "ressl": _small({**_NARROW, "queue_size": 256}),
    "simclr": _small(_NARROW, 0.002),
    "simsiam": _small({**_WIDE, "predictor_dim": 64}),
    "swav": _small({**_NARROW, "prototypes": 100, "queue_size": 512, "freeze_prototypes_epochs": 1}),
    "vibcreg": _small({**_WIDE, "whitening_groups": 8}, 0.002),
    "vicreg": _small(_WIDE, 0.002),
    "w_mse": _small({"hidden_dim": 256, "projection_dim": 16, "whitening_size": 64}, 0.004),
}

RECIPES: dict[str, RecipeRow] = {
    "solo-learn": RecipeRow(
        "solo-learn's",
        "The defaults: what the method's own code base uses for CIFAR, with ResNet18 and hundreds of epochs.",
        "solo-learn's CIFAR recipes",
        {name: Recipe() for name in METHODS},
    ),
    "paper": RecipeRow(
        "The paper's, CIFAR",
        "Plain SGD and batches of 512 (256 for DINO and VICReg), for 1,000 epochs.",
        "No free lunch in self-supervised representation learning, appendix B.2",
        _PAPER,
    ),
    "paper-imagenet100": RecipeRow(
        "The paper's, ImageNet100",
        "Plain SGD and batches of 128, for 400 epochs; four methods.",
        "No free lunch in self-supervised representation learning, appendix B.2",
        _PAPER_IMAGENET100,
    ),
    "small": RecipeRow(
        "Small runs",
        "Narrow heads, short queues and Adam, for a small network on a processor.",
        "chosen here with bench/learning.py (docs/log.md)",
        _SMALL,
    ),
}


def recipe_of(name: Any, method: str, where: str) -> Recipe:
    """A recipe of a method.

    Raises:
        SpecError: there is no such recipe, or not for this method.
    """
    fitting = [key for key, row in RECIPES.items() if method in row.of]
    if name not in fitting:
        raise SpecError.at(
            where,
            "recipe",
            f"one of {', '.join(fitting)} for method {method}",
            name,
            "Leave it out for solo-learn's settings.",
        )
    return RECIPES[name].of[method]


def with_recipe(data: Mapping[str, Any], where: str) -> dict[str, Any]:
    """A spec as plain data whose `recipe` is replaced by the settings it stands for; what is written out wins.

    Raises:
        SpecError: see `recipe_of`.
    """
    given = dict(data)
    name = given.pop("recipe", None)
    method = given.get("method")
    named = {"name": method} if isinstance(method, str) else method
    if name is None or not isinstance(named, Mapping) or named.get("name") not in METHODS:
        return given  # without a recipe, or with a method that reading the spec will complain about
    recipe = recipe_of(name, named["name"], where)
    given["method"] = {**recipe.method, **named}
    for key in ("optimizer", "schedule", "batch_size"):
        value = getattr(recipe, key)
        if value is not None and given.get(key) is None:
            given[key] = value
    return given
