"""What is measured of an image set once and kept: descriptors of each image, and properties of its classes.

Descriptors are made as a job and lie beside its pixels; they know nothing of any run. Properties are kept for each
network that gives the features.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ssrl_core import stores
from ssrl_core.errors import DataError, SpecError
from ssrl_core.forecast.by_example import defined
from ssrl_core.specs.backbones import BACKBONES

if TYPE_CHECKING:
    import pandas as pd

    from ssrl_core.datasets.imageset import ImageSet

_PIXELS = 4_000_000  # of a batch


def path_of(imageset: ImageSet) -> Path:
    """`descriptors.parquet` in the image set's folder; row i = image i."""
    return imageset.folder / "descriptors.parquet"


def read(imageset: ImageSet) -> pd.DataFrame | None:
    """The descriptors of an image set, one column each; None while some are not made, or are of other images."""
    found = _stored(imageset)
    if found is None or found[1] != {name: row.key for name, row in defined(imageset).items()}:
        return None
    return found[0]


def _stored(imageset: ImageSet) -> tuple[pd.DataFrame, dict[str, str]] | None:
    """What is kept, and the key of each descriptor by example in it."""
    import pandas as pd

    path = path_of(imageset)
    try:
        about = stores.read_json(path.with_suffix(".json"))
        if about.get("fingerprint") != imageset.fingerprint or not path.is_file():
            return None
        return pd.read_parquet(path), dict(about.get("by_example", {}))
    except (DataError, OSError, ValueError):
        return None  # not made yet, or damaged: make them again


def known(imageset: ImageSet, image_ids: np.ndarray) -> pd.DataFrame:
    """What is known of some images, a row each: the image set's columns, and descriptors where they are made."""
    import pandas as pd

    table = imageset.table.iloc[image_ids].reset_index(drop=True)
    measured = read(imageset)
    if measured is None:
        return table
    new = [name for name in measured.columns if name not in table.columns]
    return pd.concat([table, measured[new].iloc[image_ids].reset_index(drop=True)], axis=1)


def make(imageset: ImageSet, report: Callable[[float], None] | None = None, *, again: bool = False) -> pd.DataFrame:
    """Measure every descriptor of every image and keep them.

    Args:
        report: told the share done, 0..1; what it raises ends the work, and nothing is kept.
        again: those that are kept already too.

    Returns:
        N rows, one column a descriptor; those that no image has (hue without colour) are left out.
    """
    started = time.perf_counter()
    stores.require_writable(imageset.folder)
    found, rows = None if again else _stored(imageset), defined(imageset)
    table, kept = (_measured(imageset, report), {}) if found is None else found
    table = table.drop(columns=[name for name in kept if name in table and name not in rows])
    ids = np.arange(imageset.count)
    for name, row in rows.items():
        if kept.get(name) != row.key:
            table[name] = row.values(imageset, ids)
    _keep(imageset, table, {name: row.key for name, row in rows.items()}, time.perf_counter() - started)
    return table


def _measured(imageset: ImageSet, report: Callable[[float], None] | None) -> pd.DataFrame:
    import pandas as pd

    from ssrl_core.analysis.descriptors import describe, descriptors_of

    count, step = imageset.count, max(1, _PIXELS // int(np.prod(imageset.shape)))
    channels = [channel.name for channel in imageset.channels]
    values = {name: np.empty(count, np.float32) for name in descriptors_of(channels)}
    for start in range(0, count, step):
        batch = imageset.take(np.arange(start, min(start + step, count)))
        for name, found in describe(batch, max_value=imageset.max_value, channels=channels).items():
            values[name][start : start + step] = found
        if report is not None:
            report(min(1.0, (start + step) / count))
    return pd.DataFrame(values).dropna(axis=1, how="all")


def _keep(imageset: ImageSet, table: pd.DataFrame, keys: dict[str, str], seconds: float) -> None:
    path = path_of(imageset)
    stores.replace(path, lambda file: table.to_parquet(file, index=False))
    about: dict[str, Any] = {
        "version": 1,
        "fingerprint": imageset.fingerprint,
        "count": len(table),
        "names": list(table.columns),
        "by_example": keys,
        "seconds": round(seconds, 2),
    }
    stores.write_json(path.with_suffix(".json"), about)


_VERSION = 1


def measured(dataset: str, features: str | None, split: str = "test") -> pd.DataFrame | None:
    """The table if it was measured before, else None; arguments as for `measure`."""
    import pandas as pd

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
    import pandas as pd

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
