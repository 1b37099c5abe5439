"""What was solved of the scale `instant`: one file a composition and seed, so that items share them and a stop loses
at most the one that is being solved."""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import pandas as pd

from ssrl_core import access, stores
from ssrl_core.errors import DataError, Stopped
from ssrl_core.runs.folder.results import Results
from ssrl_core.runs.queue import tables
from ssrl_core.specs.run import RunSpec
from ssrl_core.specs.sweep import SweepSpec, Varied

IS_SOLVED = "the solution of the linearised problem, not a training"
OF_CLASSIFIER, OF_RESPONSE = "linear label", "truth response"
"""AMI with the label of the classes that linear evaluation gives, and of the true responses: what can be reached."""
_WAY = 1
"""Of solving: what is solved in another way from now on is solved anew."""
_LEAST_CHANCES = 4
_MOST_WORKERS = 2  # each holds up to half a gigabyte of features
_STEP = "terms.0.composition.steps."
Progress = Callable[[int, int, float], None]


@dataclass(frozen=True)
class Task:
    """A composition to be solved with one seed: the spec, the step whose chance varies, the file of its numbers."""

    spec: RunSpec
    chance: str | None
    path: Path
    values: Mapping[str, Any]


def tasks(sweep: SweepSpec) -> list[Task]:
    """What a sweep asks for, in its order; nothing where its images are not here."""
    from ssrl_core.datasets import store as image_sets

    name = str(sweep.base["dataset"]["name"])
    if name not in image_sets.names() or not image_sets.is_ready(name):
        return []
    chance, fingerprint = chance_step(sweep), image_sets.load(name).fingerprint
    root = stores.models_root() / "paper" / "solved"
    return [Task(one.spec, chance, root / f"{key}.json", one.values) for one, key in _keys(_text(sweep), fingerprint)]


def chance_step(sweep: SweepSpec) -> str | None:
    """The step of which only p varies, over several values."""
    if len(sweep.vary) != 1:
        return None
    path, values = next(iter(sweep.vary.items()))
    step, _, setting = path.removeprefix(_STEP).partition(".")
    return step if path.startswith(_STEP) and setting == "p" and len(values) >= _LEAST_CHANCES else None


def _text(sweep: SweepSpec) -> str:
    return json.dumps(sweep.to_mapping(), sort_keys=True, default=str)


@lru_cache(maxsize=256)
def _keys(text: str, fingerprint: str) -> list[tuple[Varied, str]]:
    """Every run of a sweep with the name of its file."""
    sweep = SweepSpec.from_mapping(json.loads(text))
    return [(one, _key(one.spec, chance_step(sweep), fingerprint)) for one in sweep.runs()]


def _key(spec: RunSpec, chance: str | None, fingerprint: str) -> str:
    """What the numbers follow from, as a name: the network, what is measured of it, and how it is solved."""
    asked = spec.to_mapping()["evaluate"]
    text = json.dumps([_WAY, spec.spec_hash(fingerprint), chance, asked], sort_keys=True)
    return f"{spec.dataset.name[:24]}-s{spec.seed}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def read(task: Task) -> dict[str, Any] | None:
    """What was solved; None where it was not, or the file is damaged (it is then solved anew)."""
    try:
        return stores.read_json(task.path) if task.path.is_file() else None
    except DataError:
        return None


def progress(sweep: SweepSpec) -> dict[str, int]:
    """Compositions by state: `done`, `not queued`."""
    done = sum(task.path.is_file() for task in tasks(sweep))
    counts = {"done": done, "not queued": sweep.count - done}
    return {state: number for state, number in counts.items() if number}


def results_table(sweep: SweepSpec) -> pd.DataFrame:
    """As `runs.results_table`, with a column for each truth that clusters were held against (`4 response`)."""
    return pd.DataFrame(
        [
            head | vary | results.columns() | {name: data["explained"][name] for name in data["explained"]}
            for head, vary, results, data in _solved(sweep)
        ]
    )


def classes_table(sweep: SweepSpec) -> pd.DataFrame:
    """As `runs.classes_table`."""
    return tables.class_frame((head | vary, results) for head, vary, results, _ in _solved(sweep))


