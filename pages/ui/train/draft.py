"""The run being written: plain data in the form of CONTRACTS C5, what each change entails, and runs to start from."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pages.ui.kit.session import Slot
from ssrl_core.errors import SpecError
from ssrl_core.specs.composition import load
from ssrl_core.specs.methods import METHODS, method_row
from ssrl_core.specs.recipes import RECIPES
from ssrl_core.specs.run import RunSpec
from ssrl_core.specs.sweep import SweepSpec

Draft = dict[str, Any]
DRAFT: Slot[Draft] = Slot("train-draft")
_MOST_SEEDS = 100
_OF_SWEEP = ("seeds", "vary", "sampler")
_EPOCHS = 100  # where a network that was not trained is to be trained after all


def fresh(spec: Any) -> Draft:
    """A draft from a spec, whatever its form: defaults filled in, compositions inlined.

    Raises:
        SpecError: if it is not a valid spec.
    """
    data = dict(spec) if isinstance(spec, Mapping) else spec
    seeds, vary, sampler = None, dict[str, Any](), {"name": "grid"}
    if isinstance(data, dict):
        seeds, vary = data.pop("seeds", None), data.pop("vary", None) or {}
        sampler = data.pop("sampler", None) or sampler
    draft = RunSpec.from_mapping(data).to_mapping()
    draft["seeds"] = read_seeds(", ".join(map(str, seeds))) if isinstance(seeds, list) and seeds else [draft["seed"]]
    if vary:
        swept = SweepSpec.from_mapping({**draft, "vary": vary, "sampler": sampler})
        draft |= {"vary": dict(swept.vary), "sampler": dict(swept.sampler)}
    return draft


def spec_of(draft: Draft) -> RunSpec:
    """The run of the first seed.

    Raises:
        SpecError: what is wrong, as a spec file would say it.
    """
    plain = {key: value for key, value in draft.items() if key not in _OF_SWEEP}
    return RunSpec.from_mapping({**plain, "seed": draft["seeds"][0]}, "Run")


def is_sweep(draft: Draft) -> bool:
    """Whether the draft is more than one run: several seeds, or something varies."""
    return len(draft["seeds"]) > 1 or bool(draft.get("vary"))


def sweep_of(draft: Draft) -> dict[str, Any]:
    """The draft as a sweep over its seeds and what varies: plain data."""
    more = {"vary": dict(draft.get("vary") or {})}
    if draft.get("vary") and draft.get("sampler", {"name": "grid"}) != {"name": "grid"}:
        more["sampler"] = dict(draft["sampler"])
    return {**spec_of(draft).to_mapping(), "seeds": list(draft["seeds"]), **more}


def run_count(draft: Draft) -> int:
    """Number of runs that the draft is.

    Raises:
        SpecError: something that varies cannot.
    """
    return SweepSpec.from_mapping(sweep_of(draft)).count if is_sweep(draft) else 1


def put(draft: Draft, path: str, value: Any) -> Draft:
    """A draft with one value changed, and with what follows from it.

    Args:
        path: keys joined by dots, list items by index, e.g. `optimizer.lr`, `terms.0.weight`.
    """
    new = copy.deepcopy(draft)
    if path == "method.name":
        return _with_method(new, str(value))
    node: Any = new
    *way, last = path.split(".")
    for key in way:
        node = node[int(key)] if isinstance(node, list) else node[key]
    node[last] = None if path == "backbone.weights" and not value else value
    return _with_fitting_queue(new) if path in ("batch_size", "method.queue_size") else new


def set_composition(draft: Draft, term: int, name: str) -> Draft:
    """A draft with another composition, by name, in one term.

    Raises:
        SpecError: there is no such composition.
    """
    new = copy.deepcopy(draft)
    new["terms"][term]["composition"] = load(name).to_mapping()
    return new


def add_term(draft: Draft, name: str) -> Draft:
    """A draft with one more term, of weight 1."""
    new = copy.deepcopy(draft)
    new["terms"].append({"weight": 1.0, "composition": load(name).to_mapping()})
    return new


def remove_term(draft: Draft, term: int) -> Draft:
    """A draft without one term; the last one stays."""
    new = copy.deepcopy(draft)
    if len(new["terms"]) > 1:
        del new["terms"][term]
    return new


def apply_recipe(draft: Draft, name: str) -> Draft:
    """A draft with the settings of a recipe: method, optimizer, schedule and batch size; the rest stays.

    Raises:
        SpecError: the method has no such recipe.
    """
    dropped = ("seeds", "optimizer", "schedule", "batch_size")
    plain = {key: value for key, value in draft.items() if key not in dropped}
    given = {**plain, "seed": draft["seeds"][0], "method": {"name": draft["method"]["name"]}, "recipe": name}
    default = {} if RECIPES[name].of[draft["method"]["name"]].batch_size else {"batch_size": draft["batch_size"]}
    return _with_fitting_queue(RunSpec.from_mapping(_fitting({**given, **default})).to_mapping()) | {
        "seeds": draft["seeds"]
    }


def recipe_name(draft: Draft) -> str | None:
    """The recipe whose settings the draft has, or None."""
    keys = ("method", "optimizer", "schedule", "batch_size")
    for name in recipes_for(draft):
        try:
            same = apply_recipe(draft, name)
        except SpecError:
            continue
        if all(same[key] == draft[key] for key in keys):
            return name
    return None


def recipes_for(draft: Draft) -> list[str]:
    """Recipes of the draft's method."""
    return [name for name, row in RECIPES.items() if draft["method"]["name"] in row.of]


