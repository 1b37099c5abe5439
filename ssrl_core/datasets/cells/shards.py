"""The cells of each field on disk while an import runs, so that one that was stopped goes on where it was."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ssrl_core import stores
from ssrl_core.errors import DataError, SpecError

Array = np.ndarray[Any, Any]
_PLAN = "plan.json"
_EXAMPLES_FROM = 400  # fields whose dropped crops are kept to be looked at


@dataclass(frozen=True)
class Shard:
    """What came of one field.

    Attributes:
        count: cells; their pixels are in `pixels()`.
        columns: column -> values, `count` each.
        dropped: reason -> how many.
        skipped: {file, reason} if the field could not be read, else None.
        dtype, highest: pixel type and largest grey value of its cells.
    """

    count: int
    columns: dict[str, list[Any]]
    dropped: dict[str, int]
    skipped: dict[str, str] | None = None
    dtype: str = ""
    highest: int = 0


def kept_plan(folder: Path) -> dict[str, Any]:
    """The plan that an import keeps beside its shards, as plain values.

    Raises:
        DataError: there is none, or it is damaged.
    """
    plan: dict[str, Any] = stores.read_json(folder / _PLAN)["plan"]
    return plan


class Shards:
    """The folder of one import; its key says what it was made of.

    Args:
        name: the image set's name.
        key: a digest of fields and settings; a folder with another key is thrown away.
    """

    def __init__(self, name: str, key: str) -> None:
        self.folder, self._key = stores.data_root() / f".cells-{name}", key

    def begin(self) -> dict[str, Any] | None:
        """Make the folder ready.

        Returns:
            The plan that an import of the same fields and settings left, or None.
        """
        try:
            found = stores.read_json(self.folder / _PLAN)
            if found.get("key") == self._key:
                plan: dict[str, Any] = found["plan"]
                return plan
        except (DataError, SpecError, KeyError):
            pass  # none, damaged, or of a newer version: begin anew
        self.remove()
        self.folder.mkdir(parents=True)
        return None

    def keep_plan(self, plan: dict[str, Any]) -> None:
        """Remember the plan."""
        stores.write_json(self.folder / _PLAN, {"version": 1, "key": self._key, "plan": plan})

    def done(self) -> set[int]:
        """Numbers of the fields that are finished."""
        return {int(path.stem) for path in self.folder.glob("[0-9]*.json")}

    def write(
        self, number: int, shard: Shard, pixels: Array | None, table: pd.DataFrame | None, examples: dict[str, Array]
    ) -> None:
        """Keep a field's cells; the small file comes last, so that it stands for a whole shard."""
        if pixels is not None and len(pixels):
            _put(self._path(number, "npy"), lambda file: np.save(file, pixels))
        if examples and number < _EXAMPLES_FROM:
            _put(self._path(number, "npz"), lambda file: np.savez(file, **examples))  # type: ignore[arg-type]
        columns = {} if table is None else {str(c): table[c].tolist() for c in table.columns}
        document = {**shard.__dict__, "columns": columns}
        _put(self._path(number, "json"), lambda file: file.write(json.dumps(document).encode()))

    def read(self, number: int) -> Shard:
        """What came of a field."""
        return Shard(**json.loads(self._path(number, "json").read_bytes()))

    def pixels(self, number: int) -> Array:
        """(n, C, S, S) of a field's cells."""
        pixels: Array = np.load(self._path(number, "npy"), allow_pickle=False)
        return pixels

    def examples(self, number: int) -> dict[str, Array]:
        """Dropped crops of a field, by reason."""
        path = self._path(number, "npz")
        if not path.exists():
            return {}
        with np.load(path, allow_pickle=False) as found:
            return {name: found[name] for name in found.files}

    def remove(self) -> None:
        """Throw everything away."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, number: int, suffix: str) -> Path:
        return self.folder / f"{number:07d}.{suffix}"


def _put(path: Path, write: Any) -> None:
    """Whole or not at all; without fsync, since what a power cut takes is made again."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with open(temporary, "wb") as file:
        write(file)
    os.replace(temporary, path)
