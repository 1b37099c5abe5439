"""Which images a run is about: what it trains on, what it is evaluated on, what its arrays have a row for."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from ssrl_core.datasets.imageset import ImageSet
    from ssrl_core.specs.run import RunSpec


def imageset_of(spec: RunSpec) -> ImageSet:
    """The images that a spec names: its channels, its rows (`dataset.where`); ids are those of the whole image set.

    Raises:
        SpecError: there is no such image set, channel or column.
    """
    from ssrl_core.datasets import store as image_sets

    return image_sets.load(spec.dataset.name).select(spec.dataset.channels, dict(spec.dataset.where))


def bank_ids(spec: RunSpec, imageset: ImageSet) -> np.ndarray:
    """(m,) int64: the train images that were trained on; the probes' train images and the bank of kNN are the same."""
    return imageset.split_ids("train", limit_train=spec.limit_train)


def evaluated_split(spec: RunSpec, imageset: ImageSet) -> str:
    """The split that is evaluated: the one asked for, or `all` where that one is empty (two images in all)."""
    return spec.evaluate.split if len(imageset.split_ids(spec.evaluate.split)) else "all"


def evaluated_ids(spec: RunSpec, imageset: ImageSet | None = None) -> np.ndarray:
    """(n,) int64, ascending: images of the evaluated split."""
    imageset = imageset_of(spec) if imageset is None else imageset
    return imageset.split_ids(evaluated_split(spec, imageset))


def kept_ids(spec: RunSpec, imageset: ImageSet) -> np.ndarray:
    """(n,) int64, ascending: images that have a row in the arrays of the run (`keep.embedding`)."""
    return imageset.split_ids("all") if spec.keep.embedding == "all" else evaluated_ids(spec, imageset)