def _solved(sweep: SweepSpec) -> Iterator[tuple[dict[str, Any], dict[str, Any], Results, dict[str, Any]]]:
    for task in tasks(sweep):
        data = read(task)
        if data is not None:
            spec = task.spec
            head: dict[str, Any] = {
                "run": task.path.stem,
                "sweep": sweep.name,
                "dataset": spec.dataset.name,
                "state": "done",
            }
            head |= {"backbone": spec.backbone.name, "method": method_name(spec), "seed": spec.seed}
            yield head, {f"vary.{path}": value for path, value in task.values.items()}, Results(data["results"]), data


def typical(sweep: SweepSpec) -> pd.DataFrame:
    """Of the first seed, the columns that vary and `clusters`: {K: the images nearest to each centroid}."""
    return pd.DataFrame(
        [
            {**vary, "dataset": head["dataset"], "clusters": data["typical"]}
            for head, vary, _, data in _solved(sweep)
            if head["seed"] == sweep.seeds[0]
        ]
    )


def seconds(sweep: SweepSpec) -> list[tuple[str, int, float]]:
    """File, seed and seconds of a processor of each composition; those that came after another's views took few."""
    return [(head["run"], head["seed"], float(data["seconds"])) for head, _, _, data in _solved(sweep)]


def method_name(spec: RunSpec) -> str:
    """`spectral μ = 0.1`: the closed form has no methods, only the ridge that stands for how a network learns."""
    return f"spectral μ = {spec.method['mu']:g}"


def in_order(asked: Iterable[Task]) -> list[list[Task]]:
    """Each file once, in lists that share images, bank and seed; in a list those of one composition stand together."""
    once = {task.path: task for task in asked}
    places: dict[Any, dict[Any, list[Task]]] = {}
    for task in once.values():
        spec = task.spec
        place = places.setdefault((str(spec.dataset), spec.method["bank"], spec.seed, task.chance), {})
        place.setdefault(spec.terms, []).append(task)
    return [[task for group in place.values() for task in group] for place in places.values()]


def solve_all(
    asked: Iterable[Task], report: Progress = lambda done, total, share: None, *, workers: int | None = None
) -> dict[str, Any]:
    """Solve what is not solved yet, in this process.

    Args:
        report: told how many are done, of how many, and what share of one more; what it raises ends the work.
        workers: threads, each with images and a seed of its own; left out, one for each processor, two at most.

    Returns:
        {solved, existing, seconds (of the processor)}.
    """
    access.require_editor("Solving compositions")
    every = in_order(asked)
    todo = [left for place in every if (left := [task for task in place if read(task) is None])]
    total, started = sum(map(len, todo)), time.process_time()
    if todo:
        _in_threads(todo, _Work(total, report), min(workers or _MOST_WORKERS, os.cpu_count() or 1))
    seconds = round(time.process_time() - started, 1)
    return {"solved": total, "existing": sum(map(len, every)) - total, "seconds": seconds}


class _Work:
    """How far several threads are together, and whether they shall end."""

    def __init__(self, total: int, report: Progress) -> None:
        self._total, self._report = total, report
        self._lock, self._shares = threading.Lock(), dict[int, float]()
        self._done = 0
        self.over = False

    def told(self, share: float) -> None:
        """A thread says how far the composition is that it solves."""
        with self._lock:
            if self.over:
                raise Stopped("Solving was stopped.")
            self._shares[threading.get_ident()] = share
            self._report(self._done, self._total, sum(self._shares.values()))

    def done(self) -> None:
        """A thread has written one."""
        with self._lock:
            self._done += 1
            self._shares.pop(threading.get_ident(), None)
        self.told(0.0)


def _in_threads(places: list[list[Task]], work: _Work, workers: int) -> None:
    """Each place by one thread; what ends one ends all."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(max(1, before // workers))
    pool = ThreadPoolExecutor(workers, thread_name_prefix="solving")
    try:
        for future in as_completed([pool.submit(_solve_place, place, work) for place in places]):
            future.result()
    finally:
        work.over = True
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(before)


def _solve_place(tasks: list[Task], work: _Work) -> None:
    from ssrl_core.paper.solving import Solver

    solver = Solver()
    for task in tasks:
        work.told(0.0)
        data = solver.solve(task.spec, chance=task.chance, report=work.told)
        stores.replace(task.path, json.dumps({"version": 1, **data}, allow_nan=False) + "\n")
        work.done()
