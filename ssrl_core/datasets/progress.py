"""How long work says how far it is."""

from __future__ import annotations

from collections.abc import Callable

Report = Callable[[int, int, str], None]
"""(done, total, what is being done); total 0 when it is not known."""


def or_silent(report: Report | None) -> Report:
    """The report, or one that keeps silent."""
    return report or _silent


def _silent(done: int, total: int, what: str) -> None:
    return None
