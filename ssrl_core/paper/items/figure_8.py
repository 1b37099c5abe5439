"""Figure 8: one composition of the weighted sum grown step by step while the other stays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ssrl_core.paper import bases
from ssrl_core.paper.evidence import Evidence, column
from ssrl_core.paper.item import Item, Outcome, Plan, contrast
from ssrl_core.specs.composition import load

SIDE = bases.CELLS_PX
GROWN_RIGHT = ("jitter", "jitter-flips", "jitter-flips-rotation", "jitter-flips-rotation-centre")
GROWN_LEFT = ("left-jitter", "left-jitter-flips", "left-jitter-flips-rotation", "left-affine", "left-crop")
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
        "figure-8 second grown": bases.as_shown(bases.cells(name, second[0], vary={"terms": second})),
        "figure-8 first grown": bases.as_shown(bases.cells(name, first[0], vary={"terms": first})),
    }


def _small() -> dict[str, Mapping[str, Any]]:
    second, _ = terms(SIDE)
    return {"figure-8 second grown": bases.as_shown(bases.simulated(vary={"terms": second}, seeds=[5, 6, 7]))}


def compare(evidence: Evidence) -> Outcome:
    """Growing the second composition improves AMI, the centre crop most."""
    table = evidence.results("figure-8 second grown")
    labels = list(dict.fromkeys(table["label"])) if not table.empty else []
    rows = bases.rows_of(evidence, "figure-8 second grown", "AMI, second grown", labels)
    first = evidence.results("figure-8 first grown")
    if not first.empty:
        other = list(dict.fromkeys(first["label"]))
        rows += bases.rows_of(evidence, "figure-8 first grown", "AMI, first grown", other)
    ends = [column(table, label, "ami") for label in (labels[0], labels[-1])] if labels else [[], []]
    before = column(table, labels[-2], "ami") if len(labels) > 1 else []
    return Outcome(
        rows,
        [
            contrast("AMI: the whole second composition above jitter alone", ends[1], ends[0], "AMI"),
            contrast("AMI: with the centre crop above without it", ends[1], before, "AMI"),
        ],
    )


ITEM = Item(
    "figure-8",
    "Cells: growing one composition of the sum",
    "Adding steps to the second composition (first fixed) improves AMI, the centre crop most; adding to the first "
    "(second fixed) does not improve step by step.",
    {
        "full": Plan(_full, needs=(bases.SUBSETS["nocodazole"],), says="VGG13, MoCo v2+, nocodazole."),
        "small": Plan(
            _small,
            needs=("simulated-nocodazole",),
            says="Rehearsal: tiny CNN, 3,500 simulated cells, 32 px, 40 epochs, three seeds, the second "
            "composition only.",
        ),
    },
    compare,
)
