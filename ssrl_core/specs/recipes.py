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
        lacks: what its source says and a spec of ours cannot, in sentences.
    """

    method: Mapping[str, Any] = field(default_factory=dict)
    optimizer: Mapping[str, Any] | None = None
    schedule: Mapping[str, Any] | None = None
    batch_size: int | None = None
    lacks: str = ""


@dataclass(frozen=True)
class RecipeRow:
    """A row of the table.

    Attributes:
        title, sentence: what it is for.
        source: where its numbers come from.
        lacks: what the source says of every method and a spec of ours cannot, in sentences.
        of: method -> recipe; methods that are not in it have none.
    """

    title: str
    sentence: str
    source: str
    of: Mapping[str, Recipe]
    lacks: str = ""


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
_COSINE = {"name": "cosine", "warmup_epochs": 10, "warmup_lr": 3.0e-05}
_FLOOR = {**_COSINE, "final_lr": 6.0e-04}
_FOLLOWED = {"momentum_start": 0.99, "momentum_end": 1.0}
_PREDICTS = {"hidden_dim": 4096, "projection_dim": 256, "predictor_dim": 4096, **_FOLLOWED}
_MOCO_QUEUE = {"queue_size": 65_536}


def _scripts(
    lr: float,
    weight_decay: float,
    settings: Mapping[str, Any],
    batch_size: int = 512,
    *,
    name: str = "lars",
    schedule: Mapping[str, Any] = _COSINE,
    lacks: str = "",
) -> Recipe:
    """The authors' launch scripts: SGD, which solo-learn scales by the batch, with LARS as clipping of the gradient.

    Our `lars` is that: eta 0.02, scaled by at most 1, without biases and norms (`learning.optimizers.LARS`).
    """
    optimizer = {"name": name, "lr": lr, "lr_scaling": "batch256", "weight_decay": weight_decay, "momentum": 0.9}
    return Recipe(settings, optimizer, schedule, batch_size, lacks)


_AUTHORS = {
    "barlow_twins": _scripts(
        0.3,
        1e-4,
        {"hidden_dim": 2048, "projection_dim": 2048, "loss_scale": 0.1},
        lacks="The CIFAR-10 script of this method has a hue of 0.5, the others 0.1.",
    ),
    "byol": _scripts(1.0, 1e-5, _PREDICTS),
    "deepcluster_v2": _scripts(
        0.6,
        1e-6,
        {"hidden_dim": 2048, "projection_dim": 128, "prototypes": 3000, "prototype_sets": 3},
        schedule={"name": "cosine", "warmup_epochs": 11, "warmup_lr": 0.0, "final_lr": 6.0e-04},
    ),
    "dino": _scripts(
        0.3,
        1e-6,
        {
            "hidden_dim": 2048,
            "projection_dim": 256,
            "prototypes": 4096,
            "momentum_start": 0.9995,
            "momentum_end": 1.0,
        },
        256,
        lacks="The paper gives a weight decay of 1e-4.",
    ),
    "moco_v2_plus": _scripts(
        0.3,
        1e-4,
        {
            "hidden_dim": 2048,
            "projection_dim": 256,
            "temperature": 0.2,
            "queue_size": 32_768,
            "momentum_start": 0.99,
            "momentum_end": 0.999,
        },
        name="sgd",
        lacks="The script leaves the width of the projection to solo-learn's default, 256.",
    ),
    "nnbyol": _scripts(1.0, 1e-5, _PREDICTS, lacks="The queue is solo-learn's 65,536, which the table does not name."),
    "nnclr": _scripts(
        0.4,
        1e-5,
        {
            "hidden_dim": 2048,
            "projection_dim": 256,
            "predictor_dim": 4096,
            "temperature": 0.2,
            "queue_size": 65_536,
        },
    ),
    "ressl": _scripts(
        0.05,
        1e-4,
        {"hidden_dim": 4096, "projection_dim": 256},
        name="sgd",
        lacks="The weak view, without jitter, is a matter of the composition: cifar-ressl-authors.",
    ),
    "simclr": _scripts(0.4, 1e-5, {"hidden_dim": 2048, "projection_dim": 256, "temperature": 0.2}),
    "simsiam": _scripts(
        0.5,
        1e-5,
        {"hidden_dim": 2048, "projection_dim": 2048, "predictor_dim": 512},
        name="sgd",
        lacks="The last norm of each residual block does not start at 0, as it does in the script.",
    ),
    "swav": _scripts(
        0.6,
        1e-6,
        {
            "hidden_dim": 2048,
            "projection_dim": 128,
            "queue_size": 3840,
            "queue_from_epoch": 50,
            "freeze_prototypes_epochs": 2,
        },
        schedule=_FLOOR,
        lacks="The prototypes are solo-learn's 3,000, which the table does not name.",
    ),
    "vibcreg": _scripts(
        0.3,
        1e-4,
        {
            "hidden_dim": 2048,
            "projection_dim": 2048,
            "invariance_weight": 25.0,
            "variance_weight": 25.0,
            "covariance_weight": 200.0,
        },
        lacks="LARS does not clip here (solo-learn's default for this method); in the script it does.",
    ),
    "vicreg": _scripts(
        0.3,
        1e-4,
        {
            "hidden_dim": 2048,
            "projection_dim": 2048,
            "invariance_weight": 25.0,
            "variance_weight": 25.0,
            "covariance_weight": 1.0,
        },
        256,
    ),
}


def _imagenet100(method: str, recipe: Recipe) -> Recipe:
    """The same for ImageNet100: batches of 128 (DeepCluster v2 256), three numbers of their own."""
    rates = {"byol": 0.45, "barlow_twins": 0.8}
    optimizer = {**(recipe.optimizer or {}), **({"lr": rates[method]} if method in rates else {})}
    settings = {**recipe.method, **(_MOCO_QUEUE if method == "moco_v2_plus" else {})}
    batch, lacks = 256 if method == "deepcluster_v2" else 128, recipe.lacks if method != "barlow_twins" else ""
    return Recipe(settings, optimizer, recipe.schedule, batch, lacks)


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

_SCRIPTS_LACK = (
    "The scripts run in half precision (ours: bfloat16 on a card), and train a classifier on the momentum network "
    "while it learns, which ours do not (evaluate: {embed: teacher} measures its projector's output afterwards). Their "
    "linear evaluation steps its rate of 0.1 down by ten at epochs 60 and 80; ours falls along a cosine. Crops, jitter "
    "and epochs are no part of a recipe: cifar-authors, and cifar-base for VICReg and VIbCReg."
)

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
    "authors": RecipeRow(
        "The authors' scripts, CIFAR",
        "SGD with LARS as clipping, batches of 512 (256 for DINO and VICReg), for 1,000 epochs, by the launch scripts.",
        "IhabBendidi/original_solo (Sep 2022, 7c0188b), a fork of solo-learn older than the paper",
        _AUTHORS,
        _SCRIPTS_LACK,
    ),
    "authors-imagenet100": RecipeRow(
        "The authors' scripts, ImageNet100",
        "The same with batches of 128, for 400 epochs.",
        "IhabBendidi/original_solo (Sep 2022, 7c0188b), a fork of solo-learn older than the paper",
        {name: _imagenet100(name, recipe) for name, recipe in _AUTHORS.items()},
        _SCRIPTS_LACK,
    ),
    "small": RecipeRow(
        "Small runs",
        "Narrow heads, short queues and Adam, for a small network on a processor.",
        "chosen here with bench/learning.py (docs/log.md)",
        _SMALL,
    ),
}


def lacks(name: str, method: str) -> str:
    """What the source of a recipe says of a method and a spec cannot, in sentences; "" for nothing."""
    row = RECIPES[name]
    return " ".join(filter(None, (row.of[method].lacks, row.lacks))) if method in row.of else ""


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
    if name is None or not isinstance(named, Mapping) or str(named.get("name")) not in METHODS:
        return given  # without a recipe, or with a method that reading the spec will complain about
    recipe = recipe_of(name, str(named["name"]), where)
    given["method"] = {**recipe.method, **named}
    for key in ("optimizer", "schedule", "batch_size"):
        value = getattr(recipe, key)
        if value is not None and given.get(key) is None:
            given[key] = value
    return given
