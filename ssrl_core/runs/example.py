"""The finished example that ships in `models/demo`: solved runs on two small image sets, made again by one command."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from ssrl_core import stores
from ssrl_core.datasets import store as image_sets
from ssrl_core.datasets.made import example
from ssrl_core.datasets.made.example import CELLS, STROKES
from ssrl_core.errors import RunError, SpecError
from ssrl_core.runs.folder.run_folder import RunFolder
from ssrl_core.specs.run import RunSpec

Say = Callable[[str], None]
MOST_BYTES = 5_000_000
_METHOD = {"name": "spectral", "dim": 16, "views": 6}
_OF_CELLS = {"bank": "patches"}  # texture tells cells: with `random` one of the three compounds is not found
_LEFT, _RIGHT = "cells-figure6-left", "cells-figure6-right"
_NOT_SHIPPED = ("encoder.safetensors", "log.txt", "lock", "embedding_projection.npy")
_NOT_SAID = ("host", "pid", "started_at", "alive_at")


def _spec(
    dataset: str, name: str, terms: Any, clusters: list[int], shown: str = "whole", mu: float = 0.1
) -> dict[str, Any]:
    evaluate = {"input": shown, "clusters": clusters, "read": True, "layouts": ["tsne"]}
    method = {**_METHOD, "mu": mu, **(_OF_CELLS if dataset == CELLS else {})}
    made = {"name": name, "dataset": dataset, "method": method, "terms": terms, "evaluate": evaluate}
    return {**made, "keep": {"embedding": "test"}}


RUNS: dict[str, dict[str, Any]] = {
    "first": _spec(STROKES, "Keeps the digit", "mnist-first-set", [10]),
    "second": _spec(STROKES, "Keeps the handwriting", "mnist-second-set", [10]),
    "left": _spec(CELLS, "Whole pictures: how crowded", _LEFT, [2], mu=1.0),
    "right": _spec(CELLS, "Middle only: what the cell does", _RIGHT, [6], "fixed_steps"),
    "sum": _spec(
        CELLS,
        "Both, weighted",
        [{"composition": _RIGHT, "weight": 1.0}, {"composition": _LEFT, "weight": 0.4}],
        [6],
        "fixed_steps",
    ),
}
"""The runs of the example. Which folder is which is found by its spec's name: ids hold a hash."""

_WORDS = {
    "untreated": "Like untreated",
    "mitotic": "Rounded, dividing",
    "aggregated": "Actin in clumps",
    "micronucleated": "Nucleus in pieces",
    "multinucleated": "Several nuclei",
    "bundled": "Tubulin in bundles",
    "diffuse": "Tubulin washed out",
}


def run_id(which: str) -> str | None:
    """Id of one of `RUNS` as it ships; None where the example is not there."""
    root, name = stores.demo_root(), RUNS[which]["name"]
    specs = sorted(root.glob("*/spec.yaml")) if root.is_dir() else []
    return next((spec.parent.name for spec in specs if _name_in(spec, spec.stat().st_mtime_ns) == name), None)


@lru_cache(maxsize=64)
def _name_in(spec: Path, changed: int) -> str | None:
    """The name of the run with this spec, read once: the home page asks again whenever somebody clicks there."""
    return RunFolder(spec.parent.name, spec.parent).spec().name


def check_names(which: tuple[str, ...]) -> None:
    """Raise SpecError if one of these is none of `RUNS`."""
    for name in which:
        if name not in RUNS:
            raise SpecError.at("Example", "run", f"one of {', '.join(RUNS)}", name)


def make(out: Path, *, say: Say = lambda words: None, which: tuple[str, ...] = tuple(RUNS)) -> Path:
    """Make the example anew, in a store of its own that is gone afterwards.

    Args:
        out: the folder it is laid into, emptied first; nothing is touched if anything fails.
        which: the runs.

    Returns:
        `out`.
    """
    with _own_stores() as work:
        made = work / "demo"
        sets = dict.fromkeys(RUNS[name]["dataset"] for name in which)
        for name in sets:
            say(f"drawing {name}")
            _make_set(name, made / "data" / name)
        for name in which:
            say(f"solving {RUNS[name]['name']}")
            _make_run(RUNS[name], made)
        weight = sum(path.stat().st_size for path in made.rglob("*") if path.is_file())
        if weight > MOST_BYTES:
            raise RunError(f"The example weighs {weight:,} bytes; at most {MOST_BYTES:,} ship. Take fewer images.")
        shutil.rmtree(out, ignore_errors=True)
        shutil.copytree(made, out)
    return out


