"""What was solved of the scale `instant`: one file a composition and seed, so that items share them and a stop loses
at most the one that is being solved."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import pandas as pd

from ssrl_core import access, stores
from ssrl_core.errors import DataError
from ssrl_core.runs.folder.results import Results
from ssrl_core.runs.queue import tables
from ssrl_core.specs.run import RunSpec
from ssrl_core.specs.sweep import SweepSpec, Varied

IS_SOLVED = "the solution of the linearised problem, not a training"
_WAY = 1
"""Of solving: what is solved in another way from now on is solved anew."""
_LEAST_CHANCES = 4
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


def in_order(asked: Iterable[Task]) -> list[Task]:
    """Each file once, those that share images and a seed one after another, and among them those of one composition."""
    once = {task.path: task for task in asked}
    places: dict[Any, dict[Any, list[Task]]] = {}
    for task in once.values():
        spec = task.spec
        place = places.setdefault((str(spec.dataset), spec.method["bank"], spec.seed, task.chance), {})
        place.setdefault(spec.terms, []).append(task)
    return [task for place in places.values() for group in place.values() for task in group]


def solve_all(asked: Iterable[Task], report: Progress = lambda done, total, share: None) -> dict[str, Any]:
    """Solve what is not solved yet, in this process.

    Args:
        report: told how many are done, of how many, and how far the next one is; what it raises ends the work.

    Returns:
        {solved, existing, seconds (of the processor)}.
    """
    access.require_editor("Solving compositions")
    every = in_order(asked)
    todo = [task for task in every if read(task) is None]
    started = time.process_time()
    if todo:
        from ssrl_core.paper.solving import Solver

        solver = Solver()
        for number, task in enumerate(todo):

            def told(share: float, number: int = number) -> None:
                report(number, len(todo), share)

            told(0.0)
            data = solver.solve(task.spec, chance=task.chance, report=told)
            stores.replace(task.path, json.dumps({"version": 1, **data}, allow_nan=False) + "\n")
        report(len(todo), len(todo), 0.0)
    seconds = round(time.process_time() - started, 1)
    return {"solved": len(todo), "existing": len(every) - len(todo), "seconds": seconds}
