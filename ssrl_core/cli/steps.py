"""How far a long command is, said on stderr."""

from __future__ import annotations

from ssrl_core.cli.output import say


class Steps:
    """Says every tenth of the way, and every word that has no way."""

    def __init__(self) -> None:
        self._last = ("", -1)

    def __call__(self, done: int, total: int, what: str) -> None:
        """A `Report`: what is done of how much."""
        tenth = 10 * done // total if total else 0
        if (what, tenth) != self._last:
            self._last = (what, tenth)
            say(f"{what}: {done:,} of {total:,}" if total else what)
