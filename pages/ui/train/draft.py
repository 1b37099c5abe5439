"""The run being written: plain data in the form of contracts C5, what each change entails, and runs to start from."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pages.ui.kit import choices
from pages.ui.kit.choices import Slot
from ssrl_core.errors import SpecError
from ssrl_core.specs.composition import load
from ssrl_core.specs.methods import METHODS, SPECTRAL, method_row
from ssrl_core.specs.recipes import RECIPES
from ssrl_core.specs.run import BackboneChoice, RunSpec
from ssrl_core.specs.sweep import SweepSpec
from ssrl_core.specs.yaml_files import parse_yaml

Draft = dict[str, Any]
DRAFT: Slot[Draft] = Slot("train-draft")
_MOST_SEEDS = 100
_MOST_CLUSTERS = 30
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
    if way == ["method"] and last not in node:
        return new  # of a widget of the method before, which the browser still told of
    node[last] = None if path == "backbone.weights" and not value else value
    if path == "dataset.name":
        return suggested(new)
    return _with_fitting_queue(new) if path in ("batch_size", "method.queue_size") else new


def suggested(draft: Draft) -> Draft:
    """A draft that begins with what suits the kind of its pictures: composition, what of them is shown, clusters.

    What a user chose stays: a composition of one's own, or a preset for such pictures that no kind begins with.
    """
    from ssrl_core.datasets import store as image_sets
    from ssrl_core.datasets.kinds import KINDS, fits, kind_of

    name = draft["dataset"]["name"]
    if not image_sets.is_ready(name) or len(draft["terms"]) > 1:
        return draft
    imageset = image_sets.load(name)
    kind, (chosen, known) = kind_of(imageset), composition_name(draft, 0)
    usual = chosen in {other.composition for other in KINDS.values()}
    if not known or (chosen == kind.composition) or (fits(kind, chosen) and not usual):
        return draft
    new = set_composition(draft, 0, kind.composition)
    few = 2 <= len(imageset.classes) <= _MOST_CLUSTERS
    new["evaluate"] |= {"input": kind.input, "clusters": [len(imageset.classes) if few else kind.clusters]}
    return _with_bank(new, kind.bank)


def _with_bank(draft: Draft, bank: str) -> Draft:
    """The draft solved with the features that suit its pictures; other methods, and features one chose, stay."""
    from ssrl_core.datasets.kinds import KINDS

    if draft["method"].get("bank") in {kind.bank for kind in KINDS.values()}:
        draft["method"]["bank"] = bank
    return draft


def set_composition(draft: Draft, term: int, name: str) -> Draft:
    """A draft with another composition, by name, in one term.

    Raises:
        SpecError: there is no such composition.
    """
    new = copy.deepcopy(draft)
    new["terms"][term]["composition"] = load(name).to_mapping()
    return new


def set_draft(draft: Draft, term: int, token: str) -> Draft:
    """A draft with the composition of an address, saved or not, in one term.

    Raises:
        SpecError: the address was cut.
    """
    new = copy.deepcopy(draft)
    new["terms"][term]["composition"] = choices.from_token(token).to_mapping()
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
    if old is SPECTRAL and row is not SPECTRAL:
        draft["backbone"] = asdict(BackboneChoice())
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
    return SpecError.at(
        "Run", "seeds", f"whole numbers such as 5, or 5–9, or 5, 6, 9 (at most {_MOST_SEEDS})", text, "Start with 5."
    )


def value_at(draft: Draft, path: str) -> Any:
    """The value at a path, e.g. `terms.0.composition.steps.1.hue`."""
    node: Any = draft
    for key in path.split("."):
        node = node[int(key)] if isinstance(node, list) else node[key]
    return node


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


STARTS = {
    name: Start(**row)
    for name, row in parse_yaml(Path(__file__).with_name("starts.yaml").read_bytes(), "starts.yaml").items()
}
SOLVED, QUICK = "solve", "quick"
_PATIENCE_S, _QUICK_SIDE = 180.0, 28


def first() -> str:
    """The run that the page starts from: known to end above raw pixels, within three minutes on this machine.

    Solved it did so on every set that ships, on two cores. Trained as the quick look is, tiny_cnn did so after five
    minutes of one processor (AMI on every set, kNN on digits and photographs; docs/results/forecast-bench.json): with a
    GPU that takes seconds, by the speed measured on the card, and solving stays where it would take longer.
    """
    from ssrl_core.runs.worker.estimate import has_gpu, training_s

    if not has_gpu():
        return SOLVED
    quick = RunSpec.from_mapping(STARTS[QUICK].spec)
    return QUICK if training_s(quick, images=quick.limit_train or 0, side=_QUICK_SIDE) <= _PATIENCE_S else SOLVED


def solved(draft: Draft) -> Draft:
    """The draft solved instead of trained: its images, terms, seeds and evaluation stay."""
    from ssrl_core.datasets.kinds import DRAWINGS, kind_named

    kind = kind_named(draft["dataset"]["name"]) or DRAWINGS
    return _with_bank(put(draft, "method.name", SPECTRAL.name), kind.bank)


def trained(draft: Draft) -> Draft:
    """The draft trained as the quick look is, on its own images and terms."""
    quick = fresh(STARTS[QUICK].spec)
    return quick | {key: copy.deepcopy(draft[key]) for key in ("dataset", "terms", "limit_train", "seeds", "evaluate")}
