"""Fields that can vary, in words, and their values as people write them (no Streamlit here)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ssrl_core.errors import SpecError
from ssrl_core.specs.yaml_files import parse_yaml

_RANGE = re.compile(r"^\s*(\S+)\s+to\s+(\S+)\s+in\s+(\d{1,4})(\s+log)?\s*$", re.IGNORECASE)
_LEFT_OUT = ("version", "name", "notes", "tags", "seeds", "seed", "vary", "sampler", "keep", "device", "evaluate")
_ORDER = ("terms", "method", "optimizer", "schedule", "batch_size", "epochs", "limit_train", "backbone", "dataset")
_SHOWN = 4


def vary_paths(draft: dict[str, Any]) -> dict[str, str]:
    """Paths of the fields that may vary (CONTRACTS C5), with a label each; compositions first."""
    keys = sorted(
        (key for key in draft if key not in _LEFT_OUT), key=lambda key: _ORDER.index(key) if key in _ORDER else 99
    )
    return {path: label for key in keys for path, label in _fields(draft[key], key, key)}


def read_values(text: str) -> Any:
    """`0.1, 0.2`, `adam, sgd`, `[0.2, 1], [0.5, 1]`, `0 to 0.5 in 6`, `1e-4 to 1e-2 in 5 log`.

    Returns:
        A list, or {from, to, count, log}.

    Raises:
        SpecError: nothing that can be read so.
    """
    found = _RANGE.match(text)
    try:
        if found:
            first, last = (parse_yaml(f"x: {part}", "values")["x"] for part in found.groups()[:2])
            return {"from": first, "to": last, "count": int(found[3]), "log": bool(found[4])}
        values = parse_yaml(f"x: [{text}]", "values")["x"]
    except (SpecError, TypeError, KeyError) as error:
        raise _bad(text) from error
    if not values:
        raise _bad(text)
    return list(values)


def values_text(values: Any) -> str:
    """Values as people read them, the first few."""
    if isinstance(values, dict):
        return f"{values['from']:g} to {values['to']:g}"
    shown = ", ".join(f"{value:g}" if isinstance(value, float) else str(value) for value in values[:_SHOWN])
    return f"{shown} … ({len(values)})" if len(values) > _SHOWN else shown


def _fields(value: Any, path: str, label: str) -> Iterator[tuple[str, str]]:
    if path == "method" or path.endswith(".composition"):
        yield path, path.rpartition(".")[2]  # as a whole, by name: another method has other settings
    if isinstance(value, dict):
        for key, item in value.items():
            inner = key in ("name", "transform", "role", "version", "enabled") and path.count(".")
            if inner or (path == "method" and key == "name"):
                continue
            yield from _fields(item, f"{path}.{key}", _joined(label, key))
    elif isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        for number, item in enumerate(value):
            own = str(item.get("transform") or (f"term {number + 1}" if path == "terms" and len(value) > 1 else ""))
            yield from _fields(item, f"{path}.{number}", own or label)
    else:
        yield path, label


def _joined(label: str, key: str) -> str:
    """`color_jitter hue`, `optimizer lr`; what only nests (terms, composition, steps) is left out."""
    skipped = ("composition", "steps", "views", "settings", "name")
    if key in skipped:
        return label
    return key if label in ("terms", "") else f"{label} {key}"


def _bad(text: str) -> SpecError:
    return SpecError(
        where="Vary",
        field="values",
        rule="such as 0.1, 0.2, 0.4 or 0 to 0.5 in 6",
        value=text,
        remedy="Write the values with commas between them.",
    )
