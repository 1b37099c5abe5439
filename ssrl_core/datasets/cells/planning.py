"""What must be known before the first cell is cut: the usual size of a nucleus, and each plate's lighting."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ssrl_core.datasets.cells.fields import FieldList, FieldRow, UnreadableField, read_field
from ssrl_core.datasets.cells.illumination import FEWEST_FIELDS, FieldLight, Lighting, PlateSums, measured
from ssrl_core.datasets.cells.nuclei import usual_diameter, widths
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
    correct, stretch = settings.illumination == "plate", settings.normalise == "plate"
    plates = _by_plate(listed.fields)
    wanted = {plate: _spread(_controls_first(rows, stretch), _FIELDS_A_PLATE) for plate, rows in plates.items()}
    size_from = _spread([i for rows in wanted.values() for i in rows], _FIELDS_FOR_SIZE)
    if settings.nuclei.diameter_px is not None:
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
        _with_diameter(plan, found, len(size_from))
    if few:
        plan.notes.append(
            f"lighting was not corrected on {few} of {len(wanted)} plates (fewer than {FEWEST_FIELDS} fields)"
        )
    return plan


def _summed(looks: Iterable[_Look], widths_found: list[Array]) -> PlateSums:
    """The lighting of a plate's fields; the widths of their nuclei go into the list."""
    sums = PlateSums()
    for one in looks:
        if one.widths is not None:
            widths_found.append(one.widths)
        if one.light is not None:
            sums.add(one.light)
    return sums


@dataclass(frozen=True)
class _Look:
    """What a field tells before the import; None = not asked, or not readable."""

    light: FieldLight | None = None
    widths: Array | None = None


def _looked_at(listed: FieldList, row: FieldRow, settings: CellSettings, *, light: bool, size: bool) -> _Look:
    try:
        image = read_field(row)
    except UnreadableField:
        return _Look()
    dna = image[listed.nuclei]
    return _Look(
        FieldLight.of(image, range_too=settings.normalise == "plate") if light else None,
        widths(dna, settings.nuclei) if size and min(dna.shape) > 1 else None,
    )


def _with_diameter(plan: Plan, found: list[Array], fields: int) -> None:
    diameter = usual_diameter(found)
    plan.settings = replace(plan.settings, nuclei=replace(plan.settings.nuclei, diameter_px=diameter))
    if diameter is not None:
        plan.notes.append(f"nuclei are about {diameter:.0f} px wide (measured on {fields} fields)")


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
