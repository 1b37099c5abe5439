"""How far an image set is that is being made while one waits."""

from __future__ import annotations

from typing import Any

from ssrl_core.datasets.progress import Report


def told_on(bar: Any) -> Report:
    """A report that moves a bar of `st.progress` and says what is done."""

    def report(done: int, total: int, what: str) -> None:
        share = min(done / total, 1.0) if total else 0.0
        bar.progress(share, f"{what}: {done:,} of {total:,}" if total else f"{what} …")

    return report
