"""Table 6: classes with an opposite partner that several methods share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from ssrl_core.analysis import bias
from ssrl_core.paper import bases, hue_claims
from ssrl_core.paper.evidence import Evidence
from ssrl_core.paper.item import Item, Outcome, Plan, Row, plain_claim, rows_of
from ssrl_core.paper.items import figure_1

_COLUMNS = {"hue": "hue_intensity", "jitter probability": "color_jitter_probability", "crop size": "crop_size"}
_SMALL_METHODS, _SMALL_SEEDS = ("simclr", "byol", "vicreg"), [5, 6, 7]
_SMALL_SAYS = "Rehearsal: the hue sweep of figure 1 with SimCLR, BYOL and VICReg, ten values and three seeds of each."
_CLAIM = "more classes are shared by all methods than if the methods were independent"


def _full() -> dict[str, Mapping[str, Any]]:
    return figure_1.sweeps_of("cifar100", tuple(_COLUMNS))


def _small() -> dict[str, Mapping[str, Any]]:
    return {f"table-6 small {method}": bases.small_hue(method) | {"seeds": _SMALL_SEEDS} for method in _SMALL_METHODS}


def _instant() -> dict[str, Mapping[str, Any]]:
    return {
        f"{name} hundred mu {mu:g} solved": bases.solved_photos("hundred", mu=mu, vary=figure_1.SOLVED_VARIED[name])
        for name in _COLUMNS
        for mu in bases.SOLVED_MU
    }


def by_parameter(evidence: Evidence) -> dict[str, pd.DataFrame]:
    """Column of the table -> linear evaluation of every method that has results."""
    found = {}
    for name, column in _COLUMNS.items():
        mine = [n for n in evidence.specs if n.startswith(name) or (evidence.scale == "small" and name == "hue")]
        tables = [t for n in mine if not (t := hue_claims.linear(evidence.classes(n))).empty]
        if tables:
            found[column] = pd.concat(tables, ignore_index=True)
    return found


def compare(evidence: Evidence) -> Outcome:
    """Counts of shared classes, for each transformation, beside what independent methods would share."""
    rows, contrasts = [], []
    for column, table in by_parameter(evidence).items():
        classes = bias.opposition(table, hue_claims.parameter(table)).classes
        shared = bias.shared_classes(classes)
        for _, row in shared.iterrows():
            every = int(row["at_least"]) == int(row["of"])
            label = f"in_all_{row['of']}" if every else f"in_at_least_{row['at_least']}"
            rows.append(Row(label, column, None, float(row["classes"]), None, int(row["of"])))
        last = shared.iloc[-1]
        if int(last["of"]) == 1:
            contrasts.append(plain_claim(_CLAIM, None, reason=f"{column}: one method has results, two are needed"))
            continue
        p = hue_claims.shared_p(classes)
        told = f"{column}: {last['classes']} in all {last['of']}, expected {last['expected']:.1f}, p = {p:.3f}"
        contrasts.append(plain_claim(_CLAIM, p < 0.05, int(last["of"]), reason=told))
    return Outcome(rows, contrasts or [plain_claim(_CLAIM, None)])


ITEM = Item(
    "table-6",
    "Classes with an opposite partner under several methods",
    "Under hue most classes with inter-class bias are shared by the methods; under jitter probability and crop size "
    "few.",
    {
        "full": Plan(_full, needs=("cifar100",), says=figure_1.SAYS),
        "instant": Plan(_instant, needs=("hundred",), says=figure_1.SOLVED_SAYS + bases.MU_SAYS),
        "small": Plan(_small, needs=("cifar10",), says=_SMALL_SAYS),
    },
    compare,
    lambda: rows_of("table_6_shared_bias_classes", ("in_all_5", "in_at_least_3", "in_at_least_2")),
)
