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
TRAINED, UNTRAINED = "figure-6 small", "figure-6 small untrained"


def _full() -> dict[str, Mapping[str, Any]]:
    vary = {bases.COMPOSITION: [bases.LEFT, bases.RIGHT]}
    return {"figure-6 full": bases.as_shown(bases.cells(bases.SUBSETS["nocodazole"], bases.LEFT, vary=vary))}


def _small() -> dict[str, Mapping[str, Any]]:
    left, right = bases.at_side(bases.LEFT, SIDE), bases.at_side(bases.RIGHT, SIDE)
    vary = {"terms": [[{"composition": left}], [{"composition": right}]]}
    trained = bases.as_shown(bases.simulated(vary=vary))
    return {TRAINED: trained, UNTRAINED: bases.untrained(trained)}


def _instant() -> dict[str, Mapping[str, Any]]:
    terms = [[{"composition": bases.LEFT}], [{"composition": bases.RIGHT}]]
    return bases.shown_and_whole("figure-6 instant", bases.solved_cells("simulated-nocodazole", terms))


def compare(evidence: Evidence) -> Outcome:
    """On simulated cells, whose truth is known: neighbours explained on the left, response found on the right."""
    if evidence.scale == "full":
        told = "BBBC021 has no label of a single cell: look at the clusters on the Clusters page."
        return Outcome(note=told, contrasts=[plain_claim("four clusters by phenotype", None, reason=told)])
    parts = [_compared(evidence, name) for name in evidence.specs]
    rows = [row for part, _ in parts for row in part]
    claims = [claim for name, (_, claims) in zip(evidence.specs, parts, strict=True) for claim in claims
              if name != UNTRAINED]  # fmt: skip
    return Outcome(rows, claims + ([] if evidence.is_solved else _beyond(evidence)))


def _found(evidence: Evidence, name: str, truth: str) -> dict[str, list[float]]:
    """Composition -> of each seed, what the four clusters of a sweep's networks follow of a truth."""
    table = evidence.results(name)
    return {label: figure_4.explained(table, label, 4, truth) for label in (bases.LEFT, bases.RIGHT)}


def _compared(evidence: Evidence, name: str) -> tuple[list[Row], list[Contrast]]:
    """Numbers and claims of one sweep; of whole images, or of untrained networks, that is said."""
    way = bases.WHOLE if name.endswith(bases.WHOLE) else ""
    who = ", untrained" if name == UNTRAINED else ""
    left, right = bases.LEFT, bases.RIGHT
    neighbours, response = (_found(evidence, name, truth) for truth in ("neighbours", "response"))
    rows = [Row(label + who, f"neighbours explained (eta²){way}", None, *mean_sd(v)) for label, v in neighbours.items()]
    rows += [Row(label + who, f"AMI with response{way}", None, *mean_sd(v)) for label, v in response.items()]
    crowd = f"number of neighbours explained{way}: left above right"
    return rows, [
        contrast(crowd, neighbours[left], neighbours[right], "eta²"),
        contrast(f"AMI with the response{way}: right above left", response[right], response[left], "AMI"),
    ]


def _beyond(evidence: Evidence) -> list[Contrast]:
    """The same beyond what untrained networks give for the same crops, which hide and show things by themselves."""
    crowd = [_apart(_found(evidence, name, "neighbours")) for name in (TRAINED, UNTRAINED)]
    response = [_found(evidence, name, "response")[bases.RIGHT] for name in (TRAINED, UNTRAINED)]
    said = "number of neighbours explained, left minus right: trained networks above untrained ones"
    shown = "AMI with the response, right: trained networks above untrained ones that are shown the same crop"
    return [contrast(said, crowd[0], crowd[1], "eta²"), contrast(shown, response[0], response[1], "AMI")]


def _apart(found: Mapping[str, list[float]]) -> list[float]:
    """Left minus right, seed by seed."""
    return [left - right for left, right in zip(found[bases.LEFT], found[bases.RIGHT], strict=False)]


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
            says="Rehearsal on simulated cells, whose response and number of neighbours are known (68 px crops of "
            "real cells hold too few neighbours). Images are embedded as steps without chance leave them (under the "
            "right composition the centre), which hides neighbours by itself: untrained networks are shown the same.",
        ),
    },
    compare,
)