def differences(shipped: Path, made: Path) -> list[str]:
    """Where what ships and what was made differ by more than another machine's rounding, in words; [] = nowhere.

    Images must be the same; k-means AMI, kNN and what can be read may differ by 0.03.
    """
    found = []
    for path in sorted(made.glob("data/*/imageset.json")):
        here, there = stores.read_json(path), stores.read_json(shipped / path.relative_to(made))
        if here["fingerprint"] != there["fingerprint"]:
            found.append(f"{path.parent.name}: other images")
    for path in sorted(made.glob("*/results.json")):
        beside = shipped / path.relative_to(made)
        if not beside.is_file():
            found.append(f"{path.parent.name}: not shipped")
            continue
        new, old = _measured(path.parent), _measured(beside.parent)
        found += [
            f"{path.parent.name}: {name} {old.get(name)} ships, {value:.3f} was made"
            for name, value in new.items()
            if old.get(name) is None or abs(value - old[name]) > 0.03
        ]
    return found


def _measured(folder: Path) -> dict[str, float]:
    results = RunFolder(folder.name, folder).results()
    found = {f"AMI of {k} groups": clusters.ami for k, clusters in results.clusters.items()}
    found |= {"kNN": results.knn.top1 if results.knn else None, "read": (results.entry("read") or {}).get("mean")}
    return {name: float(value) for name, value in found.items() if value is not None}


def _make_set(name: str, folder: Path) -> None:
    from ssrl_core.runs.evaluation import descriptors

    imageset = example.make(name)
    descriptors.make(imageset)
    example.packed(imageset, folder)


def _make_run(spec: Mapping[str, Any], root: Path) -> None:
    from ssrl_core.runs.child.train import attempt
    from ssrl_core.runs.folder.wanted import SPEC
    from ssrl_core.runs.queue.identity import identify

    run = identify(RunSpec.from_mapping(spec))
    folder = root / run.id
    stores.replace(folder / SPEC, run.text)
    if attempt(folder, by_hand=False) != 0:
        raise RunError(f"The example's run {run.id} failed: {RunFolder(run.id, folder).state()['error']}")
    _tidy(folder)
    _name_groups(RunFolder(run.id, folder))


def _tidy(folder: Path) -> None:
    """What ships has no network (five megabytes that its seed makes again) and says nothing of this machine."""
    for name in _NOT_SHIPPED:
        (folder / name).unlink(missing_ok=True)
    state = stores.read_json(folder / "state.json")
    stores.write_json(folder / "state.json", state | dict.fromkeys(_NOT_SAID))


def _name_groups(run: RunFolder) -> None:
    """Groups of cells named as one who looked at them would: by the response that stands out in each."""
    spec = run.spec()
    imageset = image_sets.load(spec.dataset.name)
    if "response" not in imageset.table or spec.evaluate.input == "whole":
        return
    k = spec.evaluate.clusters[0]
    stem = f"clusters_kmeans_k{k}_s0"
    groups, ids = stores.read_array(run.path / f"{stem}.npy"), run.embedding_ids()
    responses = imageset.table["response"].to_numpy()[ids]
    names = _unlike({g: _standing_out(responses[groups == g], responses) for g in range(k)})
    said = {str(g): {"name": name} for g, name in names.items()}
    document = {"version": 1, "revision": 1, "clusters": {stem: said}, "tags": []}
    stores.write_json(run.path / "annotations.json", document)


def _standing_out(own: np.ndarray, every: np.ndarray) -> str:
    """Words for the response of a group that stands out most."""
    more = {str(name): (own == name).mean() / (every == name).mean() for name in np.unique(every)}
    frequent = [name for name in more if (own == name).mean() >= 0.15]
    return _WORDS[max(frequent, key=more.__getitem__)]


def _unlike(words: Mapping[int, str]) -> dict[int, str]:
    """One name a group; those with the same word have a letter each."""
    found: dict[int, str] = {}
    for group, word in words.items():
        alike = [other for other, same in words.items() if same == word]
        found[group] = f"{word} {'ABCDEFGHIJ'[alike.index(group)]}" if len(alike) > 1 else word
    return found


@contextmanager
def _own_stores() -> Iterator[Path]:
    """Empty stores for the time of making; the example that ships is not seen meanwhile."""
    names = ("SSRL_DATA", "SSRL_MODELS", "SSRL_DEMO")
    before = {name: os.environ.get(name) for name in names}
    with tempfile.TemporaryDirectory(prefix="viewloom-example-") as folder:
        work = Path(folder)
        os.environ |= {name: str(work / name.lower()) for name in names}
        try:
            yield work
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value
