"""The test kit: image sets, run folders and sweep tables without training, so that no room waits for another."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ssrl_core import stores
from ssrl_core.datasets.creation import Metadata, create
from ssrl_core.datasets.imageset import ImageSet
from ssrl_core.specs.run import RunSpec, dump_run

ROOT = Path(__file__).resolve().parent.parent
IN_CI = os.environ.get("CI", "").lower() in ("1", "true", "yes")
FULL = os.environ.get("SSRL_TEST_SCALE") == "full"


def missing(what: str, remedy: str) -> None:
    """Skip on a user's machine with one line; fail in CI."""
    message = f"{what} is not here: {remedy}"
    if IN_CI:
        pytest.fail(message)
    pytest.skip(message)


def shared(path: str) -> Path:
    """A file of the shared test data (`SSRL_SHARED`, default `../shared`), e.g. `data/mnist/mnist.npz`."""
    folder = Path(os.environ.get("SSRL_SHARED", ROOT.parent / "shared"))
    file = folder / path
    if not file.exists():
        missing(str(path), "set SSRL_SHARED to the folder that holds it")
    return file


def chromium() -> str:
    """The system's Chromium."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    missing("Chromium", "install your system's package chromium")
    raise AssertionError


def no_network(*_: object, **__: object) -> None:
    """For `urllib.request.urlopen`."""
    raise OSError("no network")


def make_imageset(
    n: int = 60,
    c: int = 1,
    side: int = 16,
    dtype: str = "uint8",
    classes: int = 3,
    *,
    name: str = "kit",
    seed: int = 0,
) -> ImageSet:
    """An image set in the store whose classes can be told apart: bars at the class's own angle, over noise.

    Args:
        classes: 0 leaves the labels out.
    """
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % max(1, classes)
    top = np.iinfo(dtype).max
    y, x = np.mgrid[0:side, 0:side] / max(1, side - 1) - 0.5
    angle = np.pi * labels / max(1, classes) + rng.normal(0, 0.1, n)
    wave = np.sin(6 * (x[None] * np.cos(angle)[:, None, None] + y[None] * np.sin(angle)[:, None, None]) * np.pi)
    images = (
        0.5
        + 0.35 * wave[:, None] * np.linspace(1, 0.4, c)[None, :, None, None]
        + rng.normal(0, 0.05, (n, c, side, side))
    )
    pixels = np.round(np.clip(images, 0, 1) * top).astype(dtype)
    table = pd.DataFrame({"source": [f"kit#{i}" for i in range(n)], "plate": [f"p{i % 2}" for i in range(n)]})
    if not classes:
        return create(name, pixels, table)
    table["kind"] = [f"class {k}" for k in labels]
    return create(name, pixels, table, Metadata(label="kind"))


def make_run(
    path: Path | None = None,
    state: str = "done",
    n: int = 60,
    dim: int = 8,
    classes: int = 3,
    *,
    spec: dict[str, Any] | None = None,
    seed: int = 0,
    separation: float = 4.0,
) -> Path:
    """A complete, valid run folder (C6 to C9) without training. Makes the image set `kit` if it is not there.

    Args:
        path: the folder; left out, the run's own place in the store.
        n, dim, classes: rows (at most the test split) and columns of the embedding, planted groups.

    Returns:
        The folder; its name is the run's id.
    """
    from ssrl_core.datasets import store as image_sets

    imageset = image_sets.load("kit") if image_sets.is_ready("kit") else make_imageset(max(60, 5 * n), classes=classes)
    run = RunSpec.from_mapping(
        {
            "dataset": "kit",
            "backbone": "tiny_cnn",
            "method": "simclr",
            "terms": "identity",
            "batch_size": 8,
            "epochs": 2,
            **(spec or {}),
        }
    )
    folder = path or stores.runs_root() / run.run_id(imageset.fingerprint)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "spec.yaml").write_text(dump_run(run), encoding="utf-8")
    (folder / "log.txt").write_text("made by the test kit\n", encoding="utf-8")
    stores.write_json(folder / "state.json", _state(folder.name, state))
    _write_metrics(folder)
    if state != "done":
        return folder
    ids = imageset.split_ids("test")[:n]
    labels = imageset.label_ids[ids]
    rng = np.random.default_rng(seed)
    centres = rng.normal(0, separation, (max(1, classes), dim))
    x = (centres[np.maximum(labels, 0)] + rng.normal(0, 1, (len(ids), dim))).astype(np.float32)
    np.save(folder / "embedding.npy", x)
    np.save(folder / "embedding_ids.npy", ids.astype(np.int64))
    _write_layout(folder, x)
    k = max(2, classes)
    _write_clusters(folder, np.maximum(labels, 0), k)
    stores.write_json(
        folder / "results.json", _results(folder.name, run.spec_hash(imageset.fingerprint), imageset, labels, k, dim)
    )
    return folder


def make_sweep_table(
    planted: dict[str, float] | None = None, *, values: int = 20, seeds: int = 5, noise: float = 0.005
) -> pd.DataFrame:
    """A table of class accuracies over a sweep (C10) with planted slopes.

    Args:
        planted: class -> slope of its accuracy over the parameter's range; default one up, one down, one flat.
    """
    planted = planted or {"up": 0.2, "down": -0.2, "flat": 0.0}
    rng = np.random.default_rng(0)
    rows = []
    for value in np.linspace(0, 0.5, values):
        for seed in range(5, 5 + seeds):
            for name, slope in planted.items():
                accuracy = float(np.clip(0.7 + slope * value / 0.5 + rng.normal(0, noise), 0, 1))
                correct = round(accuracy * 100)
                rows.append(
                    {
                        "run": f"kit-{value:.3f}-{seed}",
                        "dataset": "kit",
                        "backbone": "tiny_cnn",
                        "method": "simclr",
                        "seed": seed,
                        "vary.hue": float(value),
                        "probe": "linear",
                        "class": name,
                        "superclass": None,
                        "n": 100,
                        "correct": correct,
                        "accuracy": correct / 100,
                    }
                )
    return pd.DataFrame(rows)


def _state(run_id: str, state: str) -> dict[str, Any]:
    now = stores.utc_now()
    error = {"type": "RunError", "where": "step 3", "message": "planted by the test kit", "remedy": "None needed."}
    return {
        "version": 1,
        "id": run_id,
        "state": state,
        "phase": "train" if state == "running" else None,
        "step": 4,
        "steps": 10,
        "epoch": 1,
        "epochs": 2,
        "progress": 1.0 if state == "done" else 0.4,
        "eta_s": None if state == "done" else 12.0,
        "images_per_s": 100.0,
        "started_at": now,
        "updated_at": now,
        "alive_at": now,
        "device": "cpu",
        "host": "kit",
        "pid": os.getpid(),
        "attempt": 1,
        "error": error if state == "failed" else None,
        "versions": {"viewloom": "0", "python": "3", "torch": "2", "git": None},
    }


def _write_metrics(folder: Path) -> None:
    lines: list[dict[str, Any]] = [
        {
            "kind": "step",
            "step": s,
            "epoch": s / 5,
            "loss": 3 / (s + 1),
            "terms": [3 / (s + 1)],
            "lr": 0.001,
            "z_std": 0.8,
            "effective_rank": 5.0,
            "images_per_s": 100.0,
            "time_s": float(s),
        }
        for s in range(10)
    ]
    lines += [
        {"kind": "eval", "step": 9, "epoch": 2.0, "split": "val", "knn_top1": 0.6},
        {"kind": "event", "step": 9, "name": "checkpoint", "message": "kit"},
    ]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


def _write_layout(folder: Path, x: np.ndarray) -> None:
    centred = x - x.mean(axis=0)
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    points = (centred @ axes[:2].T).astype(np.float32)
    key = hashlib.sha256(b"kit").hexdigest()[:6]
    np.save(folder / f"layout_pca_{key}.npy", points)
    stores.write_json(
        folder / f"layout_pca_{key}.json",
        {
            "version": 1,
            "method": "pca",
            "parameters": {"seed": 0},
            "seconds": 0.1,
            "trustworthiness": 0.9,
            "neighbour_hit": 0.9,
        },
    )


def _write_clusters(folder: Path, ids: np.ndarray, k: int) -> None:
    np.save(folder / f"clusters_kmeans_k{k}_s0.npy", ids.astype(np.int32))
    stores.write_json(
        folder / f"clusters_kmeans_k{k}_s0.json",
        {"version": 1, "method": "kmeans", "parameters": {"k": k, "seed": 0}, "seconds": 0.1},
    )


def _results(run_id: str, spec_hash: str, imageset: ImageSet, labels: np.ndarray, k: int, dim: int) -> dict[str, Any]:
    counts = np.bincount(np.maximum(labels, 0), minlength=k)
    names = imageset.classes
    per_class = {
        name: {"n": int(counts[i]), "correct": int(counts[i]), "accuracy": 1.0, "low": 0.7, "high": 1.0}
        for i, name in enumerate(names)
    }
    references = {"pixels": {"knn": 0.5, "ami": 0.1}, "untrained": {"knn": 0.4, "ami": 0.05}}
    cluster = {
        "silhouette": 0.7,
        "silhouette_projection": 0.6,
        "silhouette_n": len(labels),
        "ami": 0.9,
        "ami_arithmetic": 0.9,
        "ami_shuffled": {"mean": 0.0, "sd": 0.01, "n": 10},
        "nmi": 0.9,
        "ari": 0.9,
        "homogeneity": 0.9,
        "inertia": 1.0,
        "sizes": [int(c) for c in counts],
        "file": f"clusters_kmeans_k{k}_s0.npy",
    }
    return {
        "version": 1,
        "id": run_id,
        "spec_hash": spec_hash,
        "split": "test",
        "n": len(labels),
        "dim": dim,
        "clusters": {str(k): cluster},
        "knn": {"top1": 0.95, "k": 20, "temperature": 0.07, "classes": per_class},
        "linear": {
            "top1": 1.0,
            "mode": "cached",
            "epochs": 100,
            "classes": per_class,
            "confusion": np.diag(counts[: len(names)]).tolist(),
        },
        "finetune": {},
        "references": references,
        "view": {"knn": 0.8, "ami": 0.3, "references": references},
        "layouts": {"pca": next(iter(["layout_pca_" + hashlib.sha256(b"kit").hexdigest()[:6] + ".npy"]))},
        "seconds": {"train": 1.0, "embed": 0.1, "evaluate": 0.1, "layout": 0.1},
        "missing": {},
    }
