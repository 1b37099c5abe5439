"""One measurement beside one peer, as `bench --json` prints it."""

from __future__ import annotations

import platform
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
    """

    rounds: int = 7
    seconds: float = 0.4
    only: tuple[str, ...] = ()

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
