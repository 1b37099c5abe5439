"""The Classes page of a sweep of 50,000 rows (100 classes, 20 values, 5 seeds, 5 methods), every view in Chromium, and
the Paper page. There is no peer: no other tool has these views. `python -m ssrl_core bench classes`.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from bench.support import app_pages
from bench.support.made_stores import TINY, own_stores
from bench.support.measuring import Item, Options, item
from ssrl_core import stores
from ssrl_core.runs.queue import folder_rows, ordering, registry, sweeps, tables
from ssrl_core.specs.sweep import SweepSpec

TITLE = "Every view of a sweep of 50,000 rows, and the Paper page, in Chromium."
NAME = "classes"
METHODS = ("barlow_twins", "byol", "moco_v2_plus", "simclr", "vicreg")
CLASSES, VALUES, SEEDS = 100, 20, 5
_DEGREES = "terms.0.composition.steps.rotation.degrees"


def measure(options: Options) -> Iterator[Item]:
    """An item for each view; the sweep is in a store of its own."""
    with own_stores():
        sweep = _finished()
        started = time.perf_counter()
        assert len(tables.classes_table(sweep)) == CLASSES * VALUES * SEEDS * len(METHODS)
        seconds = time.perf_counter() - started
        if options.wanted("table"):
            yield item(NAME, "table-50000", "wall", "s", round(seconds, 3), images="made-up results")
        for case, work in (("views-50000", lambda: app_pages.classes(sweep)), ("paper", app_pages.paper)):
            if options.wanted(case):
                for metric, unit, value in work():
                    yield item(NAME, case, metric, unit, round(value, 3), images="made-up results")


def _finished() -> str:
    """A sweep whose 500 runs all have results: classes with slopes of their own around a common trend."""
    spec: dict[str, Any] = {
        **TINY,
        "seeds": list(range(5, 5 + SEEDS)),
        "vary": {"method": list(METHODS), _DEGREES: {"from": 0, "to": 180, "count": VALUES}},
        "name": "50,000 rows",
    }
    ordering.pause()
    asked = sweeps.submit(SweepSpec.from_mapping(spec), start=False)
    rng = np.random.default_rng(0)
    slopes, base = rng.normal(0, 0.05, CLASSES), rng.uniform(0.4, 0.8, (len(METHODS), CLASSES))
    now, rows = stores.utc_now(), []
    for run_id, method, place in _places(str(asked["id"])):
        wanted = base[method] + (slopes + 0.05) * place + rng.normal(0, 0.02, CLASSES)
        rows.append((folder_rows.results_text(_results(np.clip(wanted, 0, 1))), now, now, run_id))
    sql = "UPDATE runs SET results = ?, state = 'done', started_at = ?, finished_at = ? WHERE id = ?"
    registry.transact(lambda connection: connection.executemany(sql, rows))
    return str(asked["id"])


def _places(sweep: str) -> Iterator[tuple[str, int, float]]:
    """Id, method and place 0..1 of the value of each run."""
    table = tables.results_table(sweep)
    varied = next(column for column in table if column.endswith("degrees"))
    for run_id, method, degrees in zip(table["run"], table["method"], table[varied], strict=True):
        yield run_id, METHODS.index(method), float(degrees) / 180


def _results(accuracy: Any) -> dict[str, Any]:
    n = 100
    entries = {
        f"class {i:02d}": {"n": n, "correct": round(n * a), "accuracy": round(n * a) / n, "low": 0.0, "high": 1.0}
        for i, a in enumerate(accuracy)
    }
    linear = {"top1": float(np.mean(accuracy)), "mode": "cached", "epochs": 100, "classes": entries}
    return {"linear": linear, "clusters": {}, "knn": None}


if __name__ == "__main__":
    from bench.support.measuring import main

    sys.exit(main(NAME))
