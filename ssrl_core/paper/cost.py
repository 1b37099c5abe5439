"""What an item costs before it is run: runs, and hours from the step time measured on this machine."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from ssrl_core.paper.evidence import Evidence, first_run, run_count
from ssrl_core.paper.needs import NEEDED
from ssrl_core.runs.worker import estimate as estimates
from ssrl_core.specs.backbones import BACKBONES
from ssrl_core.specs.run import RunSpec
from ssrl_core.specs.sweep import SweepSpec

GPU_TIMES = 40.0
"""How many times a data-centre card is faster than two cores: a first guess, until a run on a card replaces it."""


@dataclass(frozen=True)
class Cost:
    """What a plan costs.

    Attributes:
        runs: in all, hours: on this machine, of all runs one after another.
        gpu_hours: the same on a card: measured where this machine has one, else guessed (`gpu_guessed`).
        measured: runs whose step time was measured in an earlier run of that network on this machine; for the others
            it comes from the table of networks.
    """

    runs: int
    hours: float
    gpu_hours: float
    gpu_guessed: bool
    measured: int = 0

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {
            "runs": self.runs,
            "hours_here": round(self.hours, 3),
            "gpu_hours": round(self.gpu_hours, 3),
            "gpu_guessed": self.gpu_guessed,
            "measured": self.measured,
        }


def cost(evidence: Evidence) -> Cost:
    """The cost of all sweeps of a plan, finished ones too."""
    seconds, measured, every = 0.0, 0, 0
    for spec in evidence.specs.values():
        runs = run_count(spec)
        one, known = _seconds(spec)
        seconds, measured, every = seconds + runs * one, measured + runs * known, every + runs
    hours, card = seconds / 3600, estimates.has_gpu()
    return Cost(every, hours, hours if card else hours / GPU_TIMES, not card, measured)


def _seconds(sweep: SweepSpec) -> tuple[float, bool]:
    """Seconds of one run of a sweep (its first, as its siblings differ in values that change little of it), and
    whether its step time was measured here."""
    from ssrl_core.datasets import store as image_sets

    spec = first_run(sweep)
    name = spec.dataset.name
    if name in image_sets.names() and image_sets.is_ready(name):
        from ssrl_core.runs.folder.run_folder import imageset_of

        found = estimates.estimate(spec, imageset_of(spec))
        return found.seconds, found.measured is not None
    return _from_table(spec), False


def _from_table(spec: RunSpec) -> float:
    """Without the images: the table's speed of the backbone on two cores at 32 px, by area and number of views."""
    row = NEEDED[spec.dataset.name]
    side = spec.terms[0].composition.views[0].size or row.side
    views = sum(term.composition.view_count for term in spec.terms)
    speed = BACKBONES[spec.backbone.name].cpu_images_per_s * (32 / side) ** 2 * 2 / views
    speed *= GPU_TIMES if estimates.has_gpu() else max(1, os.cpu_count() or 1) / 2
    return min(row.images, spec.limit_train or row.images) * spec.epochs / speed
