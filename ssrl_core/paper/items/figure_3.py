"""Figure 3: superclasses of CIFAR-100 have different optimal values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ssrl_core.paper import hue_claims
from ssrl_core.paper.evidence import Evidence
from ssrl_core.paper.item import Item, Outcome, Plan
from ssrl_core.paper.items import figure_1

CIFAR10_GROUPS = {
    name: "vehicles" if name in ("airplane", "automobile", "ship", "truck") else "animals"
    for name in ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
}


def _full() -> dict[str, Mapping[str, Any]]:
    return figure_1.sweeps_of("cifar100", ("hue", "crop size"), methods=("byol", "simclr", "vicreg"))


def compare(evidence: Evidence) -> Outcome:
    """Each superclass with its own highest value."""
    table, note = figure_1.first_sweep(evidence)
    groups = CIFAR10_GROUPS if evidence.scale == "small" else None
    return Outcome(*hue_claims.own_highest(table, groups), note)


ITEM = Item(
    "figure-3",
    "Superclasses have their own optimal values",
    "Superclasses of CIFAR-100 have different optimal crop sizes and hues, alike for three methods.",
    {
        "full": Plan(_full, needs=("cifar100",), says=figure_1.SAYS),
        "small": Plan(
            figure_1.small, needs=("cifar10",), says=figure_1.SMALL_SAYS + " Superclasses: animals, vehicles."
        ),
    },
    compare,
)
