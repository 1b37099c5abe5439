"""Measurements that need no training: LPIPS of compositions, clusters of a pretrained network. Made once, then kept."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssrl_core import stores
from ssrl_core.errors import SpecError

Report = Callable[[int, int], None]


def found(kind: str, parameters: Mapping[str, Any]) -> dict[str, Any] | None:
    """A measurement that was made on this image set, else None (also where the image set is not there)."""
    path = _path(kind, parameters)
    return stores.read_json(path)["data"] if path is not None and path.is_file() else None


def make(kind: str, parameters: Mapping[str, Any], report: Report | None = None) -> dict[str, Any]:
    """Measure, or read what was measured.

    Raises:
        SpecError: an image set or weights are missing; names them.
    """
    known = found(kind, parameters)
    if known is not None:
        return known
    from ssrl_core.datasets import store as image_sets

    image_sets.load(str(parameters["dataset"]))
    data = KINDS[kind](parameters, report)
    path = _path(kind, parameters)
    if path is not None:
        stores.write_json(path, {"version": 1, "kind": kind, "parameters": dict(parameters), "data": data})
    return data


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


def _readings(parameters: Mapping[str, Any], report: Report | None) -> dict[str, Any]:
    from ssrl_core.paper.lpips_readings import readings

    return readings(parameters, report)


def _properties(parameters: Mapping[str, Any], report: Report | None) -> dict[str, Any]:
    """Properties of the classes of an image set; the table itself is kept by `runs.properties`.

    Parameters:
        dataset, features (a backbone with ImageNet weights).
    """
    from ssrl_core.runs.evaluation import properties

    table = properties.measure(parameters["dataset"], parameters["features"], report=report)
    return {"classes": len(table), "features": parameters["features"]}


KINDS: dict[str, Callable[[Mapping[str, Any], Report | None], dict[str, Any]]] = {
    "lpips": _lpips,
    "lpips_readings": _readings,
    "properties": _properties,
    "pretrained": _pretrained,
}


def _path(kind: str, parameters: Mapping[str, Any]) -> Path | None:
    """Where a measurement is kept: under its parameters and the fingerprint of the image set."""
    from ssrl_core.datasets import store as image_sets

    if kind not in KINDS:
        raise SpecError(where="Measurement", field="kind", rule=f"one of {', '.join(KINDS)}", value=kind)
    name = str(parameters["dataset"])
    if name not in image_sets.names() or not image_sets.is_ready(name):
        return None
    text = json.dumps([kind, parameters, image_sets.load(name).fingerprint], sort_keys=True)
    return stores.models_root() / "paper" / f"{kind}-{hashlib.sha256(text.encode()).hexdigest()[:12]}.json"
