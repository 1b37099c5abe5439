"""Fields cut several at a time.

Finding and cutting the cells of a field is thousands of small calls, and one interpreter makes them one at a time: two
threads are hardly faster than one, two processes half as fast again as those. A process takes a second or two to start,
so a few fields are left to threads. Processes are joblib's (loky), which start without running the program's own script
again, a page of the app for example.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from types import TracebackType

from ssrl_core.datasets.cells.cutting import cut
from ssrl_core.datasets.cells.fields import FieldList, FieldRow, UnreadableField, read_field, shown_below
from ssrl_core.datasets.cells.illumination import corrected
from ssrl_core.datasets.cells.nuclei import detect
from ssrl_core.datasets.cells.planning import Plan, Shard, Shards, kept_plan, plate_of
from ssrl_core.datasets.cells.settings import CellSettings
from ssrl_core.datasets.parallel import in_order
from ssrl_core.errors import DataError


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


_MOST = 8
_FEWEST_FIELDS = 20  # below, starting processes takes longer than they save
_IDLE_S = 20  # a process without work ends by itself, so that none outlives an import that was killed


class Cutters:
    """Who cuts the fields of one import; to be used in a `with`.

    Processes start at once, so that they are ready when the plan is.

    Args:
        shards: where the cells of each field are kept.
        settings: a network that finds nuclei has one copy, in threads: it is large, and releases the interpreter.
        fields: how many there are.
        workers: how many at once; None = one a core, at most 8.

    Attributes:
        threads: for what else is to be done for several fields at a time.
    """

    def __init__(self, shards: Shards, settings: CellSettings, fields: int, workers: int | None = None) -> None:
        count = workers or min(_MOST, os.cpu_count() or 1)
        self._shards, self._ahead = shards, 2 * count
        self.threads = ThreadPoolExecutor(count)
        many = count > 1 and fields >= _FEWEST_FIELDS and settings.nuclei.detector == "threshold"
        self._processes = _started(count) if many else None

    def __enter__(self) -> Cutters:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.threads.shutdown(cancel_futures=True)
        if self._processes is not None:
            self._processes.shutdown()

    def cut(self, tasks: Iterator[FieldTask], plan: Plan) -> Iterator[None]:
        """Leave the shard of each field, yielding as they are done, in order.

        Raises:
            DataError: a process was ended from outside.
        """
        if self._processes is None:
            here = partial(cut_field, plan=plan, shards=self._shards)
            yield from in_order(self.threads, here, tasks, ahead=self._ahead)
            return
        elsewhere = partial(cut_field_by_plan, shards=self._shards)
        try:
            yield from in_order(self._processes, elsewhere, tasks, ahead=self._ahead)
        except BrokenProcessPool as error:
            raise DataError(
                "A process that cut fields was ended, as happens where memory is short. Run the import again to go on "
                "where it was; with fewer workers it takes less memory."
            ) from error


def _started(count: int) -> Executor:
    """A pool whose processes have loaded their libraries before the first field is given to them."""
    from joblib.externals.loky import ProcessPoolExecutor

    pool: Executor = ProcessPoolExecutor(count, timeout=_IDLE_S)
    for _ in range(count):
        pool.submit(_loaded)
    return pool


def _loaded() -> None:
    """Unpickling this function's name has imported what a field needs."""
