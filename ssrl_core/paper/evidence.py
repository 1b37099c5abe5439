"""What is there of an item at one scale: results of its sweeps, and measurements that need no training."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ssrl_core import stores
from ssrl_core.errors import SpecError
from ssrl_core.paper import solved
from ssrl_core.paper.item import Plan, Scale
from ssrl_core.runs.queue import registry, sweeps, tables
from ssrl_core.specs.run import RunSpec
from ssrl_core.specs.sweep import SweepSpec

if TYPE_CHECKING:
    from torch import Tensor


Report = Callable[[int, int], None]


def stored_measurement(kind: str, parameters: Mapping[str, Any]) -> dict[str, Any] | None:
    """A measurement that was made on this image set, else None (also where the image set is not there)."""
    path = _path(kind, parameters)
    return stores.read_json(path)["data"] if path is not None and path.is_file() else None


def make_measurement(kind: str, parameters: Mapping[str, Any], report: Report | None = None) -> dict[str, Any]:
    """Measure, or read what was measured.

    Raises:
        SpecError: an image set or weights are missing; names them.
    """
    known = stored_measurement(kind, parameters)
    if known is not None:
        return known
    from ssrl_core.datasets import store as image_sets

    image_sets.load(str(parameters["dataset"]))
    data = KINDS[kind](parameters, report)
    path = _path(kind, parameters)
    if path is not None:
        stores.write_json(path, {"version": 1, "kind": kind, "parameters": dict(parameters), "data": data})
    return data


@contextmanager
def all_processors() -> Iterator[None]:
    """What torch does meanwhile may use every processor, whatever its start has said."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(max(before, os.cpu_count() or 1))
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _lpips(parameters: Mapping[str, Any], report: Report | None) -> dict[str, Any]:
    """LPIPS of each composition on the first images of the test split.

    Parameters:
        dataset, compositions (name -> composition as plain data, or the name of one), n, seed.
    """
    from ssrl_core.compositions import perceptual
    from ssrl_core.datasets import store as image_sets
    from ssrl_core.specs.composition import Composition, load

    imageset = image_sets.load(parameters["dataset"])
    ids = imageset.split_ids("test")[: parameters["n"]]
    out = {}
    for name, given in parameters["compositions"].items():
        composition = Composition.from_mapping(given) if isinstance(given, Mapping) else load(given)
        out[name] = perceptual.measure(imageset, composition, ids, seed=parameters["seed"]).as_dict()
        if report:
            report(len(out), len(parameters["compositions"]))
    return out


def _pretrained(parameters: Mapping[str, Any], report: Report | None) -> dict[str, Any]:
    """AMI of k-means on embeddings of a network with ImageNet weights, untrained on these images.

    Parameters:
        dataset, where, backbone, k, split, seeds (of k-means), balanced (as many images of each class).
    """
    from ssrl_core.analysis.clusters import kmeans
    from ssrl_core.analysis.scores import ami, shuffled_ami
    from ssrl_core.datasets import store as image_sets
    from ssrl_core.runs.evaluation.baseline import imagenet_embedding

    imageset = image_sets.load(parameters["dataset"]).select(None, dict(parameters["where"]))
    ids = imageset.split_ids(parameters.get("split", "test"))
    if parameters.get("balanced"):
        ids = as_many_of_each(ids, imageset.label_ids[ids])
    labels = imageset.label_ids[ids]
    x = imagenet_embedding(imageset, ids, parameters["backbone"], report)
    scores = [ami(labels, kmeans(x, parameters["k"], seed=seed).ids) for seed in parameters["seeds"]]
    shuffled = shuffled_ami(labels, kmeans(x, parameters["k"], seed=parameters["seeds"][0]).ids)
    return {"ami": scores, "mean": float(np.mean(scores)), "shuffled": shuffled, "n": len(ids)}


