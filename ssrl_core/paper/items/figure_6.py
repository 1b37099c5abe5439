"""Figure 6: four clusters of nocodazole cells: by number of cells, or by phenotype."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ssrl_core.analysis.scores import mean_sd
from ssrl_core.paper import bases
from ssrl_core.paper.evidence import Evidence
from ssrl_core.paper.item import Item, Outcome, Plan, Row, contrast, plain_claim
from ssrl_core.paper.items import figure_4

SIDE = bases.CELLS_PX


def _full() -> dict[str, Mapping[str, Any]]:
    vary = {bases.COMPOSITION: [bases.LEFT, bases.RIGHT]}
    return {"figure-6 full": bases.as_shown(bases.cells(bases.SUBSETS["nocodazole"], bases.LEFT, vary=vary))}


def _small() -> dict[str, Mapping[str, Any]]:
    left, right = bases.at_side(bases.LEFT, SIDE), bases.at_side(bases.RIGHT, SIDE)
    vary = {"terms": [[{"composition": left}], [{"composition": right}]]}
    return {"figure-6 small": bases.as_shown(bases.simulated(vary=vary))}


def compare(evidence: Evidence) -> Outcome:
    """On simulated cells, whose truth is known: neighbours explained on the left, response found on the right."""
    name = next(iter(evidence.specs))
    if evidence.scale == "full":
        told = "BBBC021 has no label of a single cell: look at the clusters on the Clusters page."
        return Outcome(note=told, contrasts=[plain_claim("four clusters by phenotype", None, reason=told)])
    table = evidence.results(name)
    left, right = bases.LEFT, bases.RIGHT
    neighbours = {label: figure_4.explained(table, label, 4, "neighbours") for label in (left, right)}
    response = {label: figure_4.explained(table, label, 4, "response") for label in (left, right)}
    rows = [Row(label, "neighbours explained (eta²)", None, *mean_sd(v)) for label, v in neighbours.items()]
    rows += [Row(label, "AMI with response", None, *mean_sd(v)) for label, v in response.items()]
    return Outcome(
        rows,
        [
            contrast("number of neighbours explained: left above right", neighbours[left], neighbours[right], "eta²"),
            contrast("AMI with the response: right above left", response[right], response[left], "AMI"),
        ],
    )


ITEM = Item(
    "figure-6",
    "Cells: clusters by number of cells, or by phenotype",
    "The left composition (random crops, affine) clusters cells by their number; the right one (centre crop) by "
    "phenotype, finding two of three and splitting the untreated.",
    {
        "full": Plan(_full, needs=(bases.SUBSETS["nocodazole"],), says="VGG13, MoCo v2+, K = 4."),
        "small": Plan(
            _small,
            needs=("simulated-nocodazole",),
            says="Rehearsal on simulated cells, whose response and "
            "number of "
            "neighbours are known (68 px crops of real cells hold too few neighbours).",
        ),
    },
    compare,
)
