"""From microscope fields to an image set of cells: streaming, in parallel, resumable, memory flat in the fields.

Fields are processed in the order of their table; each leaves a shard (`shards.py`). When all are done the shards become
the image set. A field that cannot be read is skipped with its reason; a cell that is not wanted is counted with its
reason.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ssrl_core import stores
from ssrl_core.datasets.cells.assembly import Assembly
from ssrl_core.datasets.cells.cutters import Cutters
from ssrl_core.datasets.cells.detectors import require
from ssrl_core.datasets.cells.field_lists import list_fields
from ssrl_core.datasets.cells.fields import FieldList
from ssrl_core.datasets.cells.one_field import FieldTask
from ssrl_core.datasets.cells.planning import Plan, plan_import
from ssrl_core.datasets.cells.settings import CellSettings
from ssrl_core.datasets.cells.shards import Shards
from ssrl_core.datasets.creation import check_free, create
from ssrl_core.datasets.imageset import ImageSet
from ssrl_core.datasets.locking import held
from ssrl_core.datasets.progress import Report, told
from ssrl_core.datasets.readers.unpacking import needed
from ssrl_core.errors import DataError

_VERSION = 1  # raised when the same fields and settings would give other cells


def import_fields(
    source: str | Path,
    name: str,
    *,
    nuclei: str | None = None,
    channels: Sequence[str] | None = None,
    size: int | None = None,
    settings: CellSettings | None = None,
    where: Mapping[str, Sequence[Any]] | None = None,
    label: str | None = None,
    group: str | None = None,
    seed: int = 5,
    title: str | None = None,
    max_value: int | None = None,
    workers: int | None = None,
    stop: threading.Event | None = None,
    report: Report | None = None,
) -> ImageSet:
    """Cut the cells out of every field and make an image set of them.

    Run again after an interruption, with the same fields and settings, it goes on where it was. Beside the image set's
    own files it leaves `cells.json` (settings, counts of what was dropped, notes) and `dropped.npz` (some of what was
    dropped, by reason).

    Args:
        source: a table of fields, a folder, a zip of one, or a file (see `list_fields`).
        name: the image set's name, a slug.
        nuclei: the channel that holds the nuclei; None = the first.
        channels: which channels, in which order; None = all.
        size: side of the crops, px; None = that of the settings (196).
        where: column -> values: only these fields.
        label: the column that is the truth; None = `compound` if the fields have it.
        group: a column no value of which may be in two splits (`well`, `plate`).
        seed: decides order and split.
        max_value: the pixel value that stands for 1; None = the bits that the cells use (8, 10, 12, 14 or 16).
        workers: how many fields at once, many of them in processes (`cutters.py`); None = one a core, at most 8.
        stop: set by another thread to stop after the fields in work; what is done is kept for the next time.
        report: told how it goes.

    Raises:
        SpecError: a name that is taken, a channel, column or setting that is not there.
        DataError: nothing that can be read, or not one cell; nothing is left in the store.
        Stopped: `stop` was set.
    """
    stores.check_slug(name, where="data cells")
    check_free(name)
    asked = settings or CellSettings()
    asked = (asked if size is None else replace(asked, size=size)).checked()
    require(asked.nuclei.detector)
    with held(name), needed(Path(source).expanduser(), name):
        listed = list_fields(source, channels=channels, nuclei=nuclei, where=where)
        if not listed.fields:
            raise DataError(_nothing(listed, listed.skipped))
        asked = replace(asked, pixel_um=asked.pixel_um or listed.pixel_um)
        say = told(report)
        shards = Shards(name, _key(listed, asked))
        kept = shards.begin()
        with Cutters(shards, asked, len(listed.fields), workers) as cutters:
            plan = Plan.from_json(kept) if kept else plan_import(listed, asked, cutters.threads, say)
            if not kept:
                shards.keep_plan(plan.as_json())
            _cut_all(listed, plan, shards, cutters, stop, say)
        assembly = Assembly(listed, plan, shards, label)
        if not assembly.count:
            shards.remove()
            raise DataError(_nothing(listed, assembly.skipped, assembly.dropped))
        imageset = create(
            name,
            assembly.chunks(say),
            assembly.table,
            title=title or name,
            label=assembly.label,
            max_value=max_value or assembly.max_value,
            channels=listed.as_channels(windows=asked.normalise == "none"),
            pixel_size_um=assembly.pixel_size_um,
            seed=seed,
            group=group,
            source=assembly.source,
            skipped=assembly.skipped,
        )
        assembly.write_report(imageset.folder)
        shards.remove()
    return imageset


def _cut_all(
    listed: FieldList, plan: Plan, shards: Shards, cutters: Cutters, stop: threading.Event | None, say: Report
) -> None:
    """Every field that is not done yet."""
    finished = shards.done()
    tasks = (FieldTask.of(listed, i) for i in range(len(listed.fields)) if i not in finished)
    for done, _ in enumerate(cutters.cut(_until(stop, tasks), plan), start=len(finished) + 1):
        say(done, len(listed.fields), "cutting cells out of fields")
    if stop is not None and stop.is_set():
        from ssrl_core.errors import Stopped

        raise Stopped(
            f"The import was stopped after {len(shards.done())} of {len(listed.fields)} fields. Run it again to go on."
        )


def _until(stop: threading.Event | None, tasks: Iterator[FieldTask]) -> Iterator[FieldTask]:
    for task in tasks:
        if stop is not None and stop.is_set():
            return
        yield task


def _key(listed: FieldList, settings: CellSettings) -> str:
    """A digest of everything that decides the cells."""
    digest = hashlib.sha256(json.dumps([_VERSION, settings.to_mapping(), listed.channels, listed.nuclei]).encode())
    for row in listed.fields:
        digest.update(repr((row.files, row.planes, row.number, sorted(map(str, row.columns.items())))).encode())
    return digest.hexdigest()


def _nothing(listed: FieldList, skipped: Sequence[Mapping[str, str]], dropped: Mapping[str, int] | None = None) -> str:
    reasons = [f"{item['file']}: {item['reason']}" for item in list(skipped)[:3]]
    reasons += [f"{count} nuclei dropped ({reason})" for reason, count in (dropped or {}).items()]
    why = f" ({'; '.join(reasons)})" if reasons else ""
    remedy = "Look at the nuclei channel, and give the usual diameter of a nucleus."
    if dropped and max(dropped, key=lambda reason: dropped[reason]) == "border":
        remedy = "Give a smaller size, or keep the cells at the border."
    return f"{listed.where}: not one cell was found in {len(listed.fields)} fields{why}. {remedy}"
