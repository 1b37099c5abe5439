"""From the shards of all fields to the pixels, the table and the report of an image set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ssrl_core import stores
from ssrl_core.datasets.cells.fields import FieldList
from ssrl_core.datasets.cells.planning import Plan
from ssrl_core.datasets.cells.shards import Shard, Shards
from ssrl_core.datasets.ordered import in_order
from ssrl_core.datasets.progress import Report

Array = np.ndarray[Any, Any]
_BIT_DEPTHS = (255, 1023, 4095, 16383, 65535)
_CHUNK_BYTES = 16_000_000
_EXAMPLES = 24
_REPORT = "cells.json"
_EXAMPLES_FILE = "dropped.npz"


class Assembly:
    """What all shards come to.

    Attributes:
        count: cells.
        dropped: reason -> cells that were left out.
        skipped: fields and files that were left out: {file, reason}.
        max_value: largest value of the bits that the cells use.
        label: the column that is the truth.
    """

    def __init__(self, listed: FieldList, plan: Plan, shards: Shards, label: str | None) -> None:
        self._listed, self._plan, self._shards = listed, plan, shards
        self.skipped = list(listed.skipped)
        self.dropped: dict[str, int] = {}
        self._kept: list[tuple[int, int]] = []  # field, cells
        self._columns: dict[str, list[Any]] = {}
        self._gather()
        self.count = sum(count for _, count in self._kept)
        self.label = label or ("compound" if self._has("compound") else None)
        top = _BIT_DEPTHS if self.dtype == "uint16" else _BIT_DEPTHS[:1]
        self.max_value = next(depth for depth in top if self.highest <= depth)

    def _gather(self) -> None:
        found = [(number, self._shards.read(number)) for number in range(len(self._listed.fields))]
        kinds = Counter(dict.fromkeys(("uint8", "uint16"), 0))
        for _, shard in found:
            if shard.dtype:
                kinds[shard.dtype] += 1
        self.dtype = kinds.most_common(1)[0][0]
        self.highest = 0
        for number, shard in found:
            if shard.skipped is not None:
                self.skipped.append(shard.skipped)
            elif shard.dtype != self.dtype:
                reason = f"it is {shard.dtype} where most fields are {self.dtype}"
                self.skipped.append({"file": self._listed.source(self._listed.fields[number]), "reason": reason})
            else:
                self._take(number, shard)

    def _take(self, number: int, shard: Shard) -> None:
        for reason, count in shard.dropped.items():
            self.dropped[reason] = self.dropped.get(reason, 0) + count
        if not shard.count:
            return
        self._kept.append((number, shard.count))
        self.highest = max(self.highest, shard.highest)
        for column, values in shard.columns.items():
            self._columns.setdefault(column, []).append(np.asarray(values))

    @property
    def source(self) -> str:
        """Where the cells come from, in a sentence."""
        said = [Path(self._listed.where).name, *self._listed.notes, *self._plan.notes]
        said += [f"dropped {count} ({reason})" for reason, count in self.dropped.items()]
        return "; ".join(said)

    @property
    def pixel_size_um(self) -> float | None:
        """Size of a pixel of the crops."""
        s = self._plan.settings
        return s.span_um / s.size if s.span_um else s.pixel_um

    def chunks(self, report: Report) -> Iterator[Array]:
        """The cells' pixels, field by field, in pieces of about 16 MB."""
        numbers, block = [number for number, _ in self._kept], list[Array]()
        with ThreadPoolExecutor(1) as pool:  # the next is read while the last is written
            for done, pixels in enumerate(in_order(pool, self._shards.pixels, numbers, ahead=2)):
                report(done, len(numbers), "writing cells")
                block.append(pixels)
                if sum(part.nbytes for part in block) >= _CHUNK_BYTES:
                    yield np.concatenate(block) if len(block) > 1 else block[0]
                    block = []
        if block:
            yield np.concatenate(block)

    def table(self) -> pd.DataFrame:
        """One row a cell: its source, what is known of its field, then its own numbers."""
        fields = [self._listed.fields[number] for number, _ in self._kept]
        known = pd.DataFrame([{"source": self._listed.source(row), **_without_source(row.columns)} for row in fields])
        known["field"] = [number for number, _ in self._kept] if "field" not in known else known["field"]
        repeats = np.repeat(np.arange(len(fields)), [count for _, count in self._kept])
        own = pd.DataFrame({column: np.concatenate(parts) for column, parts in self._columns.items()})
        of_field = known.iloc[repeats].reset_index(drop=True)
        clash = [column for column in of_field.columns if column in own.columns]
        return pd.concat([of_field.rename(columns={c: f"{c}_given" for c in clash}), own], axis=1)

    def write_report(self, folder: Path) -> None:
        """`cells.json` and `dropped.npz` in the image set's folder."""
        numbers = [number for number, _ in self._kept]
        report = {
            "version": 1,
            "fields": len(self._listed.fields),
            "fields_with_cells": len(numbers),
            "cells": self.count,
            "dropped": self.dropped,
            "channels": list(self._listed.channels),
            "nuclei": self._listed.channels[self._listed.nuclei],
            "notes": [*self._listed.notes, *self._plan.notes],
            "settings": self._plan.settings.to_mapping(),
        }
        stores.write_json(folder / _REPORT, report)
        examples = self._examples()
        if examples:
            stores.replace(folder / _EXAMPLES_FILE, lambda file: np.savez(file, **examples))  # type: ignore[arg-type]

    def _examples(self) -> dict[str, Array]:
        found: dict[str, list[Array]] = {}
        for number in range(len(self._listed.fields)):
            for reason, crop in self._shards.examples(number).items():
                if len(found.setdefault(reason, [])) < _EXAMPLES and crop.dtype.name == self.dtype:
                    found[reason].append(crop)
        return {reason: np.stack(crops) for reason, crops in found.items() if crops}

    def _has(self, column: str) -> bool:
        return any(self._listed.fields[number].columns.get(column) is not None for number, _ in self._kept)


def report_of(folder: Path) -> dict[str, Any]:
    """`cells.json` of an image set that was cut out of fields: counts, settings, notes.

    Raises:
        DataError: it was not cut out of fields.
    """
    return stores.read_json(folder / _REPORT)


def dropped_examples(folder: Path) -> dict[str, Array]:
    """Some of what was dropped: reason -> (n, C, S, S); empty if nothing was."""
    path = folder / _EXAMPLES_FILE
    if not path.exists():
        return {}
    with np.load(path, allow_pickle=False) as found:
        return {name: found[name] for name in found.files}


def _without_source(columns: Any) -> dict[str, Any]:
    return {("source_given" if k == "source" else str(k)): v for k, v in columns.items()}
