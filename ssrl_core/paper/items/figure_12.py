"""Figure 12: figure 4, second set, for two more backbones and BYOL."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ssrl_core.analysis.scores import mean_sd
from ssrl_core.paper import bases
from ssrl_core.paper.evidence import Evidence, column
from ssrl_core.paper.item import Item, Outcome, Plan, Row, contrast
from ssrl_core.paper.items import figure_4

_VARY, _SMALL_VARY = bases.over_sets(), bases.over_sets(side_px=bases.MNIST_PX)


def _full() -> dict[str, Mapping[str, Any]]:
    found: dict[str, Mapping[str, Any]] = {}
    for backbone in ("resnet18", "convnext_tiny"):
        found[f"figure-12 moco_v2 {backbone}"] = bases.mnist(backbone=backbone, vary=_VARY)
        found[f"figure-12 byol {backbone}"] = bases.mnist(backbone=backbone, vary=_VARY, **bases.byol_on_mnist())
    return found


def _small() -> dict[str, Mapping[str, Any]]:
    return {"figure-12 small byol": bases.small_byol(vary=_SMALL_VARY)}


def _instant() -> dict[str, Mapping[str, Any]]:
    return bases.over_banks("figure-12")


def compare(evidence: Evidence) -> Outcome:
    """AMI with the digits falls under the second set, for every backbone and method."""
    rows, contrasts = [], []
    for name in evidence.specs:
        table = evidence.results(name)
        for label in (bases.FIRST, bases.SECOND):
            rows.append(Row(f"{name}, {label}", "ami with digits", None, *mean_sd(column(table, label, "ami"))))
            ink = figure_4.ink_explained(table, label)
            rows.append(Row(f"{name}, {label}", "ink explained by clusters (eta²)", None, *mean_sd(ink)))
        values = [column(table, label, "ami") for label in (bases.FIRST, bases.SECOND)]
        contrasts.append(contrast(f"AMI with the digits, {name}: first set above second", values[0], values[1], "AMI"))
        second, first = (figure_4.ink_explained(table, label) for label in (bases.SECOND, bases.FIRST))
        thick = f"line thickness (ink) explained by the clusters, {name}: second set above first"
        contrasts.append(contrast(thick, second, first, "eta²"))
    return Outcome(rows, contrasts)


ITEM = Item(
    "figure-12",
    "MNIST: handwriting under other networks",
    "Under the second set, clusters show handwriting and line thickness with other backbones and methods too.",
    {
        "full": Plan(_full, needs=("mnist",), says="ResNet18 and ConvNeXt-Tiny, MoCo v2+ and BYOL."),
        "instant": Plan(
            _instant,
            needs=("mnist",),
            says=bases.SOLVED_SAYS.format(bases.SOLVED_MNIST) + bases.BANKS_SAYS,
        ),
        "small": Plan(_small, needs=("mnist",), says="Rehearsal: tiny CNN with BYOL, the runs of table 8."),
    },
    compare,
)
