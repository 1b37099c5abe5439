"""`linear`: a classifier fitted on the frozen embedding of the train images, with each class's accuracy."""

from __future__ import annotations

from typing import Any

import numpy as np

from ssrl_core.runs.evaluation.images import EvaluationImages, Rows, extract, pixel_features
from ssrl_core.runs.evaluation.parts import Answer, Evaluation


def make(evaluation: Evaluation, item: str = "") -> Answer:
    """Top-1, settings, accuracy of each class and confusion table; and what the same classifier makes of raw pixels.

    Raises:
        SpecError: fewer than two classes.
    """
    from ssrl_core.learning.probes.linear import linear_probe_through

    images, asked = evaluation.images, evaluation.spec.evaluate.linear or {}
    mode, epochs = asked["mode"], int(asked["epochs"])
    if mode == "cached":
        predicted = classified(images, evaluation.bank, evaluation.evaluated, epochs)
    else:
        predicted = linear_probe_through(
            evaluation.encoder,
            images.imageset,
            images.bank,
            images.evaluated,
            epochs=epochs,
            seed=evaluation.spec.seed,
            device=evaluation.device,
            show=images.show,
        )
    return {**scored(images, predicted, {"mode": mode, "epochs": epochs}), "pixels": _of_pixels(images, epochs)}, {}


def _of_pixels(images: EvaluationImages, epochs: int) -> dict[str, Any]:
    """{top1, classes}: the classifier on raw pixels (at most 32 px a side), the bar that an embedding is to pass."""
    train, evaluated = (
        extract(images.batches(ids), {"pixels": pixel_features})["pixels"] for ids in (images.bank, images.evaluated)
    )
    found = scored(images, classified(images, train, evaluated, epochs), {})
    return {"top1": found["top1"], "classes": found["classes"]}


def classified(images: EvaluationImages, bank: Rows, evaluated: Rows, epochs: int) -> np.ndarray:
    """(n,) classes that a linear classifier, fitted on rows of the train images, gives the evaluated ones.

    Raises:
        SpecError: fewer than two classes.
    """
    from ssrl_core.learning.probes.linear import linear_probe

    labels, classes = images.labels_of(images.bank), len(images.imageset.classes)
    return linear_probe(bank, labels, evaluated, classes=classes, epochs=epochs, seed=images.spec.seed)


def scored(images: EvaluationImages, predicted: np.ndarray, settings: dict[str, Any]) -> dict[str, Any]:
    """What predictions (n,) of the evaluated images are worth: {top1, the settings, classes, confusion}."""
    from ssrl_core.analysis.comparison import class_accuracy

    found = class_accuracy(images.labels_of(images.evaluated), predicted, images.imageset.classes)
    return {"top1": found["top1"], **settings, "classes": found["classes"], "confusion": found["confusion"]}