def as_many_of_each(ids: NDArray[np.intp], labels: NDArray[np.intp], seed: int = 5) -> NDArray[np.intp]:
    """The ids of an equal number of images of each label that occurs, drawn at random, ascending."""
    rng = np.random.default_rng(seed)
    places = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    least = min(len(of_label) for of_label in places)
    return np.sort(np.concatenate([ids[rng.choice(of_label, least, replace=False)] for of_label in places]))


def _properties(parameters: Mapping[str, Any], report: Report | None) -> dict[str, Any]:
    """Properties of the classes of an image set; the table itself is kept by `runs.properties`.

    Parameters:
        dataset, features (a backbone with ImageNet weights).
    """
    from ssrl_core.runs.evaluation import descriptors as properties

    table = properties.measure(parameters["dataset"], parameters["features"], report=report)
    return {"classes": len(table), "features": parameters["features"]}


def _path(kind: str, parameters: Mapping[str, Any]) -> Path | None:
    """Where a measurement is kept: under its parameters and the fingerprint of the image set."""
    from ssrl_core.datasets import store as image_sets

    if kind not in KINDS:
        raise SpecError.at("Measurement", "kind", f"one of {', '.join(KINDS)}", kind)
    name = str(parameters["dataset"])
    if name not in image_sets.names() or not image_sets.is_ready(name):
        return None
    text = json.dumps([kind, parameters, image_sets.load(name).fingerprint], sort_keys=True)
    return stores.models_root() / "paper" / f"{kind}-{hashlib.sha256(text.encode()).hexdigest()[:12]}.json"


@dataclass(frozen=True)
class Evidence:
    """The evidence of one item at one scale; everything is empty until it is run."""

    plan: Plan
    scale: Scale

    @property
    def is_solved(self) -> bool:
        """Whether its sweeps are solved in closed form, in one process, and are no runs."""
        return self.scale == "instant"

    @cached_property
    def specs(self) -> dict[str, SweepSpec]:
        """name -> sweep."""
        return {name: sweep_spec(name, data) for name, data in self.plan.sweeps().items()}

    @cached_property
    def _tables_read(self) -> dict[tuple[str, str], pd.DataFrame]:
        return {}

    def progress(self) -> dict[str, dict[str, int]]:
        """name -> runs by state; `not queued` for a sweep that this store does not have."""
        if self.is_solved:
            return {name: solved.progress(spec) for name, spec in self.specs.items()}
        found = {}
        for name, spec in self.specs.items():
            try:
                found[name] = tables.sweep_progress(sweeps.id_of(spec))
            except SpecError:
                found[name] = {"not queued": run_count(spec)}
        return found

    def mark(self) -> tuple[Any, ...]:
        """What changes, within this process, when something does that a comparison rests on: the runs of its sweeps or
        how many compositions are solved, measurements, images."""
        solved_ones = [(name, *sorted(n.items())) for name, n in self.progress().items()] if self.is_solved else []
        runs = [(name, tables.sweep_mark(sweep)) for name, sweep in self.sweep_ids().items()]
        measured = [_path(kind, parameters) for kind, parameters in self.plan.measures.values()]
        times = [path.stat().st_mtime_ns if path and path.is_file() else None for path in measured]
        return (str(stores.models_root()), *solved_ones, *runs, *times, *self.imagesets().items())

    def imagesets(self) -> dict[str, str]:
        """name -> fingerprint of the image sets that are here."""
        from ssrl_core.datasets import store as image_sets

        ready = [name for name in self.plan.needs if name in image_sets.names() and image_sets.is_ready(name)]
        return {name: str(image_sets.load(name).fingerprint) for name in ready}

    def sweep_ids(self) -> dict[str, str]:
        """name -> id of the sweeps that this store has."""
        if self.is_solved:
            return {}
        from ssrl_core.runs.queue import sweep_files

        found = {name: sweeps.id_of(spec) for name, spec in self.specs.items()}
        return {name: sweep for name, sweep in found.items() if sweep_files.path_of(sweep).is_file()}

    def runs(self) -> list[dict[str, Any]]:
        """The registry's rows of the runs of all sweeps that are here, each once; one that was deleted is `gone`."""
        known = {row["id"]: row for row in registry.list_runs(demo=False)}
        ids = [member["id"] for sweep in self.sweep_ids().values() for member in sweeps.members(sweep)]
        return [known.get(run, {"id": run, "state": "gone"}) for run in dict.fromkeys(ids)]

    def results(self, name: str) -> pd.DataFrame:
        """`runs.results_table` of a sweep, with a column `label`: the names of the values that vary."""
        return self._table(name, "results", tables.results_table, solved.results_table)

    def classes(self, name: str) -> pd.DataFrame:
        """`runs.classes_table` of a sweep."""
        return self._table(name, "classes", tables.classes_table, solved.classes_table)

    def typical(self, name: str) -> pd.DataFrame:
        """Of a solved sweep: label, dataset and `clusters`, {K: the images nearest to each centroid}."""
        return self._table(name, "typical", lambda sweep: pd.DataFrame(), solved.typical)

    def measure(self, name: str) -> dict[str, Any] | None:
        """A measurement that needs no training; None until it is made, and where this scale has none of the name."""
        if name not in self.plan.measures:
            return None
        kind, parameters = self.plan.measures[name]
        return stored_measurement(kind, parameters)

    def _table(self, name: str, kind: str, of_runs: Any, of_solved: Any) -> pd.DataFrame:
        """Read once: a comparison asks for the same table for every row and claim."""
        if (name, kind) not in self._tables_read:
            self._tables_read[name, kind] = self._labelled(name, of_runs, of_solved)
        return self._tables_read[name, kind]

    def _labelled(self, name: str, of_runs: Any, of_solved: Any) -> pd.DataFrame:
        if name not in self.specs:
            return pd.DataFrame()
        try:
            spec = self.specs[name]
            table: pd.DataFrame = of_solved(spec) if self.is_solved else of_runs(sweeps.id_of(spec))
        except SpecError:
            return pd.DataFrame()
        if table.empty:
            return table
        varied = [c for c in map(str, table.columns) if c.startswith("vary.")]
        labels = [" · ".join(_named(row[c]) for c in varied) for _, row in table[varied].iterrows()]
        return table.assign(label=labels)


