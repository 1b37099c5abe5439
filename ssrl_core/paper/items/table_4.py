"""Table 4: one network trained on the weighted sum of two losses, AMI of untreated against treated cells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ssrl_core.paper import bases
from ssrl_core.paper.evidence import Evidence, column
from ssrl_core.paper.item import Contrast, Item, Outcome, Plan, Row, mean_above, pretrained_rows, published
from ssrl_core.paper.items import table_3

SIDE = bases.CELLS_PX
LEFT, RIGHT = bases.LEFT, bases.RIGHT
SUM = f"{LEFT} + {RIGHT}"
PUBLISHED = "table_4_weighted_combination_ami"


def _full() -> dict[str, Mapping[str, Any]]:
    return {name: bases.as_shown(data) for name, data in bases.full_sweeps([], bases.weighted()).items()}


def _small() -> dict[str, Mapping[str, Any]]:
    left, right = bases.at_side(bases.LEFT, SIDE), bases.at_side(bases.RIGHT, SIDE)
    terms = [bases.weighted(left, right), [{"composition": left}], [{"composition": right}]]
    return {"table-4 small": bases.as_shown(bases.simulated(vary={"terms": terms}))}


def _instant() -> dict[str, Mapping[str, Any]]:
    terms = [bases.weighted(), [{"composition": LEFT}], [{"composition": RIGHT}]]
    return bases.over_cells("table-4", terms, both_ways=True)


def _solved(evidence: Evidence) -> Outcome:
    rows, found = [], []
    for said in bases.SOLVED_CELLS:
        for way in ("", bases.WHOLE):
            sweep = f"table-4 instant {said}{way}"
            rows += bases.solved_rows(evidence, sweep, said + way, [SUM, LEFT, RIGHT])
            for one in (LEFT, RIGHT):
                claim = f"AMI on {said}{way}: the weighted sum above {one} alone"
                found.append(bases.ami_higher(evidence, sweep, claim, SUM, one))
        found += _above_imagenet(evidence, said)
    why = [table_3.followed(evidence, f"table-4 instant {said}", SUM) for said in bases.SOLVED_CELLS]
    why.append(table_3.followed(evidence, f"table-4 instant simulated nocodazole{bases.WHOLE}", SUM))
    return Outcome([*rows, *table_3.baseline_rows(evidence)], found, "\n".join(filter(None, why)))


def _above_imagenet(evidence: Evidence, said: str) -> list[Contrast]:
    """The sum against a network with ImageNet weights on the same cells; nothing where its weights are not here."""
    made = evidence.measure(f"ImageNet vgg16 {said}")
    if made is None:
        return []
    values = column(evidence.results(f"table-4 instant {said}"), SUM, "ami")
    found = mean_above(f"AMI on {said}: the weighted sum above ImageNet VGG16", values, made["mean"], "AMI")
    return [bases.beside_published(found, said, (PUBLISHED, "weighted"), (PUBLISHED, "vgg16"))]


def compare(evidence: Evidence) -> Outcome:
    """AMI of the sum above that of either of its terms, and (full) above the ImageNet networks."""
    if evidence.is_solved:
        return _solved(evidence)
    if evidence.scale == "small":
        rows = bases.ami_and_top1_rows(evidence, "table-4 small", "simulated nocodazole", [SUM, LEFT, RIGHT])
        return Outcome([*rows, *table_3.baseline_rows(evidence)], [_than(evidence, LEFT), _than(evidence, RIGHT)])
    label = " + ".join((bases.LEFT, bases.RIGHT))
    rows = bases.full_rows(evidence, {label: "weighted"})
    baselines = table_3.baseline_rows(evidence)
    return Outcome([*rows, *baselines], [])


def _than(evidence: Evidence, one: str) -> Contrast:
    return bases.ami_higher(evidence, "table-4 small", f"AMI: the weighted sum above {one} alone", SUM, one)


def _published() -> list[Row]:
    data = published()["table_4_weighted_combination_ami"]
    rows = [
        Row(f"weighted · {method} {backbone}", column, value)
        for method in bases.METHODS
        for backbone in bases.BACKBONES
        for column, value in zip(data["columns"], data[method][backbone], strict=True)
    ]
    return [*rows, *pretrained_rows("table_4_weighted_combination_ami")]


ITEM = Item(
    "table-4",
    "Cells: the weighted sum of two losses",
    "A sum of two losses with a composition each (0.4 for the surroundings, 1.0 for the centre) separates treated from "
    "untreated cells better than either alone, and better than ImageNet networks.",
    {
        "full": Plan(
            _full,
            table_3._baselines("full"),
            tuple(bases.SUBSETS.values()),
            "The weights were found by a grid search on the AMI itself: search on the validation split, "
            "report "
            "the test split once.",
        ),
        "instant": Plan(
            _instant,
            table_3._baselines("instant"),
            needs=bases.SOLVED_CELLS_NEEDED,
            says=bases.SOLVED_SAYS.format(bases.SOLVED_CELL) + " Images are embedded as the steps without chance leave "
            "them (here the centre), and whole. The paper's weights, no search.",
        ),
        "small": Plan(
            _small,
            table_3._baselines("small"),
            ("simulated-nocodazole",),
            "Rehearsal: tiny CNN, 3,500 simulated cells, 32 px, 40 epochs, the paper's weights, no search.",
        ),
    },
    compare,
    _published,
    "Section 3.4 says a random centre crop and adds an affine transformation to the second term; appendix B.4 a "
    "fixed one "
    "without (presets cells-figure6-right-random and cells-figure6-right).",
)
