"""`references`: what kNN and clusters give without any learning, of raw pixels and of the untrained network."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from ssrl_core.errors import SpecError
from ssrl_core.runs.evaluation.images import (
    NO_LABELS,
    EvaluationImages,
    Extractor,
    Features,
    Rows,
    encoder_features,
    extract,
    pixel_features,
)
from ssrl_core.runs.evaluation.parts import Answer, Evaluation
from ssrl_core.runs.evaluation.parts.knn import vote

if TYPE_CHECKING:
    from torch import Tensor

_WIDE, _FIRST = 512, 64  # raw pixels: k-means on the first 64 components finds the same clusters ten times as fast


def make(evaluation: Evaluation, item: str = "") -> Answer:
    """{pixels, untrained: {knn, ami}}; beside a solved network the features of its bank are there already."""
    images, features = evaluation.images, evaluation.features
    if features.alone is None:
        return measured(images, images.batches, unlearnt(evaluation))
    alone = Features(features.ids, features.alone)
    rows = [
        extract(images.batches(ids), {"pixels": pixel_features}) | {"untrained": alone.of(ids)}
        for ids in (images.bank, images.evaluated)
    ]
    return scored(images, *rows)


def unlearnt(evaluation: Evaluation) -> dict[str, Extractor]:
    """The two references: raw pixels, and the network before its first step."""
    from ssrl_core.learning.embedding import untrained_encoder

    untrained = untrained_encoder(evaluation.spec, evaluation.images.imageset)
    return {"pixels": pixel_features, "untrained": encoder_features(untrained, evaluation.device)}


def measured(
    images: EvaluationImages, batches: Callable[[np.ndarray], Iterator[Tensor]], extractors: dict[str, Extractor]
) -> Answer:
    """{extractor: {knn, ami}} of the same images, and what is missing under `extractor.key`.

    Args:
        batches: gives images of some ids.
    """
    return scored(images, *(extract(batches(ids), extractors) for ids in (images.bank, images.evaluated)))


def scored(images: EvaluationImages, bank: dict[str, Rows], evaluated: dict[str, Rows]) -> Answer:
    """{name: {knn, ami}} of several kinds of features of the train and of the evaluated images."""
    found: dict[str, Any] = {}
    missing: dict[str, str] = {}
    for name in bank:
        found[name], told = _scores(bank[name], evaluated[name], images)
        missing |= {f"{name}.{key}": why for key, why in told.items()}
    return found, missing


def _scores(bank: Rows, evaluated: Rows, images: EvaluationImages) -> Answer:
    """{knn, ami} of one kind of features: kNN of the evaluated images, AMI of k-means on them.

    K is the first that the spec asks for, else the number of classes.
    """
    labels = images.evaluated_labels
    if labels is None:
        return {"knn": None, "ami": None}, {"knn": NO_LABELS, "ami": NO_LABELS}
    probe, missing = vote(bank, evaluated, images)
    told = {"knn": missing[""]} if "" in missing else {}
    score, why = _ami(evaluated, labels, images)
    return {"knn": probe and probe["top1"], "ami": score}, told | ({"ami": why} if why else {})


def _ami(x: Rows, labels: np.ndarray, images: EvaluationImages) -> tuple[float | None, str]:
    """AMI (normalised by the larger entropy) of k-means with the labels, or the reason why there is none."""
    from ssrl_core.analysis.clusters import kmeans
    from ssrl_core.analysis.matrix import principal_components
    from ssrl_core.analysis.scores import ami

    k = next(iter(images.spec.evaluate.clusters), len(images.imageset.classes))
    known = labels >= 0
    if len(np.unique(labels[known])) < 2:
        return None, "the evaluated images have fewer than two different labels"
    try:
        found = kmeans(x if x.shape[1] <= _WIDE else principal_components(x, _FIRST), k)
    except SpecError as error:
        return None, error.message
    return ami(labels[known], found.ids[known]), ""
