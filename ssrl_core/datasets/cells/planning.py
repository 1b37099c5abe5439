"""What an import of cells keeps while it runs: its plan, and a shard for each field that is done.

The plan is what must be known before the first cell is cut: the usual size of a nucleus, and each plate's lighting. An
import that was stopped goes on where it was.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ssrl_core import stores
from ssrl_core.datasets.cells.fields import FieldList, FieldRow, UnreadableField, read_field
from ssrl_core.datasets.cells.illumination import FEWEST_FIELDS, FieldLight, Lighting, PlateSums, measured
from ssrl_core.datasets.cells.nuclei import measured as measured_nuclei
from ssrl_core.datasets.cells.nuclei import usual_of
from ssrl_core.datasets.cells.settings import MEASURED, CellSettings
from ssrl_core.datasets.columns import is_untreated_name
from ssrl_core.datasets.progress import Report, in_order
from ssrl_core.errors import DataError, SpecError

Array = np.ndarray[Any, Any]
_FIELDS_A_PLATE = 24
_FIELDS_FOR_SIZE = 12


@dataclass
class Plan:
    """Decided once for the whole import.

    Attributes:
        settings: with the nuclear diameter filled in (as it was given, else measured).
        lightings: plate -> lighting.
        notes: what was found, in sentences.
    """

    settings: CellSettings
    lightings: dict[str, Lighting] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        lightings = {plate: lighting.as_json() for plate, lighting in self.lightings.items()}
        return {"settings": self.settings.to_mapping(), "lightings": lightings, "notes": self.notes}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Plan:
        """What `as_json` gave."""
        lightings = {plate: Lighting.from_json(item) for plate, item in data["lightings"].items()}
        return cls(CellSettings.from_mapping(data["settings"]), lightings, list(data["notes"]))


def plan_import(listed: FieldList, settings: CellSettings, pool: ThreadPoolExecutor, report: Report) -> Plan:
    """Look at some fields of every plate, evenly chosen; what cannot be read is left for the import to tell."""
    correct, stretch = settings.illumination == "plate", settings.normalise == "plate"
    plates = _by_plate(listed.fields)
    wanted = {plate: _spread(_controls_first(rows, stretch), _FIELDS_A_PLATE) for plate, rows in plates.items()}
    size_from = _spread([i for rows in wanted.values() for i in rows], _FIELDS_FOR_SIZE)
    if settings.is_fitted:
        size_from = []
    if not (correct or stretch):
        wanted = {"": size_from}
    measured_on, plan = {id(row) for row in size_from}, Plan(settings)

    def look(row: FieldRow) -> _Look:
        return _looked_at(listed, row, plan.settings, light=correct or stretch, size=id(row) in measured_on)

    found: list[Array] = []
    few = 0
    for done, (plate, rows) in enumerate(wanted.items()):
        report(done, len(wanted), "measuring the lighting and the size of nuclei")
        sums = _summed(in_order(pool, look, rows), found)
        lighting = measured(sums, correct=correct, stretch=stretch)
        if lighting is not None:
            plan.lightings[plate] = lighting
        few += correct and sums.count < FEWEST_FIELDS
    if size_from:
        _with_usual(plan, found, len(size_from))
    if few:
        plan.notes.append(
            f"lighting was not corrected on {few} of {len(wanted)} plates (fewer than {FEWEST_FIELDS} fields)"
        )
    return plan


def _summed(looks: Iterable[_Look], nuclei_found: list[Array]) -> PlateSums:
    """The lighting of a plate's fields; their nuclei go into the list."""
    sums = PlateSums()
    for one in looks:
        if one.nuclei is not None:
            nuclei_found.append(one.nuclei)
        if one.light is not None:
            sums.add(one.light)
    return sums


@dataclass(frozen=True)
class _Look:
    """What a field tells before the import; None = not asked, or not readable."""

    light: FieldLight | None = None
    nuclei: Array | None = None


def _looked_at(listed: FieldList, row: FieldRow, settings: CellSettings, *, light: bool, size: bool) -> _Look:
    try:
        image = read_field(row)
    except UnreadableField:
        return _Look()
    dna = image[listed.nuclei]
    return _Look(
        FieldLight.of(image, range_too=settings.normalise == "plate") if light else None,
        measured_nuclei(dna, settings.nuclei) if size and min(dna.shape) > 1 else None,
    )


def _with_usual(plan: Plan, found: list[Array], fields: int) -> None:
    """The usual nucleus, measured once for all fields, so that no field is judged by its own debris."""
    usual, asked = usual_of(found), plan.settings
    if usual is None:
        return
    plan.settings = s = asked.fitted(usual)
    plan.notes.append(
        f"nuclei are about {s.nuclei.diameter_px:.0f} px wide and {_plainly(s.nuclei.brightness or 0)} grey values "
        f"above their background (measured on {fields} fields)"
    )
    if asked.size is None:
        plan.notes.append(f"crops are {s.size} px wide, about four nuclei")
    if asked.focus_limit == MEASURED:
        plan.notes.append(f"a nucleus whose edge is wider than {s.focus_limit:.2f} of its width is out of focus")


def _plainly(value: float) -> str:
    """Three digits, never as a power of ten."""
    return f"{float(f'{value:.3g}'):,.0f}" if value >= 100 else f"{value:.3g}"


def plate_of(row: FieldRow) -> str:
    """The plate that a field belongs to ("" if nothing says so)."""
    plate = row.columns.get("plate")
    return "" if plate is None or plate != plate else str(plate)


def _by_plate(fields: Sequence[FieldRow]) -> dict[str, list[FieldRow]]:
    plates: dict[str, list[FieldRow]] = {}
    for row in fields:
        plates.setdefault(plate_of(row), []).append(row)
    return plates


def _controls_first(rows: list[FieldRow], stretch: bool) -> list[FieldRow]:
    """Grey values are stretched by untreated cells, where a column says which they are."""
    controls = [row for row in rows if is_untreated_name(row.columns.get("compound", ""))]
    return controls if stretch and controls else rows


def _spread(rows: list[FieldRow], count: int) -> list[FieldRow]:
    """At most `count` of them, evenly over all."""
    if len(rows) <= count:
        return rows
    return [rows[i] for i in np.linspace(0, len(rows) - 1, count).round().astype(int)]


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
        self,
        number: int,
        shard: Shard,
        pixels: Array | None,
        table: pd.DataFrame | None,
        examples: dict[str, Array],
        outlines: tuple[Array, Array] | None = None,
    ) -> None:
        """Keep a field's cells; the small file comes last, so that it stands for a whole shard."""
        if pixels is not None and len(pixels):
            _put(self._path(number, "npy"), lambda file: np.save(file, pixels))
        if outlines is not None and len(outlines[0]):
            boxes, bits = outlines
            _put(self._path(number, "outlines"), lambda file: np.savez(file, boxes=boxes, bits=bits))
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

    def outlines(self, number: int) -> tuple[Array, Array]:
        """Boxes and masks of the nuclei of a field's cells (`outlines.packed`)."""
        with np.load(self._path(number, "outlines"), allow_pickle=False) as found:
            return found["boxes"], found["bits"]

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
