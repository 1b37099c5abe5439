"""The image sets of the finished example: small, drawn, seeded, with the truth of every image.

As `strokes` and `simulated-cells`, but few; cells in six bits and with little noise, so that the example weighs 5 MB.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ssrl_core import stores
from ssrl_core.datasets.creation import Metadata, create
from ssrl_core.datasets.imageset import PACKED, ImageSet, pack
from ssrl_core.datasets.made.simulated_cells import CHANNELS, camera_for
from ssrl_core.datasets.made.simulation.chance import Chance
from ssrl_core.datasets.made.simulation.crops import Camera, draw_crops
from ssrl_core.datasets.made.simulation.population import CLASSES, CONTROL, SITES, screen
from ssrl_core.datasets.made.strokes import draw_strokes

Array = np.ndarray[Any, Any]
STROKES, CELLS = "example-strokes", "example-cells"
LIKE = {"strokes": STROKES, "simulated-cells": CELLS, "simulated-nocodazole": CELLS}
"""Image sets that are made on first use -> the few images like them that ship."""
SEED = 5
_STROKES, _CELLS = 1_200, 1_400
_SIDE = 56  # px of a cell: the megabytes show more in more cells than in larger ones
_BITS = 6
_LIGHT = 16  # times the photons of `simulated-cells`: a quarter of the noise, and half the bytes
_CONTROL = 0.25  # of the cells
_DOSES = (0.4, 0.4, 0.5, 0.6, 0.9, 1.6, 1.8, 1.8)  # cells of each dose, ascending, beside the others
_LEARNT = 0.2  # of the cells lie on the plate that is learnt from
_SEEN_MM2 = 0.5  # of a well: the example holds some of the cells that are counted there
_IN_A_ROW = 4  # cells of one well and one site after another
CHUNK = 50


def make(name: str) -> ImageSet:
    """Create one of the two in the store (seconds)."""
    return make_strokes() if name == STROKES else make_cells()


def make_strokes() -> ImageSet:
    """Digits drawn by a pen; a third is learnt from."""
    pixels, table = draw_strokes(_STROKES, seed=SEED)
    table["split"] = np.where(np.arange(_STROKES) % 3 == 0, "train", "test")
    said = Metadata(
        title="Example: drawn digits",
        classes=tuple("0123456789"),
        label="digit",
        source="example",
        licence="Apache-2.0",
        citation="Drawn by Viewloom (ssrl_core/datasets/made/strokes.py)",
    )
    return create(STROKES, pixels, table, said)


def make_cells() -> ImageSet:
    """Drawn cells, untreated and under three compounds at eight doses on three plates; the first is learnt from."""
    found = [cells_of(number) for number in range(-(-_CELLS // CHUNK))]
    table = pd.concat([table for _, table in found], ignore_index=True)
    table["split"] = np.where(table["replicate"] == table["replicate"].min(), "train", "test")
    said = Metadata(
        title="Example: drawn cells",
        classes=CLASSES,
        label="compound",
        by_well=True,
        max_value=_camera().top,
        channels=CHANNELS,
        pixel_size_um=_camera().pixel_um,
        source="example",
        licence="Apache-2.0",
        citation="Drawn by Viewloom (ssrl_core/datasets/made/simulation)",
    )
    return create(CELLS, np.concatenate([pixels for pixels, _ in found]), table, said)


def cells_of(number: int) -> tuple[Array, pd.DataFrame]:
    """The `number`th fifty cells: pixels (50, 3, 56, 56) uint8 of six bits, and their table."""
    wells = screen(Chance(SEED, 0))
    ends = np.rint(np.cumsum(_shares(wells)) * _CELLS).astype(np.int64)
    wells["cell_count"] = np.rint(wells["density_per_mm2"] * _SEEN_MM2).astype(np.int64)
    rows = wells.iloc[np.searchsorted(ends, np.arange(_CELLS), side="right")].reset_index(drop=True)
    rows.insert(3, "site", np.arange(_CELLS) // _IN_A_ROW % SITES + 1)
    part = rows.iloc[number * CHUNK : (number + 1) * CHUNK]
    return draw_crops(part, side=_SIDE, camera=_camera(), chance=Chance(SEED, number + 1))


def packed(imageset: ImageSet, folder: Path) -> None:
    """Lay an image set of the store into a folder that ships: its table and facts, its pixels as a picture."""
    from PIL import Image

    imageset.channel_stats()
    names = ("imageset.json", "channel_stats.json", "descriptors.json")
    for name in names:
        stores.replace(folder / name, (imageset.folder / name).read_bytes())
    for name in ("table.parquet", "descriptors.parquet"):
        _short(pd.read_parquet(imageset.folder / name)).to_parquet(folder / name, index=False, compression="zstd")
    picture = Image.fromarray(pack(imageset.pixels))
    stores.replace(folder / PACKED, lambda file: picture.save(file, "PNG", optimize=True))


def _short(table: pd.DataFrame) -> pd.DataFrame:
    """Numbers of five digits: what is known of a cell has no more, and the rest weighs."""
    long = [name for name, kind in table.dtypes.items() if kind.kind == "f" and name != "dose"]
    return table.assign(**{name: table[name].round(5).astype(np.float32) for name in long})


def _camera() -> Camera:
    usual, top = camera_for(_SIDE), 2**_BITS - 1
    more: dict[str, Any] = {name: tuple(_LIGHT * n for n in getattr(usual, name)) for name in ("photons", "background")}
    return replace(usual, bits=_BITS, offset=0.03 * top, gain=usual.gain / _LIGHT * top / usual.top, **more)


def _shares(wells: pd.DataFrame) -> Array:
    """(wells,) share of the cells of each well; sums to 1."""
    control = (wells["compound"] == CONTROL).to_numpy()
    place = wells.groupby("compound")["dose"].rank(method="dense").to_numpy().astype(np.int64) - 1
    share = np.where(control, 0.0, np.array(_DOSES)[np.minimum(place, len(_DOSES) - 1)])
    share *= (1 - _CONTROL) / share.sum()
    share[control] = _CONTROL / control.sum()
    learnt = (wells["replicate"] == wells["replicate"].min()).to_numpy()
    share[learnt] *= _LEARNT / share[learnt].sum()
    share[~learnt] *= (1 - _LEARNT) / share[~learnt].sum()
    return share
