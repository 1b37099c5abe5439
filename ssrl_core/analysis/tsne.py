"""t-SNE for tens of thousands of points: neighbours, exact attraction, repulsion by FFT, seeded, with progress."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssrl_core.analysis.affinities import joint_probabilities
from ssrl_core.analysis.attraction import attraction
from ssrl_core.analysis.matrix import Floats, principal_components
from ssrl_core.analysis.neighbours import nearest_rows
from ssrl_core.analysis.repulsion import repulsion

Report = Callable[[float], None]
Points = NDArray[np.float64]

PERPLEXITY = 30.0
EARLY_STEPS, LATE_STEPS = 250, 500
EXAGGERATION = 12.0
_LONGEST_STEP = 5.0


def tsne(x: Floats, *, seed: int = 0, report: Report | None = None) -> tuple[Points, dict[str, Any]]:
    """A t-SNE layout.

    Args:
        x: (n, D) finite, n >= 4; reduce it to 50 columns first.
        seed: of the jitter that keeps equal rows apart; the start itself is the first two principal components.
        report: told the share done, 0..1.

    Returns:
        points (n, 2) float64 centred on 0, and the parameters that made them.

    Source:
        van der Maaten & Hinton 2008; perplexity 30, start at the principal components and learning rate n / 12 as in
        Kobak & Berens 2019; 250 steps with the similarities times 12, then 500.
    """
    perplexity = min(PERPLEXITY, (len(x) - 1) / 3)
    rows, distances = nearest_rows(x, int(3 * perplexity))
    similarities = joint_probabilities(rows, distances, min(perplexity, rows.shape[1] * 0.9))
    rate = len(x) / EXAGGERATION  # also for few rows: the usual floor of 200 throws a hundred of them apart
    points = _start(x, seed)
    points = _descend(points, similarities, rate=rate, report=report)
    params = {
        "perplexity": perplexity,
        "learning_rate": rate,
        "exaggeration": EXAGGERATION,
        "steps": [EARLY_STEPS, LATE_STEPS],
        "start": "pca",
    }
    return points, params


def gradient(similarities: Any, points: Points, pool: ThreadPoolExecutor, parts: int, exaggeration: float) -> Points:
    """(n, 2): a quarter of the slope of the Kullback-Leibler divergence at each point."""
    pushed, total = repulsion(points)
    return exaggeration * attraction(similarities, points, pool, parts) - pushed / total


def _start(x: Floats, seed: int) -> Points:
    first = principal_components(x, 2).astype(np.float64)
    if first.shape[1] < 2:
        first = np.column_stack([first, np.zeros(len(x))])
    jitter = np.random.default_rng(seed).normal(size=first.shape)
    return first / (first[:, 0].std() or 1.0) * 1e-4 + jitter * 1e-6


def _descend(points: Points, similarities: Any, *, rate: float, report: Report | None) -> Points:
    gains, velocity = np.ones_like(points), np.zeros_like(points)
    parts = os.cpu_count() or 1
    with ThreadPoolExecutor(parts) as pool:
        for step in range(EARLY_STEPS + LATE_STEPS):
            early = step < EARLY_STEPS
            slope = gradient(similarities, points, pool, parts, EXAGGERATION if early else 1.0)
            opposed = np.sign(slope) != np.sign(velocity)
            gains = np.maximum(np.where(opposed, gains + 0.2, gains * 0.8), 0.01)
            velocity = (0.5 if early else 0.8) * velocity - rate * gains * slope
            length = np.linalg.norm(velocity, axis=1, keepdims=True)
            points = points + velocity * np.minimum(1.0, _LONGEST_STEP / np.maximum(length, 1e-300))
            points -= points.mean(axis=0)
            if report is not None:
                report((step + 1) / (EARLY_STEPS + LATE_STEPS))
    return points