@dataclass(frozen=True)
class Shipped(Evidence):
    """The evidence in a document that ships (`report.document`), for charts and claims as of one's own.

    Attributes:
        tables: sweep -> {results, classes, typical}, as `packed` makes them.
        measured: name -> what was measured.
    """

    tables: Mapping[str, Any]
    measured: Mapping[str, Any]

    def results(self, name: str) -> pd.DataFrame:
        """As of one's own."""
        return pd.DataFrame(self._of(name, "results"))

    def classes(self, name: str) -> pd.DataFrame:
        """As of one's own: linear evaluation only."""
        return unpacked_classes(self._of(name, "classes"))

    def typical(self, name: str) -> pd.DataFrame:
        """As of one's own."""
        return pd.DataFrame(self._of(name, "typical"))

    def measure(self, name: str) -> dict[str, Any] | None:
        """As of one's own."""
        found: dict[str, Any] | None = self.measured.get(name)
        return found

    def _of(self, name: str, kind: str) -> Any:
        return self.tables.get(name, {}).get(kind, [])


_FEW_SETTINGS = 3


def packed(evidence: Evidence, name: str) -> dict[str, Any]:
    """A sweep's tables as plain data, small enough to ship: compositions by their names, accuracies as lists.

    Classes go with sweeps over classes only, which ask for no clusters; typical images with sweeps of few compositions.
    """
    classes = pd.DataFrame() if evidence.specs[name].base["evaluate"]["clusters"] else evidence.classes(name)
    shown = evidence.typical(name)
    return {
        "results": _columns(_plain(evidence.results(name))),
        "classes": packed_classes(classes),
        "typical": _records(_plain(shown)) if len(shown) <= _FEW_SETTINGS else [],
    }


def _plain(table: pd.DataFrame) -> pd.DataFrame:
    """Without the columns that hold compositions: their names are the label."""
    bulky = [c for c in map(str, table.columns) if c.startswith("vary.") and table[c].map(_is_bulky).any()]
    return table.drop(columns=[*bulky, *[c for c in ("run", "sweep") if c in table]])


