"""The weighted vote of the nearest neighbours."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ssrl_core.errors import SpecError

Array = NDArray[Any]
_CHUNK = 1024
_EPS = 1e-5


def knn_top1(
    bank: Array,
    bank_labels: Array,
    queries: Array,
    labels: Array,
    *,
    k: int = 20,
    temperature: float = 0.07,
    metric: str = "cosine",
) -> float:
    """Share of queries whose class their k nearest neighbours in the bank vote for.

    Args:
        bank, queries: (M, D), (N, D) float, embeddings; rows need not have unit length.
        bank_labels, labels: (M,), (N,) int, class ids, 0 or more.
        k: neighbours that vote, 1 <= k <= M.
        temperature: softness of the vote, > 0; lower trusts the nearest more.
        metric: "cosine", or "euclidean" (votes weigh 1/distance, the temperature plays no part).

    Returns:
        Accuracy in [0, 1].

    Raises:
        SpecError: if k is outside 1..M, the temperature is not positive, or the metric is unknown.

    Source:
        Weighted kNN, Wu et al. 2018, arXiv:1805.01978.
    """
    predicted = knn_predict(bank, bank_labels, queries, k=k, temperature=temperature, metric=metric)
    return float((predicted == np.asarray(labels)).mean())


def knn_predict(
    bank: Array, bank_labels: Array, queries: Array, *, k: int = 20, temperature: float = 0.07, metric: str = "cosine"
) -> NDArray[np.int64]:
    """The class that each query's k nearest neighbours vote for, (N,); arguments as in `knn_top1`."""
    _check(len(bank), k, temperature, metric)
    rows, ids = torch.as_tensor(np.asarray(bank)).float(), torch.as_tensor(np.asarray(bank_labels, dtype=np.int64))
    asked = torch.as_tensor(np.asarray(queries)).float()
    if metric == "cosine":
        rows, asked = (torch.nn.functional.normalize(x, dim=1) for x in (rows, asked))
    classes = int(ids.max()) + 1
    parts = [_vote(rows, ids, part, k, temperature, metric, classes) for part in torch.split(asked, _CHUNK)]
    return torch.cat(parts).numpy() if parts else np.empty(0, dtype=np.int64)


def _vote(rows: Tensor, ids: Tensor, asked: Tensor, k: int, temperature: float, metric: str, classes: int) -> Tensor:
    nearness = asked @ rows.T if metric == "cosine" else 1 / (torch.cdist(asked, rows) + _EPS)
    near, where = nearness.topk(k, dim=1)
    weights = ((near - near[:, :1]) / temperature).exp() if metric == "cosine" else near  # the shift keeps exp finite
    votes = torch.zeros(len(asked), classes).scatter_add_(1, ids[where], weights)
    return votes.argmax(dim=1)


def _check(size: int, k: int, temperature: float, metric: str) -> None:
    where = "kNN"
    if not 1 <= k <= size:
        raise SpecError.at(where, "k", f"in 1..{size}, the size of the bank", k, "Lower k, or take more train images.")
    if not temperature > 0:
        raise SpecError.at(where, "temperature", "above 0", temperature, "Use 0.07.")
    if metric not in ("cosine", "euclidean"):
        raise SpecError.at(where, "metric", "cosine or euclidean", metric, "Use cosine.")
