"""`knn`: the evaluated images classified by the vote of their nearest train images."""

from __future__ import annotations

from ssrl_core.runs.evaluation.images import EvaluationImages, Rows
from ssrl_core.runs.evaluation.parts import Answer, Evaluation


def make(evaluation: Evaluation, item: str = "") -> Answer:
    """Top-1, settings and the accuracy of each class."""
    return vote(evaluation.bank, evaluation.evaluated, evaluation.images)


def vote(bank: Rows, evaluated: Rows, images: EvaluationImages) -> Answer:
    """The same of other features of the images.

    Args:
        bank: (m, D) of the train images.  evaluated: (n, D) of the evaluated images.

    Raises:
        SpecError: the image set has no labels.
    """
    from ssrl_core.analysis.comparison import class_accuracy
    from ssrl_core.learning.probes.knn import knn_predict

    trained, truth = images.labels_of(images.bank), images.labels_of(images.evaluated)
    known = trained >= 0
    if not known.any() or not (truth >= 0).any():
        return None, {"": "no image of the train split, or of the evaluated one, has a label"}
    asked = images.spec.evaluate.knn
    k, temperature = min(int(asked["k"]), int(known.sum())), float(asked["temperature"])
    missing = {} if k == asked["k"] else {"k": f"there are only {k} labelled train images"}
    predicted = knn_predict(bank[known], trained[known], evaluated, k=k, temperature=temperature)
    scored = class_accuracy(truth, predicted, images.imageset.classes)
    return {"top1": scored["top1"], "k": k, "temperature": temperature, "classes": scored["classes"]}, missing