def _is_bulky(value: Any) -> bool:
    return isinstance(value, dict) or (isinstance(value, list) and any(isinstance(one, dict) for one in value))


def _columns(table: pd.DataFrame) -> dict[str, list[Any]]:
    """Column -> values, without columns that hold nothing."""
    columns: dict[str, list[Any]] = json.loads(table.dropna(axis=1, how="all").round(5).to_json(orient="split"))
    return {name: [row[at] for row in columns["data"]] for at, name in enumerate(columns["columns"])}


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(table.to_json(orient="records", double_precision=5))
    return rows


def packed_classes(table: pd.DataFrame) -> list[dict[str, Any]]:
    """One row a run: its head, and of the classes the names, counts and accuracies as lists."""
    if table.empty:
        return []
    table = _plain(table)
    own = ["class", "superclass", "n", "correct", "accuracy"]
    table = table[table["probe"] == "linear"]
    heads = [c for c in table.columns if c not in own]
    names = table[heads].astype(str).agg("|".join, axis=1)
    rows = []
    for _, group in table.groupby(names, sort=False):
        head = _records(group[heads].head(1))[0]
        rows.append(head | {name: json.loads(group[name].to_json(orient="values")) for name in own[:4]})
    first = rows[0]  # what is the same in others is said once
    return [first, *({k: v for k, v in row.items() if k not in first or first[k] != v} for row in rows[1:])]


