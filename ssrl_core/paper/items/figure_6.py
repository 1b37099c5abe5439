"""Figure 6: four clusters of nocodazole cells: by number of cells, or by phenotype."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from ssrl_core.analysis.scores import mean_sd
from ssrl_core.paper import bases
from ssrl_core.paper.evidence import Evidence
from ssrl_core.paper.item import Contrast, Item, Outcome, Plan, Row, contrast, plain_claim
from ssrl_core.paper.items import figure_4

SIDE = bases.CELLS_PX
LEARNED = {"small": "figure-6 small", "full": "figure-6 full simulated", "instant": "figure-6 instant"}
"""Scale -> the sweep of what was trained or solved, whose clusters are judged."""
_OF_PAPER = "figure-6 full"
_BEFORE = {bases.UNTRAINED: "untrained", bases.UNSOLVED: "unsolved"}
"""How names of sweeps end of what was not trained, or not solved."""
_TRUTHS = ("neighbours", "response")
Found = Mapping[str, Mapping[str, list[float]]]
"""Truth -> composition -> of each seed, what four clusters follow of it."""


def _full() -> dict[str, Mapping[str, Any]]:
    vary = {bases.COMPOSITION: [bases.LEFT, bases.RIGHT]}
    known = bases.simulated_in_full([[{"composition": bases.LEFT}], [{"composition": bases.RIGHT}]])
    return {
        _OF_PAPER: bases.as_shown(bases.cells(bases.SUBSETS["nocodazole"], bases.LEFT, vary=vary)),
        LEARNED["full"]: known,
        LEARNED["full"] + bases.UNTRAINED: bases.untrained(known),
    }


def _small() -> dict[str, Mapping[str, Any]]:
    left, right = bases.at_side(bases.LEFT, SIDE), bases.at_side(bases.RIGHT, SIDE)
    vary = {"terms": [[{"composition": left}], [{"composition": right}]]}
    trained = bases.as_shown(bases.simulated(vary=vary))
    return {LEARNED["small"]: trained, LEARNED["small"] + bases.UNTRAINED: bases.untrained(trained)}


def _instant() -> dict[str, Mapping[str, Any]]:
    terms = [[{"composition": bases.LEFT}], [{"composition": bases.RIGHT}]]
    found = bases.shown_and_whole(LEARNED["instant"], bases.solved_cells("simulated-nocodazole", terms))
    return found | {LEARNED["instant"] + bases.UNSOLVED: bases.unsolved(found[LEARNED["instant"]])}


def compare(evidence: Evidence) -> Outcome:
    """On simulated cells, whose truth is known: neighbours explained on the left, response found on the right."""
    names = [name for name in evidence.specs if name != _OF_PAPER]
    found = {name: _found(evidence, name) for name in names}
    rows = [row for name, of in found.items() for row in _rows(name, of)]
    claims = [claim for name, of in found.items() if not _before(name) for claim in _claims(name, of)]
    claims += _beyond(evidence, found)
    if evidence.scale == "full":
        claims.insert(0, plain_claim("four clusters by phenotype", None, reason=bases.NO_CELL_LABELS))
    return Outcome(rows, claims)


def _found(evidence: Evidence, name: str) -> dict[str, dict[str, list[float]]]:
    """What the four clusters of a sweep's networks follow."""
    table = evidence.results(name)
    return {
        truth: {label: figure_4.explained(table, label, 4, truth) for label in (bases.LEFT, bases.RIGHT)}
        for truth in _TRUTHS
    }


def _rows(name: str, found: Found) -> list[Row]:
    """Numbers of one sweep; of whole images, of untrained networks or unsolved features, that is said."""
    way, before = _way(name), _before(name)
    who = f", {before}" if before else ""
    columns = {"neighbours": f"neighbours explained (eta²){way}", "response": f"AMI with response{way}"}
    return [
        Row(label + who, columns[truth], None, *mean_sd(values))
        for truth, of in found.items() for label, values in of.items()
    ]  # fmt: skip


def _claims(name: str, found: Found) -> list[Contrast]:
    way, left, right = _way(name), bases.LEFT, bases.RIGHT
    neighbours, response = found["neighbours"], found["response"]
    crowd = f"number of neighbours explained{way}: left above right"
    return [
        contrast(crowd, neighbours[left], neighbours[right], "eta²"),
        contrast(f"AMI with the response{way}: right above left", response[right], response[left], "AMI"),
    ]


def _way(name: str) -> str:
    """What is said of a sweep's images: that they are whole, or not the paper's."""
    if name.startswith(LEARNED["full"]):
        return bases.ON_SIMULATED
    return bases.WHOLE if name.endswith(bases.WHOLE) else ""


def _before(name: str) -> str:
    """`untrained` or `unsolved`; "" for what was trained or solved."""
    return next((said for end, said in _BEFORE.items() if name.endswith(end)), "")


def _beyond(evidence: Evidence, found: Mapping[str, Found]) -> list[Contrast]:
    """The same beyond what untrained networks, or features of which nothing was asked, give for the same crops, which
    hide and show things by themselves."""
    solved = evidence.is_solved
    learned = LEARNED[evidence.scale]
    pair = learned, learned + (bases.UNSOLVED if solved else bases.UNTRAINED)
    after, before = ("solved", "unsolved features") if solved else ("trained networks", "untrained ones")
    way = _way(learned)
    said = f"number of neighbours explained{way}, left minus right: {after} above {before}"
    shown = f"AMI with the response{way}, right: {after} above {before} that are shown the same crop"
    response = [found[name]["response"][bases.RIGHT] for name in pair]
    return [
        bases.beyond(said, evidence, pair, (bases.LEFT, bases.RIGHT), _crowd, "eta²"),
        contrast(shown, response[0], response[1], "AMI"),
    ]


def _crowd(table: pd.DataFrame, label: str) -> list[float]:
    return figure_4.explained(table, label, 4, "neighbours")


ITEM = Item(
    "figure-6",
    "Cells: clusters by number of cells, or by phenotype",
    "The left composition (random crops, affine) clusters cells by their number; the right one (centre crop) by "
    "phenotype, finding two of three and splitting the untreated.",
    {
        "full": Plan(
            _full,
            needs=(bases.SUBSETS["nocodazole"], "simulated-nocodazole"),
            says="VGG13, MoCo v2+, K = 4. " + bases.IN_FULL_SAYS,
        ),
        "instant": Plan(
            _instant,
            needs=("simulated-nocodazole",),
            says=bases.SOLVED_SAYS.format(bases.SOLVED_CELL) + " Images are embedded as the steps without chance leave "
            "them (under the right composition the centre), and whole. Unsolved features, of which nothing is asked "
            "(their principal components), are shown the same.",
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
