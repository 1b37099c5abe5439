"""The square around each cell in which it is drawn, and the cell's outline in it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ssrl_core.datasets.made.simulation.chance import Textures, sampled
from ssrl_core.datasets.made.simulation.population import HARMONICS, TEETH, Cells

_ANGLES = 512


@dataclass(frozen=True)
class Patches:
    """B cells, each on its own P × P pixels of its picture (all float32, µm).

    Attributes:
        outline: (B, 512) how far the outline is from the middle of the body in each direction.
        top, left: (B,) first row and column in the picture; may lie outside.
    """

    cells: Cells
    outline: Array
    side: int
    pixel_um: float
    tiles: Textures
    top: Array
    left: Array

    @cached_property
    def x_um(self) -> Array:
        """(B, 1, P) from the middle of the nucleus."""
        return self._axis(self.left, self.cells.x_um)[:, None, :]

    @cached_property
    def y_um(self) -> Array:
        """(B, P, 1) from the middle of the nucleus."""
        return self._axis(self.top, self.cells.y_um)[:, :, None]

    @cached_property
    def rho(self) -> Array:
        """(B, P, P): 0 in the middle of the cell, 1 on its outline."""
        c = self.cells
        x, y = self.x_um - _col(c.heart_x_um), self.y_um - _col(c.heart_y_um)
        turn = np.arctan2(y, x) * np.float32(_ANGLES / (2 * np.pi)) + np.float32(_ANGLES)
        radius = np.take_along_axis(self.outline, (turn.astype(np.int32) & (_ANGLES - 1)).reshape(len(c), -1), axis=1)
        rough = sampled(self.tiles.coarse, self.x_um, self.y_um, c.texture[:, 0:2])
        uneven = 1 + _col(0.05 * (1 - c.traits["roundness"])) * rough
        body = np.sqrt(x * x + y * y) / radius.reshape(turn.shape) * uneven
        around_nucleus = np.sqrt(self.x_um**2 + self.y_um**2) / _col(1.15 * pieces_reach(c))
        result: Array = np.minimum(body, around_nucleus)  # no nucleus sticks out of its cell
        return result

    @cached_property
    def nucleus(self) -> tuple[Array, Array]:
        """Profile of the nucleus (B, P, P), 0 outside, about 1 inside, and where it is (bool)."""
        return _nuclear_profile(self)

    def turned(self, angle: Array) -> tuple[Array, Array]:
        """(B, P, P) coordinates along and across a direction of each cell."""
        c, s = _col(np.cos(angle)), _col(np.sin(angle))
        return self.x_um * c + self.y_um * s, self.y_um * c - self.x_um * s

    def take(self, rows: Array) -> Patches:
        """The patches of some of the cells."""
        return Patches(
            self.cells.take(rows),
            self.outline[rows],
            self.side,
            self.pixel_um,
            self.tiles,
            self.top[rows],
            self.left[rows],
        )

    def _axis(self, start: Array, middle_um: Array) -> Array:
        pixels = start[:, None] + np.arange(self.side)
        return (pixels * self.pixel_um - middle_um[:, None]).astype(np.float32)


def patches_of(cells: Cells, outline: Array, reach_um: float, pixel_um: float, tiles: Textures) -> Patches:
    """Patches that hold what lies up to `reach_um` from the middle of each nucleus."""
    half = int(np.ceil(reach_um / pixel_um)) + 1
    top = np.rint(cells.y_um / pixel_um).astype(np.int64) - half
    left = np.rint(cells.x_um / pixel_um).astype(np.int64) - half
    return Patches(cells, outline, 2 * half + 1, pixel_um, tiles, top, left)


def reach_of(cells: Cells, outline: Array) -> Array:
    """(n,) µm from the middle of each nucleus to the farthest that is drawn of the cell."""
    body = outline.max(axis=1) * (1 + 0.12 * (1 - cells.traits["roundness"])) + np.hypot(
        cells.heart_x_um, cells.heart_y_um
    )
    result: Array = np.maximum(body, 1.2 * pieces_reach(cells))
    return result


def pieces_reach(cells: Cells) -> Array:
    """(n,) µm from the middle of each nucleus to the farthest end of its pieces."""
    lobes = cells.lobes
    used = np.arange(lobes.x_um.shape[1]) < lobes.count[:, None]
    ends: Array = np.where(used, np.hypot(lobes.x_um, lobes.y_um) + lobes.long_um, 0).max(axis=1)
    return ends


def outline_of(cells: Cells) -> Array:
    """(B, _ANGLES) float32: how far the outline is in each direction."""
    theta = np.arange(_ANGLES) * (2 * np.pi / _ANGLES)
    ratio = cells.cell_ratio[:, None]
    own = theta - cells.cell_angle[:, None]
    oval = 1 / np.sqrt(ratio * np.cos(own) ** 2 + np.sin(own) ** 2 / ratio)
    waves = np.zeros_like(oval)
    for i, k in enumerate(HARMONICS):
        waves += cells.waves[:, i : i + 1] * np.cos(k * theta + cells.wave_phases[:, i : i + 1])
    teeth = sum(np.cos(k * theta + cells.tooth_phases[:, i : i + 1]) for i, k in enumerate(TEETH))
    ragged = cells.traits["ragged"][:, None] * teeth / np.sqrt(len(TEETH))
    result: Array = (cells.cell_radius_um[:, None] * oval * np.exp(waves + ragged)).astype(np.float32)
    return result


def _nuclear_profile(p: Patches) -> tuple[Array, Array]:
    """Pieces laid over each other: where they overlap it is a little brighter."""
    lobes, shape = p.cells.lobes, (len(p.cells), p.side, p.side)
    highest, total = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    inside = np.zeros(shape, bool)
    wobble = np.float32(0.055) * sampled(p.tiles.coarse, p.x_um * 0.8, p.y_um * 0.8, p.cells.texture[:, 2:4])
    for k in range(int(lobes.count.max(initial=0))):
        rows = np.flatnonzero(lobes.count > k)
        x = p.x_um[rows] - _col(lobes.x_um[rows, k])
        y = p.y_um[rows] - _col(lobes.y_um[rows, k])
        c, s = _col(np.cos(lobes.angle[rows, k])), _col(np.sin(lobes.angle[rows, k]))
        u = (x * c + y * s) / _col(lobes.long_um[rows, k])
        v = (y * c - x * s) / _col(lobes.short_um[rows, k])
        rho = np.sqrt(u * u + v * v) + wobble[rows]
        # A nucleus is a flat cushion: even, and falling off within about 1.3 µm of its edge.
        edge = np.clip((1 - rho) * _col(lobes.short_um[rows, k] / 1.3), 0, 1)
        height = _col(lobes.tone[rows, k]) * (edge * (2 - edge)) * (1 - np.float32(0.25) * np.minimum(rho * rho, 1))
        highest[rows] = np.maximum(highest[rows], height)
        total[rows] += height
        inside[rows] |= rho < 1
    return highest + np.float32(0.35) * (total - highest), inside


def _col(values: Array) -> Array:
    """(B,) as (B, 1, 1) float32."""
    return np.asarray(values, np.float32)[:, None, None]