def unpacked_classes(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """The table that `packed` made rows of."""
    if not rows:
        return pd.DataFrame()
    own = ("class", "superclass", "n", "correct")
    every = []
    for row in ({**rows[0], **row} for row in rows):
        lists = {name: row[name] for name in own}
        head = {name: value for name, value in row.items() if name not in own}
        every.append(pd.DataFrame({**{k: [v] * len(lists["class"]) for k, v in head.items()}, **lists}))
    table = pd.concat(every, ignore_index=True)
    return table.assign(accuracy=table["correct"] / table["n"])


def sweep_spec(name: str, data: Any) -> SweepSpec:
    """A sweep from plain data, under its name."""
    return SweepSpec.from_mapping({**data, "name": name}, f"Sweep {name}")


def run_count(spec: SweepSpec) -> int:
    """How many runs a grid has, without making each."""
    return len(spec.seeds) * math.prod(len(values) for values in spec.vary.values())


def first_run(spec: SweepSpec) -> RunSpec:
    """The first run of a grid, without making the others."""
    vary = {path: values[:1] for path, values in spec.vary.items()}
    return replace(spec, seeds=spec.seeds[:1], vary=vary).runs()[0].spec


def column(table: pd.DataFrame, label: str, name: str) -> list[float]:
    """The numbers of one column of `results`, one a seed, of the rows with a label."""
    if table.empty:
        return []
    return [float(v) for v in table.loc[table["label"] == label, name].dropna()]


def _named(value: Any) -> str:
    """A value that varies, as one reads it: a composition by its name, a list of terms by theirs."""
    if isinstance(value, dict):
        inner = value.get("composition", value)
        return str(inner.get("name", inner)) if isinstance(inner, dict) else str(inner)
    if isinstance(value, list):
        return " + ".join(map(_named, value))
    return f"{value:.4g}" if isinstance(value, float) else str(value)


SIZES = (32, 64, 224)
RANGES = ("-1..1", "0..1", "normalised")
PAIRS = ("views", "image and view")
PUBLISHED = {
    "mnist-rotation-crop": 0.22,
    "mnist-rotation-crop-padding": 0.25,
    "mnist-first-set": 0.33,
    "mnist-rotation-crop-flips": 0.32,
    "mnist-second-set": 0.51,
}
_MEAN, _SD = 0.1307, 0.3081  # of MNIST, as loaders usually normalise it


def readings(parameters: Mapping[str, Any], report: Callable[[int, int], None] | None = None) -> dict[str, Any]:
    """LPIPS (AlexNet) of the five rows under every reading, and how far each is from the published values.

    Parameters:
        dataset, n (images), seed.

    Readings: the side at which AlexNet sees the 32 px views (as they are, or enlarged), the range of the numbers it is
    given (LPIPS asks for −1..1; 0..1 and images normalised by MNIST's mean and sd are common slips), the pairs.

    Returns:
        {readings: [{size_px, range, pairs, values, distance (mean absolute difference), in_order}], n}, nearest first.
    """
    rows = []
    cells = [(size, kind, pair) for size in parameters.get("sizes", SIZES) for kind in RANGES for pair in PAIRS]
    for number, (size, kind, pair) in enumerate(cells, 1):
        values = {name: _mean(parameters, name, size, kind, pair) for name in PUBLISHED}
        rows.append({"size_px": size, "range": kind, "pairs": pair, "values": values, **_against(values)})
        if report:
            report(number, len(cells))
    return {"readings": sorted(rows, key=lambda row: row["distance"]), "n": parameters["n"]}


def _against(values: Mapping[str, float]) -> dict[str, Any]:
    apart = [abs(values[name] - published) for name, published in PUBLISHED.items()]
    order = sorted(PUBLISHED, key=PUBLISHED.__getitem__)
    means = [values[name] for name in order]
    return {"distance": float(np.mean(apart)), "in_order": means == sorted(means)}


def _mean(parameters: Mapping[str, Any], name: str, size: int, kind: str, pair: str) -> float:
    """Mean over the images."""
    found = [apart for a, b in _pairs(parameters, name, pair) for apart in lpips_apart(a, b, size, kind)]
    return float(np.mean(found))


def _pairs(parameters: Mapping[str, Any], name: str, pair: str) -> Iterator[tuple[Tensor, Tensor]]:
    """Two images each, (B,1,32,32) in 0..1, some at a time."""
    import torch

    from ssrl_core.compositions.draws import draw
    from ssrl_core.compositions.views import make_views
    from ssrl_core.datasets import store as image_sets
    from ssrl_core.specs.composition import load

    imageset, composition = image_sets.load(parameters["dataset"]), load(name)
    ids = imageset.split_ids("test")[: parameters["n"]]
    for start in range(0, len(ids), 50):
        some = ids[start : start + 50]
        pixels = torch.from_numpy(np.array(imageset.pixels[some]))
        drawn = draw(composition, some, seed=parameters["seed"], epoch=0)
        views = make_views(pixels, drawn, composition, max_value=imageset.max_value)[0]
        whole = torch.nn.functional.interpolate(
            pixels.float() / imageset.max_value, views.shape[-2:], mode="bilinear", align_corners=False
        )
        yield (views[0], views[1]) if pair == "views" else (whole, views[0])


def lpips_apart(a: Tensor, b: Tensor, size: int, kind: str) -> list[float]:
    """(B,) LPIPS of pairs at a size, in a range."""
    import torch

    from ssrl_core.compositions import perceptual as network

    with torch.inference_mode():
        images = network.coloured(torch.cat([a, b]))
        if size != images.shape[-1]:
            images = torch.nn.functional.interpolate(images, (size, size), mode="bilinear", align_corners=False)
        features = network.network("alex", torch.device("cpu")).features(_ranged(images, kind))
        total = sum((weight * (f[: len(a)] - f[len(a) :]).square()).sum(1).mean((1, 2)) for f, weight in features)
        return [float(v) for v in torch.as_tensor(total)]


def _ranged(images: Tensor, kind: str) -> Tensor:
    """Numbers of which the network's own 2x - 1 makes the wanted range."""
    if kind == "0..1":
        return (images + 1) / 2
    if kind == "normalised":
        return ((images - _MEAN) / _SD + 1) / 2
    return images


KINDS: dict[str, Callable[[Mapping[str, Any], Report | None], dict[str, Any]]] = {
    "lpips": _lpips,
    "lpips_readings": readings,
    "properties": _properties,
    "pretrained": _pretrained,
}
