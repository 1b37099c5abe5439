"""Properties of the classes of an image set, measured once for each network that gives the features, and kept."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from ssrl_core import stores
from ssrl_core.errors import SpecError
from ssrl_core.specs.backbones import BACKBONES

if TYPE_CHECKING:
    from ssrl_core.datasets.imageset import ImageSet

_VERSION = 1


def measured(dataset: str, features: str | None, split: str = "test") -> pd.DataFrame | None:
    """The table if it was measured before, else None; arguments as for `measure`."""
    path = _path(_load(dataset), features, split)
    return pd.read_parquet(path) if path.is_file() else None


def measure(
    dataset: str, features: str | None = None, split: str = "test", report: Callable[[int, int], None] | None = None
) -> pd.DataFrame:
    """Texture and Fourier spectrum of the images of each class; intrinsic dimension and covariance of their features.

    Args:
        dataset: a labelled image set of this store.
        features: id of a run, whose stored embedding is taken; a backbone with ImageNet weights (`vgg16`, `resnet18`);
            None leaves both feature properties out.
        split: the images that are measured; classes win and lose on `test`.

    Returns:
        as `analysis.properties.class_properties`; the attribute `features` of the table's `attrs` says the network.

    Raises:
        SpecError: no labels, weights that are not here, a run of another image set.
    """
    from ssrl_core.analysis.properties import class_properties

    imageset = _load(dataset)
    path = _path(imageset, features, split)
    if path.is_file():
        return pd.read_parquet(path)
    ids = imageset.split_ids(split)
    table = class_properties(
        imageset.label_ids[ids],
        imageset.classes,
        images=imageset.pixels[ids],
        features=None if features is None else _features(imageset, ids, features, report),
        max_value=imageset.max_value,
    )
    stores.replace(path, table.to_parquet())
    return table


def _features(imageset: ImageSet, ids: object, features: str, report: object) -> object:
    from ssrl_core.runs.evaluation import baseline
    from ssrl_core.runs.folder.run_folder import RunFolder

    if features in BACKBONES:
        return baseline.imagenet_embedding(imageset, ids, features, report)  # type: ignore[arg-type]
    run = RunFolder(features)
    if run.exists and run.spec().dataset.name != imageset.name:
        raise SpecError.at(
            "Class properties",
            "features",
            f"of a run on {imageset.name}",
            features,
            f"That run was trained on {run.spec().dataset.name}.",
        )
    return baseline.run_embedding(features, ids)  # type: ignore[arg-type]


def _load(dataset: str) -> ImageSet:
    from ssrl_core.datasets import store as image_sets

    imageset = image_sets.load(dataset)
    if not imageset.classes:
        raise SpecError.at(f"Image set {dataset}", "label", "given", None, "Import it with --label COLUMN.")
    return imageset


def _path(imageset: ImageSet, features: str | None, split: str) -> Path:
    key = hashlib.sha256(f"{_VERSION} {imageset.fingerprint} {features} {split}".encode()).hexdigest()[:12]
    return stores.models_root() / "properties" / f"{imageset.name[:40]}-{key}.parquet"
