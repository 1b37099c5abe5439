"""Embeddings that no run here has made: raw pixels and networks with ImageNet weights, to set a run beside."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ssrl_core import stores
from ssrl_core.errors import RunError, SpecError
from ssrl_core.runs.evaluation.images import EvaluationImages
from ssrl_core.runs.folder.results import save_array
from ssrl_core.runs.folder.run_folder import RunFolder, imageset_of

if TYPE_CHECKING:
    from ssrl_core.datasets.imageset import ImageSet
    from ssrl_core.learning.embedding import Show

SMALLEST_PX = 64
IMAGENET_MEAN, IMAGENET_SD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
PIXELS = "pixels"
BASELINES = {PIXELS: "raw pixels", "imagenet-vgg16": "ImageNet VGG16", "imagenet-resnet18": "ImageNet ResNet18"}
COMPONENTS = 50
_NETWORKS_MADE = "-v2"  # in the file's name: what an earlier way of embedding made, partly without weights, is not read


def path_of(run: RunFolder, kind: str) -> Path:
    """Where the baseline of a run's evaluated images is kept: one for all runs on the same images.

    Raises:
        SpecError: an unknown baseline.
    """
    if kind not in BASELINES:
        raise SpecError.at("Baseline", "kind", f"one of {', '.join(BASELINES)}", kind)
    imageset = imageset_of(run.spec())
    ids = run.embedding_ids()[run.evaluated()]
    text = np.ascontiguousarray(ids).tobytes() + imageset.fingerprint.encode() + _shown(run).encode()
    rows = hashlib.sha256(text).hexdigest()[:12]
    made = "" if kind == PIXELS else _NETWORKS_MADE
    return stores.models_root() / "baselines" / f"{stores.as_slug(imageset.name)}-{rows}-{kind}{made}.npy"


def _shown(run: RunFolder) -> str:
    """What of the images is embedded, as text; "" for all of it."""
    from ssrl_core.compositions.draws import shown_of

    steps = shown_of(run.spec())
    return "" if steps is None else json.dumps(steps.to_mapping(), sort_keys=True)


def read(run: RunFolder, kind: str) -> np.ndarray | None:
    """(n, D) embedding of the run's evaluated images by a baseline; None while it is not made."""
    path = path_of(run, kind)
    if not path.is_file():
        return None
    return stores.read_array(path)


def make(run: RunFolder, kind: str, report: Callable[[float], None] | None = None) -> np.ndarray:
    """Embed the run's evaluated images by a baseline and keep it, where the disk takes it.

    Raises:
        SSRLError: no weights and no network to fetch them, or an image set that is gone.
    """
    path = path_of(run, kind)
    imageset = imageset_of(run.spec())
    ids = run.embedding_ids()[run.evaluated()]
    images = EvaluationImages(run.spec(), imageset)
    made = _pixels(images, ids) if kind == PIXELS else _imagenet(images, ids, kind, report)
    with stores.kept_if_possible(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        save_array(path, made, {"kind": kind, "n": len(ids), "dim": int(made.shape[1])})
    return made


def _pixels(images: EvaluationImages, ids: np.ndarray) -> np.ndarray:
    """The 50 largest principal components of the pixels, found on up to 10,000 images."""
    x = np.concatenate([batch.flatten(1).numpy() for batch in images.batches(ids)])
    from sklearn.decomposition import PCA

    count = min(COMPONENTS, *x.shape)
    return np.asarray(PCA(count, svd_solver="randomized", random_state=0).fit_transform(x), np.float32)


def _imagenet(
    images: EvaluationImages, ids: np.ndarray, kind: str, report: Callable[[float], None] | None
) -> np.ndarray:
    told = None if report is None else lambda done, count: report(done / max(1, count))
    return imagenet_embedding(images.imageset, ids, kind.removeprefix("imagenet-"), told, show=images.show)


def imagenet_embedding(
    imageset: ImageSet,
    ids: NDArray[np.int64],
    backbone: str,
    report: Callable[[int, int], None] | None = None,
    *,
    show: Show | None = None,
) -> NDArray[np.float32]:
    """Embeddings of images by a backbone with ImageNet weights, never trained on them.

    Images smaller than 64 px are enlarged to 64 (at 32 px the last maps of VGG and ResNet would be one pixel). Three
    channels are normalised as the weights expect; other numbers of channels by their own mean.

    Args:
        ids: (n,) which images.
        backbone: a row of `BACKBONES` with ImageNet weights.
        show: what of an image is embedded (`embedding.showing`); else all of it.

    Returns:
        (n, D) float32.

    Raises:
        SpecError: the weights are not here; names the file and where to lay it.
    """
    from ssrl_core.learning.backbones import build
    from ssrl_core.learning.devices import pick_device
    from ssrl_core.learning.embedding import embed

    channels = imageset.shape[0]
    count = channels if channels == 3 else 1
    mean, sd = (of[:count] * (channels // count) for of in _expected(backbone))
    side = max(SMALLEST_PX, *imageset.shape[1:])
    encoder = build(backbone, channels=channels, side=side, weights="imagenet", mean=mean, sd=sd, seed=0)
    device = pick_device("auto")
    batch = 16 if device.type == "cpu" else 128  # on a processor 128 take half a minute without a sign
    ways: dict[str, Any] = {"device": device, "batch_size": batch, "report": report, "show": show}
    return embed(encoder, imageset.pixels, ids, max_value=imageset.max_value, **ways)


def _expected(backbone: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of red, green and blue, 0..1, that the ImageNet weights of a backbone expect."""
    from ssrl_core.learning.backbones import timm_models

    if backbone.startswith(timm_models.PREFIX):
        return timm_models.normalisation(backbone)
    return IMAGENET_MEAN, IMAGENET_SD


def run_embedding(run_id: str, ids: NDArray[np.int64]) -> NDArray[np.float32]:
    """(n, D) rows of a run's stored embedding.

    Raises:
        RunError: the run has kept none of these images.
    """
    x, known = RunFolder(run_id).embedding()
    if not np.isin(ids, known).all():
        raise RunError(
            f"Run {run_id} keeps embeddings of {len(known)} images, not of all that are asked for. "
            "Ask for the test split, or train it with keep: {embedding: all}.",
            where=run_id,
        )
    return np.asarray(x[np.searchsorted(known, ids)])
