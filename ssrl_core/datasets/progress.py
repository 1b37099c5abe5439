"""How long work says how far it is, and how workers share it: results in order, only a few waiting at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from typing import TypeVar

Report = Callable[[int, int, str], None]
"""(done, total, what is being done); total 0 when it is not known."""


def or_silent(report: Report | None) -> Report:
    """The report, or one that keeps silent."""
    return report or _silent


def _silent(done: int, total: int, what: str) -> None:
    return None


Item = TypeVar("Item")
Result = TypeVar("Result")


def in_order(
    pool: Executor, work: Callable[[Item], Result], items: Iterable[Item], *, ahead: int = 4
) -> Iterator[Result]:
    """`map` that never holds more than `ahead` results, so that memory does not grow with the number of items.

    A failure is raised where its result would have come; what has not begun by then is given up.
    """
    waiting: deque[Future[Result]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) >= ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()
