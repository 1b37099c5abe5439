"""Stores that are made for one measurement and gone afterwards."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ssrl_core import stores
from ssrl_core.datasets import store as image_sets
from ssrl_core.datasets.creation import Metadata, create
from ssrl_core.datasets.imageset import ImageSet
from ssrl_core.runs.folder.results import clusters_file, layout_file, save_array
from ssrl_core.runs.queue import registry
from ssrl_core.runs.queue.identity import identify
from ssrl_core.specs.run import RunSpec, dump_run

TINY: dict[str, Any] = {
    "dataset": "digits",
    "backbone": "tiny_cnn",
    "method": "simclr",
    "terms": "mnist-first-set",
    "batch_size": 16,
    "epochs": 2,
}
"""The spec that made-up runs are of."""


@contextmanager
def own_stores() -> Iterator[Path]:
    """Stores that are empty but for the images, with every module loaded; the folder that they lie in."""
    before = {name: os.environ.get(name) for name in ("SSRL_DATA", "SSRL_MODELS")}
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:  # a worker may write while it ends
        os.environ.update(SSRL_DATA=str(Path(folder, "data")), SSRL_MODELS=str(Path(folder, "models")))
        identify(RunSpec.from_mapping(TINY))
        registry.counts()
        try:
            yield Path(folder)
        finally:
            for name, value in before.items():
                os.environ.pop(name) if value is None else os.environ.update({name: value})


GROUPS = 10
SIDE = 8


def synthetic_run(n: int, *, dim: int = 32, seed: int = 0) -> str:
    """Id of a finished run of `n` evaluated images in ten planted groups, made once in the store."""
    name = f"synthetic-{n}"
    rng = np.random.default_rng(seed)
    group = rng.integers(0, GROUPS, n)
    if not image_sets.is_ready(name):
        pixels = (group[:, None, None, None] * 20 + rng.integers(0, 50, (n, 1, SIDE, SIDE))).astype(np.uint8)
        table = pd.DataFrame({"kind": pd.Categorical([f"kind {g}" for g in range(GROUPS)])[group].astype(str)})
        table["dose"] = rng.choice([0.0, 0.1, 1.0, 10.0], n)
        table["size"] = rng.gamma(3.0 + group, 1.0)
        table["split"] = np.where(np.arange(n) < 2, ["train"], "test")  # all but two are evaluated
        create(name, pixels, table, Metadata(label="kind"))
    imageset = image_sets.load(name)
    spec = RunSpec.from_mapping(
        {
            "dataset": name,
            "backbone": "tiny_cnn",
            "method": "simclr",
            "terms": "identity",
            "epochs": 1,
        }
    )
    folder = stores.runs_root() / spec.run_id(imageset.fingerprint)
    if not (folder / "results.json").is_file():
        _write(folder, spec, imageset, group, rng, dim)
    return folder.name


def _write(
    folder: Path, spec: RunSpec, imageset: ImageSet, group: np.ndarray, rng: np.random.Generator, dim: int
) -> None:
    ids = imageset.split_ids("test")
    group, n = group[ids], len(ids)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "spec.yaml").write_text(dump_run(spec), encoding="utf-8")
    centres = rng.normal(0, 4, (GROUPS, dim))
    x = (centres[group] + rng.normal(0, 1, (n, dim))).astype(np.float32)
    places = rng.normal(0, 25, (GROUPS, 2))[group]
    points = (places + rng.standard_t(6, (n, 2)) * (2 + group[:, None])).astype(np.float32)
    np.save(folder / "embedding.npy", x)
    np.save(folder / "embedding_ids.npy", ids)
    params = {"seed": 0, "fitted_n": n}
    file = layout_file("umap", params)
    info = {"method": "umap", "parameters": params, "trustworthiness": None, "neighbour_hit": None, "seconds": 0.0}
    save_array(folder / file, points, info)
    save_array(folder / clusters_file(GROUPS, 0), group.astype(np.int32), {"method": "kmeans"})
    score = {"silhouette": 0.5, "silhouette_n": 10_000, "ami": 0.9, "file": clusters_file(GROUPS, 0)}
    stores.write_json(
        folder / "results.json",
        {
            "version": 1,
            "id": folder.name,
            "split": "test",
            "n": n,
            "dim": dim,
            "clusters": {str(GROUPS): score},
            "missing": {},
        },
    )
    now = stores.utc_now()
    stores.write_json(
        folder / "state.json",
        {"version": 1, "id": folder.name, "state": "done", "progress": 1.0, "started_at": now, "updated_at": now},
    )
