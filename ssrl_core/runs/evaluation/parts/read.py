"""`read`: what a linear reading finds of descriptors, numeric columns and the label in the embedding, and in pixels."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np

from ssrl_core.errors import SpecError
from ssrl_core.forecast.reading import Reading, read_targets, targets_of
from ssrl_core.runs.evaluation.images import EvaluationImages, Rows, extract, pixel_features
from ssrl_core.runs.evaluation.parts import Answer, Evaluation

if TYPE_CHECKING:
    from ssrl_core.forecast.reading import Targets

MOST = 1000
"""Images that are fitted on, and as many that are asked about at most: descriptors and pixels cost seconds."""
_LEAST = 10
_SEED = 5


def make(evaluation: Evaluation, item: str = "") -> Answer:
    """{n, fitted, mean, rows: [{name, kind, value, low, high, pixels: {value, low, high}}]}.

    Shares are R² of numbers and accuracy of the label, on images that were not fitted on; descriptors are those of the
    whole image, whatever the network is shown. `mean` is over descriptors and columns.

    Raises:
        SpecError: fewer than twenty images.
    """
    images = evaluation.images
    fit, ask = halves(images)
    targets = targets_of(images.imageset, fit, ask)
    own = shares(targets, evaluation.features.of(fit), evaluation.features.of(ask), images)
    here, there = (extract(images.batches(ids), {"": pixel_features})[""] for ids in (fit, ask))
    pixels = shares(targets, here, there, images)
    rows = [
        {"name": name, "kind": targets[name][0], **asdict(found), "pixels": asdict(pixels[name])}
        for name, found in own.items()
    ]
    numbers = [row["value"] for row in rows if row["kind"] != "classes"]
    missing = {name: "the same for every image, or known for too few" for name in targets if name not in own}
    mean = float(np.mean(numbers)) if numbers else None
    if mean is None:
        missing["mean"] = "there is nothing to read that differs between images"
    return {"n": len(ask), "fitted": len(fit), "mean": mean, "rows": rows}, missing


def halves(images: EvaluationImages) -> tuple[np.ndarray, np.ndarray]:
    """Ids of images to fit on, of the train images, and of others to ask about, of the evaluated ones; ascending.

    Where the evaluated images are the train images themselves, they are divided into halves.
    """
    chance = np.random.default_rng(_SEED)
    ask = chance.permutation(images.evaluated)[:MOST]
    fit = chance.permutation(np.setdiff1d(images.bank, ask))[:MOST]
    if len(fit) < _LEAST:
        fit, ask = ask[: len(ask) // 2], ask[len(ask) // 2 :]
    if min(len(fit), len(ask)) < _LEAST:
        raise SpecError(f"reading takes {2 * _LEAST} images, half of them to fit on; there are {len(fit) + len(ask)}")
    return np.sort(fit), np.sort(ask)


def shares(targets: Targets, fit: Rows, ask: Rows, images: EvaluationImages) -> dict[str, Reading]:
    """name -> share that is read from rows (n,D), (m,D); names that cannot be read are left out."""
    return read_targets(fit, ask, targets, classes=len(images.imageset.classes), seed=_SEED)[0]
