"""Under which compositions runs were trained, by name, for a search: read from the texts of all specs at once."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ssrl_core import stores
from ssrl_core.runs.folder.run_folder import RunFolder
from ssrl_core.runs.queue import listing

# as JSON (waiting) and as canonical YAML: a composition begins with its version and its name
_NAMED = re.compile(r'"?composition"?:\s*\{?\s*"?version"?:\s*\d+,?\s*"?name"?:\s*"?([^",}\n]+)')

_last: dict[Path, tuple[listing.Stamp, dict[str, str]]] = {}


def with_names(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same rows with `compositions`, the names of the compositions of their terms; "" where none is known."""
    known = _own()
    return [row | {"compositions": known.get(str(row["id"])) or _demo(row)} for row in rows]


def names_in(text: str) -> str:
    """The names of the compositions in the text of a spec, YAML or JSON, with spaces between."""
    return " ".join(dict.fromkeys(name.strip() for name in _NAMED.findall(text) if name.strip() != "null"))


def _own() -> dict[str, str]:
    """Names by run of the registry; read anew when that has changed."""
    from ssrl_core.runs.queue import registry

    path = stores.models_root() / "runs.db"
    stamp = listing.stamp_of(path)
    kept = _last.get(path)
    if kept is None or kept[0] != stamp:
        texts = registry.query("SELECT id, spec FROM runs")
        kept = _last[path] = (stamp, {str(row["id"]): names_in(str(row["spec"])) for row in texts})
    return kept[1]


def _demo(row: dict[str, Any]) -> str:
    if not row.get("demo"):
        return ""
    try:
        return names_in((RunFolder(str(row["id"])).path / "spec.yaml").read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        return ""
