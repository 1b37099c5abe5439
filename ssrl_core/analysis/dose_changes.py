"""Which group of cells a compound changes most, told by the smallest change that the cells allow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ssrl_core.analysis.conditions import compare_counts

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
    of_compound, known = pd.factorize(np.asarray(compounds, object))
    of_plate, plates = pd.factorize(np.asarray(replicates, object))
    rows = {str(known[code]): own for code, own in _rows_of(of_compound, dose > 0).items()}
    untreated = dose == 0
    controls = np.zeros((len(plates), k), np.int64)  # untreated cells of each plate in each group, counted once
    np.add.at(controls, (of_plate[untreated & (ids >= 0)], ids[untreated & (ids >= 0)]), 1)
    found = []
    for name in names:
        own = rows.get(name, np.zeros(0, np.int64))
        control = controls[np.unique(of_plate[own])].sum(axis=0)
        for level in [float(d) for d in np.unique(dose[own])] if each_dose else [None]:
            treated = own if level is None else own[dose[own] == level]
            found += _beside(control, np.bincount(ids[treated][ids[treated] >= 0], minlength=k), name, level)
    return sorted(found, key=lambda change: -change.least)


def _rows_of(codes: Array, wanted: Array) -> dict[int, Array]:
    """The wanted rows of each code, found by sorting once."""
    rows = np.flatnonzero(wanted & (codes >= 0))
    rows = rows[np.argsort(codes[rows], kind="stable")]
    values, starts = np.unique(codes[rows], return_index=True)
    return {int(value): own for value, own in zip(values, np.split(rows, starts[1:]), strict=True)} if len(rows) else {}


def _beside(control: Array, treated: Array, name: str, dose: float | None) -> list[Change]:
    """Every group; (k,) counts of untreated and of treated cells."""
    rows = compare_counts(control, treated).to_dict("records")
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
