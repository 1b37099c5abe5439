"""Whole microscope fields with the truth about every nucleus: for testing detection, and for trying an import."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ssrl_core.datasets.made.simulation.canvas import draw
from ssrl_core.datasets.made.simulation.chance import Chance, textures
from ssrl_core.datasets.made.simulation.crops import Camera, lighting, photograph, respond, scattered
from ssrl_core.datasets.made.simulation.population import (
    CONTROL,
    RESPONSE_NAMES,
    SITES,
    STAINS,
    draw_seeds,
    grown,
    screen,
)

Array = np.ndarray[Any, Any]
_BORDER_UM = 20.0


@dataclass(frozen=True)
class FieldSettings:
    """What a field shows.

    Attributes:
        shape: (rows, columns), px.
        density_per_mm2: cells; about 1,750 would cover everything.
        clearance: least distance of two nuclei by the sum of their radii; 1 = they touch at most, below it they
            overlap.
        clumping: 0 = even; towards 1 cells gather in islands.
        variety: how different cells of one condition are.
        defocus_um: distance from best focus.
        stain: (DNA, actin, tubulin) brightness factors of the staining.
    """

    shape: tuple[int, int] = (1024, 1280)
    camera: Camera = field(default_factory=Camera)
    compound: str = CONTROL
    dose: float = 0.0
    density_per_mm2: float = 800.0
    clearance: float = 0.95
    clumping: float = 0.6
    variety: float = 1.0
    defocus_um: float = 0.4
    stain: tuple[float, float, float] = (1.0, 1.0, 1.0)


@dataclass(frozen=True)
class Field:
    """A field and its truth.

    Attributes:
        pixels: (3, H, W) uint8 or uint16: DNA, actin, tubulin.
        nuclei: (H, W) int32, 0 = none, k = nucleus of row k - 1 of `cells` (all pieces of it).
        cells: response, strength, x_px, y_px, nuclear_area_um2, nuclear_eccentricity, nuclear_pieces of every cell
            whose nucleus is seen.
    """

    pixels: Array
    nuclei: Array
    cells: pd.DataFrame


def draw_field(settings: FieldSettings | None = None, *, seed: int = 0, number: int = 0) -> Field:
    """A field; the same settings, seed and number give the same one."""
    s = settings or FieldSettings()
    chance, camera = Chance(seed, 1_000_000 + number), s.camera
    height, width = s.shape[0] * camera.pixel_um, s.shape[1] * camera.pixel_um
    area = (width + 2 * _BORDER_UM, height + 2 * _BORDER_UM)
    wanted = round(s.density_per_mm2 * area[0] * area[1] / 1e6)
    well = pd.DataFrame({"compound": [s.compound], "dose": [s.dose]})
    tries = 3 * wanted + 30
    response, strength = respond(well, np.zeros(tries, np.int64), chance)
    seeds = draw_seeds(chance, np.zeros(tries, np.int64), response, strength, variety=s.variety)
    x, y, kept = scattered(
        chance,
        seeds.nuclear_radius_um[None],
        np.array([wanted]),
        area,
        clearance=s.clearance,
        first=False,
        clumping=s.clumping,
    )
    rows = np.flatnonzero(kept[0])
    cells = grown(chance, seeds.take(rows), x[0][rows] - _BORDER_UM, y[0][rows] - _BORDER_UM, variety=s.variety)
    drawing = draw(cells, 1, s.shape, camera.pixel_um, textures(), chance)
    v, u = np.linspace(-1, 1, s.shape[0])[:, None], np.linspace(-1, 1, s.shape[1])[None]
    lamp = lighting(camera, u, v)[None]
    pixels = photograph(drawing.light, camera, lamp, np.array([s.defocus_um]), np.array([s.stain]), chance)[0]
    table = pd.DataFrame(
        {
            "response": np.array(RESPONSE_NAMES)[cells.response],
            "strength": np.where(cells.response == 0, 0.0, cells.strength),
            "x_px": cells.x_um / camera.pixel_um,
            "y_px": cells.y_um / camera.pixel_um,
            "nuclear_area_um2": drawing.area_um2,
            "nuclear_eccentricity": drawing.eccentricity,
            "nuclear_pieces": cells.lobes.count,
        }
    )
    return Field(pixels, *_seen(drawing.nuclei[0], table))


def screen_settings(
    settings: FieldSettings | None = None, *, seed: int = 0, replicates: int = 3
) -> Iterator[tuple[dict[str, Any], FieldSettings]]:
    """What every field of a screen (`screen.screen`) is drawn with, well by well: what is known of it, its settings."""
    base = settings or FieldSettings()
    for well in screen(Chance(seed, 0), replicates).to_dict("records"):
        own = replace(
            base,
            compound=str(well["compound"]),
            dose=float(well["dose"]),
            density_per_mm2=float(well["density_per_mm2"]),
            defocus_um=float(well["defocus_um"]),
            stain=tuple(float(well[f"stain_{name}"]) for name in STAINS),  # type: ignore[arg-type]
            camera=replace(base.camera, tilt=(float(well["lamp_x"]), float(well["lamp_y"]))),
        )
        for site in range(1, SITES + 1):
            known = {k: well[k] for k in ("plate", "well", "replicate", "compound", "dose", "dose_unit")}
            yield {**known, "site": site}, own


def draw_screen(
    settings: FieldSettings | None = None, *, seed: int = 0, replicates: int = 3
) -> Iterator[tuple[dict[str, Any], Field]]:
    """Every field of a screen: what is known of the field, and the field."""
    for number, (known, own) in enumerate(screen_settings(settings, seed=seed, replicates=replicates)):
        yield known, draw_field(own, seed=seed, number=number)


def write_fields(
    folder: Path, count: int, settings: FieldSettings | None = None, *, seed: int = 0, replicates: int = 3
) -> Path:
    """The first fields of a screen as TIFF files of one channel each, with a table that `data cells` takes.

    Returns:
        The table, `fields.csv`.
    """
    import tifffile

    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for number, (known, drawn) in enumerate(draw_screen(settings, seed=seed, replicates=replicates)):
        if number >= count:
            break
        files = {}
        for c, name in enumerate(("DNA", "actin", "tubulin")):
            files[name] = f"{known['plate']}_{known['well']}_s{known['site']}_w{c + 1}.tif"
            tifffile.imwrite(folder / files[name], drawn.pixels[c])
        rows.append({**files, **known})
    pd.DataFrame(rows).to_csv(folder / "fields.csv", index=False)
    return folder / "fields.csv"


def _seen(nuclei: Array, table: pd.DataFrame) -> tuple[Array, pd.DataFrame]:
    """Only the cells whose nucleus is in the field, numbered from 1."""
    pixels = np.bincount(nuclei.ravel(), minlength=len(table) + 1)[1:]
    kept = np.flatnonzero(pixels > 0)
    number = np.zeros(len(table) + 1, np.int32)
    number[kept + 1] = np.arange(1, len(kept) + 1)
    return number[nuclei], table.iloc[kept].reset_index(drop=True)
