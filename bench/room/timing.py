"""Ours and the peers in turn, in short rounds."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

Work = Callable[[], int]
"""Does a batch of work and returns how many pieces (views, pairs, images) it was."""


@dataclass(frozen=True)
class Compared:
    """Pieces a second of ours and of a peer (medians), and the median of the rounds' ratios."""

    ours: float
    peer: float
    ratio: float


def side_by_side(ours: Work, peers: Mapping[str, Work], *, rounds: int, seconds: float) -> dict[str, Compared]:
    """Speeds of all, measured in turn.

    Each round runs ours before and after every peer and compares the peer with the mean of the two, so that a drift of
    the machine falls on both.
    """
    for work in (ours, *peers.values()):
        work()  # loading and compiling are measured elsewhere
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in peers}
    for _ in range(rounds):
        before = rate(ours, seconds)
        for name, work in peers.items():
            there = rate(work, seconds)
            after = rate(ours, seconds)
            found[name].append(((before + after) / 2, there))
            before = after
    return {name: _median(pairs) for name, pairs in found.items()}


def rate(work: Work, seconds: float) -> float:
    """Pieces a second, over at least one call."""
    done, start = 0, time.perf_counter()
    while True:
        done += work()
        passed = time.perf_counter() - start
        if passed >= seconds:
            return done / passed


def _median(pairs: list[tuple[float, float]]) -> Compared:
    return Compared(
        statistics.median(a for a, _ in pairs),
        statistics.median(b for _, b in pairs),
        statistics.median(a / b for a, b in pairs),
    )
