"""From what people write to a RunSpec: short forms, defaults, and one message for each thing that is wrong."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ssrl_core import stores
from ssrl_core.errors import SpecError
from ssrl_core.specs import run as r
from ssrl_core.specs.backbones import BACKBONES
from ssrl_core.specs.composition import load
from ssrl_core.specs.methods import METHODS, SPECTRAL, UNTRAINED, MethodRow, method_row
from ssrl_core.specs.parameters import Frozen, Parameter, check_settings, refuse_unknown
from ssrl_core.specs.parts import asked_for
from ssrl_core.specs.recipes import with_recipe

_KEYS = {f.name for f in dataclasses.fields(r.RunSpec)}
_TIMM = re.compile(r"^timm/[a-zA-Z0-9_.]{1,80}$")
_DEVICE = re.compile(r"^(auto|cpu|mps|cuda(:[0-9]{1,3})?)$")
_WEIGHT = Parameter("weight", "number", 1.0, "Weight of the loss.", 0.0, 1e6)
_EVERY = Parameter("online_every_epochs", "integer", 5, "Epochs between two looks at kNN.", 0, 1_000_000)


Reader = Callable[[Mapping[str, Any], MethodRow, str, Path | None], Any]


def read_run(data: Any, where: str, base: Path | None) -> r.RunSpec:
    """See `RunSpec.from_mapping`."""
    if not isinstance(data, Mapping):
        raise SpecError.at(where, "spec", "a mapping", data, "Start with dataset, method and terms.")
    stores.check_version(dict(data), where, r.VERSION)
    _refuse_sweep(data, where)
    refuse_unknown(data, _KEYS | {"recipe"}, where, "a key of a spec")
    _, row = _method(with_recipe(data, where).get("method"), where)
    data = with_recipe(data, where) if row.name not in UNTRAINED else _without_training(data, row)
    spec = r.RunSpec(**{key: read(data, row, where, base) for key, read in READERS.items()})
    _check_embed(spec, row, f"{where}, evaluate")
    if row is SPECTRAL:
        return dataclasses.replace(spec, epochs=0, backbone=r.BackboneChoice(spec.method["bank"]))
    if row.name in UNTRAINED:
        return dataclasses.replace(spec, epochs=0)
    check_together(spec, row, where)
    return spec


def _without_training(data: Mapping[str, Any], row: MethodRow) -> dict[str, Any]:
    """What is not used without training is left out, so that the same network is the same run."""
    unused = {
        "epochs", "batch_size", "accumulate", "optimizer", "schedule", "precision", "heads", "condition", "devices",
        "compile", "recipe",
    }  # fmt: skip
    given = {key: value for key, value in data.items() if key not in unused}
    if row is SPECTRAL:
        given.pop("backbone", None)  # its feature bank stands there
        return given
    return {"terms": "identity", **given}


def _mapping(value: Any, where: str, field: str) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise SpecError.at(where, field, "a mapping", value, "Leave it out for the defaults.")
    return value


def _named(value: Any, where: str, field: str, example: str) -> dict[str, Any]:
    """`simclr` is short for `{name: simclr}`."""
    if isinstance(value, str):
        return {"name": value}
    if not isinstance(value, Mapping) or not isinstance(value.get("name"), str):
        raise SpecError.at(where, field, "a name, or a mapping with the key name", value, f"Write {field}: {example}.")
    return dict(value)


def _text(value: Any, where: str, field: str) -> str | None:
    if value is not None and (not isinstance(value, str) or len(value) > 10_000):
        raise SpecError.at(where, field, "text of at most 10,000 characters", value, "Put it in quotes.")
    return value


def _tags(value: Any, where: str) -> Frozen:
    tags = _mapping(value, where, "tags")
    for key, item in tags.items():
        if not isinstance(item, str | int | float | bool | None):
            raise SpecError.at(where, f"tags.{key}", "a text or a number", item, "Shorten it to one word.")
    return Frozen(tags)


def _refuse_sweep(data: Mapping[Any, Any], where: str) -> None:
    for key in ("vary", "seeds", "sampler"):
        if key in data:
            raise SpecError.at(
                where,
                "spec",
                "of one run",
                f"{key}, which many runs have",
                "Queue it with the command sweep, or take that line out.",
            )


def _dataset(value: Any, where: str) -> r.DatasetChoice:
    if value is None:
        raise SpecError.at(where, "dataset", "given", None, "Name an image set, such as strokes.")
    given = _named(value, where, "dataset", "strokes")
    place = f"{where}, dataset"
    refuse_unknown(given, {"name", "channels", "where"}, place, "a key of dataset")
    name = stores.check_slug(given["name"], where=place)
    channels = given.get("channels")
    if channels is not None and (
        not isinstance(channels, list | tuple) or not channels or not all(isinstance(c, str) for c in channels)
    ):
        raise SpecError.at(place, "channels", "a list of channel names", channels, "Leave it out for all channels.")
    chosen: dict[str, Any] = {}
    for column, values in _mapping(given.get("where"), place, "where").items():
        items = values if isinstance(values, list | tuple) else [values]
        if not items:
            raise SpecError.at(place, f"where.{column}", "a list of values", values, "Name one at least.")
        chosen[column] = tuple(items)
    return r.DatasetChoice(name, None if channels is None else tuple(channels), Frozen(chosen))


def _backbone(value: Any, where: str) -> r.BackboneChoice:
    given = _named(value, where, "backbone", "resnet18")
    place = f"{where}, backbone"
    refuse_unknown(given, {"name", "stem", "weights"}, place, "a key of backbone")
    if not _TIMM.match(given["name"]):
        _one_of(given["name"], tuple(BACKBONES), place, "name")
    stem = given.get("stem", "auto")
    _one_of(stem, ("auto", "small", "standard"), place, "stem")
    weights = given.get("weights")
    if weights is not None and not isinstance(weights, str):
        raise SpecError.at(place, "weights", "null, imagenet or a path", weights, "Leave it out for a new network.")
    row = BACKBONES.get(given["name"])
    if weights == "imagenet" and row is not None and not row.imagenet:
        raise SpecError.at(place, "weights", "null for this backbone", weights, "There are no ImageNet weights for it.")
    return r.BackboneChoice(given["name"], stem, weights)


def _method(value: Any, where: str) -> tuple[r.MethodChoice, MethodRow]:
    if value is None:
        raise SpecError.at(where, "method", "given", None, "Name one of: " + ", ".join(METHODS) + ".")
    given = _named(value, where, "method", "simclr")
    name = given.pop("name")
    _one_of(name, (*METHODS, *UNTRAINED), f"{where}, method", "name")
    row = method_row(name)
    settings = check_settings(row.settings, given, f"{where}, method {name}", f"method {name}")
    return r.MethodChoice(name, Frozen(settings)), row


def _terms(value: Any, where: str, base: Path | None) -> tuple[r.Term, ...]:
    if isinstance(value, str) or (isinstance(value, Mapping) and "composition" not in value):
        value = [{"composition": value}]
    elif isinstance(value, Mapping):
        value = [value]
    if not isinstance(value, list | tuple) or not value:
        raise SpecError.at(
            where, "terms", "a list of {composition, weight}", value, "Write terms: [{composition: cifar-base}]."
        )
    terms = []
    for number, item in enumerate(value, 1):
        place = f"{where}, term {number}"
        if isinstance(item, str):
            item = {"composition": item}
        if not isinstance(item, Mapping) or "composition" not in item:
            raise SpecError.at(place, "composition", "given", item, "Name a preset, a file, or write it out.")
        refuse_unknown(item, {"composition", "weight"}, place, "a key of a term")
        source = item["composition"]
        if not isinstance(source, str | Path | Mapping):
            raise SpecError.at(place, "composition", "a name, a file or a mapping", source, "Name a preset.")
        terms.append(r.Term(load(source, base=base), _WEIGHT.check(item.get("weight", 1.0), place)))
    if sum(term.weight for term in terms) <= 0:
        raise SpecError.at(
            where, "terms", "of weights that sum to more than 0", [t.weight for t in terms], "Raise one weight."
        )
    return tuple(terms)


def _optimizer(value: Any, row: MethodRow, where: str) -> r.OptimizerChoice:
    own = value is None
    given = dict(row.optimizer) if own else _named(value, where, "optimizer", "adam")
    settings = check_settings(r.OPTIMIZER_SETTINGS, given, f"{where}, optimizer", "optimizer")
    if settings["lr"] <= 0:
        raise SpecError.at(f"{where}, optimizer", "lr", "above 0", settings["lr"], "Try 0.001 with adam.")
    if settings["name"] in ("adam", "adamw") and settings["lr"] > 10:
        raise SpecError.at(f"{where}, optimizer", "lr", "at most 10 with adam", settings["lr"], "Try 0.001.")
    return r.OptimizerChoice(**settings)


def _schedule(value: Any, row: MethodRow, where: str) -> r.ScheduleChoice:
    given = dict(row.schedule) if value is None else _named(value, where, "schedule", "cosine")
    return r.ScheduleChoice(**check_settings(r.SCHEDULE_SETTINGS, given, f"{where}, schedule", "schedule"))


def _device(value: Any, where: str) -> str:
    if not isinstance(value, str) or not _DEVICE.match(value):
        raise SpecError.at(
            where, "device", "auto, cpu, cuda, cuda:N or mps", value, "auto takes a GPU where there is one."
        )
    return value


def _devices(value: Any, where: str) -> int | str:
    return "auto" if value == "auto" else int(r.DEVICES.check(value, where))


def _evaluate(value: Any, where: str) -> r.EvaluateChoice:
    given = _mapping(value, where, "evaluate")
    place, parts = f"{where}, evaluate", asked_for()
    refuse_unknown(given, {"split", "input", "embed", "online_every_epochs", *parts}, place, "a key of evaluate")
    split = given.get("split", "test")
    _one_of(split, ("train", "val", "test"), place, "split")
    return r.EvaluateChoice(
        split=split,
        parts=Frozen({name: part.read(given.get(name, part.default), place) for name, part in parts.items()}),
        online_every_epochs=_EVERY.check(given.get("online_every_epochs", 5), place),
        input=r.INPUT.check(given.get("input", r.INPUT.default), place),
        embed=r.EMBED.check(given.get("embed", r.EMBED.default), place),
    )


def _keep(value: Any, where: str) -> r.KeepChoice:
    given = _mapping(value, where, "keep")
    return r.KeepChoice(**check_settings(r.KEEP_SETTINGS, given, f"{where}, keep", "keep"))


def _one_of(value: Any, options: tuple[str, ...], where: str, field: str) -> None:
    if not isinstance(value, str) or value not in options:
        import difflib

        near = difflib.get_close_matches(str(value), options, n=1)
        remedy = f"Did you mean {near[0]}?" if near else "There is: " + ", ".join(options) + "."
        raise SpecError.at(where, field, "one of those there are", value, remedy)


def check_together(spec: r.RunSpec, row: MethodRow, where: str) -> None:
    """What is right alone and wrong together."""
    if spec.batch_size % spec.accumulate or spec.batch_size // spec.accumulate < 2:
        raise SpecError.at(
            where,
            "accumulate",
            f"a divisor of batch_size {spec.batch_size} that leaves 2 images a part",
            spec.accumulate,
            "Choose another.",
        )
    part = spec.batch_size // spec.accumulate
    if spec.devices != "auto" and part % int(spec.devices):
        raise SpecError.at(
            where,
            "devices",
            f"a divisor of the {part} images of one pass (batch_size / accumulate)",
            spec.devices,
            f"Take {max(n for n in range(1, int(spec.devices)) if part % n == 0)}, or auto.",
        )
    queue = spec.method.settings.get("queue_size")
    if queue is not None and row.queue_multiple and queue % spec.batch_size:
        near = max(1, round(queue / spec.batch_size)) * spec.batch_size
        raise SpecError.at(
            f"{where}, method {row.name}",
            "queue_size",
            f"a multiple of batch_size {spec.batch_size}",
            queue,
            f"Take {near}.",
        )
    if row.name == "vibcreg" and spec.method["projection_dim"] % spec.method["whitening_groups"]:
        raise SpecError.at(
            f"{where}, method vibcreg",
            "whitening_groups",
            f"a divisor of projection_dim {spec.method['projection_dim']}",
            spec.method["whitening_groups"],
            "Choose another.",
        )
    if row.name == "w_mse":
        _check_whitening(spec.method.settings, part, f"{where}, method w_mse")
    for number, term in enumerate(spec.terms, 1):
        _check_views(term, row, f"{where}, term {number}")


def _check_embed(spec: r.RunSpec, row: MethodRow, where: str) -> None:
    """What is to be embedded is something that the method has."""
    embed = spec.evaluate.embed
    if embed == r.BACKBONE:
        return
    if not spec.is_trained:
        raise SpecError.at(where, "embed", f"backbone for method {row.name}, which has no heads", embed)
    if spec.condition != r.CONDITION.default:
        rule = "backbone where the projector is told what was drawn (condition)"
        raise SpecError.at(where, "embed", rule, embed, "An image that is measured was not drawn.")
    if embed == "teacher" and not row.has_teacher:
        others = ", ".join(other.name for other in METHODS.values() if other.has_teacher)
        rule = f"backbone or head for method {row.name}, which has no momentum network"
        raise SpecError.at(where, "embed", rule, embed, f"Take head, or one of {others}.")


def _check_whitening(settings: Mapping[str, Any], part: int, where: str) -> None:
    """Groups divide what is worked through at once, and have more images than the projection has dimensions."""
    size, dim = settings["whitening_size"], settings["projection_dim"]
    if part % size or size <= dim:
        fitting = [n for n in range(dim + 1, part + 1) if part % n == 0]
        remedy = f"Take {fitting[0]}." if fitting else f"Lower projection_dim below {part}, or raise batch_size."
        rule = f"a divisor of the {part} images of one pass above projection_dim ({dim})"
        raise SpecError.at(where, "whitening_size", rule, size, remedy)


def _check_views(term: r.Term, row: MethodRow, where: str) -> None:
    global_views = sum(g.count for g in term.composition.views if g.role == "global")
    local_views = term.composition.view_count - global_views
    if row.views == "two" and (global_views != 2 or local_views):
        raise SpecError.at(
            where,
            "composition",
            f"of two global views for method {row.name}",
            f"{global_views} global and {local_views} local",
            "Use a composition of two views, or swav, deepcluster_v2 or dino.",
        )
    if row.views != "two" and global_views != 2:
        raise SpecError.at(
            where,
            "composition",
            f"of two global views (and any number of local ones) for method {row.name}",
            f"{global_views} global",
            "Change the counts.",
        )


def _setting(row: Parameter) -> Reader:
    """A setting of one number or word; null where null is the default."""

    def read(data: Mapping[str, Any], method: MethodRow, where: str, base: Path | None) -> Any:
        value = data.get(row.name, row.default)
        return None if value is None and row.default is None else row.check(value, where)

    return read


READERS: dict[str, Reader] = {
    "dataset": lambda data, row, where, base: _dataset(data.get("dataset"), where),
    "backbone": lambda data, row, where, base: _backbone(data.get("backbone", "vgg11"), where),
    "method": lambda data, row, where, base: _method(data.get("method"), where)[0],
    "terms": lambda data, row, where, base: _terms(data.get("terms"), where, base),
    "optimizer": lambda data, row, where, base: _optimizer(data.get("optimizer"), row, where),
    "schedule": lambda data, row, where, base: _schedule(data.get("schedule"), row, where),
    **{row.name: _setting(row) for row in (*r.RUN_SETTINGS, r.HEADS, r.CONDITION, r.COMPILE)},
    "device": lambda data, row, where, base: _device(data.get("device", "auto"), where),
    "devices": lambda data, row, where, base: _devices(data.get("devices", r.DEVICES.default), where),
    "evaluate": lambda data, row, where, base: _evaluate(data.get("evaluate"), where),
    "keep": lambda data, row, where, base: _keep(data.get("keep"), where),
    "name": lambda data, row, where, base: _text(data.get("name"), where, "name"),
    "notes": lambda data, row, where, base: _text(data.get("notes"), where, "notes"),
    "tags": lambda data, row, where, base: _tags(data.get("tags"), where),
}
