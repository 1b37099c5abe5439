"""How likely each row picks another as its neighbour: the similarities that t-SNE keeps."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssrl_core.analysis.matrix import Floats

_STEPS = 64
_TOLERANCE = 1e-5


def bandwidths(squared: NDArray[np.float64], perplexity: float) -> NDArray[np.float64]:
    """For each row the `beta` at which exp(-beta d^2) over its neighbours has the wanted perplexity.

    Args:
        squared: (n, k) squared distances to the k neighbours.
        perplexity: effective number of neighbours, < k.

    Returns:
        (n,) beta > 0, found by bisection on all rows at once.

    Source:
        van der Maaten & Hinton 2008, section 2; k = 3 * perplexity neighbours as in van der Maaten 2014.
    """
    wanted = np.log(perplexity)
    shifted = squared - squared[:, :1]  # the nearest counts as 0: no underflow, same probabilities
    scale = shifted.mean(axis=1)
    beta = 1.0 / np.where(scale > 0, scale, 1.0)
    low, high = np.zeros(len(beta)), np.full(len(beta), np.inf)
    for _ in range(_STEPS):
        difference = _entropy(shifted, beta) - wanted
        if np.abs(difference).max() < _TOLERANCE:
            break
        low = np.where(difference > 0, beta, low)
        high = np.where(difference > 0, high, beta)
        middle = np.where(np.isinf(high), beta * 2, (low + np.where(np.isinf(high), 0, high)) / 2)
        beta = np.where(np.abs(difference) < _TOLERANCE, beta, middle)
    return beta


def joint_probabilities(rows: NDArray[np.int64], distances: Floats, perplexity: float) -> Any:
    """The symmetric similarities of t-SNE.

    Args:
        rows, distances: (n, k) neighbours and their distances, nearest first.
        perplexity: effective number of neighbours, < k.

    Returns:
        scipy CSR matrix (n, n) float32, symmetric, sum 1, sorted columns.
    """
    from scipy.sparse import csr_matrix

    n, k = rows.shape
    squared = distances.astype(np.float64) ** 2
    shifted = squared - squared[:, :1]
    weights = np.exp(-bandwidths(squared, perplexity)[:, None] * shifted)
    weights /= weights.sum(axis=1, keepdims=True)
    chosen = csr_matrix((weights.ravel(), rows.ravel(), np.arange(0, n * k + 1, k)), shape=(n, n))
    joint = (chosen + chosen.T).tocsr()
    joint.sort_indices()
    joint.data /= joint.data.sum()
    return joint.astype(np.float32)


def _entropy(shifted: NDArray[np.float64], beta: NDArray[np.float64]) -> NDArray[np.float64]:
    weights = np.exp(-beta[:, None] * shifted)
    total = weights.sum(axis=1)
    mean = (weights * shifted).sum(axis=1) / total
    return np.asarray(np.log(total) + beta * mean)
