"""Figure 5: example images of untreated and treated cells; nothing is measured."""

from __future__ import annotations

from ssrl_core.paper.evidence import Evidence
from ssrl_core.paper.item import Item, Outcome


def compare(evidence: Evidence) -> Outcome:
    """Nothing to compare."""
    return Outcome()


ITEM = Item(
    "figure-5",
    "Example images of cells",
    "Cells differ within a condition: nocodazole gives four morphological responses, one of which looks untreated.",
    {},
    compare,
)
