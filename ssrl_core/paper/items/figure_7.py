"""Figure 7: phenotypes under the weighted sum of two losses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ssrl_core.analysis.scores import mean_sd
from ssrl_core.paper import bases
from ssrl_core.paper.evidence import Evidence
from ssrl_core.paper.item import Item, Outcome, Plan, Row, contrast, plain_claim
from ssrl_core.paper.items import figure_4, table_4


def _full() -> dict[str, Mapping[str, Any]]:
    return {
        f"figure-7 {subset}": bases.as_shown(
            bases.cells(name, bases.weighted(), evaluate={"clusters": [4, 2], "layouts": []})
        )
        for subset, name in bases.SUBSETS.items()
    }


def compare(evidence: Evidence) -> Outcome:
    """AMI of four clusters with the response, the sum above either of its terms (simulated cells)."""
    if evidence.scale == "full":
        told = "BBBC021 has no label of a single cell: look at the clusters on the Clusters page."
        return Outcome(note=told, contrasts=[plain_claim("phenotypes apart", None, reason=told)])
    table = evidence.results("table-4 small")
    labels = (table_4.SUM, table_4.LEFT, table_4.RIGHT)
    found = {label: figure_4.explained(table, label, 4, "response") for label in labels}
    rows = [Row(label, "AMI with response, K = 4", None, *mean_sd(v)) for label, v in found.items()]
    return Outcome(
        rows,
        [
            contrast(f"AMI with the response: the sum above {one} alone", found[table_4.SUM], found[one], "AMI")
            for one in labels[1:]
        ],
    )


ITEM = Item(
    "figure-7",
    "Cells: phenotypes under the weighted sum",
    "With the sum of both losses every phenotype of each compound has a cluster of its own.",
    {
        "full": Plan(
            _full, needs=tuple(bases.SUBSETS.values()), says="K = 4 for nocodazole and taxol, 2 for cytochalasin B."
        ),
        "small": Plan(
            table_4._small,
            needs=("simulated-nocodazole",),
            says="Rehearsal: the runs of table 4; AMI with the known response of simulated cells.",
        ),
    },
    compare,
)
