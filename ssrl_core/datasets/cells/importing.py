"""From microscope fields to an image set of cells: streaming, in parallel, resumable, memory flat in the fields.

Fields are processed in the order of their table; each leaves a shard (`planning.py`). When all are done the shards
become the image set. A field that cannot be read is skipped with its reason; a cell that is not wanted is counted with
its reason.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pandas as pd

from ssrl_core import stores
from ssrl_core.datasets.cells.cutting import Crops, Cutters, FieldTask, counted_by, cut
from ssrl_core.datasets.cells.detectors import require
from ssrl_core.datasets.cells.field_lists import list_fields
from ssrl_core.datasets.cells.fields import FieldList, FieldRow, readable
from ssrl_core.datasets.cells.nuclei import detect
from ssrl_core.datasets.cells.planning import Plan, Shard, Shards, plan_import
from ssrl_core.datasets.cells.settings import CellOptions, CellSettings
from ssrl_core.datasets.creation import Metadata, check_free, create
from ssrl_core.datasets.imageset import ImageSet
from ssrl_core.datasets.progress import Report, in_order, or_silent
from ssrl_core.datasets.reading.archives import needed
from ssrl_core.datasets.reading.scale import camera_top
from ssrl_core.datasets.reading.understanding import Layout, Understanding, columns_of
from ssrl_core.datasets.splits import NO_GROUP
from ssrl_core.datasets.store import keep_warnings
from ssrl_core.errors import DataError, SpecError
from ssrl_core.stores import held

Array = np.ndarray[Any, Any]
_BIT_DEPTHS = (255, 1023, 4095, 16383, 65535)
_CHUNK_BYTES = 16_000_000
_EXAMPLES = 24
CUT_FILE = "cells.json"
_EXAMPLES_FILE = "dropped.npz"
BOXES_FILE, BITS_FILE = "outline_boxes.npy", "outline_bits.npy"


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
        self._by_field: dict[int, dict[str, int]] = {}  # field -> kept, and dropped by reason
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
        self._by_field[number] = {"kept": shard.count, **shard.dropped}
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
        return s.span_um / s.size if s.span_um and s.size else s.pixel_um

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

    def by_value(self) -> dict[str, Any]:
        """Of every value of a column: cells found, kept, and dropped by reason; {} if the fields have no such column.

        The column is the label's, else the compound, else the plate. A reason that grows with a dose is seen here.
        """
        column = next((c for c in (self.label, "compound", "plate") if c and self._has(c)), None)
        if column is None:
            return {}
        counts: dict[str, Counter[str]] = {}
        for number, of in self._by_field.items():
            value = self._listed.fields[number].columns.get(column)
            counts.setdefault("" if value is None else str(value), Counter()).update(of)
        return counted_by(column, counts)

    def write_report(self, folder: Path) -> None:
        """`cells.json` and `dropped.npz` in the image set's folder."""
        numbers = [number for number, _ in self._kept]
        report = {
            "version": 1,
            "fields": len(self._listed.fields),
            "fields_with_cells": len(numbers),
            "cells": self.count,
            "dropped": self.dropped,
            "dropped_by": self.by_value(),
            "channels": list(self._listed.channels),
            "nuclei": self._listed.channels[self._listed.nuclei],
            "notes": [*self._listed.notes, *self._plan.notes],
            "settings": self._plan.settings.to_mapping(),
        }
        stores.write_json(folder / CUT_FILE, report)
        examples = self._examples()
        if examples:
            stores.replace(folder / _EXAMPLES_FILE, lambda file: np.savez(file, **examples))  # type: ignore[arg-type]

    def write_outlines(self, folder: Path) -> None:
        """The outlines of all nuclei; read a field at a time."""
        numbers = [number for number, _ in self._kept]
        boxes = np.concatenate([self._shards.outlines(number)[0] for number in numbers])
        write_outlines(folder, boxes, (self._shards.outlines(number)[1] for number in numbers))

    def _examples(self) -> dict[str, Array]:
        found: dict[str, list[Array]] = {}
        for number in range(len(self._listed.fields)):
            for reason, crop in self._shards.examples(number).items():
                if len(found.setdefault(reason, [])) < _EXAMPLES and crop.dtype.name == self.dtype:
                    found[reason].append(crop)
        return {reason: np.stack(crops) for reason, crops in found.items() if crops}

    def _has(self, column: str) -> bool:
        return any(self._listed.fields[number].columns.get(column) is not None for number, _ in self._kept)


