"""Figure 6: four clusters of nocodazole cells: by number of cells, or by phenotype."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ssrl_core.analysis.scores import mean_sd
from ssrl_core.paper import bases
from ssrl_core.paper.evidence import Evidence
from ssrl_core.paper.item import Contrast, Item, Outcome, Plan, Row, contrast, plain_claim
from ssrl_core.paper.items import figure_4

SIDE = bases.CELLS_PX


def _full() -> dict[str, Mapping[str, Any]]:
    vary = {bases.COMPOSITION: [bases.LEFT, bases.RIGHT]}
    return {"figure-6 full": bases.as_shown(bases.cells(bases.SUBSETS["nocodazole"], bases.LEFT, vary=vary))}


def _small() -> dict[str, Mapping[str, Any]]:
    left, right = bases.at_side(bases.LEFT, SIDE), bases.at_side(bases.RIGHT, SIDE)
    vary = {"terms": [[{"composition": left}], [{"composition": right}]]}
    return {"figure-6 small": bases.as_shown(bases.simulated(vary=vary))}


def _instant() -> dict[str, Mapping[str, Any]]:
    terms = [[{"composition": bases.LEFT}], [{"composition": bases.RIGHT}]]
    return bases.shown_and_whole("figure-6 instant", bases.solved_cells("simulated-nocodazole", terms))


def compare(evidence: Evidence) -> Outcome:
    """On simulated cells, whose truth is known: neighbours explained on the left, response found on the right."""
    if evidence.scale == "full":
        told = "BBBC021 has no label of a single cell: look at the clusters on the Clusters page."
        return Outcome(note=told, contrasts=[plain_claim("four clusters by phenotype", None, reason=told)])
    parts = [_compared(evidence, name) for name in evidence.specs]
    return Outcome([row for rows, _ in parts for row in rows], [claim for _, claims in parts for claim in claims])


def _compared(evidence: Evidence, name: str) -> tuple[list[Row], list[Contrast]]:
    """Numbers and claims of one sweep; of whole images that is said."""
    table, way = evidence.results(name), bases.WHOLE if name.endswith(bases.WHOLE) else ""
    left, right = bases.LEFT, bases.RIGHT
    neighbours = {label: figure_4.explained(table, label, 4, "neighbours") for label in (left, right)}
    response = {label: figure_4.explained(table, label, 4, "response") for label in (left, right)}
    rows = [Row(label, f"neighbours explained (eta²){way}", None, *mean_sd(v)) for label, v in neighbours.items()]
    rows += [Row(label, f"AMI with response{way}", None, *mean_sd(v)) for label, v in response.items()]
    crowd = f"number of neighbours explained{way}: left above right"
    return rows, [
        contrast(crowd, neighbours[left], neighbours[right], "eta²"),
        contrast(f"AMI with the response{way}: right above left", response[right], response[left], "AMI"),
    ]


ITEM = Item(
    "figure-6",
    "Cells: clusters by number of cells, or by phenotype",
    "The left composition (random crops, affine) clusters cells by their number; the right one (centre crop) by "
    "phenotype, finding two of three and splitting the untreated.",
    {
        "full": Plan(_full, needs=(bases.SUBSETS["nocodazole"],), says="VGG13, MoCo v2+, K = 4."),
        "instant": Plan(
            _instant,
            needs=("simulated-nocodazole",),
            says=bases.SOLVED_SAYS.format(bases.SOLVED_CELL) + " Images are embedded as the steps without chance leave "
            "them (under the right composition the centre), and whole.",
        ),
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
