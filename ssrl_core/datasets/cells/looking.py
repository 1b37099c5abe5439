"""What cutting cells would make of a list of fields, from some of them; nothing is written."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ssrl_core.datasets.cells.cutting import Crops, counted_by, cut
from ssrl_core.datasets.cells.fields import FieldList, FieldRow, readable
from ssrl_core.datasets.cells.nuclei import detect
from ssrl_core.datasets.cells.planning import plan_import
from ssrl_core.datasets.cells.settings import CellOptions, CellSettings
from ssrl_core.datasets.progress import Report, or_silent
from ssrl_core.datasets.reading.scale import camera_top
from ssrl_core.datasets.reading.understanding import Layout, Understanding, columns_of
from ssrl_core.datasets.splits import NO_GROUP
from ssrl_core.errors import DataError, SpecError

Array = np.ndarray[Any, Any]
LOOKED_AT = 6  # fields
_OF_EACH, _OF_REASON = 12, 12  # cells that are shown


@dataclass
class CellGlance:
    """What some fields become.

    Attributes:
        understood: the fields and their columns; its `counts` are cells of the fields looked at.
        settings: with everything measured.
        looked, fields: how many were cut, and how many there are.
        found, kept: nuclei and cells of those.
        table, pixels: some of the cells: their columns, and (n, C, S, S).
        dropped: reason -> nuclei; `dropped_by`: the same for each value of the label's column, see `counted_by`.
        examples: reason -> (n, C, S, S), some of what was dropped.
    """

    understood: Understanding
    settings: CellSettings
    looked: int
    fields: int
    found: int = 0
    kept: int = 0
    table: pd.DataFrame = field(default_factory=pd.DataFrame)
    pixels: Array = field(default_factory=lambda: np.zeros((0, 1, 1, 1), np.uint8))
    dropped: dict[str, int] = field(default_factory=dict)
    dropped_by: dict[str, Any] = field(default_factory=dict)
    examples: dict[str, Array] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Plain values, without pictures."""
        names = ("looked", "fields", "found", "kept", "dropped", "dropped_by")
        own = {name: getattr(self, name) for name in names}
        return {**own, "settings": self.settings.to_mapping()}


def glance_cells(
    listed: FieldList, options: CellOptions | None = None, *, most: int = LOOKED_AT, report: Report | None = None
) -> CellGlance:
    """Cut some fields, of every compound if there is one, by settings measured on them.

    Raises:
        SpecError: a label or a group that the fields do not have.
        DataError: not one of the chosen fields can be read.
    """
    options, say = options or CellOptions(), or_silent(report)
    asked = options.settings.checked()
    asked = replace(asked, pixel_um=asked.pixel_um or listed.pixel_um, illumination="none", normalise="none")
    columns = pd.DataFrame([dict(row.columns) for row in listed.fields])
    understood = _understood(listed, options, columns)
    some = replace(listed, fields=_chosen(listed.fields, understood.label, most), notes=[])
    with ThreadPoolExecutor(1) as pool:
        plan = plan_import(some, asked, pool, say)
    glance = CellGlance(understood, plan.settings, 0, len(listed.fields))
    cells: list[tuple[FieldRow, Crops]] = []
    for row, image in readable(some, understood.skipped, say, "cutting some fields"):
        labels = detect(image[listed.nuclei], plan.settings.nuclei)
        cells.append((row, cut(image, labels, plan.settings, dna=listed.nuclei)))
    if not cells:
        first = understood.skipped[-1]
        raise DataError(f"{listed.where}: not one of {len(some.fields)} fields can be read ({first['reason']}).")
    understood.notes += plan.notes
    _gather(glance, cells)
    return glance


def _understood(listed: FieldList, options: CellOptions, columns: pd.DataFrame) -> Understanding:
    known = Understanding(Path(listed.where).name, Layout("fields"), columns_of(columns))
    known.skipped, known.notes = list(listed.skipped), list(listed.notes)
    known.channels = listed.as_channels(windows=options.settings.normalise == "none")
    known.label = options.label or ("compound" if "compound" in columns else None)
    known.group = None if options.group == NO_GROUP else options.group or ("well" if "well" in columns else None)
    for what, column in (("--label", known.label), ("--group", known.group)):
        if column is not None and column not in columns:
            raise SpecError.at("data cells", what, f"a column of the fields ({', '.join(columns)})", column)
    if options.label is None and known.label:
        known.guess("label", "column 'compound'", "its name")
    if options.group is None and known.group:
        known.guess("kept together", "wells", "cells of one well are alike whatever was done to it")
    if options.nuclei is None and len(listed.channels) > 1:
        known.guess("nuclei", listed.channels[listed.nuclei], "it is the first channel, or called so")
    return known


def _chosen(rows: Sequence[FieldRow], label: str | None, most: int) -> list[FieldRow]:
    """Fields of every value of the label in turn, spread over all of it, in their order."""
    groups: dict[str, list[int]] = defaultdict(list)
    for place, row in enumerate(rows):
        groups[str(row.columns.get(label)) if label else ""].append(place)
    each = max(1, most // len(groups))
    spread = [[own[i] for i in np.unique(np.linspace(0, len(own) - 1, each).astype(int))] for own in groups.values()]
    return [rows[i] for i in sorted(i for own in spread[:most] for i in own)]


def _gather(glance: CellGlance, cells: Sequence[tuple[FieldRow, Crops]]) -> None:
    """Counts, and some pictures of every value of the label and of every reason."""
    label = glance.understood.label
    by: dict[str, Counter[str]] = defaultdict(Counter)
    shown, rows, examples = list[Array](), list[dict[str, Any]](), defaultdict[str, list[Array]](list)
    for row, crops in cells:
        value = str(row.columns[label]) if label and row.columns.get(label) is not None else ""
        taken = _OF_EACH - sum(r["label"] == value for r in rows)
        last = len(crops.pixels) - 1
        some = np.unique(np.linspace(0, last, max(0, taken)).astype(int)).tolist() if last >= 0 else []
        shown += [crops.pixels[i] for i in some]
        rows += [{**row.columns, "label": value, "source": ""} for _ in some]
        by[value].update({"kept": len(crops.pixels), **crops.dropped})
        for reason, crop in crops.examples.items():
            examples[reason] += [crop] * (len(examples[reason]) < _OF_REASON)
    total = sum(by.values(), Counter[str]())
    glance.looked, glance.kept, glance.found = len(cells), total["kept"], total.total()
    glance.dropped = {reason: count for reason, count in total.items() if reason != "kept"}
    if label:
        glance.dropped_by = counted_by(label, by)
    glance.understood.counts = {value: {"": own["kept"]} for value, own in sorted(by.items())}
    glance.examples = {reason: np.stack(crops) for reason, crops in examples.items()}
    if shown:
        glance.pixels, glance.table = np.stack(shown), pd.DataFrame(rows)
        _, channels, height, width = glance.pixels.shape
        glance.understood.shape = (channels, height, width)
        eight = glance.pixels.dtype == np.uint8
        glance.understood.max_value = 255 if eight else camera_top(int(glance.pixels.max()))
