"""Screens of numbers with a planted truth: plates, batches, mechanisms, inactive compounds, one that loses cells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ssrl_core.analysis.plates import well_name
from ssrl_core.analysis.screens.profiles import Profiles, wells_of

D = 24


@dataclass(frozen=True)
class Plan:
    """What is planted.

    Attributes:
        mechanisms, compounds: mechanisms, and compounds of each.
        inactive: compounds that do nothing.
        effect: length of a mechanism's shift, in spreads of a well; plate, batch: of the shifts of plates and batches.
        controls: untreated wells a plate.  replicates: wells of a treatment, one a plate of its batch.
        share: half of the compounds of each mechanism lie in each of two batches where it is 2.
    """

    mechanisms: int = 4
    compounds: int = 4
    inactive: int = 12
    doses: tuple[float, ...] = (1.0,)
    effect: float = 4.0
    plate: float = 0.0
    batch: float = 0.0
    edge: float = 0.0
    controls: int = 10
    replicates: int = 3
    batches: int = 2
    cells: int = 100
    dim: int = D


def planted(plan: Plan | None = None, seed: int = 0) -> Profiles:
    """Wells of a screen; column `truth` says `active`, `inactive`, `toxic` or `untreated` by compound's name."""
    plan, chance = plan or Plan(), np.random.default_rng(seed)
    shifts = _directions(chance, plan.mechanisms, plan.dim) * plan.effect
    noise = np.linspace(0.6, 1.6, plan.dim)
    mixing = np.linalg.qr(chance.normal(size=(plan.dim, plan.dim)))[0]
    named = [
        (f"m{m}c{c}", f"mechanism {m}", shifts[m], 1.0) for m in range(plan.mechanisms) for c in range(plan.compounds)
    ]
    named += [(f"inert{c}", None, np.zeros(plan.dim), 1.0) for c in range(plan.inactive)]
    named += [("toxic", "mechanism 0", np.zeros(plan.dim), 0.25)]
    rows, x = [], []
    for batch in range(plan.batches):
        own = [one for place, one in enumerate(named) if place % plan.batches == batch or one[0] == "toxic"]
        batch_shift = plan.batch * chance.normal(size=plan.dim)
        for plate in range(plan.replicates):
            plate_shift = batch_shift + plan.plate * chance.normal(size=plan.dim)
            wells = [("DMSO", None, np.zeros(plan.dim), 1.0, 0.0)] * plan.controls
            wells += [(n, m, s * dose / plan.doses[-1], c, dose) for n, m, s, c in own for dose in plan.doses]
            places = chance.permutation(384)[: len(wells)]
            for place, (name, mechanism, shift, cells, dose) in zip(places, wells, strict=True):
                row, column = divmod(int(place), 24)
                edge = plan.edge if row in (0, 15) or column in (0, 23) else 0.0
                x.append((chance.normal(size=plan.dim) * noise) @ mixing + shift + plate_shift + edge)
                rows.append((f"b{batch}p{plate}", well_name(row, column), f"b{batch}", name, dose, mechanism,
                             chance.poisson(plan.cells * cells), name == "DMSO"))  # fmt: skip
    table = pd.DataFrame(
        rows, columns=["plate", "well", "batch", "compound", "dose", "mechanism", "cells", "untreated"]
    )
    counts = table.pop("cells")
    table.loc[table["untreated"], "compound"] = "untreated"
    wells, codes = wells_of(table)
    order = np.argsort(codes)
    wells["cells"] = counts.to_numpy()[order]
    return Profiles(np.array(x)[order], wells)


def _directions(chance: np.random.Generator, count: int, dim: int) -> np.ndarray:
    found = np.linalg.qr(chance.normal(size=(dim, max(count, 1))))[0].T[:count]
    return np.asarray(found)
