"""What is measured of a run once it has learnt: clusters, probes, and both beside raw pixels and an untrained network.

Each function measures one part of `results.json` (C8) and returns it with the reasons for what it could not have.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ssrl_core.errors import SpecError
from ssrl_core.runs.evaluation.images import EvaluationImages, Rows

if TYPE_CHECKING:
    from ssrl_core.analysis.clusters import Clustering
    from ssrl_core.learning.backbones.encoder import Encoder

Answer = tuple[Any, dict[str, str]]

NO_LABELS = "the image set has no labels"
FINETUNE_EPOCHS = 20
_WIDE, _FIRST = 512, 64  # raw pixels: k-means on the first 64 components finds the same clusters ten times as fast


def clusters(x: Rows, found: Clustering, ground: EvaluationImages, file: str | None) -> Answer:
    """One item of `clusters`: scores of a clustering of the evaluated images.

    Args:
        x: (n, D) their embedding.  found: a clustering of these rows.
    """
    from ssrl_core.analysis.scores import cluster_scores

    scores = cluster_scores(x, found, ground.asked_labels)
    missing = scores.pop("missing")
    return {**scores, "file": file}, missing


def knn(bank: Rows, asked: Rows, ground: EvaluationImages) -> Answer:
    """`knn`: the evaluated images classified by the vote of their nearest train images."""
    from ssrl_core.analysis.classes import class_accuracy
    from ssrl_core.learning.probes.knn import knn_predict

    labels = ground.labels
    if labels is None:
        return None, {"": NO_LABELS}
    known = labels[ground.bank] >= 0
    if not known.any() or not (labels[ground.asked] >= 0).any():
        return None, {"": "no image of the train split, or of the evaluated one, has a label"}
    choice = ground.spec.evaluate.knn
    k = min(int(choice["k"]), int(known.sum()))
    missing = {} if k == choice["k"] else {"k": f"there are only {k} labelled train images"}
    predicted = knn_predict(
        bank[known], labels[ground.bank][known], asked, k=k, temperature=float(choice["temperature"])
    )
    scored = class_accuracy(labels[ground.asked], predicted, ground.imageset.classes)
    answer = {"top1": scored["top1"], "k": k, "temperature": float(choice["temperature"]), "classes": scored["classes"]}
    return answer, missing


def beside(bank: Rows, asked: Rows, ground: EvaluationImages) -> Answer:
    """{knn, ami} of one way of looking at the images: kNN of the evaluated images, AMI of k-means on them.

    K is the first that the spec asks for, else the number of classes.
    """
    labels = ground.asked_labels
    if labels is None:
        return {"knn": None, "ami": None}, {"knn": NO_LABELS, "ami": NO_LABELS}
    probe, missing = knn(bank, asked, ground)
    told = {"knn": missing[""]} if "" in missing else {}
    score, why = ami(asked, labels, ground)
    return {"knn": probe and probe["top1"], "ami": score}, told | ({"ami": why} if why else {})


def ami(x: Rows, labels: np.ndarray, ground: EvaluationImages) -> tuple[float | None, str]:
    """AMI (normalised by the larger entropy) of k-means with the labels, or the reason why there is none."""
    from ssrl_core.analysis.clusters import kmeans
    from ssrl_core.analysis.matrix import principal_components
    from ssrl_core.analysis.scores import ami as agreement

    k = next(iter(ground.spec.evaluate.clusters), len(ground.imageset.classes))
    known = labels >= 0
    if len(np.unique(labels[known])) < 2:
        return None, "the evaluated images have fewer than two different labels"
    try:
        found = kmeans(x if x.shape[1] <= _WIDE else principal_components(x, _FIRST), k)
    except SpecError as error:
        return None, error.message
    return agreement(labels[known], found.ids[known]), ""


def linear(bank: Rows, asked: Rows, ground: EvaluationImages, encoder: Encoder, device: Any) -> Answer:
    """`linear`: a classifier fitted on the frozen embedding of the train images, with each class's accuracy."""
    from ssrl_core.analysis.classes import class_accuracy
    from ssrl_core.learning.probes.linear import linear_probe, linear_probe_through

    labels, choice = ground.labels, ground.spec.evaluate.linear
    if labels is None or choice is None:
        return None, {"": NO_LABELS}
    epochs, seed, images = int(choice["epochs"]), ground.spec.seed, ground.imageset
    try:
        if choice["mode"] == "cached":
            predicted = linear_probe(
                bank, labels[ground.bank], asked, classes=len(images.classes), epochs=epochs, seed=seed
            )
        else:
            predicted = linear_probe_through(
                encoder, images, ground.bank, ground.asked, epochs=epochs, seed=seed, device=device
            )
    except SpecError as error:
        return None, {"": error.message}
    scored = class_accuracy(labels[ground.asked], predicted, images.classes)
    head = {"top1": scored["top1"], "mode": choice["mode"], "epochs": epochs}
    return {**head, "classes": scored["classes"], "confusion": scored["confusion"]}, {}


def finetune(
    share: float, ground: EvaluationImages, encoder: Encoder, device: Any, progress: Callable[[float], None]
) -> Answer:
    """One item of `finetune`: a copy of the network trained on with a share of the labels, as `linear` otherwise."""
    from ssrl_core.analysis.classes import class_accuracy
    from ssrl_core.learning.probes.finetune import fine_tune, labelled_share

    labels, images = ground.labels, ground.imageset
    if labels is None:
        return None, {"": NO_LABELS}
    try:
        predicted = fine_tune(
            encoder,
            images,
            ground.bank,
            ground.asked,
            share=share,
            epochs=FINETUNE_EPOCHS,
            seed=ground.spec.seed,
            device=device,
            report=progress,
        )
    except SpecError as error:
        return None, {"": error.message}
    scored = class_accuracy(labels[ground.asked], predicted, images.classes)
    used = len(labelled_share(images, ground.bank, share))
    head = {"top1": scored["top1"], "mode": "finetune", "epochs": FINETUNE_EPOCHS, "labels": used}
    return {**head, "classes": scored["classes"], "confusion": scored["confusion"]}, {}
