"""Ways to find nuclei: our own, networks of others where they are installed, and how well each agrees with the truth.

Source:
    Stringer et al. 2021, Cellpose (package: BSD-3-Clause); its model `nuclei` up to version 3, one model for all from
    version 4 on. Schmidt et al. 2018, Cell Detection with Star-Convex Polygons (package: BSD-3-Clause); model
    `2D_versatile_fluo`. Both fetch their weights on first use.
"""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from ssrl_core.errors import DataError, SpecError

Array = np.ndarray[Any, Any]
_ONE_AT_A_TIME = threading.Lock()  # neither network promises that two threads may ask it at once


_STARDIST_PX = 30.0  # larger nuclei are shown to the network at about this width
_STARDIST_PERCENTILES = (1, 99.8)  # brought to 0 and 1, as the network was trained


def _by_cellpose(dna: Array, diameter: float) -> Array:
    model, told = _cellpose()
    labels: Array = model.eval(dna.astype(np.float32), diameter=float(diameter), **told)[0]
    return labels


@lru_cache(maxsize=1)
def _cellpose() -> tuple[Any, dict[str, Any]]:
    """The network, loaded once, and what this version of it is told."""
    from cellpose import models

    if hasattr(models, "Cellpose"):  # up to version 3
        return models.CellposeModel(gpu=True, model_type="nuclei"), {"channels": [0, 0]}
    return models.CellposeModel(gpu=True), {}  # both fall back to the processor


def _by_stardist(dna: Array, diameter: float) -> Array:
    low, high = np.percentile(dna, _STARDIST_PERCENTILES)
    even = (dna.astype(np.float32) - np.float32(low)) / np.float32(max(high - low, 1e-9))
    labels: Array = _stardist().predict_instances(even, scale=min(1.0, _STARDIST_PX / diameter))[0]
    return labels


@lru_cache(maxsize=1)
def _stardist() -> Any:
    from stardist.models import StarDist2D

    return StarDist2D.from_pretrained("2D_versatile_fluo")


# package -> (H, W) labels of the nuclei that it finds in a DNA channel, given their usual diameter
OTHERS: dict[str, Callable[[Array, float], Array]] = {"cellpose": _by_cellpose, "stardist": _by_stardist}
NAMES = ("threshold", *OTHERS)


def require(name: str) -> None:
    """Make sure that a detector can be used.

    Raises:
        SpecError: no such detector, or its package is not installed.
    """
    if name not in NAMES:
        raise SpecError.at("cells", "detector", f"one of {', '.join(NAMES)}", name)
    if name not in OTHERS:
        return
    try:
        importlib.import_module(name)
    except ImportError as error:
        raise SpecError.at(
            "cells", "detector", "threshold, or one whose package is installed", name, f"Run: pip install {name}."
        ) from error


def found_by(name: str, dna: Array, diameter: float) -> Array:
    """Nuclei as another package sees them.

    Args:
        name: one of `OTHERS`.
        dna: (H, W) numbers.
        diameter: usual diameter of a nucleus, px.

    Returns:
        (H, W) int32: 0 = background.

    Raises:
        SpecError: its package is not installed.
        DataError: it failed (its weights could not be fetched, memory); the message is its own.
    """
    require(name)
    try:
        with _ONE_AT_A_TIME:
            labels = np.asarray(OTHERS[name](dna, diameter))
    except Exception as error:  # whatever the package raises: it is told with the package's name
        text = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise DataError(f"{name} failed: {text}. Use the detector threshold, or mend the installation.") from error
    if labels.shape != dna.shape:
        raise DataError(f"{name} gave labels of {labels.shape} for a field of {dna.shape}.")
    return labels.astype(np.int32)


@dataclass(frozen=True)
class Agreement:
    """Counts of matched, missed and invented nuclei."""

    matched: int
    missed: int
    invented: int

    @property
    def f1(self) -> float:
        """2 matched / (2 matched + missed + invented); 1 where there was nothing to find and nothing was found."""
        total = 2 * self.matched + self.missed + self.invented
        return 2 * self.matched / total if total else 1.0

    def __add__(self, other: Agreement) -> Agreement:
        return Agreement(self.matched + other.matched, self.missed + other.missed, self.invented + other.invented)


def agreement(truth: Array, found: Array, *, iou: float = 0.5, smallest: int = 1) -> Agreement:
    """Nuclei of two label maps matched one to one where their overlap by their union is at least `iou`.

    Args:
        truth, found: (H, W) label maps, 0 = background.
        iou: at 0.5 and above no nucleus can match two, so that matching is unique.
        smallest: nuclei of fewer pixels are left out of both (slivers at the edge of a field).

    Returns:
        Counts; `.f1` is their F1.
    """
    count = int(truth.max()) + 1
    both = np.bincount(found.ravel().astype(np.int64) * count + truth.ravel(), minlength=count * (int(found.max()) + 1))
    overlap = both.reshape(-1, count)[1:, 1:]
    area_true, area_found = np.bincount(truth.ravel())[1:], np.bincount(found.ravel())[1:]
    union = area_found[:, None] + area_true[None] - overlap
    good = overlap >= iou * np.maximum(union, 1)
    true_ok, found_ok = area_true >= smallest, area_found >= smallest
    hit_true, hit_found = good.any(axis=0), good.any(axis=1)
    matched = int((hit_true & true_ok).sum())
    return Agreement(matched, int((~hit_true & true_ok).sum()), int((~hit_found & found_ok).sum()))
