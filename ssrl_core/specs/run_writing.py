"""From a RunSpec to plain data and to the text that is hashed, part by part: what two specs share is written once."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import fields
from types import MappingProxyType
from typing import Any

from ssrl_core.specs import run as r
from ssrl_core.specs.parts import asked_for

_NOT_HASHED = ("name", "notes", "tags", "keep", "device", "evaluate")


def to_mapping(spec: r.RunSpec) -> dict[str, Any]:
    """See `RunSpec.to_mapping`."""
    return {key: plain(getattr(spec, key)) for key, plain in PLAIN.items()}


def canonical(spec: r.RunSpec, fingerprint: str) -> str:
    """See `RunSpec.canonical`."""
    return "{" + ",".join(f'"{key}":{hashed(key, getattr(spec, key), fingerprint)}' for key in hashed_keys(spec)) + "}"


def hashed_keys(spec: r.RunSpec) -> list[str]:
    """The parts of a spec that its identity follows from, in alphabetical order."""
    left_out = {*_NOT_HASHED}
    if spec.heads == r.HEADS.default or len(spec.terms) == 1:
        left_out.add("heads")  # so that runs made before there was a choice keep their identity
    return sorted(PLAIN.keys() - left_out)


def hashed(key: str, part: Any, fingerprint: str) -> str:
    """The text of one part as it is hashed: keys sorted, the image set by its fingerprint, compositions unnamed."""
    plain = PLAIN[key](part)
    if key == "dataset":
        plain["name"] = fingerprint
    if key == "terms":
        for term in plain:
            term["composition"].pop("name")
    return _SORTED(plain)


def kept(key: str, part: Any) -> str:
    """The text of one part as it is kept: keys in their own order."""
    return _AS_THEY_ARE(PLAIN[key](part))


def _encoder(*, sort_keys: bool) -> Callable[[Any], str]:
    return json.JSONEncoder(sort_keys=sort_keys, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode


_SORTED, _AS_THEY_ARE = _encoder(sort_keys=True), _encoder(sort_keys=False)


def _same(value: Any) -> Any:
    return value


def _fields(choice: Any) -> dict[str, Any]:
    return {f.name: getattr(choice, f.name) for f in fields(choice)}


def _dataset(choice: r.DatasetChoice) -> dict[str, Any]:
    return {
        "name": choice.name,
        "channels": None if choice.channels is None else list(choice.channels),
        "where": {key: list(values) for key, values in choice.where.items()},
    }


def _method(choice: r.MethodChoice) -> dict[str, Any]:
    return {"name": choice.name, **choice.settings}


def _terms(terms: tuple[r.Term, ...]) -> list[dict[str, Any]]:
    return [{"weight": term.weight, "composition": term.composition.to_mapping()} for term in terms]


def _evaluate(choice: r.EvaluateChoice) -> dict[str, Any]:
    parts = {name: part.plain(choice.parts[name]) for name, part in asked_for().items() if name in choice.parts}
    return {"split": choice.split, **parts, "online_every_epochs": choice.online_every_epochs}


PLAIN: Mapping[str, Callable[[Any], Any]] = MappingProxyType(
    {
        "version": _same,
        "name": _same,
        "notes": _same,
        "tags": dict,
        "dataset": _dataset,
        "backbone": _fields,
        "method": _method,
        "terms": _terms,
        "optimizer": _fields,
        "schedule": _fields,
        **{row.name: _same for row in r.RUN_SETTINGS},
        "heads": _same,
        "device": _same,
        "evaluate": _evaluate,
        "keep": _fields,
    }
)
