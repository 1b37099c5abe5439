"""One measurement beside one peer, as `bench --json` prints it."""

from __future__ import annotations

import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

SHOWN = ("viewloom", "torch", "torchvision", "numba", "numpy", "kornia", "pillow", "lpips", "lightly")


@dataclass(frozen=True)
class Options:
    """What the caller asked for.

    Attributes:
        rounds: how often ours and the peers take turns.
        seconds: how long each of them runs in a round.
        only: parts of names of cases; empty is all of them.
        device: where ours works, and the peers that can: cpu, cuda, cuda:1.
    """

    rounds: int = 7
    seconds: float = 0.4
    only: tuple[str, ...] = ()
    device: str = "cpu"

    def wanted(self, case: str) -> bool:
        """Whether a case was asked for."""
        return not self.only or any(part in case for part in self.only)


@dataclass(frozen=True)
class Item:
    """One case beside one peer.

    Attributes:
        ours, peer: the median of the metric over the rounds, in `unit`; None where there is no peer.
        ratio: how many times faster (or smaller) ours is: the median of the rounds' ratios.
    """

    bench: str
    case: str
    metric: str
    unit: str
    ours: float
    peer: float | None = None
    peer_name: str | None = None
    peer_version: str | None = None
    ratio: float | None = None
    threads: int = 1
    machine: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str | None] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def item(bench: str, case: str, metric: str, unit: str, ours: float, *, images: str = "", **more: Any) -> Item:
    """An item with machine and versions filled in.

    Args:
        images: which pictures it ran on.
    """
    where = machine() | ({"images": images} if images else {})
    return Item(bench, case, metric, unit, ours, machine=where, versions=versions(), **more)


@cache
def machine() -> dict[str, Any]:
    """Processor, cores, system."""
    import os

    return {"processor": _processor(), "cores": os.cpu_count(), "system": platform.platform(terse=True)}


@cache
def versions() -> dict[str, str | None]:
    """Of what takes part."""
    return {name: installed(name) for name in SHOWN}


def installed(name: str) -> str | None:
    """The version of a package, or None."""
    if name == "viewloom":
        import ssrl_core

        return ssrl_core.__version__
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    facts = dict(line.split(":", 1) for line in lines if ":" in line)
    facts = {key.strip(): value.strip() for key, value in facts.items()}
    return f"{facts.get('model name', platform.machine())}, model {facts.get('model', '?')}"


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
    return {name: compared(pairs) for name, pairs in found.items()}


def rate(work: Work, seconds: float) -> float:
    """Pieces a second, over at least one call."""
    done, start = 0, time.perf_counter()
    while True:
        done += work()
        passed = time.perf_counter() - start
        if passed >= seconds:
            return done / passed


def compared(pairs: list[tuple[float, float]]) -> Compared:
    """Rounds of ours beside a peer."""
    return Compared(
        statistics.median(a for a, _ in pairs),
        statistics.median(b for _, b in pairs),
        statistics.median(a / b for a, b in pairs),
    )


def main(name: str) -> int:
    """Run one bench from the command line."""
    from ssrl_core.cli import main as command

    return command(["bench", name, *sys.argv[1:]])