def write_outlines(folder: Path, boxes: Array, bits: Iterable[Array]) -> None:
    """Boxes and masks of the nuclei, a row an image, in two files (`outlines.packed`).

    Args:
        boxes: (n, 4); bits: those of all boxes in their order, in as many pieces as one likes.
    """
    stores.replace(folder / BOXES_FILE, lambda file: np.save(file, boxes))
    size = int(((boxes[:, 2].astype(np.int64) * boxes[:, 3] + 7) // 8).sum())

    def write(file: BinaryIO) -> None:
        header = {"descr": "|u1", "fortran_order": False, "shape": (size,)}
        np.lib.format.write_array_header_1_0(file, header)
        for piece in bits:
            file.write(piece.tobytes())

    stores.replace(folder / BITS_FILE, write)


def report_of(folder: Path) -> dict[str, Any]:
    """`cells.json` of an image set that was cut out of fields: counts, settings, notes.

    Raises:
        DataError: it was not cut out of fields.
    """
    return stores.read_json(folder / CUT_FILE)


def dropped_examples(folder: Path) -> dict[str, Array]:
    """Some of what was dropped: reason -> (n, C, S, S); empty if nothing was."""
    path = folder / _EXAMPLES_FILE
    if not path.exists():
        return {}
    try:
        with np.load(path, allow_pickle=False) as found:
            return {name: found[name] for name in found.files}
    except stores.DAMAGED_ARRAY as error:
        raise DataError(f"{path}: the file is damaged ({error}). Delete it; the cells stay.") from error


def _without_source(columns: Any) -> dict[str, Any]:
    return {("source_given" if k == "source" else str(k)): v for k, v in columns.items()}


_VERSION = 3  # raised when the same fields and settings would give other cells, or other files


def import_fields(
    source: str | Path,
    name: str,
    options: CellOptions | None = None,
    *,
    workers: int | None = None,
    stop: threading.Event | None = None,
    report: Report | None = None,
) -> ImageSet:
    """Cut the cells out of every field and make an image set of them.

    Run again after an interruption, with the same fields and settings, it goes on where it was. Beside the image set's
    own files it leaves `cells.json` (settings, counts of what was dropped, notes), `dropped.npz` (some of what was
    dropped, by reason), and the outlines of the nuclei (`outline_boxes.npy`, `outline_bits.npy`).

    Args:
        source: a table of fields, a folder, a zip of one, or a file (see `list_fields`).
        name: the image set's name, a slug.
        workers: how many fields at once, many of them in processes (`cutters.py`); None = one a core, at most 8.
        stop: set by another thread to stop after the fields in work; what is done is kept for the next time.
        report: told how it goes.

    Raises:
        SpecError: a name that is taken, a channel, column or setting that is not there.
        DataError: nothing that can be read, or not one cell; nothing is left in the store.
        Stopped: `stop` was set.
    """
    options = options or CellOptions()
    stores.check_slug(name, where="data cells")
    check_free(name)
    asked = options.settings.checked()
    require(asked.nuclei.detector)
    with held(name), needed(Path(source).expanduser(), name):
        listed = list_fields(
            source, channels=options.channels, nuclei=options.nuclei, where=options.where, pattern=options.pattern
        )
        asked = replace(asked, pixel_um=asked.pixel_um or listed.pixel_um)
        say = or_silent(report)
        shards = Shards(name, _key(listed, asked))
        kept = shards.begin()
        with Cutters(shards, asked, len(listed.fields), workers) as cutters:
            plan = Plan.from_json(kept) if kept else plan_import(listed, asked, cutters.threads, say)
            if not kept:
                shards.keep_plan(plan.as_json())
            _cut_all(listed, plan, shards, cutters, stop, say)
        assembly = Assembly(listed, plan, shards, options.label)
        if not assembly.count:
            shards.remove()
            raise DataError(_nothing(listed, assembly.skipped, assembly.dropped))
        imageset = create(
            name,
            assembly.chunks(say),
            assembly.table,
            Metadata(
                title=options.title or name,
                label=assembly.label,
                max_value=options.max_value or assembly.max_value,
                channels=listed.as_channels(windows=asked.normalise == "none"),
                pixel_size_um=assembly.pixel_size_um,
                seed=options.seed,
                group=None if options.group == NO_GROUP else options.group,
                by_well=options.group is None,
                source=assembly.source,
                skipped=assembly.skipped,
            ),
        )
        assembly.write_report(imageset.folder)
        assembly.write_outlines(imageset.folder)
        shards.remove()
    imageset = keep_warnings(imageset)
    for warning in imageset.meta["warnings"]:
        say(0, 0, warning)
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
        if row.full is not None:
            digest.update(repr(row.full).encode())
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
