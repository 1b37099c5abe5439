"""Pictures with one cell in the middle and its neighbours around it, the truth of each, and the camera."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from ssrl_core.datasets.made.simulation.canvas import Drawing, draw
from ssrl_core.datasets.made.simulation.chance import Chance, textures
from ssrl_core.datasets.made.simulation.population import (
    RESPONSE_NAMES,
    STAINS,
    Cells,
    draw_seeds,
    grown,
    response_shares,
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
