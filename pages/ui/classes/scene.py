"""What the Classes page looks at: the accuracy of each class of one run, or of two."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pages.ui.classes import words
from pages.ui.kit import choices, frame
from pages.ui.runs import choosing
from ssrl_core.runs.folder.results import Probe, Results
from ssrl_core.runs.folder.run_folder import RunFolder

NONE = "none"
_FLAT = 3


@dataclass(frozen=True)
class Run:
    """A run with results: `name` as the user reads it, `dataset` its image set."""

    run_id: str
    name: str
    dataset: str
    results: Results

    def probe(self, probe: str) -> Probe | None:
        """A probe's result, None where there is none."""
        found = self.results.probes.get(probe)
        return found if found and found.classes else None

    def classes(self, probe: str) -> Mapping[str, Mapping[str, Any]]:
        """Class -> {n, correct, accuracy, low, high} of a probe; {} where there is none."""
        found = self.probe(probe)
        return found.classes if found else {}

    def why(self, probe: str) -> str:
        """Why a probe has no result."""
        return self.results.missing.get(probe.replace("-", ".", 1)) or "it was not evaluated"


def load(run_id: str) -> Run:
    """A run's results.

    Raises:
        SSRLError: the folder is damaged.
    """
    row = next((run for run in frame.known_runs() if run["id"] == run_id), {"id": run_id})
    return Run(run_id, frame.run_words(row), str(row.get("dataset") or ""), RunFolder(run_id).results())


def choose_beside(first: str) -> str | None:
    """The run to set beside the first one; None for none. In the address as `beside`."""
    runs = choosing.trained()
    own = next((run.get("dataset") for run in runs if run["id"] == first), None)
    others = [run for run in runs if run["id"] != first]
    others.sort(key=lambda run: run.get("dataset") != own)  # those on the same images first
    chosen = choosing.one_of("Beside", others, key="beside", before={NONE: "no other run"}, default=NONE)
    return None if chosen == NONE else chosen


def probes_in(runs: Sequence[Run]) -> list[str]:
    """The probes that were asked of any of these runs: linear and kNN always, then fine-tuning, fewest labels first."""
    tuned = {share for run in runs for share in run.results.entry("finetune") or {}}
    return ["linear", "knn", *(f"finetune-{share}" for share in sorted(tuned, key=float))]


def choose_probe(runs: Sequence[Run]) -> str | None:
    """The probe, of those that every run has; None where there is none in common."""
    both = [probe for probe in probes_in(runs) if all(run.probe(probe) for run in runs)]
    if not both:
        return None
    few = len(both) <= _FLAT
    return choices.from_address("Probe", both, key="probe", shown=words.probe, help=words.PROBES, flat=few)


def why_no_probe(runs: Sequence[Run]) -> str:
    """Why no probe is there for every one of these runs."""
    without = next((run for run in runs if not any(run.probe(probe) for probe in probes_in([run]))), None)
    if without is None:
        return "These two runs have no probe in common. Ask for one more in evaluate and queue the run again."
    return f"No accuracy of classes: {without.why('linear')}."
