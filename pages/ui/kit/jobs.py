"""A job on a page: the button that starts it, its progress, then the page anew; and whose thread goes first."""

from __future__ import annotations

import atexit
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from weakref import WeakSet

import streamlit as st

from pages.ui.kit import cache, frame
from ssrl_core.datasets.progress import Report
from ssrl_core.errors import RunError
from ssrl_core.figures.style import whole_percent
from ssrl_core.runs import jobs


def job(
    name: str,
    words: Sequence[str],
    *,
    button: str,
    icon: str,
    help: str | None = None,
    before: Callable[[], None] | None = None,
) -> None:
    """A job of a command line.

    Args:
        name: of the job; one of a name runs at a time, whoever started it.
        words: the command, e.g. ("descriptors", "mnist").
        button: the verb that starts it.
        before: what the click does first, such as to lay the file that the command reads.
    """
    now = jobs.state_of(name)
    if now is not None and now["state"] == "running":
        _watch(name, button)
        return
    if now is not None and now["state"] == "failed" and now["message"]:
        frame.show_error(RunError(now["message"]))

    def begin() -> None:
        if before is not None:
            before()
        jobs.start(name, list(words))

    frame.action(button, icon, begin, key=f"job-{name}", help=help)


def is_running(name: str) -> bool:
    """Whether a job of this name runs now."""
    now = jobs.state_of(name)
    return now is not None and now["state"] == "running"


@st.fragment(run_every=1.0)
def _watch(name: str, button: str) -> None:
    now = jobs.state_of(name)
    if now is None or now["state"] != "running":
        st.rerun()
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        share = min(1.0, max(0.0, float(now["progress"])))
        told = f"{button}: {whole_percent(share)}" if share else f"{button} …"  # some cannot tell how far
        st.progress(share, frame.plain(told))
        st.button("Stop", key=f"stop-{name}", type="tertiary", on_click=jobs.stop, args=(name,))


def progress_on(bar: Any) -> Report:
    """A report that moves a bar of `st.progress` and says what is done."""

    def report(done: int, total: int, what: str) -> None:
        share = min(done / total, 1.0) if total else 0.0
        bar.progress(share, frame.plain(f"{what}: {done:,} of {total:,}" if total else f"{what} …"))

    return report


PREVIEW, FIRST_BARS, REST = range(3)
_PATIENCE_S = 0.5
_PIECE_S = 10.0


class Turns:
    """Counts the urgent work in progress; threads of less haste wait for it between two pieces, though not for ever.

    When the process ends, whoever waits here ends first: a thread that is left inside of torch aborts it.
    """

    def __init__(self) -> None:
        self._lock = threading.Condition()
        self._going = [0] * REST
        self._over = False
        self._threads: WeakSet[threading.Thread] = WeakSet()
        atexit.register(self.end)

    @contextmanager
    def first(self, level: int) -> Iterator[None]:
        """While this goes on, work of a later level starts no new piece."""
        with self._lock:
            self._going[level] += 1
        try:
            yield
        finally:
            with self._lock:
                self._going[level] -= 1
                self._lock.notify_all()

    def wait(self, level: int) -> None:
        """Until nothing of an earlier level goes on, half a second at most: what is least urgent must end, too.

        Raises:
            SystemExit: the process ends; it ends a thread without a word.
        """
        with self._lock:
            if self._over:
                raise SystemExit
            self._threads.add(threading.current_thread())
            self._lock.wait_for(lambda: not any(self._going[:level]), _PATIENCE_S)

    def end(self) -> None:
        """Let the threads that wait here between pieces end, and wait for their pieces in progress."""
        with self._lock:
            self._over = True
            threads = set(self._threads) - {threading.current_thread()}
        for thread in threads:
            thread.join(_PIECE_S)


@cache.kept
def turns() -> Turns:
    """The one of this process."""
    return Turns()


def live(draw: Callable[..., None], *args: Any, polling: bool, every_s: float) -> None:
    """Draw a part of a page; while something of it is missing it is drawn again and again, by itself."""
    st.fragment(run_every=every_s if polling else None)(draw)(*args, polling=polling)
