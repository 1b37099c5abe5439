"""The second reading of an item: as the authors' earlier public code says what the paper leaves out.

Facts of IhabBendidi/IIC-SimCLR-MoCo-clusterer (2021), a predecessor of the paper: a pair is an image against one view
of it, crops are shares of the side and of one size for a run, jitter is part of the views of digits, and what is
clustered is an output of the momentum network. The presets `*-authors` say the views; a composition without one is read
alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ssrl_core.paper.item import EVERY_SCALE, Item, Plan, Scale
from ssrl_core.specs.composition import load
from ssrl_core.specs.presets_table import PRESETS_TABLE

READ = ("table-2", "table-3", "table-4", "table-8", "figure-4", "figure-6", "figure-7", "figure-8", "figure-12")
"""The items of digits and cells: the code is of these."""
SUFFIX = "-authors"
_PAIRS = (
    "The reading of the authors' earlier code, which is older than the paper: pairs are an image against one view of it"
)
_DIGITS = "; crops and margins are shares of the side, of one size for a run; jitter is part of the views."
_CELLS = ", the image turned and mirrored; the centre is 40 % of the side."
_TEACHER = " What is embedded is the output of the momentum network."
_TURNED = [
    {"transform": "rotation", "p": 1.0, "degrees": 360.0, "fill": 0.0},
    {"transform": "horizontal_flip", "p": 0.5},
]


def with_reading(item: Item) -> Item:
    """The item with a plan `SCALE-authors` beside each of its plans, where the code says something of it."""
    if item.id not in READ:
        return item
    plans = dict(item.plans)
    for scale in EVERY_SCALE:
        if is_authors(scale) and base_of(scale) in item.plans:
            plans[scale] = _read_plan(item.plans[base_of(scale)], base_of(scale))
    return replace(item, plans=plans)


def base_of(scale: Scale) -> Scale:
    """`instant` of `instant-authors`."""
    return scale.removesuffix(SUFFIX)  # type: ignore[return-value]


def is_authors(scale: str) -> bool:
    """Whether a scale is of the second reading."""
    return scale.endswith(SUFFIX)


def as_authors(data: Any) -> Any:
    """Plain data of a sweep with every composition read as the authors' code; names stay, so that items find them."""
    if isinstance(data, Mapping):
        if "steps" in data and "name" in data:
            return _read(data)
        return {key: _named(value) if str(key).endswith("composition") else as_authors(value)
                for key, value in data.items()}  # fmt: skip
    return [as_authors(one) for one in data] if isinstance(data, list) else data


def _named(value: Any) -> Any:
    """Where compositions stand by their names."""
    if isinstance(value, list):
        return [_named(one) for one in value]
    return as_authors(load(value).to_mapping()) if isinstance(value, str) else as_authors(value)


def _read(composition: Mapping[str, Any]) -> dict[str, Any]:
    """A composition's twin among the presets, else its steps in one view against the image, turned and mirrored."""
    name, size = str(composition["name"]), composition.get("size")
    if f"{name}{SUFFIX}" in PRESETS_TABLE:
        views = load(f"{name}{SUFFIX}").to_mapping()["views"]
    else:
        views = [{"name": "view", "steps": composition["steps"]}, {"name": "image", "steps": _TURNED}]
    made = [{**view, "count": 1, "size": size, "role": "global"} for view in views]
    return {"version": 1, "name": name, "views": made}


def _read_plan(plan: Plan, scale: str) -> Plan:
    cells = "mnist" not in plan.needs
    says = [plan.says, _PAIRS + (_CELLS if cells else _DIGITS) + ("" if scale == "instant" else _TEACHER)]
    measures: dict[str, tuple[str, Mapping[str, Any]]] = {}
    for name, (kind, given) in plan.measures.items():
        if kind != "lpips_readings":
            measures[name] = (kind, _read_measure(given) if kind == "lpips" else given)
    return replace(
        plan, sweeps=lambda: {k: _sweep(v, scale) for k, v in plan.sweeps().items()}, measures=measures,
        says=" ".join(says),
    )  # fmt: skip


def _sweep(data: Mapping[str, Any], scale: str) -> dict[str, Any]:
    read: dict[str, Any] = as_authors(data)
    if scale != "instant":
        read["evaluate"] = {**read["evaluate"], "embed": "teacher"}
    return read


def _read_measure(given: Mapping[str, Any]) -> dict[str, Any]:
    return {**given, "compositions": {name: f"{name}{SUFFIX}" for name in given["compositions"]}}
