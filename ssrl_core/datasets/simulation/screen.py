"""A small screen: plates with their wells, what is in each, and what each does to the pictures."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ssrl_core.datasets.simulation.chance import Chance
from ssrl_core.datasets.simulation.responses import COMPOUNDS, CONTROL, effect

Array = np.ndarray[Any, Any]
ROWS = "BCDEFG"
DOSE_COLUMNS = range(10, 2, -1)  # the highest dose lies in column 3
CONTROL_COLUMNS = (2, 11)
SITES = 4
DENSITY_PER_MM2 = 800.0
STAINS = ("dna", "actin", "tubulin")


def screen(chance: Chance, replicates: int = 3) -> pd.DataFrame:
    """Every well of a screen of 96-well plates, one plate a replicate.

    A compound takes one row of a plate, another row on every plate; untreated wells stand in columns 2 and 11.

    Returns:
        One row a well: plate, well, replicate, compound, dose, dose_unit; and its effects: stain_dna, stain_actin,
        stain_tubulin (factors of plate times well), defocus_um, density_per_mm2, lamp_x, lamp_y (bright spot of the
        plate's lamp, -1..1).
    """
    rows: list[dict[str, Any]] = []
    for replicate in range(1, replicates + 1):
        line = chance.shuffled(len(ROWS))
        for i, compound in enumerate(COMPOUNDS.values()):
            for column, dose in zip(DOSE_COLUMNS, compound.doses_um, strict=True):
                rows.append(_well(replicate, f"{ROWS[line[i]]}{column:02d}", compound.name, dose))
        rows += [_well(replicate, f"{row}{column:02d}", CONTROL, 0.0) for row in ROWS for column in CONTROL_COLUMNS]
    table = pd.DataFrame(rows).sort_values(["plate", "well"], kind="stable", ignore_index=True)
    return _with_effects(table, chance, replicates)


def _well(replicate: int, well: str, compound: str, dose: float) -> dict[str, Any]:
    return {
        "plate": f"sim-plate-{replicate}",
        "well": well,
        "replicate": replicate,
        "compound": compound,
        "dose": dose,
        "dose_unit": "µM",
    }


def _with_effects(table: pd.DataFrame, chance: Chance, replicates: int) -> pd.DataFrame:
    n, plate = len(table), table["replicate"].to_numpy() - 1
    plate_stain, well_stain = chance.factor(0.16, (replicates, 3)), chance.factor(0.07, (n, 3))
    plate_focus, well_focus = np.abs(0.25 * chance.normal(replicates)), np.abs(0.35 * chance.normal(n))
    lamp = chance.uniform(-0.6, 0.6, shape=(replicates, 2))
    harm = np.array([effect(c, d) for c, d in zip(table["compound"], table["dose"], strict=True)])
    for i, stain in enumerate(STAINS):
        table[f"stain_{stain}"] = plate_stain[plate, i] * well_stain[:, i]
    table["defocus_um"] = plate_focus[plate] + well_focus
    table["density_per_mm2"] = DENSITY_PER_MM2 * chance.factor(0.3, n) * (1 - 0.25 * harm)
    table["lamp_x"], table["lamp_y"] = lamp[plate, 0], lamp[plate, 1]
    return table
