"""How far a whole run is, over all its phases, and how long it will still take."""

from __future__ import annotations

import time
from typing import Any

from ssrl_core.analysis.layouts import LAYOUTS

# Seconds per image on two cores, measured with tiny_cnn on 28 px images; only the proportions matter, and the
# estimate is corrected by what has been measured as soon as a phase is over.
_PER_IMAGE_S = {"embed": 0.0006, "evaluate": 0.002}
_ORDER = ("load", "train", "embed", "evaluate", "layout")


class Pace:
    """Shares of the phases in a run, from estimates of their seconds.

    Args:
        images: images that are embedded.  rows: images that are evaluated.  layouts: their methods.
    """

    def __init__(self, images: int, rows: int, layouts: tuple[str, ...]) -> None:
        self._seconds = {
            "load": 5.0,
            "train": 60.0,
            "embed": 1.0 + images * _PER_IMAGE_S["embed"],
            "evaluate": 5.0 + images * _PER_IMAGE_S["evaluate"],
            "layout": sum(5.0 + rows * LAYOUTS[name].seconds_per_row for name in layouts),
        }
        self._phase, self._since = "load", time.monotonic()

    def enter(self, phase: str) -> None:
        """A phase begins; the one before took as long as it took."""
        now = time.monotonic()
        self._seconds[self._phase] = max(0.01, now - self._since)
        for skipped in _ORDER[_ORDER.index(self._phase) + 1 : _ORDER.index(phase)]:
            self._seconds[skipped] = 0.01
        self._phase, self._since = phase, now

    def training(self, share: float, eta_s: float | None) -> None:
        """The training says how far it is and how long it will still take."""
        if eta_s is not None and share < 1:
            self._seconds["train"] = max(self._seconds["train"] if share == 0 else 0.01, eta_s / (1 - share))

    def fields(self, share: float) -> dict[str, Any]:
        """`progress` (0..1 over all phases) and `eta_s`, for a share of the present phase."""
        place = _ORDER.index(self._phase)
        whole = sum(self._seconds.values())
        past = sum(self._seconds[name] for name in _ORDER[:place]) + share * self._seconds[self._phase]
        return {"progress": round(min(1.0, past / whole), 4), "eta_s": round(max(0.0, whole - past), 1)}

    def after_training_s(self) -> float:
        """Seconds of everything that comes after the training."""
        return sum(self._seconds[name] for name in ("embed", "evaluate", "layout"))
