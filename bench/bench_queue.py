"""The queue at scale: ten thousand runs queued and listed, a coordinator at rest, the table of a large sweep, and short
runs a second through warm children and through a process for each.

There is no peer for the first ones; short runs are measured beside a fresh process a run. Wall time and processor time
are both given, because the machine may be busy with something else.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import psutil

from bench.support import app_pages
from bench.support.made_stores import TINY, own_stores
from bench.support.measuring import Item, Options, item
from ssrl_core import stores
from ssrl_core.runs.queue import folder_rows, ordering, registry, submitting, sweeps, tables
from ssrl_core.runs.queue.processes import cores
from ssrl_core.runs.worker.coordinator import Coordinator
from ssrl_core.runs.worker.engines.local import LocalEngine
from ssrl_core.specs.run import RunSpec
from ssrl_core.specs.sweep import SweepSpec

TITLE = "Ten thousand runs queued and listed, a coordinator at rest, a large table, short runs a second."
NAME = "queue"
RUNS, CLASSES, SWEEP_RUNS, SHORT = 10_000, 100, 2_000, 24
_REST_S = 20.0

Case = Callable[[], Iterator[tuple[str, str, float]]]


def measure(options: Options) -> Iterator[Item]:
    """An item for each case and metric; every case in a store of its own."""
    for name, case in CASES.items():
        if not options.wanted(name):
            continue
        with own_stores():
            for metric, unit, value in case():
                yield item(NAME, name, metric, unit, round(value, 3), images="digits (scikit-learn)")


def _enqueue() -> Iterator[tuple[str, str, float]]:
    """A sweep of 2,000 values and five seeds: read, expanded, checked, identified, queued."""
    wall, busy, _ = _timed(lambda: sweeps.submit(_sweep(RUNS // 5, 5), start=False))
    yield "wall", "s", wall
    yield "processor", "s", busy


def _enqueue_distinct() -> Iterator[tuple[str, str, float]]:
    """Ten thousand different values, one seed."""
    wall, busy, _ = _timed(lambda: sweeps.submit(_sweep(RUNS, 1), start=False))
    yield "wall", "s", wall
    yield "processor", "s", busy


def _list() -> Iterator[tuple[str, str, float]]:
    sweeps.submit(_sweep(RUNS // 5, 5), start=False)
    wall, busy, _ = _timed(registry.list_runs)
    yield "wall", "s", wall
    yield "processor", "s", busy
    time.sleep(0.3)
    registry.list_runs()
    yield "wall, nothing changed", "s", _timed(registry.list_runs)[0]


def _list_done() -> Iterator[tuple[str, str, float]]:
    """The same with results in all of them, when something has changed."""
    _many_done()
    wall, busy, _ = _timed(registry.list_runs)
    yield "wall", "s", wall
    yield "processor", "s", busy


def _pages() -> Iterator[tuple[str, str, float]]:
    """Home, the Train page and its list of all runs in Chromium."""
    _many_done()
    yield from app_pages.many_runs()


def _live_curve() -> Iterator[tuple[str, str, float]]:
    """A real run in a child of its own, watched in Chromium."""
    spec = {**TINY, "epochs": 1000, "evaluate": {"linear": None, "layouts": [], "clusters": []}}
    engine = LocalEngine(1, warm=True)
    coordinator = Coordinator(engine)
    asked = submitting.submit(RunSpec.from_mapping(spec), start=False)
    over = threading.Event()
    worker = threading.Thread(target=_tick, args=(coordinator, over), daemon=True)
    worker.start()
    try:
        yield from app_pages.live_curve(asked["id"])
    finally:
        over.set()
        worker.join()
        coordinator.watch.end_all()
        engine.close()


def _tick(coordinator: Coordinator, over: threading.Event) -> None:
    while not over.wait(0.05):
        coordinator.tick()


def _many_done() -> None:
    """Ten thousand runs, six thousand of them done, with results and folders."""
    asked = sweeps.submit(_sweep(RUNS // 5, 5), start=False)
    ordering.pause()
    text, done = folder_rows.results_text(_results()), asked["runs"][:6000]
    for run_id in done:
        (stores.runs_root() / run_id).mkdir(exist_ok=True)
    now = stores.utc_now()
    sql = "UPDATE runs SET results = ?, state = 'done', started_at = ?, finished_at = ? WHERE id = ?"
    registry.transact(lambda connection: connection.executemany(sql, [(text, now, now, run_id) for run_id in done]))


def _at_rest() -> Iterator[tuple[str, str, float]]:
    """A real coordinator whose queue of ten thousand runs is paused."""
    sweeps.submit(_sweep(RUNS // 5, 5), start=False)
    ordering.pause()
    process = subprocess.Popen([sys.executable, "-m", "ssrl_core", "worker"], stderr=subprocess.DEVNULL)
    try:
        seen = psutil.Process(process.pid)
        time.sleep(5.0)
        before = sum(seen.cpu_times()[:2])
        time.sleep(_REST_S)
        yield "share of a core", "%", 100 * (sum(seen.cpu_times()[:2]) - before) / _REST_S
        yield "memory", "MB", seen.memory_info().rss / 1e6
    finally:
        process.terminate()
        process.wait()


def _table() -> Iterator[tuple[str, str, float]]:
    """Results of 2,000 runs, two probes with 100 classes and a confusion table each."""
    sweep = _sweep(SWEEP_RUNS // 5, 5)
    asked = sweeps.submit(sweep, start=False)
    text = folder_rows.results_text(_results())
    sql = "UPDATE runs SET results = ?, state = 'done'"
    for run_id in asked["runs"]:
        (stores.runs_root() / run_id).mkdir(exist_ok=True)  # a run that is done has a folder
    registry.transact(lambda connection: connection.execute(sql, [text]))
    wall, busy, table = _timed(lambda: tables.classes_table(asked["id"]))
    assert len(table) == SWEEP_RUNS * CLASSES * 2
    yield "wall", "s", wall
    yield "processor", "s", busy


def _short_runs() -> Iterator[tuple[str, str, float]]:
    for name, warm, count in (("warm children", True, SHORT), ("a process a run", False, 4)):
        with own_stores():
            yield name, "runs/s", _per_second(warm, count)


def _per_second(warm: bool, count: int) -> float:
    """Short runs a second: the first ones, which pay the imports, are left out where children are warm."""
    spec = {**TINY, "epochs": 1, "limit_train": 64, "evaluate": {"linear": None, "layouts": [], "clusters": [10]}}
    slots = cores()
    sweeps.submit(SweepSpec.from_mapping({**spec, "seeds": list(range(count + slots)), "vary": {}}), start=False)
    engine = LocalEngine(slots, warm=warm)
    coordinator = Coordinator(engine)
    started, left_out = time.monotonic(), 0
    while (done := registry.counts().get("done", 0)) < count + slots:
        coordinator.tick()
        time.sleep(0.02)
        if warm and not left_out and done >= slots:
            started, left_out = time.monotonic(), done
    engine.close()
    return (done - left_out) / (time.monotonic() - started)


CASES: dict[str, Case] = {
    "enqueue-10000": _enqueue,
    "enqueue-10000-distinct": _enqueue_distinct,
    "list-10000": _list,
    "list-10000-done": _list_done,
    "pages-10000": _pages,
    "live-curve": _live_curve,
    "coordinator-at-rest": _at_rest,
    "table-2000x100": _table,
    "short-runs": _short_runs,
}


def _sweep(values: int, seeds: int) -> SweepSpec:
    lr = {"from": 1e-4, "to": 1e-2, "count": values, "log": True}
    return SweepSpec.from_mapping({**TINY, "seeds": list(range(seeds)), "vary": {"optimizer.lr": lr}})


def _results() -> dict[str, Any]:
    entry = {"n": 100, "correct": 71, "accuracy": 0.71, "low": 0.61, "high": 0.79}
    classes = {f"class {number}": entry for number in range(CLASSES)}
    confusion = [[1] * CLASSES for _ in range(CLASSES)]
    linear = {"top1": 0.71, "mode": "cached", "epochs": 100, "classes": classes, "confusion": confusion}
    return {
        "clusters": {"10": {"ami": 0.4, "silhouette": 0.1}},
        "knn": {"top1": 0.7, "classes": classes},
        "linear": linear,
    }


def _timed(work: Callable[[], Any]) -> tuple[float, float, Any]:
    """Wall seconds, processor seconds, and what came back."""
    wall, busy = time.perf_counter(), time.process_time()
    answer = work()
    return time.perf_counter() - wall, time.process_time() - busy, answer


if __name__ == "__main__":
    from bench.support.measuring import main

    sys.exit(main(NAME))
