"""Figure 8: one composition of the weighted sum grown step by step while the other stays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pandas as pd

from ssrl_core.analysis.scores import mean_sd
from ssrl_core.paper import bases
from ssrl_core.paper.evidence import Evidence, column
from ssrl_core.paper.item import Contrast, Item, Outcome, Plan, Row, contrast
from ssrl_core.paper.items import figure_4
from ssrl_core.specs.composition import load

SIDE = bases.CELLS_PX
GROWN_RIGHT = ("jitter", "jitter-flips", "jitter-flips-rotation", "jitter-flips-rotation-centre")
GROWN_LEFT = ("left-jitter", "left-jitter-flips", "left-jitter-flips-rotation", "left-affine", "left-crop")
SECOND = "figure-8 second grown"
_LABELS = tuple(f"{bases.LEFT} + {title}" for title in GROWN_RIGHT)
"""Of the runs in which the second composition grows, in this order."""
_RIGHT_STEPS, _LEFT_STEPS = (1, 3, 4, 5), (1, 3, 4, 5, 6)


def grown(name: str, count: int, title: str, side: int | None) -> dict[str, Any]:
    """The first steps of a composition that ships."""
    data = load(name).to_mapping()
    return {**data, "name": title, "steps": data["steps"][:count]} | ({"size": side} if side else {})


def terms(side: int | None) -> tuple[list[Any], list[Any]]:
    """Terms with the second composition grown, and with the first grown."""
    left, right = (bases.at_side(n, side) if side else load(n).to_mapping() for n in (bases.LEFT, bases.RIGHT))
    second = [
        bases.weighted(left, grown(bases.RIGHT, n, title, side))
        for n, title in zip(_RIGHT_STEPS, GROWN_RIGHT, strict=True)
    ]
    first = [
        bases.weighted(grown(bases.LEFT, n, title, side), right)
        for n, title in zip(_LEFT_STEPS, GROWN_LEFT, strict=True)
    ]
    return second, first


def _full() -> dict[str, Mapping[str, Any]]:
    second, first = terms(None)
    name = bases.SUBSETS["nocodazole"]
    return {
        SECOND: bases.as_shown(bases.cells(name, second[0], vary={"terms": second})),
        "figure-8 first grown": bases.as_shown(bases.cells(name, first[0], vary={"terms": first})),
    }


def _small() -> dict[str, Mapping[str, Any]]:
    second, _ = terms(SIDE)
    trained = bases.as_shown(bases.simulated(vary={"terms": second}, seeds=[5, 6, 7]))
    return {SECOND: trained, SECOND + bases.UNTRAINED: bases.untrained(trained)}


def _instant() -> dict[str, Mapping[str, Any]]:
    second, first = terms(None)
    found: dict[str, Mapping[str, Any]] = {}
    for name, grown_terms in (("second grown", second), ("first grown", first)):
        base = bases.solved_cells("simulated-nocodazole", grown_terms)
        found |= bases.shown_and_whole(f"figure-8 instant {name}", base)
    return found


def compare(evidence: Evidence) -> Outcome:
    """Growing the second composition improves AMI, the centre crop most."""
    rows: list[Row] = []
    contrasts: list[Contrast] = []
    ways = ("", bases.WHOLE) if evidence.is_solved else ("",)
    start = "figure-8 instant" if evidence.is_solved else "figure-8"
    for way in ways:
        for grown_one in ("second grown", "first grown"):
            rows += _rows(evidence, f"{start} {grown_one}{way}", f"{grown_one}{way}")
        contrasts += _claims(evidence, f"{start} second grown{way}", way)
    if SECOND + bases.UNTRAINED in evidence.specs:
        rows += [
            replace(row, row=f"{row.row}, untrained")
            for row in _rows(evidence, SECOND + bases.UNTRAINED, "second grown")
        ]
        contrasts += _beyond(evidence)
    return Outcome(rows, contrasts)


def _rows(evidence: Evidence, sweep: str, said: str) -> list[Row]:
    """AMI with the treatment, and of simulated cells that of four clusters with the response."""
    table = evidence.results(sweep)
    labels = _labels(table)
    rows = bases.rows_of(evidence, sweep, f"AMI, {said}", labels)
    if _knows_response(evidence):
        column_name = f"AMI with response (K = 4), {said}"
        rows += [Row(label, column_name, None, *mean_sd(figure_4.response(table, label))) for label in labels]
    return rows


def _labels(table: pd.DataFrame) -> list[str]:
    return list(dict.fromkeys(table["label"])) if not table.empty else []


def _knows_response(evidence: Evidence) -> bool:
    """Simulated cells have a response each; those of BBBC021 none."""
    return evidence.scale != "full"


def _treatment(table: pd.DataFrame, label: str) -> list[float]:
    return column(table, label, "ami")


def _claims(evidence: Evidence, sweep: str, way: str) -> list[Contrast]:
    table = evidence.results(sweep)
    found = []
    for said, values in ((f"AMI{way}", _treatment), (f"AMI with the response{way}", figure_4.response)):
        if values is figure_4.response and not _knows_response(evidence):
            continue
        start, before, end = [values(table, label) if len(table) else [] for label in (_LABELS[0], *_LABELS[-2:])]
        found += [
            contrast(f"{said}: the whole second composition above jitter alone", end, start, "AMI"),
            contrast(f"{said}: with the centre crop above without it", end, before, "AMI"),
        ]
    return found


def _beyond(evidence: Evidence) -> list[Contrast]:
    """The same beyond what untrained networks give that are shown the same crops."""
    said = "AMI with the response, {}: trained networks above untrained ones"
    return [
        bases.beyond(
            said.format(what),
            evidence,
            (SECOND, SECOND + bases.UNTRAINED),
            (_LABELS[-1], other),
            figure_4.response,
            "AMI",
        )
        for what, other in (
            ("the whole second composition minus jitter alone", _LABELS[0]),
            ("the centre crop minus without it", _LABELS[-2]),
        )
    ]


ITEM = Item(
    "figure-8",
    "Cells: growing one composition of the sum",
    "Adding steps to the second composition (first fixed) improves AMI, the centre crop most; adding to the first "
    "(second fixed) does not improve step by step.",
    {
        "full": Plan(_full, needs=(bases.SUBSETS["nocodazole"],), says="VGG13, MoCo v2+, nocodazole."),
        "instant": Plan(
            _instant,
            needs=("simulated-nocodazole",),
            says=bases.SOLVED_SAYS.format(bases.SOLVED_CELL) + " Images are embedded as the steps without chance leave "
            "them, so that the step to the centre crop changes the input too, and whole, where only what is learned "
            "changes.",
        ),
        "small": Plan(
            _small,
            needs=("simulated-nocodazole",),
            says="Rehearsal: tiny CNN, 3,500 simulated cells, 32 px, 40 epochs, three seeds, the second composition "
            "only. Images are embedded as the steps without chance leave them, which hides neighbours by itself: "
            "untrained networks are shown the same.",
        ),
    },
    compare,
)
