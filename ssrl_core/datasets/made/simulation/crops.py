"""Pictures of drawn cells with the truth about each: crops with one in the middle, and whole fields.

Fields are for testing detection, and for trying an import.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ssrl_core.datasets.made.simulation.canvas import Drawing, draw
from ssrl_core.datasets.made.simulation.chance import Chance, textures
from ssrl_core.datasets.made.simulation.population import (
    CONTROL,
    RESPONSE_NAMES,
    SITES,
    STAINS,
    Cells,
    draw_seeds,
    grown,
    response_shares,
    screen,
)

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Camera:
    """A microscope with its camera.

    Attributes:
        pixel_um: size of a pixel in the sample.
        photons: (DNA, actin, tubulin) at light 1 in one pixel.
        background: photons everywhere (medium, plastic), per channel.
        haze: share of the light that comes from out of focus, spread over `haze_um`.
        sharp_um: sd of the blur in best focus; `defocus_um` adds 0.22 µm for every µm.
        shading: how much darker the corners are than the middle.
        read_noise: sd of the camera's own noise, photons.
        offset, gain: grey values = offset + gain × photons.
        bits: largest grey value is 2**bits - 1.
    """

    pixel_um: float = 0.32
    photons: tuple[float, float, float] = (420.0, 430.0, 230.0)
    background: tuple[float, float, float] = (16.0, 14.0, 18.0)
    haze: float = 0.16
    haze_um: float = 5.0
    sharp_um: float = 0.3
    shading: float = 0.22
    read_noise: float = 4.0
    offset: float = 100.0
    gain: float = 4.0
    bits: int = 16
    tilt: tuple[float, float] = field(default=(0.35, -0.2))  # where the lamp's bright spot lies, -1..1

    @property
    def top(self) -> int:
        """The largest grey value."""
        result: int = 2**self.bits - 1
        return result


def lighting(camera: Camera, x: Array, y: Array) -> Array:
    """How bright the lamp is at places of a field, 1 at its brightest.

    Args:
        x, y: -1..1 from the field's left to right, top to bottom.
    """
    tx, ty = camera.tilt
    return (1 - camera.shading * ((x - 0.3 * tx) ** 2 + (y - 0.3 * ty) ** 2) / 2).astype(np.float32)


def photograph(light: Array, camera: Camera, lamp: Array, defocus_um: Array, stain: Array, chance: Chance) -> Array:
    """Pictures as the camera delivers them.

    Args:
        light: (S, C, H, W) float32; overwritten.
        lamp: (S, H, W) lighting of each pixel.
        defocus_um: (S,) how far from best focus.
        stain: (S, C) brightness of the staining, a factor.

    Returns:
        (S, C, H, W) uint8 (at most 8 bits) or uint16.
    """
    for s in range(len(light)):
        sd_um = float(np.hypot(camera.sharp_um, 0.22 * defocus_um[s]))
        for c in range(light.shape[1]):
            light[s, c] = _blurred(light[s, c], sd_um, camera)
    photons, background = np.array(camera.photons, np.float32), np.array(camera.background, np.float32)
    light *= (photons * stain).astype(np.float32)[:, :, None, None]
    light += background[:, None, None]
    light *= lamp[:, None]
    noise = np.sqrt(light + np.float32(camera.read_noise**2))
    noise *= chance.grain(*light.shape)
    light += noise
    light *= np.float32(camera.gain)
    light += np.float32(camera.offset)
    np.rint(light, out=light)
    return np.clip(light, 0, camera.top).astype(np.uint8 if camera.bits <= 8 else np.uint16)


def _blurred(image: Array, sd_um: float, camera: Camera) -> Array:
    from scipy.ndimage import gaussian_filter, zoom

    sharp = gaussian_filter(image, sd_um / camera.pixel_um, mode="nearest", truncate=3)
    step = max(1, int(camera.haze_um / camera.pixel_um / 2))
    small = image[: image.shape[0] // step * step, : image.shape[1] // step * step]
    small = small.reshape(small.shape[0] // step, step, -1, step).mean(axis=(1, 3))
    wide = gaussian_filter(small, camera.haze_um / camera.pixel_um / step, mode="nearest", truncate=3)
    factors = (image.shape[0] / wide.shape[0], image.shape[1] / wide.shape[1])
    haze: Array = zoom(wide, factors, order=1, mode="nearest", grid_mode=True)
    result: Array = (1 - camera.haze) * sharp + camera.haze * haze
    return result


def scattered(
    chance: Chance,
    radii: Array,
    wanted: Array,
    size_um: tuple[float, float],
    *,
    clearance: float,
    first: bool,
    clumping: float,
) -> tuple[Array, Array, Array]:
    """Places for the cells of several pictures at once.

    Args:
        radii: (scenes, K) nuclear radius of every candidate, µm.
        wanted: (scenes,) cells each picture should get; where there is no room it gets fewer.
        size_um: width and height of the area.
        clearance: least distance of two nuclei, as a share of the sum of their radii; below 1 they may touch or
            overlap.
        first: whether the first cell lies in the middle of the area.
        clumping: 0 = even; towards 1 cells gather in islands.

    Returns:
        x, y (scenes, K) µm and accepted (scenes, K).
    """
    scenes, many = radii.shape
    width, height = size_um
    x = chance.uniform(0, width, shape=(scenes, many))
    y = chance.uniform(0, height, shape=(scenes, many))
    liked = chance.uniform(shape=(scenes, many)) < _liking(chance, x, y, size_um, clumping)
    accepted = np.zeros((scenes, many), bool)
    if first:
        x[:, 0], y[:, 0], liked[:, 0] = width / 2, height / 2, True
    for k in range(many):
        gap = np.hypot(x[:, :k] - x[:, k : k + 1], y[:, :k] - y[:, k : k + 1])
        near = (gap < clearance * (radii[:, :k] + radii[:, k : k + 1])) & accepted[:, :k]
        accepted[:, k] = liked[:, k] & ~near.any(axis=1) & (accepted[:, :k].sum(axis=1) < wanted)
    return x, y, accepted


def _liking(chance: Chance, x: Array, y: Array, size_um: tuple[float, float], clumping: float) -> Array:
    """How welcome each place is, 0..1: a sum of slow waves, another in every picture."""
    scenes = len(x)
    waves = 4
    wavelength = 160.0  # µm, a few cells
    direction = chance.uniform(0, 2 * np.pi, shape=(scenes, waves, 1))
    phase = chance.uniform(0, 2 * np.pi, shape=(scenes, waves, 1))
    length = wavelength * chance.factor(0.4, (scenes, waves, 1))
    along = (x[:, None] * np.cos(direction) + y[:, None] * np.sin(direction)) * 2 * np.pi / length
    hill = np.sin(along + phase).sum(axis=1) / np.sqrt(waves / 2)
    result: Array = 1 - clumping + clumping / (1 + np.exp(-2.5 * hill))
    return result


FIELD = (1024, 1280)  # rows, columns of the field a crop is thought to be cut from
MARGIN_UM = 18.0
_MOST = 30


def draw_crops(wells: pd.DataFrame, *, side: int, camera: Camera, chance: Chance) -> tuple[Array, pd.DataFrame]:
    """One crop for each row of `wells` (rows of `screen.screen`, with a column `site`).

    Args:
        wells: where the columns `like` and `like_um` are there, cells respond as to that compound at that dose.
        side: px.

    Returns:
        pixels (n, 3, side, side) and the table of truth: `wells`' own columns, then response, strength,
        nuclear_area_um2, nuclear_eccentricity, nuclear_pieces, cell_radius_um, neighbours (cells whose nucleus has its
        middle in the crop, without the one in the centre), x_px, y_px (where the crop's cell lies in its field),
        dna_factor, actin_factor, tubulin_factor (the cell's own brightness), defocus_um.
    """
    n, span = len(wells), side * camera.pixel_um
    cells, first = _crowd(wells, span, chance)
    drawing = draw(cells, n, (side, side), camera.pixel_um, textures(), chance)
    x, y = _places(n, side, chance)
    lamp = _lamps(wells, x, y, side, camera)
    defocus = wells["defocus_um"].to_numpy() + np.abs(0.2 * chance.normal(n))
    stain = wells[[f"stain_{name}" for name in STAINS]].to_numpy()
    pixels = photograph(drawing.light, camera, lamp, defocus, stain, chance)
    truth = _truth(cells, first, drawing, span)
    hidden = ["density_per_mm2", "lamp_x", "lamp_y", "defocus_um", "like", "like_um"]
    table = wells.drop(columns=hidden, errors="ignore").reset_index(drop=True)
    return pixels, pd.concat([table, truth], axis=1).assign(x_px=x, y_px=y, defocus_um=defocus)


def respond(wells: pd.DataFrame, scene: Array, chance: Chance) -> tuple[Array, Array]:
    """Response and strength of every cell, drawn from the shares of its well's condition.

    Args:
        scene: (n,) row of `wells` that each cell lies in.
    """
    names = ("like", "like_um") if "like" in wells else ("compound", "dose")
    shares = np.stack([response_shares(c, d) for c, d in zip(*(wells[name] for name in names), strict=True)])
    return chance.choose(shares[scene]), chance.uniform(0.6, 1.0, shape=len(scene))


def _crowd(wells: pd.DataFrame, span: float, chance: Chance) -> tuple[Cells, Array]:
    """The cells of all crops, and the rows of those in the centres."""
    n, width = len(wells), span + 2 * MARGIN_UM
    scene = np.repeat(np.arange(n), _MOST)
    response, strength = respond(wells, scene, chance)
    seeds = draw_seeds(chance, scene, response, strength)
    crowd = wells["density_per_mm2"].to_numpy() * chance.factor(0.45, n) * width**2 / 1e6
    x, y, kept = scattered(
        chance,
        seeds.nuclear_radius_um.reshape(n, _MOST),
        1 + chance.counts(crowd),
        (width, width),
        clearance=1.0,
        first=True,
        clumping=0.5,
    )
    x, y = x.ravel() - MARGIN_UM, y.ravel() - MARGIN_UM
    rows = np.flatnonzero(kept.ravel())
    return grown(chance, seeds.take(rows), x[rows], y[rows]), np.flatnonzero(rows % _MOST == 0)


def _places(n: int, side: int, chance: Chance) -> tuple[Array, Array]:
    low = side / 2
    x = np.rint(chance.uniform(low, max(low, FIELD[1] - low), shape=n))
    return x, np.rint(chance.uniform(low, max(low, FIELD[0] - low), shape=n))


def _lamps(wells: pd.DataFrame, x: Array, y: Array, side: int, camera: Camera) -> Array:
    """(n, side, side): the part of each field's lighting that falls on the crop."""
    offset = np.arange(side) - (side - 1) / 2
    u = (x[:, None] + offset) / FIELD[1] * 2 - 1 - 0.3 * wells["lamp_x"].to_numpy()[:, None]
    v = (y[:, None] + offset) / FIELD[0] * 2 - 1 - 0.3 * wells["lamp_y"].to_numpy()[:, None]
    result: Array = (1 - camera.shading / 2 * ((u**2)[:, None, :] + (v**2)[:, :, None])).astype(np.float32)
    return result


def _truth(cells: Cells, first: Array, drawing: Drawing, span: float) -> pd.DataFrame:
    centre = cells.take(first)
    inside = (cells.x_um >= 0) & (cells.y_um >= 0) & (cells.x_um < span) & (cells.y_um < span)
    return pd.DataFrame(
        {
            "response": np.array(RESPONSE_NAMES)[centre.response],
            "strength": np.where(centre.response == 0, 0.0, centre.strength),
            "nuclear_area_um2": drawing.area_um2[first],
            "nuclear_eccentricity": drawing.eccentricity[first],
            "nuclear_pieces": centre.lobes.count,
            "cell_radius_um": centre.cell_radius_um,
            "neighbours": np.bincount(cells.scene[inside], minlength=len(first)) - 1,
            "dna_factor": centre.dna,
            "actin_factor": centre.actin,
            "tubulin_factor": centre.tubulin,
        }
    )


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
