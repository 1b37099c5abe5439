"""Table 3: AMI of untreated against treated cells under two sets of transformations, beside ImageNet networks."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from ssrl_core.analysis.scores import ami
from ssrl_core.paper import bases, words
from ssrl_core.paper.evidence import Evidence, first_run
from ssrl_core.paper.item import Contrast, Item, Outcome, Plan, Row, nested_rows, pretrained_rows
from ssrl_core.paper.solved import OF_CLASSIFIER, OF_RESPONSE
from ssrl_core.runs.folder.run_folder import evaluated_ids, imageset_of
from ssrl_core.specs.sweep import SweepSpec

FIRST, SECOND = "cells-first-set", "cells-second-set"
SIDE = bases.CELLS_PX
PUBLISHED = "table_3_cells_ami"
_LEAST_FOLLOWED, _SHOWS = 0.1, 0.2
_FOLLOWED = {
    "plate": "the plate",
    "replicate": "the replicate",
    "neighbours": "the number of neighbours",
    "crowded": "whether there are many neighbours",
    "stain_dna": "how strongly the DNA of a plate is stained",
    "dna_factor": "how strongly a cell's DNA is stained",
    "tubulin_factor": "how strongly a cell's tubulin is stained",
}
_TO_BE_HAD = ("vgg16", "timm/tf_efficientnet_lite0")
"""ImageNet networks beside what is made on a CPU: one of the paper's, and one whose weights a package brings."""
_NAMED = ("plate", "crowded")
"""Columns of names, of which AMI is told; of numbers eta²."""
_TREATED = ("response", "dose", "strength", "moa", "compound", "concentration", "order")


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
            f"ImageNet {network} {said}": ("pretrained", _images(said) | {"backbone": network, **common})
            for network in _TO_BE_HAD
            for said in bases.SOLVED_CELLS
        }
    if scale == "small":
        given = {"dataset": "simulated-nocodazole", "where": {}, **common}
        return {f"ImageNet {network}": ("pretrained", given | {"backbone": network}) for network in _TO_BE_HAD}
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
        why = [followed(evidence, f"table-3 instant {said}", SECOND) for said in bases.SOLVED_CELLS]
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


def followed(evidence: Evidence, sweep: str, label: str) -> str:
    """Why two clusters do not show the treatment, as sentences that measurements carry: what they follow instead, and
    what a classifier reads that has seen the labels; "" without results, or where they show the treatment."""
    mine = _labelled(evidence.results(sweep), label)
    tested = _labelled(evidence.results(sweep + bases.TESTED), label)
    tested = mine if tested.empty else tested
    if mine.empty or "top1" not in tested:
        return ""
    treated, top1 = mine["ami"].mean(), tested["top1"].mean()
    if not treated < _SHOWS:
        return ""
    said = sweep.split(" instant ")[-1]
    told = f"{said[:1].upper()}{said[1:]}, {words.with_names(label)}: two clusters follow {_other(mine, treated)}"
    told += f"; their AMI with the treatment is {words.number(treated, digits=2)}. A linear classifier, which has seen "
    told += f"labels, reads the treatment from the same embedding in {100 * top1:.0f} % of the test images"
    told += _by_class(
        _labelled(evidence.classes(sweep + bases.TESTED), label), _labelled(evidence.classes(sweep), label)
    )
    parts = [told] + [
        f"{text} an AMI of {words.number(tested[name].mean(), digits=2)}"
        for name, text in ((OF_CLASSIFIER, "which is"), (OF_RESPONSE, "and the true responses themselves have"))
        if name in tested and tested[name].notna().any()
    ]
    return ", ".join(parts) + _reachable(evidence.specs[sweep]) + "."


def _reachable(sweep: SweepSpec) -> str:
    """What AMI of two groups with the treatment the true responses could give at best, sorted into two groups in every
    way; "" where there are none."""
    spec = first_run(sweep)
    imageset = imageset_of(spec)
    if "response" not in imageset.table or imageset.label is None:
        return ""
    ids = evaluated_ids(spec, imageset)
    labels, responses = imageset.label_ids[ids], imageset.table["response"].to_numpy()[ids].astype(str)
    first, *others = np.unique(responses)
    groups = [[first, *some] for many in range(len(others)) for some in combinations(others, many)]
    best = max((ami(labels, np.isin(responses, group)) for group in groups), default=0.0)
    return f" ({words.number(best, digits=2)} where they are sorted into two groups in the best way)"


def _by_class(*tables: pd.DataFrame) -> str:
    """How many of the test images are of the commoner class, and the mean over the classes: without them a share of
    right answers says little. Of the first table that has rows."""
    table = next((one for one in tables if not one.empty), None)
    if table is None:
        return ""
    sums = table.groupby("class")[["n", "correct"]].sum()
    common, mean = sums["n"].max() / sums["n"].sum(), (sums["correct"] / sums["n"]).mean()
    return f" ({100 * common:.0f} % of them are of the commoner class; {100 * mean:.0f} % in the mean of both classes)"


def _labelled(table: pd.DataFrame, label: str) -> pd.DataFrame:
    return table if table.empty else table[table["label"] == label]


def _other(mine: pd.DataFrame, treated: float) -> str:
    """What two clusters follow most, beside the treatment: `the number of neighbours (eta² 0.35)`."""
    known = {c[2:]: mine[c].mean() for c in map(str, mine.columns) if c.startswith("2 ") and mine[c].notna().any()}
    others = {name: value for name, value in known.items() if name not in _TREATED}
    most = max(others, key=others.__getitem__, default="")
    if not most or others[most] < max(_LEAST_FOLLOWED, treated):
        return "nothing that is known of the cells"
    unit = "AMI" if most in _NAMED else "eta²"
    return f"{_FOLLOWED.get(most, f'the column {most}')} ({unit} {others[most]:.2f})"


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
