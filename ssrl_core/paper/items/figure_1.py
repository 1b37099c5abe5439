"""Figure 1: overall and class accuracy against a parameter of a transformation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pandas as pd

from ssrl_core.paper import bases, hue_claims
from ssrl_core.paper.evidence import Evidence
from ssrl_core.paper.item import NOT_RUN, Contrast, Item, Outcome, Plan, Row

SMALL = "figure-1 small"
_LEVEL = 0.05


def _varied(hues: int, crops: int) -> dict[str, Mapping[str, Any]]:
    """`vary` of each parameter, with so many values of hue and of crop size."""
    return {
        "hue": bases.hue_values(hues),
        "jitter probability": {bases.JITTER_P: {"from": 0.0, "to": 1.0, "count": 20}},
        "crop size": {bases.CROP: [[round(0.2 + 0.8 * i / (crops - 1), 4)] * 2 for i in range(crops)]},
        "flip probability": {bases.FLIP_P: {"from": 0.0, "to": 1.0, "count": 20}},
    }


VARIED = _varied(10, 8)
"""Appendix B.1."""
SOLVED_VARIED = _varied(20, 20)
"""Section 3.1: twenty values of everything; solving can afford them."""


def sweeps_of(dataset: str, varied: tuple[str, ...] = tuple(VARIED), backbone: str = "resnet18",
              methods: tuple[str, ...] = bases.CIFAR_METHODS) -> dict[str, Mapping[str, Any]]:  # fmt: skip
    """One sweep for each parameter and method on CIFAR; `TRANSFORMATION DATASET METHOD BACKBONE`."""
    return {
        f"{name} {dataset} {method} {backbone}": bases.cifar(dataset, method, backbone, vary=VARIED[name])
        for name in varied
        for method in methods
    }


def imagenet100() -> dict[str, Mapping[str, Any]]:
    """ImageNet100: batch 128, 400 epochs, seeds 5 to 7 (appendix B.1)."""
    rates = {"moco_v2_plus": (0.3, 1e-4), "vicreg": (0.3, 1e-4), "simclr": (0.4, 1e-5), "byol": (0.45, 1e-5)}
    return {
        f"{name} imagenet100 {method} resnet18": bases.cifar(
            "imagenet100", method, vary=VARIED[name], batch_size=128, epochs=400, seeds=[5, 6, 7],
            optimizer={"name": "sgd", "lr": rate, "lr_scaling": "batch256", "weight_decay": decay},
        )
        for name in ("hue", "crop size")
        for method, (rate, decay) in rates.items()
    }  # fmt: skip


def _full() -> dict[str, Mapping[str, Any]]:
    return sweeps_of("cifar10") | sweeps_of("cifar100") | imagenet100()


def small() -> dict[str, Mapping[str, Any]]:
    """The hue sweep on CIFAR-10 that the rehearsals of section 3.1 share, with the fine-tuning of table 7."""
    return {SMALL: bases.small_hue("simclr")}


def solved_sweeps(
    varied: tuple[str, ...] = tuple(VARIED), sets: tuple[str, ...] = bases.SOLVED_PHOTOS
) -> dict[str, Mapping[str, Any]]:
    """`TRANSFORMATION DATASET solved`: one sweep for each parameter and set of photographs."""
    return {
        f"{name} {dataset} solved": bases.solved_photos(dataset, vary=SOLVED_VARIED[name])
        for dataset in sets
        for name in varied
    }


def compare(evidence: Evidence) -> Outcome:
    """Classes move more than all together, and in opposite directions; the first sweep with results speaks."""
    if evidence.is_solved:
        return of_each_sweep(evidence, lambda table: (_rows(table), hue_claims.classes_move_more(table)))
    table, note = first_sweep(evidence)
    rows = _rows(table)
    return Outcome(rows, hue_claims.classes_move_more(table), note)


def _rows(table: pd.DataFrame) -> list[Row]:
    return [*hue_claims.overall_rows(table), *hue_claims.mover_rows(table)]


def of_each_sweep(evidence: Evidence, judge: Callable[[pd.DataFrame], tuple[list[Row], list[Contrast]]]) -> Outcome:
    """Rows and claims of every solved sweep with results, each under the sweep's name."""
    rows: list[Row] = []
    contrasts: list[Contrast] = []
    for name in evidence.specs:
        table = hue_claims.linear(evidence.classes(name))
        some, told = judge(table)
        said = name.removesuffix(" solved")
        rows += [replace(row, column=f"{row.column}, {said}") for row in some]
        contrasts += [replace(one, claim=f"{said}: {one.claim}") for one in told]
    tested = sum(one.verdict != NOT_RUN for one in contrasts)
    alone = (
        f"Each of these {tested} claims is judged alone, without a correction for their number: at a level of 5 % at "
        f"most {_LEVEL * tested:.1f} of them on average would show or be reversed where nothing moves."
    )
    return Outcome(rows, contrasts, alone if tested > 1 else "")


def first_table(evidence: Evidence) -> pd.DataFrame:
    """The table of `first_sweep`."""
    return first_sweep(evidence)[0]


def first_sweep(evidence: Evidence) -> tuple[pd.DataFrame, str]:
    """Linear evaluation of the first sweep of the plan that is done, else the first with results; and which it is."""
    progress = evidence.progress()
    for name in sorted(evidence.specs, key=lambda name: set(progress[name]) != {"done"}):
        table = hue_claims.linear(evidence.classes(name))
        if not table.empty:
            return table, "" if len(evidence.specs) == 1 else f"The verdicts are about one sweep: {name}."
    return pd.DataFrame(), ""


SAYS = (
    "Appendix B.1: hue 10 values in [0, 0.5] at probability 0.8, jitter probability 20 values at hue 0.1, crop size 8 "
    "values in 20–100 % (as both ends of the range: the text says the size ratio to keep), flips 20 values. Learning "
    "rates scaled by batch / 256, which the text does not say."
)
SOLVED_SAYS = bases.SOLVED_SAYS.format(bases.SOLVED_PHOTO) + bases.VALUES_SAYS + bases.HUNDRED_SAYS
SMALL_SAYS = (
    "Rehearsal: SimCLR, tiny CNN, views of 16 px, the paper's ten values of hue and five seeds, 12 epochs of 4,370 "
    "CIFAR-10 images."
)
ITEM = Item(
    "figure-1",
    "Accuracy of all and of each class against a parameter",
    "Overall accuracy hardly moves with a parameter of a transformation; class accuracies move much, some in opposite "
    "directions (smaller crops favour caterpillar and penalise crocodile).",
    {
        "full": Plan(_full, needs=("cifar10", "cifar100", "imagenet100"), says=SAYS),
        "instant": Plan(solved_sweeps, needs=bases.SOLVED_PHOTOS, says=SOLVED_SAYS),
        "small": Plan(small, needs=("cifar10",), says=SMALL_SAYS),
    },
    compare,
    conflicts="The main text samples 20 values of everything, appendix B.1 10, 20, 8 and 20; B.1 is taken.",
)
FIGURE_11 = replace(
    ITEM,
    id="figure-11",
    title="Figure 1 for more data sets and methods",
    claim="As figure 1: overall accuracy stays, class accuracies move.",
    results_of="figure-1",
)
