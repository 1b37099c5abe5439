"""The cell images that ship: drawn, seeded, with the truth about every cell.

Untreated cells and three compounds in three replicate plates. What each cell does (`response`), how far, and how it
looks is in the table, so that one can check what a composition keeps: BBBC021, which it is modelled on, has no label
for a single cell. The crop spans 62 µm like the paper's 196 px at 0.32 µm; it is drawn at 0.65 µm so that 96 px do.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from ssrl_core.datasets.builtin import BuiltIn, source_of
from ssrl_core.datasets.creation import Metadata, create
from ssrl_core.datasets.imageset import Channel, ImageSet
from ssrl_core.datasets.made.simulation.chance import Chance
from ssrl_core.datasets.made.simulation.crops import Camera, draw_crops
from ssrl_core.datasets.made.simulation.population import CLASSES, COMPOUNDS, CONTROL, SITES, screen
from ssrl_core.datasets.progress import Report, in_order, or_silent
from ssrl_core.errors import SpecError

Array = np.ndarray[Any, Any]
SIDE = 96
SPAN_UM = 62.4
SEED = 5
CONTROL_SHARE = 0.325
LOW_DOSE_SHARE = 0.2 / 0.9  # the four lower doses of a compound together; the paper asks about the four higher ones
HIGH_DOSES = 4
CHANNELS = (Channel("DNA", "#3d7dff"), Channel("actin", "#ff3dd0"), Channel("tubulin", "#3ddc5a"))
_CHUNK = 64


def make(row: BuiltIn, report: Report | None = None) -> None:
    """Create `simulated-cells` or `simulated-nocodazole` in the store (less than a minute)."""
    only = None if set(row.classes) == set(CLASSES) else row.classes[1]
    make_simulated(
        row.name,
        row.count,
        side=row.shape[1],
        seed=SEED,
        only=only,
        title=row.title,
        source=source_of(row.name),
        report=report,
    )


def make_simulated(
    name: str,
    count: int,
    *,
    side: int = SIDE,
    seed: int = SEED,
    bits: int = 8,
    only: str | None = None,
    title: str | None = None,
    source: str = "",
    report: Report | None = None,
) -> ImageSet:
    """An image set of simulated cells, of any size.

    Args:
        count: images; about a third untreated, the rest shared by three compounds at eight doses.
        side: px; the crop spans 62 µm whatever its side.
        bits: 8 gives uint8, 9 to 16 uint16.
        only: one compound at its four higher doses and as many untreated cells, as in the paper's subsets.

    Raises:
        SpecError: a count below 1, a side outside 24..512, bits outside 8..16, or no such compound.
    """
    camera = camera_for(side, bits)
    return create_cells(
        name,
        simulate(count, side=side, seed=seed, camera=camera, only=only, report=report),
        camera,
        Metadata(
            title=title or name,
            classes=CLASSES if only is None else (CONTROL, only),
            label="compound",
            source=source or f"simulated cells, seed {seed}",
        ),
    )


def create_cells(
    name: str, parts: Iterable[tuple[Array, pd.DataFrame]], camera: Camera, metadata: Metadata
) -> ImageSet:
    """An image set of crops and their truth as they are drawn (`drawn`), with what is true of all such sets."""
    tables: list[pd.DataFrame] = []

    def chunks() -> Iterator[Array]:
        for pixels, table in parts:
            tables.append(table)
            yield pixels

    said = replace(
        metadata,
        by_well=True,
        max_value=camera.top,
        channels=CHANNELS,
        pixel_size_um=camera.pixel_um,
        licence="Apache-2.0",
        citation="Drawn by Viewloom (ssrl_core/datasets/made/simulation)",
    )
    return create(name, chunks(), lambda: pd.concat(tables, ignore_index=True), said)


def camera_for(side: int, bits: int = 8) -> Camera:
    """The camera of these crops: 62 µm on `side` pixels.

    Raises:
        SpecError: see `make_simulated`.
    """
    for field, rule, value, good in (
        ("side", "24 to 512 px", side, 24 <= side <= 512),
        ("bits", "8 to 16", bits, 8 <= bits <= 16),
    ):
        if not good:
            raise SpecError.at("simulated cells", field, rule, value)
    top = 2**bits - 1
    return Camera(pixel_um=SPAN_UM / side, offset=0.03 * top, gain=0.2 * top / 255, bits=bits)


def simulate(
    count: int,
    *,
    side: int = SIDE,
    seed: int = SEED,
    camera: Camera | None = None,
    only: str | None = None,
    report: Report | None = None,
) -> Iterator[tuple[Array, pd.DataFrame]]:
    """Crops and their truth, some at a time; the same seed gives the same crops.

    Yields:
        pixels (n, 3, side, side) and the table (columns: see `simulation.crops.draw_crops`).
    """
    if count < 1:
        raise SpecError.at("simulated cells", "count", "at least 1", count)
    if only is not None and only not in COMPOUNDS:
        raise SpecError.at("simulated cells", "only", f"one of {', '.join(COMPOUNDS)}", only)
    wells = screen(Chance(seed, 0))
    chosen = wells.iloc[_well_of_each(wells, count, only)].reset_index(drop=True)
    chosen.insert(3, "site", np.arange(count) % SITES + 1)
    yield from drawn(chosen, side=side, seed=seed, camera=camera or camera_for(side), report=report)


def drawn(
    chosen: pd.DataFrame, *, side: int, seed: int, camera: Camera, report: Report | None = None
) -> Iterator[tuple[Array, pd.DataFrame]]:
    """One crop for each row (`draw_crops`), 64 at a time on several threads; see `simulate`."""
    count = len(chosen)

    def chunk(number: int) -> tuple[Array, pd.DataFrame]:
        part = chosen.iloc[number * _CHUNK : (number + 1) * _CHUNK]
        return draw_crops(part, side=side, camera=camera, chance=Chance(seed, number + 1))

    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        for number, done in enumerate(in_order(pool, chunk, range(-(-count // _CHUNK)))):
            or_silent(report)(number * _CHUNK, count, "drawing cells")
            yield done
    or_silent(report)(count, count, "drawing cells")


def _well_of_each(wells: pd.DataFrame, count: int, only: str | None = None) -> Array:
    """(count,) row of `wells` for every crop, ascending: the share of each well, rounded so that they sum up."""
    share = _shares(wells) if only is None else _shares_of_one(wells, only)
    ends = np.rint(np.cumsum(share) / share.sum() * count).astype(np.int64)
    return np.searchsorted(ends, np.arange(count), side="right")


def _shares(wells: pd.DataFrame) -> Array:
    """(wells,) share of the crops of each well of the whole screen."""
    share = np.zeros(len(wells))
    control = (wells["compound"] == CONTROL).to_numpy()
    share[control] = CONTROL_SHARE / control.sum()
    for compound in COMPOUNDS.values():
        own = (wells["compound"] == compound.name).to_numpy()
        high = own & (wells["dose"] >= compound.doses_um[len(compound.doses_um) - HIGH_DOSES]).to_numpy()
        total = (1 - CONTROL_SHARE) / len(COMPOUNDS)
        share[own & ~high] = total * LOW_DOSE_SHARE / (own & ~high).sum()
        share[high] = total * (1 - LOW_DOSE_SHARE) / high.sum()
    return share


def _shares_of_one(wells: pd.DataFrame, compound: str) -> Array:
    """(wells,) half for the four higher doses of a compound, half for the untreated wells."""
    control = (wells["compound"] == CONTROL).to_numpy()
    doses = COMPOUNDS[compound].doses_um
    treated = ((wells["compound"] == compound) & (wells["dose"] >= doses[len(doses) - HIGH_DOSES])).to_numpy()
    return np.asarray(control / control.sum() + treated / treated.sum())
