"""A bar that tells how far a run is: in a notebook's cell, in a terminal's line, else as lines of a log."""

from __future__ import annotations

import sys
from html import escape
from typing import Any

_WIDTH = 24


class Bar:
    """Shows a share and a few words wherever the script runs; nothing of it is needed to go on.

    Args:
        what: is waited for, such as a run's id.
    """

    def __init__(self, what: str) -> None:
        self._what, self._last, self._cell = what, "", _notebook_cell()

    def __call__(self, share: float, words: str) -> None:
        """So much is done, 0..1.

        Args:
            words: what is done now; where there is no terminal, only its first word makes a new line.
        """
        if self._cell is not None:
            self._cell.update(_Html(_bar_html(share, f"{self._what}: {words}")))
        elif sys.stderr.isatty():
            done = round(_WIDTH * share)
            print(f"\r\x1b[K{'█' * done}{'░' * (_WIDTH - done)} {words}", end="", file=sys.stderr, flush=True)
        elif words.partition(" ")[0] != self._last:
            self._last = words.partition(" ")[0]
            print(f"{self._what}: {words}", file=sys.stderr, flush=True)

    def close(self) -> None:
        """The line ends."""
        if self._cell is None and sys.stderr.isatty():
            print(file=sys.stderr, flush=True)


class _Html:
    def __init__(self, text: str) -> None:
        self._text = text

    def _repr_html_(self) -> str:
        return self._text


def _bar_html(share: float, words: str) -> str:
    return f'<progress value="{share:.3f}" max="1" style="width:16rem"></progress> {escape(words)}'


def _notebook_cell() -> Any:
    """The display of the cell that runs, which can be changed; None outside of notebooks."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if shell is None or not hasattr(shell, "kernel"):
        return None
    from IPython.display import display  # type: ignore[import-not-found,unused-ignore]

    return display(_Html(_bar_html(0, "")), display_id=True)
