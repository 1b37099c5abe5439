"""t-SNE by openTSNE: given its neighbours and its start, seeded, with progress."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssrl_core.analysis.matrix import Floats, nearest_rows, principal_components

Report = Callable[[float], None]
Points = NDArray[np.float64]

PERPLEXITY = 30.0
EARLY_STEPS, LATE_STEPS = 250, 500
EXAGGERATION = 12.0
_REPORT_EVERY = 25  # steps; each report costs one more look at the divergence
_MANY = 5000  # rows below which threads wait for each other longer than they work
_FEW = 1000  # rows below which all pairs (Barnes-Hut) are faster than the grid


def tsne(
    x: Floats, *, seed: int = 0, init: Points | None = None, report: Report | None = None
) -> tuple[Points, dict[str, Any]]:
    """A t-SNE layout.

    Args:
        x: (n, D) finite, n >= 4; reduce it to 50 columns first.
        seed: of the jitter that keeps equal rows apart; the start itself is the first two principal components.
        init: (n, 2) points to start from instead, of any scale: the layout then lies as they do.
        report: told the share done, 0..1.

    Returns:
        points (n, 2) float64 centred on 0, and the parameters that made them.

    Source:
        van der Maaten & Hinton 2008, by openTSNE (Poličar, Stražar & Zupan 2024); perplexity 30, start at the principal
        components and learning rate n / exaggeration as in Belkina et al. 2019; 250 steps with the similarities times
        12, then 500.
    """
    from openTSNE import TSNEEmbedding
    from openTSNE.affinity import PerplexityBasedNN
    from openTSNE.nearest_neighbors import PrecomputedNeighbors

    perplexity = min(PERPLEXITY, (len(x) - 1) / 3)
    rows, distances = nearest_rows(x, int(3 * perplexity))
    index = PrecomputedNeighbors(rows, distances.astype(np.float64))
    jobs = os.cpu_count() or 1 if len(x) > _MANY else 1
    similarities = PerplexityBasedNN(
        perplexity=min(perplexity, rows.shape[1] * 0.9), knn_index=index, k_neighbors=rows.shape[1], n_jobs=jobs
    )
    embedding = TSNEEmbedding(
        _start(x if init is None else init, seed),
        similarities,
        negative_gradient_method="bh" if len(x) < _FEW else "fft",
        n_jobs=jobs,
        random_state=seed,
    )
    for steps, before, exaggeration in ((EARLY_STEPS, 0, EXAGGERATION), (LATE_STEPS, EARLY_STEPS, 1.0)):
        embedding.optimize(
            steps,
            exaggeration=exaggeration,
            learning_rate=len(x) / EXAGGERATION,  # for few rows too: a floor of 200 throws a hundred of them apart
            momentum=0.8,
            inplace=True,
            callbacks=_told(report, before) if report else None,
            callbacks_every_iters=_REPORT_EVERY,
        )
    points = np.array(embedding, dtype=np.float64)
    params = {
        "perplexity": perplexity,
        "learning_rate": len(x) / EXAGGERATION,
        "exaggeration": EXAGGERATION,
        "steps": [EARLY_STEPS, LATE_STEPS],
        "start": "pca" if init is None else "given",
    }
    return points - points.mean(axis=0), params


def _told(report: Report, before: int) -> Callable[[int, float, Any], None]:
    return lambda step, _error, _points: report((before + step) / (EARLY_STEPS + LATE_STEPS))


def _start(x: NDArray[Any], seed: int) -> Points:
    """(n, 2) the two largest components, or two columns as they are, so small that early steps can move all."""
    first = (x if x.shape[1] == 2 else principal_components(x, 2)).astype(np.float64)
    first = first - first.mean(axis=0)
    if first.shape[1] < 2:
        first = np.column_stack([first, np.zeros(len(x))])
    jitter = np.random.default_rng(seed).normal(size=first.shape)
    return np.asarray(first / (first[:, 0].std() or 1.0) * 1e-4 + jitter * 1e-6)
