"""kNN accuracy on the validation images while a training runs."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from ssrl_core.datasets.imageset import ImageSet
from ssrl_core.learning.backbones.encoder import Encoder
from ssrl_core.learning.embedding import embed
from ssrl_core.learning.probes.knn import knn_top1

BANK = 2000
QUERIES = 1000


class KnnChoice(Protocol):
    """What is needed of `RunSpec.evaluate.knn`."""

    def __getitem__(self, name: str, /) -> float: ...


def online_knn(
    encoder: Encoder, imageset: ImageSet, choice: KnnChoice, *, limit_train: int | None, device: torch.device
) -> float | None:
    """Top-1 of at most 1,000 validation images against a bank of at most 2,000 train images, untransformed.

    The images are those of lowest order, so that all runs are asked the same.

    Returns:
        None where there is nothing to ask (no labels, no validation images).
    """
    bank = _labelled(imageset, "train", min(BANK, limit_train or BANK))
    queries = _labelled(imageset, "val", QUERIES)
    if not len(bank) or not len(queries):
        return None
    was_training = encoder.training
    arrays = [
        embed(encoder, imageset.pixels, ids, max_value=imageset.max_value, device=device) for ids in (bank, queries)
    ]
    encoder.train(was_training)
    labels = imageset.label_ids
    k, temperature = min(int(choice["k"]), len(bank)), float(choice["temperature"])
    return knn_top1(arrays[0], labels[bank], arrays[1], labels[queries], k=k, temperature=temperature)


def _labelled(imageset: ImageSet, split: str, most: int) -> NDArray[np.int64]:
    ids = imageset.split_ids(split)
    ids = ids[imageset.label_ids[ids] >= 0]
    order = imageset.table["order"].to_numpy()[ids]
    return np.sort(ids[np.argsort(order, kind="stable")[:most]])
