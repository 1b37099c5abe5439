"""A screen of cells with a planted truth: plates, batches, mechanisms, inactive compounds, one that only loses cells.

What each compound does stands in the table (`acts_as`), so that one can check what a screen's scores say of it. As in
BBBC021 a compound is made in one batch, a plate a replicate, and every mechanism has compounds in every batch.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ssrl_core.datasets.builtin import BuiltIn, source_of
from ssrl_core.datasets.creation import Metadata
from ssrl_core.datasets.imageset import ImageSet
from ssrl_core.datasets.made.simulated_cells import camera_for, create_cells, drawn
from ssrl_core.datasets.made.simulation.chance import Chance
from ssrl_core.datasets.made.simulation.population import (
    CONTROL,
    DENSITY_PER_MM2,
    MECHANISMS,
    SITES,
    STAINS,
    effect,
)
from ssrl_core.datasets.progress import Report
from ssrl_core.errors import SpecError

Array = np.ndarray[Any, Any]
SIDE = 48
SEED = 5
INACTIVE, TOXIC, UNTREATED = "nothing", "cell loss", "untreated"
CLASSES = (UNTREATED, *MECHANISMS, TOXIC, INACTIVE)
_DOSES_UM = (1.0, 10.0)
_POTENCY = (3.0, 30.0)  # of EC50: two thirds to three quarters of the full effect, and nearly all of it
_SURVIVE = (0.55, 0.3)  # the toxic compound's share of cells that are left, at each dose
_ROWS, _COLUMNS = "BCDEFGHIJKLMNO", range(2, 24)  # of a 384-well plate, its edge left free
_LEAST = {"batches": 1, "plates": 1, "compounds": 1, "inactive": 0, "untreated": 1, "cells": 1}


@dataclass(frozen=True)
class ScreenPlan:
    """What is planted.

    Attributes:
        batches, plates: batches (weeks), and plates of each, a well of every treatment of the batch on each of them.
        compounds: of each of the four mechanisms, each at two doses, dealt to the batches in turn.
        inactive: compounds that do nothing, at two doses too.
        untreated: untreated wells of a plate.
        cells: of an untreated well, in the mean.
        plate_effects: how much plates, batches and places on a plate differ in stain, focus and light; 0 not at all,
            1 as in real screens.
    """

    batches: int = 2
    plates: int = 3
    compounds: int = 4
    inactive: int = 12
    untreated: int = 8
    cells: int = 20
    plate_effects: float = 1.0

    def __post_init__(self) -> None:
        for name, least in _LEAST.items():
            value = getattr(self, name)
            if not isinstance(value, int) or value < least:
                raise SpecError.at("simulated screen", name, f"a whole number from {least} on", value)
        if not 0 <= self.plate_effects <= 5:
            raise SpecError.at("simulated screen", "plate_effects", "0 (none) to 5", self.plate_effects)
        room = len(_ROWS) * len(_COLUMNS)
        if self.wells_of_plate > room:
            remedy = "Take fewer compounds or untreated wells, or more batches."
            raise SpecError.at("simulated screen", "wells of a plate", f"at most {room}", self.wells_of_plate, remedy)

    @property
    def wells_of_plate(self) -> int:
        """Of the fullest plate."""
        per_batch = len(MECHANISMS) * -(-self.compounds // self.batches) + -(-self.inactive // self.batches) + 1
        return self.untreated + per_batch * len(_DOSES_UM)


def make(row: BuiltIn, report: Report | None = None) -> None:
    """Create `simulated-screen` in the store (about a minute)."""
    make_screen(row.name, side=row.shape[1], title=row.title, source=source_of(row.name), report=report)


def make_screen(
    name: str,
    plan: ScreenPlan | None = None,
    *,
    side: int = SIDE,
    bits: int = 8,
    seed: int = SEED,
    title: str | None = None,
    source: str = "",
    report: Report | None = None,
) -> ImageSet:
    """An image set of a simulated screen.

    Its table has plate, well, batch, compound, dose, mechanism (empty where a compound does nothing), `acts_as` (what
    was planted, the label) and the truth about every cell. Wells stay whole in the splits.

    Raises:
        SpecError: a plan that no plate can hold, a side outside 24..512, bits outside 8..16.
    """
    plan = plan or ScreenPlan()
    camera = camera_for(side, bits)
    return create_cells(
        name,
        drawn(screen_cells(plan, seed), side=side, seed=seed, camera=camera, report=report),
        camera,
        Metadata(
            title=title or name,
            classes=CLASSES,
            label="acts_as",
            source=source or f"simulated screen, seed {seed}, {plan}",
        ),
    )


def screen_cells(plan: ScreenPlan, seed: int = SEED) -> pd.DataFrame:
    """One row a cell: where it is from, what was planted, and how its well looks (as `crops.draw_crops` takes it)."""
    chance = Chance(seed, 0)
    wells = _with_effects(pd.DataFrame(_wells(plan, chance)), plan, chance)
    counts = np.maximum(1, np.rint(plan.cells * wells.pop("alive").to_numpy())).astype(np.int64)
    cells = wells.loc[wells.index.repeat(counts)].reset_index(drop=True)
    cells.insert(4, "site", np.arange(len(cells)) % SITES + 1)
    return cells


def _wells(plan: ScreenPlan, chance: Chance) -> Iterator[dict[str, Any]]:
    planted = list(_treatments(plan, chance))
    for batch in range(plan.batches):
        own = [row for number, row in planted if number is None or number % plan.batches == batch]
        own += [_treatment(CONTROL, 0.0, UNTREATED, None, "", 0.0)] * plan.untreated
        for plate in range(plan.plates):
            places = chance.shuffled(len(_ROWS) * len(_COLUMNS))[: len(own)]
            head = {"batch": f"week-{batch + 1}", "replicate": plate + 1}
            for place, treatment in sorted(zip(places.tolist(), own, strict=True), key=lambda one: one[0]):
                row, column = divmod(int(place), len(_COLUMNS))
                well = f"{_ROWS[row]}{_COLUMNS[column]:02d}"
                yield {"plate": f"week-{batch + 1}-plate-{plate + 1}", "well": well, **head, **treatment}


def _treatments(plan: ScreenPlan, chance: Chance) -> Iterator[tuple[int | None, dict[str, Any]]]:
    """The number that says the batch (None: every batch), and what a treatment is and does."""
    for mechanism, row in MECHANISMS.items():
        potency = chance.factor(0.25, plan.compounds)
        for number in range(plan.compounds):
            name = f"{mechanism.replace(' ', '-')}-{number + 1}"
            for dose, of_ec50 in zip(_DOSES_UM, _POTENCY, strict=True):
                strength = float(row.ec50_um * of_ec50 * potency[number])
                yield number, _treatment(name, dose, mechanism, mechanism, row.name, strength)
    for number in range(plan.inactive):
        for dose in _DOSES_UM:
            yield number, _treatment(f"inactive-{number + 1}", dose, INACTIVE, None, "", 0.0)
    for dose in _DOSES_UM:
        yield None, _treatment("toxic-1", dose, TOXIC, TOXIC, "", 0.0)


def _treatment(
    compound: str, dose: float, acts_as: str, mechanism: str | None, like: str, like_um: float
) -> dict[str, Any]:
    return {
        "compound": compound,
        "dose": dose,
        "dose_unit": "µM",
        "mechanism": mechanism,
        "acts_as": acts_as,
        "like": like,
        "like_um": like_um,
    }


def _with_effects(wells: pd.DataFrame, plan: ScreenPlan, chance: Chance) -> pd.DataFrame:
    """How bright, sharp and crowded each well is: of its batch, its plate, its place, by chance, and by its cells."""
    n, much = len(wells), plan.plate_effects
    batch, plate = (pd.factorize(wells[name])[0] for name in ("batch", "plate"))
    x, y = _places(wells["well"])
    slope = chance.normal(plate.max() + 1, 2, 3)[plate]
    tilt = 0.08 * much * (slope[:, 0] * x[:, None] + slope[:, 1] * y[:, None])
    stain = np.exp(tilt) * chance.factor(0.05, (n, 3))
    stain *= chance.factor(0.25 * much, (batch.max() + 1, 3))[batch]
    stain *= chance.factor(0.15 * much, (plate.max() + 1, 3))[plate]
    for i, name in enumerate(STAINS):
        wells[f"stain_{name}"] = stain[:, i]
    focus = np.abs(0.8 * much * chance.normal(batch.max() + 1))[batch]
    focus += np.abs(0.4 * much * chance.normal(plate.max() + 1))[plate]
    wells["defocus_um"] = focus + np.abs(0.2 * chance.normal(n))
    lamp = 0.6 * min(1.0, much) * chance.uniform(-1, 1, shape=(plate.max() + 1, 2))[plate]
    wells["lamp_x"], wells["lamp_y"] = lamp[:, 0], lamp[:, 1]
    wells["alive"] = _alive(wells) * chance.factor(0.12, n)
    wells["density_per_mm2"] = DENSITY_PER_MM2 * wells["alive"]
    return wells


def _alive(wells: pd.DataFrame) -> Array:
    """(wells,) share of the cells that a treatment leaves: all of them, or a few less where it acts on them."""
    toxic = dict(zip(_DOSES_UM, _SURVIVE, strict=True))
    return np.array(
        [
            toxic[dose] if acts == TOXIC else 1 - 0.2 * effect(like, um)
            for acts, dose, like, um in zip(*(wells[c] for c in ("acts_as", "dose", "like", "like_um")), strict=True)
        ]
    )


def _places(names: pd.Series) -> tuple[Array, Array]:
    """(wells,) column and row of each well, -1..1 over the plate."""
    rows = names.str[0].map(_ROWS.index).to_numpy() / (len(_ROWS) - 1)
    columns = (names.str[1:].astype(int).to_numpy() - _COLUMNS[0]) / (len(_COLUMNS) - 1)
    return 2 * columns - 1, 2 * rows - 1
