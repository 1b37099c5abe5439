"""One field: read, even out, find nuclei, cut, keep; the same in a thread and in a process of its own."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from ssrl_core.datasets.cells.cutting import cut
from ssrl_core.datasets.cells.fields import FieldList, FieldRow, UnreadableField, read_field, shown_below
from ssrl_core.datasets.cells.illumination import corrected
from ssrl_core.datasets.cells.nuclei import detect
from ssrl_core.datasets.cells.planning import Plan, plate_of
from ssrl_core.datasets.cells.shards import Shard, Shards, kept_plan


@dataclass(frozen=True)
class FieldTask:
    """A field to be cut.

    Attributes:
        number: which of the import, from 0.
        nuclei: which channel holds the nuclei.
        base: the folder that paths are shown relative to.
    """

    number: int
    row: FieldRow
    nuclei: int
    base: Path

    @classmethod
    def of(cls, listed: FieldList, number: int) -> FieldTask:
        """The task of a listed field."""
        return cls(number, listed.fields[number], listed.nuclei, listed.base)


def cut_field(task: FieldTask, plan: Plan, shards: Shards) -> None:
    """Leave the shard of a field; one that cannot be read leaves its reason."""
    try:
        image = read_field(task.row)
    except UnreadableField as error:
        skipped = {"file": shown_below(task.base, error.path), "reason": error.reason}
        shards.write(task.number, Shard(0, {}, {}, skipped), None, None, {})
        return
    settings = plan.settings
    even = corrected(image, plan.lightings.get(plate_of(task.row)))
    labels = detect(even[task.nuclei], settings.nuclei)
    crops = cut(even, labels, settings, dna=task.nuclei, salt=task.number, saturated_in=image)
    highest = int(crops.pixels.max(initial=0))
    shard = Shard(len(crops.pixels), {}, crops.dropped, None, image.dtype.name, highest)
    shards.write(task.number, shard, crops.pixels, crops.table, crops.examples)


def cut_field_by_plan(task: FieldTask, shards: Shards) -> None:
    """`cut_field` by the plan that the import keeps beside its shards: what is sent to a process stays small."""
    cut_field(task, _plan_of(shards.folder), shards)


@lru_cache(1)
def _plan_of(folder: Path) -> Plan:
    """The plan of the import that this process works for (a process works for one)."""
    return Plan.from_json(kept_plan(folder))
