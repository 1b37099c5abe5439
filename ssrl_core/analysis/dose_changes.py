"""Which group of cells a compound changes most, told by the smallest change that the cells allow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ssrl_core.analysis.conditions import compare_shares

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Change:
    """A group's share under a compound beside untreated cells of the same plates.

    Attributes:
        dose: of the compound; None = all its doses together.
        untreated, share: share of the group among untreated cells, and under the compound.
        cells: how many cells the compound's share rests on.
        least: smallest change that both 95 % intervals allow, 0 where they allow none.
    """

    group: int
    compound: str
    dose: float | None
    untreated: float
    share: float
    cells: int
    least: float


def changes(
    groups: ArrayLike,
    compounds: ArrayLike,
    doses: ArrayLike,
    replicates: ArrayLike,
    names: Sequence[str],
    k: int,
    *,
    each_dose: bool,
) -> list[Change]:
    """Every group under every compound, largest `least` first; ties keep the order of compounds, doses and groups.

    Args:
        groups: (n,) group of each cell, -1 for none.
        compounds, doses, replicates: (n,) of each cell; a dose of 0 is untreated.
        names: the compounds that are looked at.
        each_dose: every dose by itself, else all of a compound's together.
    """
    ids, dose = np.asarray(groups, np.int64), np.asarray(doses, float)
    compound, repeat = np.asarray(compounds).astype(str), np.asarray(replicates).astype(str)
    found = []
    for name in names:
        own = (compound == name) & (dose > 0)
        control = (dose == 0) & np.isin(repeat, np.unique(repeat[own]))
        for level in [float(d) for d in np.unique(dose[own])] if each_dose else [None]:
            treated = own if level is None else own & (dose == level)
            found += _beside(ids, control, treated, name, level, k)
    return sorted(found, key=lambda change: -change.least)


def _beside(ids: Array, control: Array, treated: Array, name: str, dose: float | None, k: int) -> list[Change]:
    rows = compare_shares(ids, control, treated, k).to_dict("records")
    return [
        Change(
            group=int(row["group"]),
            compound=name,
            dose=dose,
            untreated=float(row["share_1"]),
            share=float(row["share_2"]),
            cells=int(row["cells_2"]),
            least=max(0.0, float(row["low"]), -float(row["high"])),
        )
        for row in rows
        if row["cells_1"] and row["cells_2"]
    ]
