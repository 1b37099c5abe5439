"""What must be known before the first cell is cut: the usual size of a nucleus, and each plate's lighting."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ssrl_core.datasets.cells.fields import FieldList, FieldRow, UnreadableField, read_field
from ssrl_core.datasets.cells.illumination import FEWEST_FIELDS, Lighting, PlateSums, measured
from ssrl_core.datasets.cells.nuclei import measure_diameter
from ssrl_core.datasets.cells.settings import CellSettings
from ssrl_core.datasets.conditions import is_untreated_name
from ssrl_core.datasets.ordered import in_order
from ssrl_core.datasets.progress import Report

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
    plan = Plan(settings)
    plates = _by_plate(listed.fields)
    correct, stretch = settings.illumination == "plate", settings.normalise == "plate"
    wanted = {plate: _spread(_controls_first(rows, stretch), _FIELDS_A_PLATE) for plate, rows in plates.items()}
    size_from = _spread([i for rows in wanted.values() for i in rows], _FIELDS_FOR_SIZE)
    if settings.nuclei.diameter_px is None:
        diameter = measure_diameter(_dna_of(listed, size_from, pool), settings.nuclei)
        plan.settings = replace(settings, nuclei=replace(settings.nuclei, diameter_px=diameter))
        if diameter is not None:
            plan.notes.append(f"nuclei are about {diameter:.0f} px wide (measured on {len(size_from)} fields)")
    if correct or stretch:
        few = []
        for done, (plate, rows) in enumerate(wanted.items()):
            report(done, len(wanted), "measuring the lighting")
            sums = _sums(listed, rows, stretch, pool)
            found = measured(sums, correct=correct, stretch=stretch)
            if found is not None:
                plan.lightings[plate] = found
            if correct and sums.count < FEWEST_FIELDS:
                few.append(plate)
        if few:
            plan.notes.append(
                f"lighting was not corrected on {len(few)} of {len(wanted)} plates (fewer than {FEWEST_FIELDS} fields)"
            )
    return plan


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


def _dna_of(listed: FieldList, rows: list[FieldRow], pool: ThreadPoolExecutor) -> list[Array]:
    def dna(row: FieldRow) -> Array | None:
        try:
            result: Array | None = read_field(row)[listed.nuclei]
            return result
        except UnreadableField:
            return None

    return [image for image in in_order(pool, dna, rows) if image is not None and min(image.shape) > 1]


def _sums(listed: FieldList, rows: list[FieldRow], stretch: bool, pool: ThreadPoolExecutor) -> PlateSums:
    def image(row: FieldRow) -> Array | None:
        try:
            return read_field(row)
        except UnreadableField:
            return None

    sums = PlateSums()
    for field_image in in_order(pool, image, rows):
        if field_image is not None:
            sums.add(field_image, range_too=stretch)
    return sums
