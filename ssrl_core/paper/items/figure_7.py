"""Figure 7: phenotypes under the weighted sum of two losses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pandas as pd

from ssrl_core.analysis.scores import mean_sd
from ssrl_core.paper import bases
from ssrl_core.paper.evidence import Evidence
from ssrl_core.paper.item import Contrast, Item, Outcome, Plan, Row, contrast, plain_claim
from ssrl_core.paper.items import figure_4, table_4

TRAINED = {"small": "table-4 small", "full": "figure-7 full simulated"}
"""Scale -> the sweep of trained networks whose clusters are judged."""
UNTRAINED = {"small": "figure-7 small untrained", "full": "figure-7 full simulated untrained"}


def _full() -> dict[str, Mapping[str, Any]]:
    of_paper: dict[str, Mapping[str, Any]] = {
        f"figure-7 {subset}": bases.as_shown(
            bases.cells(name, bases.weighted(), evaluate={"clusters": [4, 2], "layouts": []})
        )
        for subset, name in bases.SUBSETS.items()
    }
    terms = [bases.weighted(), [{"composition": bases.LEFT}], [{"composition": bases.RIGHT}]]
    known = bases.simulated_in_full(terms)
    return of_paper | {TRAINED["full"]: known, UNTRAINED["full"]: bases.untrained(known)}


def _small() -> dict[str, Mapping[str, Any]]:
    trained = table_4._small()
    return trained | {UNTRAINED["small"]: bases.untrained(trained[TRAINED["small"]])}


def _instant() -> dict[str, Mapping[str, Any]]:
    return {name: data for name, data in table_4._instant().items() if "simulated" in name and "whole" not in name}


def _solved(evidence: Evidence) -> Outcome:
    """Simulated cells, whose response is known; as many clusters as the paper took of each compound."""
    rows: list[Row] = []
    contrasts = []
    for said, k in (("simulated nocodazole", 4), ("simulated taxol", 4), ("simulated cytochalasin B", 2)):
        some, told = _with_response(evidence.results(f"table-4 instant {said}"), k, f" on {said}")
        rows += some
        contrasts += told
    return Outcome(rows, contrasts)


def compare(evidence: Evidence) -> Outcome:
    """AMI of four clusters with the response, the sum above either of its terms (simulated cells)."""
    if evidence.is_solved:
        return _solved(evidence)
    trained, untrained = TRAINED[evidence.scale], UNTRAINED[evidence.scale]
    where = bases.ON_SIMULATED if evidence.scale == "full" else ""
    rows, found = _with_response(evidence.results(trained), 4, where)
    before, _ = _with_response(evidence.results(untrained), 4, where)
    rows += [replace(row, row=f"{row.row}, untrained") for row in before]
    said = f"AMI with the response, the sum minus {table_4.LEFT} alone: trained networks above untrained ones"
    pair = table_4.SUM, table_4.LEFT  # the right one is shown what the sum is
    found.append(bases.beyond(said + where, evidence, (trained, untrained), pair, figure_4.response, "AMI"))
    if evidence.scale != "full":
        return Outcome(rows, found)
    return Outcome(rows, [plain_claim("phenotypes apart", None, reason=bases.NO_CELL_LABELS), *found])


def _with_response(table: pd.DataFrame, k: int, where: str) -> tuple[list[Row], list[Contrast]]:
    labels = (table_4.SUM, table_4.LEFT, table_4.RIGHT)
    found = {label: figure_4.explained(table, label, k, "response") for label in labels}
    rows = [Row(label, f"AMI with response{where}, K = {k}", None, *mean_sd(v)) for label, v in found.items()]
    return rows, [
        contrast(f"AMI with the response{where}: the sum above {one} alone", found[table_4.SUM], found[one], "AMI")
        for one in labels[1:]
    ]


ITEM = Item(
    "figure-7",
    "Cells: phenotypes under the weighted sum",
    "With the sum of both losses every phenotype of each compound has a cluster of its own.",
    {
        "full": Plan(
            _full,
            needs=(*bases.SUBSETS.values(), "simulated-nocodazole"),
            says="K = 4 for nocodazole and taxol, 2 for cytochalasin B. " + bases.IN_FULL_SAYS,
        ),
        "instant": Plan(
            _instant,
            needs=("simulated-nocodazole", "simulated-cells"),
            says=bases.SOLVED_SAYS.format(bases.SOLVED_CELL) + " AMI with the known response of simulated cells.",
        ),
        "small": Plan(
            _small,
            needs=("simulated-nocodazole",),
            says="Rehearsal: the runs of table 4; AMI with the known response of simulated cells. Untrained networks "
            "are shown the same.",
        ),
    },
    compare,
)