def composition_name(draft: Draft, term: int) -> tuple[str, bool]:
    """Name of a term's composition, and whether that name stands for it in the store."""
    mapping = draft["terms"][term]["composition"]
    name = str(mapping["name"])
    try:
        return name, load(name).to_mapping() == mapping
    except SpecError:
        return name, False


def read_seeds(text: str) -> list[int]:
    """`5`, `5, 6, 9` or `5–9` as a list.

    Raises:
        SpecError: anything else, or too many.
    """
    seeds: list[int] = []
    for part in re.split(r"[,;\s]+", text.replace("–", "-").replace("—", "-").strip()):
        found = re.fullmatch(r"(\d{1,10})(?:-(\d{1,10}))?", part)
        if not found:
            raise _bad_seeds(text)
        first, last = int(found[1]), int(found[2] or found[1])
        if last - first >= _MOST_SEEDS or last < first or last >= 2**32:
            raise _bad_seeds(text)
        seeds += range(first, last + 1)
    if len(seeds) > _MOST_SEEDS:
        raise _bad_seeds(text)
    return list(dict.fromkeys(seeds))


def seeds_text(seeds: list[int]) -> str:
    """Seeds as people write them: `5`, `5–9`, `5, 7`."""
    if len(seeds) > 2 and seeds == list(range(seeds[0], seeds[-1] + 1)):
        return f"{seeds[0]}–{seeds[-1]}"
    return ", ".join(str(seed) for seed in seeds)


def _with_method(draft: Draft, name: str) -> Draft:
    """Another method with its own settings; optimizer and schedule change with it where they were the old one's own."""
    old, row = method_row(draft["method"]["name"]), method_row(name)
    draft["epochs"] = draft["epochs"] or _EPOCHS
    draft["method"] = {"name": name} | {setting.name: setting.default for setting in row.settings}
    if _is_own(draft["optimizer"], old.optimizer):
        draft["optimizer"] = draft["optimizer"] | {"momentum": 0.9} | dict(row.optimizer)
    if _is_own(draft["schedule"], old.schedule):
        draft["schedule"] = {"final_lr": 0.0} | dict(row.schedule)
    return _with_fitting_queue(draft)


def _fitting(given: Mapping[str, Any]) -> dict[str, Any]:
    """A spec as plain data whose queue fits the batch that it keeps (a recipe may leave the batch as it is)."""
    batch, row = given.get("batch_size"), METHODS[given["method"]["name"]]
    sized = any(setting.name == "queue_size" for setting in row.settings)
    if batch is None or not sized or not row.queue_multiple:
        return dict(given)
    queue = row.setting("queue_size").default
    return {**given, "method": {**given["method"], "queue_size": max(1, round(queue / batch)) * batch}}


def _with_fitting_queue(draft: Draft) -> Draft:
    """The queue as a multiple of the batch, where the method needs that."""
    queue, batch = draft["method"].get("queue_size"), draft["batch_size"]
    if queue and batch and method_row(draft["method"]["name"]).queue_multiple and queue % batch:
        draft["method"]["queue_size"] = max(1, round(queue / batch)) * batch
    return draft


def _is_own(chosen: Mapping[str, Any], own: Mapping[str, Any]) -> bool:
    return all(chosen.get(key) == value for key, value in own.items())


def _bad_seeds(text: str) -> SpecError:
    return SpecError(
        where="Run",
        field="seeds",
        rule=f"whole numbers such as 5, or 5–9, or 5, 6, 9 (at most {_MOST_SEEDS})",
        value=text,
        remedy="Start with 5.",
    )


def value_at(draft: Draft, path: str) -> Any:
    """The value at a path, e.g. `terms.0.composition.steps.1.hue`."""
    node: Any = draft
    for key in path.split("."):
        node = node[int(key)] if isinstance(node, list) else node[key]
    return node


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
