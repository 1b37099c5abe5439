"""Table 3: AMI of untreated against treated cells under two sets of transformations, beside ImageNet networks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ssrl_core.paper import bases
from ssrl_core.paper.evidence import Evidence
from ssrl_core.paper.item import Contrast, Item, Outcome, Plan, Row, nested_rows, pretrained_rows

FIRST, SECOND = "cells-first-set", "cells-second-set"
SIDE = bases.CELLS_PX
PUBLISHED = "table_3_cells_ami"


def _full() -> dict[str, Mapping[str, Any]]:
    return dict(bases.full_sweeps([FIRST, SECOND]))


def _small() -> dict[str, Mapping[str, Any]]:
    pair = [bases.at_side(FIRST, SIDE), bases.at_side(SECOND, SIDE)]
    simulated: dict[str, Mapping[str, Any]] = {"table-3 small": bases.simulated(vary={bases.COMPOSITION: pair})}
    return simulated | {
        f"table-3 small {name}": bases.mechanism(mechanism, vary={bases.COMPOSITION: pair})
        for name, mechanism in bases.MECHANISMS.items()
    }


def _instant() -> dict[str, Mapping[str, Any]]:
    return bases.over_cells("table-3", [[{"composition": FIRST}], [{"composition": SECOND}]], both_ways=False)


def _baselines(scale: str) -> dict[str, tuple[str, Mapping[str, Any]]]:
    """ImageNet networks on the same images."""
    common = {"k": 2, "seeds": [0, 1, 2, 3, 4]}
    if scale == "instant":
        return {
            f"ImageNet vgg16 {said}": ("pretrained", _images(said) | {"backbone": "vgg16", **common})
            for said in bases.SOLVED_CELLS
        }
    if scale == "small":
        given = {"dataset": "simulated-nocodazole", "where": {}, "backbone": "vgg16", **common}
        return {"ImageNet vgg16": ("pretrained", given)}
    return {
        f"ImageNet {backbone} {subset}": ("pretrained", {"dataset": name, "where": {}, "backbone": backbone, **common})
        for backbone in ("vgg16", "resnet101")
        for subset, name in bases.SUBSETS.items()
    }


def _images(said: str) -> dict[str, Any]:
    """The images of a set of cells that a solved sweep clusters: of the real crops, which are few, those of the train
    split."""
    dataset = bases.SOLVED_CELLS[said]
    named = {"dataset": dataset, "where": {}} if isinstance(dataset, str) else {**dataset, "dataset": dataset["name"]}
    named.pop("name", None)
    return named | {"split": "train" if said.startswith("BBBC021") else "test"}


def compare(evidence: Evidence) -> Outcome:
    """AMI of the second set above that of the first, for each compound, method and backbone."""
    if evidence.is_solved:
        rows, found = [], []
        for said in bases.SOLVED_CELLS:
            sweep = f"table-3 instant {said}"
            rows += bases.solved_rows(evidence, sweep, said, [FIRST, SECOND])
            found.append(_claim(evidence, sweep, said, FIRST, SECOND))
        why = [bases.followed(evidence, f"table-3 instant {said}", SECOND) for said in bases.SOLVED_CELLS]
        return Outcome([*rows, *baseline_rows(evidence)], found, "\n".join(filter(None, why)))
    if evidence.scale == "full":
        rows = bases.full_rows(evidence, {FIRST: "first_set", SECOND: "second_set"})
        found = [_claim(evidence, name, name, FIRST, SECOND) for name in evidence.specs]
    else:
        labels = [FIRST, SECOND]
        rows = bases.ami_and_top1_rows(evidence, "table-3 small", "simulated nocodazole", labels)
        found = [_claim(evidence, "table-3 small", "simulated nocodazole", *labels)]
        for name, said in bases.MECHANISMS.items():
            rows += bases.ami_and_top1_rows(evidence, f"table-3 small {name}", f"BBBC021 {said}", labels)
            found.append(_claim(evidence, f"table-3 small {name}", f"BBBC021 crops, {said}", *labels))
    return Outcome([*rows, *baseline_rows(evidence)], found)


def baseline_rows(evidence: Evidence) -> list[Row]:
    """Rows of the ImageNet networks."""
    rows = []
    for name in evidence.plan.measures:
        made = evidence.measure(name)
        if made is None:
            continue
        network, _, subset = name.removeprefix("ImageNet ").partition(" ")
        column = f"{subset}, AMI with treatment" if evidence.is_solved else subset or "simulated nocodazole"
        rows.append(Row(f"ImageNet {network}", column, None, made["mean"], None, 1))
    return rows


def _claim(evidence: Evidence, sweep: str, said: str, first: str, second: str) -> Contrast:
    found = bases.ami_higher(evidence, sweep, f"AMI on {said}: the second set above the first", second, first)
    cells = said.replace("crops, ", "")
    return bases.beside_published(found, cells, (PUBLISHED, "second_set"), (PUBLISHED, "first_set"))


ITEM = Item(
    "table-3",
    "Cells: two sets of transformations",
    "Strong rotations instead of slight crops let a network tell treated from untreated cells far better, close to an "
    "ImageNet network.",
    {
        "full": Plan(
            _full,
            _baselines("full"),
            tuple(bases.SUBSETS.values()),
            "Settings of BYOL and VICReg on cells are not given: solo-learn's. That taxol and cytochalasin B "
            "also take the four highest doses is an assumption.",
        ),
        "instant": Plan(
            _instant,
            _baselines("instant"),
            needs=bases.SOLVED_CELLS_NEEDED,
            says=bases.SOLVED_SAYS.format(bases.SOLVED_CELL) + " Simulated cells under three compounds, test split; "
            "real 68 px crops of BBBC021 by mechanism of action, clustered on their train images and classified on "
            "their test images. Neither set has a step without chance that crops, so images are embedded whole.",
        ),
        "small": Plan(
            _small,
            _baselines("small"),
            ("simulated-nocodazole", "bbbc021-crops"),
            "Rehearsal: tiny CNN, views of 32 px, five seeds; simulated cells (1,750 untreated, 1,750 under the four "
            "higher doses of nocodazole, 40 epochs, test split) and real 68 px crops of BBBC021 by mechanism of "
            "action (30 epochs, AMI over the train images, as the test split has only some dozens).",
        ),
    },
    compare,
    lambda: [
        *nested_rows("table_3_cells_ami", "first_set"),
        *nested_rows("table_3_cells_ami", "second_set"),
        *pretrained_rows("table_3_cells_ami"),
    ],
    "The caption adds flips to both sets, appendix B.4 does not (presets with -flips). The caption says random "
    "rotations "
    "are in both; B.4 has them at 360° in the second only.",
)
