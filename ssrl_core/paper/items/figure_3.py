"""Figure 3: superclasses of CIFAR-100 have different optimal values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from ssrl_core.paper import bases, hue_claims
from ssrl_core.paper.evidence import Evidence
from ssrl_core.paper.item import Item, Outcome, Plan
from ssrl_core.paper.items import figure_1

CIFAR10_GROUPS = {
    name: "vehicles" if name in ("airplane", "automobile", "ship", "truck") else "animals"
    for name in ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
}


def _full() -> dict[str, Mapping[str, Any]]:
    return figure_1.sweeps_of("cifar100", ("hue", "crop size"), methods=("byol", "simclr", "vicreg"))


def _instant() -> dict[str, Mapping[str, Any]]:
    return figure_1.solved_sweeps(("hue", "crop size"))


def compare(evidence: Evidence) -> Outcome:
    """Each superclass with its own highest value."""
    if evidence.is_solved:
        return figure_1.of_each_sweep(evidence, lambda table: hue_claims.own_highest(table, groups_of(table)))
    table, note = figure_1.first_sweep(evidence)
    return Outcome(*hue_claims.own_highest(table, groups_of(table)), note)


def groups_of(table: pd.DataFrame) -> dict[str, str] | None:
    """The superclasses of a sweep: animals and vehicles of CIFAR-10, else the image set's own."""
    if table.empty or str(table["dataset"].iloc[0]) != "cifar10":
        return None
    return CIFAR10_GROUPS


ITEM = Item(
    "figure-3",
    "Superclasses have their own optimal values",
    "Superclasses of CIFAR-100 have different optimal crop sizes and hues, alike for three methods.",
    {
        "full": Plan(_full, needs=("cifar100",), says=figure_1.SAYS),
        "instant": Plan(
            _instant,
            needs=bases.SOLVED_PHOTOS,
            says=figure_1.SOLVED_SAYS + " Superclasses: animals and vehicles of CIFAR-10; of the hundred classes those "
            "of the image set's column superclass.",
        ),
        "small": Plan(
            figure_1.small, needs=("cifar10",), says=figure_1.SMALL_SAYS + " Superclasses: animals, vehicles."
        ),
    },
    compare,
)
