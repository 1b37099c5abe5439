"""What tables 3 and 4 and figures 6 to 10 share: the subsets of cells, and how AMI is read from their sweeps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ssrl_core.analysis.spread import mean_sd
from ssrl_core.paper import bases
from ssrl_core.paper.evidence import Evidence, column
from ssrl_core.paper.item import Row
from ssrl_core.paper.verdict import Contrast, contrast

SUBSETS = {
    "nocodazole": "bbbc021-nocodazole",
    "cytochalasin_b": "bbbc021-cytochalasin-b",
    "taxol": "bbbc021-taxol",
}
MECHANISMS = {
    "destabilizers": "Microtubule destabilizers",
    "actin": "Actin disruptors",
    "stabilizers": "Microtubule stabilizers",
}
METHODS: dict[str, dict[str, Any]] = {  # the settings of BYOL and VICReg on cells are not given: their own defaults
    "moco_v2": {"name": "moco_v2_plus", "projection_dim": 128, "temperature": 0.07, "queue_size": 1024},
    "byol": {"name": "byol"},
    "vicreg": {"name": "vicreg"},
}
BACKBONES = ("vgg13", "resnet18")
COMPOSITION = "terms.0.composition"


def full_sweeps(compositions: Sequence[Any], terms: list[Any] | None = None) -> dict[str, Mapping[str, Any]]:
    """Subset × method × backbone, each a sweep over compositions (or one weighted sum of terms) and seeds."""
    vary = {COMPOSITION: list(compositions)} if compositions else {"terms": [terms]}
    return {
        f"{subset} {method} {backbone}": bases.cells(
            name,
            terms or compositions[0],
            backbone=backbone,
            method=settings,
            vary=vary,
        )
        for subset, name in SUBSETS.items()
        for method, settings in METHODS.items()
        for backbone in BACKBONES
    }


def full_rows(evidence: Evidence, labels: Mapping[str, str]) -> list[Row]:
    """Mean AMI, K = 2, of each subset, method and backbone: label of the sweep -> name of the table's group."""
    rows = []
    for subset in SUBSETS:
        for method in METHODS:
            for backbone in BACKBONES:
                table = evidence.results(f"{subset} {method} {backbone}")
                for label, group in labels.items():
                    mean, sd, n = mean_sd(column(table, label, "ami"))
                    rows.append(Row(f"{group} · {method} {backbone}", subset, None, mean, sd, n))
    return rows


def rows_of(evidence: Evidence, sweep: str, column_name: str, labels: Sequence[str], what: str = "ami") -> list[Row]:
    """A row a label of one sweep of a rehearsal."""
    table = evidence.results(sweep)
    rows = []
    for label in labels:
        mean, sd, n = mean_sd(column(table, label, what))
        rows.append(Row(label, column_name, None, mean, sd, n))
    return rows


def both_rows(evidence: Evidence, sweep: str, column_name: str, labels: Sequence[str]) -> list[Row]:
    """AMI, and what the paper does not give for cells: top-1 of linear evaluation, which finds what k-means may not."""
    probe = rows_of(evidence, sweep, f"{column_name}, top-1", labels, "top1")
    return [*rows_of(evidence, sweep, column_name, labels), *probe]


def higher(evidence: Evidence, sweep: str, claim: str, higher_label: str, lower_label: str) -> Contrast:
    """AMI of one label above that of another, in one sweep."""
    table = evidence.results(sweep)
    return contrast(claim, column(table, higher_label, "ami"), column(table, lower_label, "ami"), "AMI")
