"""A small screen with planted truth: two kinds of cells, one that grows with the dose of one compound."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from ssrl_core.datasets.creation import Metadata, create
from ssrl_core.datasets.imageset import ImageSet
from tests.kit import make_run

DOSES = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
KINDS = ("round", "flat")


def make_screen(
    name: str = "kit", *, channels: int = 3, side: int = 20, dtype: str = "uint8", pixel_um: float | None = 1.3
) -> ImageSet:
    """864 cells of two compounds and untreated ones, on three plates; `flat` cells are bright at the bottom.

    `active` turns cells flat with an EC50 of 0.2, `idle` does nothing.
    """
    rng = np.random.default_rng(0)
    rows = []
    for plate in range(3):
        for c, compound in enumerate(("active", "idle")):
            for d, dose in enumerate(DOSES):
                share = 0.05 + (0.85 / (1 + (0.2 / dose) ** 1.5) if compound == "active" else 0)
                rows += [_cell(plate, f"{'BC'[c]}{d + 3:02d}", compound, dose, rng.random() < share) for _ in range(20)]
        rows += [_cell(plate, f"D{i % 4 + 2:02d}", "DMSO", 0.0, rng.random() < 0.05) for i in range(48)]
    table = pd.DataFrame(rows)
    table["x_px"], table["y_px"] = rng.uniform(50, 900, (2, len(table))).round(1)
    top = np.iinfo(dtype).max
    light = rng.uniform(0.1, 0.2, (len(table), channels, side, side))
    flat = (table["kind"] == "flat").to_numpy()
    light[flat, :, side // 2 :] += 0.5
    light[~flat, :, side // 3 : -side // 3, side // 3 : -side // 3] += 0.5
    names = ["DNA", "actin", "tubulin", "mito", "ER"][:channels]
    pixels = np.rint(light * top).astype(dtype)
    return create(name, pixels, table, Metadata(label="kind", classes=KINDS, channels=names, pixel_size_um=pixel_um))


def make_screen_run() -> Path:
    """A run on it whose two groups are the two kinds of cells."""
    make_screen()
    return make_run(n=10_000, classes=2, separation=6.0)


def _cell(plate: int, well: str, compound: str, dose: float, flat: bool) -> dict[str, object]:
    return {
        "source": f"p{plate}_{well}_s1.tif",
        "plate": f"plate-{plate + 1}",
        "well": well,
        "site": 1,
        "compound": compound,
        "dose": dose,
        "dose_unit": "µM",
        "kind": KINDS[int(flat)],
    }
