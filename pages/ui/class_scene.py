"""What the Classes page looks at: the accuracy of each class of one run, or of two."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import streamlit as st

from pages.ui import choose, frame
from ssrl_core.runs.folder import RunFolder

PROBES = {"linear": "Linear", "knn": "kNN"}
NONE = "none"


@dataclass(frozen=True)
class Run:
    """A run with results: `name` as the user reads it, `results` as stored (CONTRACTS C8), `dataset` its image set."""

    run_id: str
    name: str
    dataset: str
    results: Mapping[str, Any]

    def probe(self, probe: str) -> Mapping[str, Any] | None:
        """A probe's result, None where there is none."""
        found = self.results.get(probe)
        return found if isinstance(found, Mapping) and found.get("classes") else None

    def why(self, probe: str) -> str:
        """Why a probe has no result."""
        told = self.results.get("missing") or {}
        return str(told.get(probe) or "it was not evaluated")


def load(run_id: str) -> Run:
    """A run's results.

    Raises:
        SSRLError: the folder is damaged.
    """
    row = next((run for run in frame.known_runs() if run["id"] == run_id), {"id": run_id})
    return Run(run_id, choose.run_words(row), str(row.get("dataset") or ""), RunFolder(run_id).results() or {})


def choose_beside(first: str) -> str | None:
    """The run to set beside the first one; None for none. In the address as `beside`."""
    rows = {str(run["id"]): run for run in frame.known_runs() if run.get("state") == "done" and run["id"] != first}
    own = next((run.get("dataset") for run in frame.known_runs() if run["id"] == first), None)
    order = sorted(rows, key=lambda name: rows[name].get("dataset") != own)  # those on the same images first
    chosen = choose.from_address(
        "Beside",
        [NONE, *order],
        key="beside",
        default=NONE,
        shown=lambda name: "no other run" if name == NONE else choose.run_words(rows[name]),
    )
    return None if chosen == NONE else chosen


def choose_probe(runs: list[Run]) -> str | None:
    """The probe, of those that every run has; None where there is none in common."""
    both = [probe for probe in PROBES if all(run.probe(probe) for run in runs)]
    if not both:
        return None
    if st.session_state.get("probe") not in both:
        st.session_state["probe"] = both[0]
    chosen = st.segmented_control(
        "Probe",
        both,
        key="probe",
        format_func=lambda probe: PROBES[probe],
        required=True,
        bind="query-params",
        help="Linear: a logistic regression on the frozen embedding. kNN: a vote of the nearest training images.",
    )
    return str(chosen or both[0])
