"""Figure 2: the share of classes with an opposite partner, by data set, transformation, method and backbone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ssrl_core.paper import bases, hue_claims
from ssrl_core.paper.evidence import Evidence
from ssrl_core.paper.item import Item, Outcome, Plan
from ssrl_core.paper.items import figure_1

THREE = ("simclr", "byol", "vicreg")


def _full() -> dict[str, Mapping[str, Any]]:
    found = figure_1.sweeps_of("cifar10") | figure_1.sweeps_of("cifar100")
    for backbone in ("resnet50", "convnext_tiny"):
        found |= figure_1.sweeps_of("cifar100", ("hue",), backbone, THREE)
    return found


def _instant() -> dict[str, Mapping[str, Any]]:
    found = figure_1.solved_sweeps()
    for mu in bases.SOLVED_MU:  # figure 2b: other methods under hue, on a hundred classes
        vary = figure_1.SOLVED_VARIED["hue"]
        found[f"hue hundred mu {mu:g} solved"] = bases.solved_photos("hundred", mu=mu, vary=vary)
    return {name: data for name, data in found.items() if not name.endswith("mu 0.1 solved")}


def compare(evidence: Evidence) -> Outcome:
    """The ratio of every sweep with results, beside both floors of chance."""
    if evidence.is_solved:
        return figure_1.of_each_sweep(evidence, hue_claims.ratio_rows)
    rows, contrasts = [], []
    for name in evidence.specs:
        table = hue_claims.linear(evidence.classes(name))
        if table.empty:
            continue
        some, told = hue_claims.ratio_rows(table)
        rows += some
        contrasts += told
    return Outcome(rows, contrasts or hue_claims.ratio_rows(figure_1.first_table(evidence))[1])


ITEM = Item(
    "figure-2",
    "Share of classes with an opposite partner",
    "Many classes have a class of opposite behaviour, most for hue on CIFAR-100, in similar ranges for all methods and "
    "backbones.",
    {
        "full": Plan(_full, needs=("cifar10", "cifar100"), says=figure_1.SAYS),
        "instant": Plan(_instant, needs=bases.SOLVED_PHOTOS, says=figure_1.SOLVED_SAYS + bases.MU_SAYS),
        "small": Plan(
            figure_1.small,
            needs=("cifar10",),
            says=figure_1.SMALL_SAYS + " With ten values coefficients below about −0.63 (Pearson) reach p < 0.05.",
        ),
    },
    compare,
    conflicts="The paper has no floor: with 99 possible partners most classes have an opposite one by chance.",
)
