"""Table 8: top-1 of linear evaluation on MNIST under the second set, for three backbones and two methods."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ssrl_core.analysis.scores import mean_sd
from ssrl_core.paper import bases
from ssrl_core.paper.evidence import Evidence, column
from ssrl_core.paper.item import Item, Outcome, Plan, Row, contrast, rows_of

BACKBONES = ("vgg11", "resnet18", "convnext_tiny")
METHODS = ("byol", "moco_v2")
_VARY, _SMALL_VARY = bases.over_sets(), bases.over_sets(side_px=bases.MNIST_PX)


def _full() -> dict[str, Mapping[str, Any]]:
    changes: dict[str, Mapping[str, Any]] = {"byol": bases.byol_on_mnist(), "moco_v2": {}}
    return {
        f"table-8 {method} {backbone}": bases.mnist(backbone=backbone, vary=_VARY, **changes[method])
        for method in METHODS
        for backbone in BACKBONES
    }


def _small() -> dict[str, Mapping[str, Any]]:
    return {
        "table-8 small moco_v2": bases.small_mnist(vary=_SMALL_VARY),
        "table-8 small byol": bases.small_byol(vary=_SMALL_VARY),
    }


def _instant() -> dict[str, Mapping[str, Any]]:
    return bases.over_banks("table-8")


def compare(evidence: Evidence) -> Outcome:
    """Top-1 under the second set below that under the first with the same network and method."""
    rows, contrasts = [], []
    for name in evidence.specs:
        table = evidence.results(name)
        method, backbone = _of(name)
        mean, sd, n = mean_sd(column(table, bases.SECOND, "top1"))
        rows.append(Row(method, backbone, None, mean, sd, n))
        first = mean_sd(column(table, bases.FIRST, "top1"))
        rows.append(Row(f"{method}, first set", backbone, None, *first))
        claim = f"top-1 of {method} with {backbone}: the second set below the first"
        contrasts.append(
            contrast(claim, column(table, bases.FIRST, "top1"), column(table, bases.SECOND, "top1"), "top-1")
        )
    return Outcome(rows, contrasts)


def _of(name: str) -> tuple[str, str]:
    parts = name.split()
    if parts[1] == "instant":
        return "the closed form", {"random": "random features", "patches": "features of patches"}[parts[2]]
    return (parts[2], "tiny_cnn") if parts[1] == "small" else (parts[1], parts[2])


def _published() -> list[Row]:
    rows = rows_of("table_8_mnist_second_set_top1", METHODS)
    return [Row(row.row, row.column, (row.published or 0) / 100) for row in rows]


ITEM = Item(
    "table-8",
    "MNIST: top-1 under the second set, other networks",
    "The second set destroys the digits whatever the network and the method.",
    {
        "full": Plan(_full, needs=("mnist",), says="The first set is trained beside it, to have something to compare."),
        "instant": Plan(
            _instant,
            needs=("mnist",),
            says=bases.SOLVED_SAYS.format(bases.SOLVED_MNIST) + bases.BANKS_SAYS,
        ),
        "small": Plan(
            _small,
            needs=("mnist",),
            says="Rehearsal: tiny CNN; the runs of MoCo v2+ are those of table 2, BYOL, which learns more slowly, has "
            "60 epochs, three seeds and the learning rate of the other rehearsals (its own, 0.01, is for 250 epochs).",
        ),
    },
    compare,
    _published,
)
