"""`results.json` (C8) while it grows: one part after another, each written as soon as it is there."""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import Any

from ssrl_core import stores

_START: dict[str, Any] = {
    "clusters": {},
    "knn": None,
    "linear": None,
    "finetune": {},
    "references": None,
    "view": None,
    "layouts": {},
}


class Results:
    """The results of one run, kept on disk.

    Args:
        folder: the run folder; results that are there already are gone on with.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "results.json"
        self.data: dict[str, Any] = stores.read_json(self._path) if self._path.is_file() else {}

    def begin(self, **head: Any) -> None:
        """State whose results these are: id, spec_hash, split, n, dim."""
        seconds = {"train": None, "embed": None, "evaluate": None, "layout": None}
        start = copy.deepcopy(_START)  # a warm child makes the results of many runs
        self.data = {"version": 1, **head, **start, "seconds": seconds, "missing": {}} | self.data | head
        self.save()

    def put(self, key: str, value: Any, missing: dict[str, str] | None = None, *, under: str | None = None) -> None:
        """Add one part and, for each None in it, the reason; then write the file.

        Args:
            key: e.g. "knn", or "10" with `under="clusters"`.
            missing: key within the part ("" for the part itself) -> why it is None.
        """
        place = self.data if under is None else self.data[under]
        place[key] = clean(value)
        prefix = key if under is None else f"{under}.{key}"
        told = self.data["missing"]
        for name in [name for name in told if name == prefix or name.startswith(f"{prefix}.")]:
            del told[name]
        for name, why in (missing or {}).items():
            told[f"{prefix}.{name}" if name else prefix] = why
        self.save()

    def took(self, phase: str, seconds: float) -> None:
        """Add to the seconds of a phase (an attempt that was cut short counts only what it finished)."""
        self.data["seconds"][phase] = round((self.data["seconds"][phase] or 0.0) + seconds, 3)
        self.save()

    def forget(self) -> None:
        """Drop everything that was measured: the images it was measured on have changed."""
        train = (self.data.get("seconds") or {}).get("train")
        self._path.unlink(missing_ok=True)
        self.data = {"seconds": {"train": train, "embed": None, "evaluate": None, "layout": None}} if train else {}

    def save(self) -> None:
        """Write the file, whole or not at all."""
        stores.write_json(self._path, self.data)


def clean(value: Any) -> Any:
    """JSON-able: numbers of numpy as Python's, NaN and infinity as None."""
    if isinstance(value, dict):
        return {str(key): clean(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [clean(item) for item in value]
    if hasattr(value, "tolist"):
        return clean(value.tolist())
    return None if isinstance(value, float) and not math.isfinite(value) else value
