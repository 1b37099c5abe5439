"""What a run is set beside without a second run: raw pixels, and a network that ImageNet's labels taught."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ssrl_core import stores
from ssrl_core.errors import SpecError
from ssrl_core.runs.folder.arrays import save_array
from ssrl_core.runs.folder.images import imageset_of
from ssrl_core.runs.folder.run_folder import RunFolder

if TYPE_CHECKING:
    from ssrl_core.datasets.imageset import ImageSet

PIXELS = "pixels"
BASELINES = {PIXELS: "raw pixels", "imagenet-vgg16": "ImageNet VGG16", "imagenet-resnet18": "ImageNet ResNet18"}
COMPONENTS = 50
_NETWORKS_MADE = "-v2"  # in the file's name: what an earlier way of embedding made, partly without weights, is not read
_PIECE = 2048


def path_of(run: RunFolder, kind: str) -> Path:
    """Where the baseline of a run's evaluated images is kept: one for all runs on the same images.

    Raises:
        SpecError: an unknown baseline.
    """
    if kind not in BASELINES:
        raise SpecError(where="Baseline", field="kind", rule=f"one of {', '.join(BASELINES)}", value=kind)
    imageset = imageset_of(run.spec())
    ids = run.embedding_ids()[run.evaluated()]
    rows = hashlib.sha256(np.ascontiguousarray(ids).tobytes() + imageset.fingerprint.encode()).hexdigest()[:12]
    made = "" if kind == PIXELS else _NETWORKS_MADE
    return stores.models_root() / "baselines" / f"{stores.as_slug(imageset.name)}-{rows}-{kind}{made}.npy"


def read(run: RunFolder, kind: str) -> np.ndarray | None:
    """(n, D) embedding of the run's evaluated images by a baseline; None while it is not made."""
    path = path_of(run, kind)
    if not path.is_file():
        return None
    return stores.read_array(path)


def make(run: RunFolder, kind: str, report: Callable[[float], None] | None = None) -> np.ndarray:
    """Embed the run's evaluated images by a baseline and keep it.

    Raises:
        SSRLError: no weights and no network to fetch them, or an image set that is gone.
    """
    path = path_of(run, kind)
    imageset = imageset_of(run.spec())
    ids = run.embedding_ids()[run.evaluated()]
    made = _pixels(imageset, ids) if kind == PIXELS else _imagenet(imageset, ids, kind, report)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_array(path, made, {"kind": kind, "n": len(ids), "dim": int(made.shape[1])})
    return made


def _pixels(imageset: ImageSet, ids: np.ndarray) -> np.ndarray:
    """The 50 largest principal components of the pixels, found on up to 10,000 images."""
    flat = (
        np.asarray(imageset.pixels[ids[start : start + _PIECE]], np.float32).reshape(-1, int(np.prod(imageset.shape)))
        for start in range(0, len(ids), _PIECE)
    )
    x = np.concatenate(list(flat)) / np.float32(imageset.max_value)
    from sklearn.decomposition import PCA

    count = min(COMPONENTS, *x.shape)
    return np.asarray(PCA(count, svd_solver="randomized", random_state=0).fit_transform(x), np.float32)


def _imagenet(imageset: ImageSet, ids: np.ndarray, kind: str, report: Callable[[float], None] | None) -> np.ndarray:
    from ssrl_core.runs.evaluation.pretrained import imagenet_embedding

    told = None if report is None else lambda done, count: report(done / max(1, count))
    return imagenet_embedding(imageset, ids, kind.removeprefix("imagenet-"), told)
