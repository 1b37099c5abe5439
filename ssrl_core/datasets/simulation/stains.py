"""What each stain shows in a cell: DNA, actin, tubulin, in photons per pixel before the microscope blurs them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ssrl_core.datasets.simulation.chance import Chance
from ssrl_core.datasets.simulation.filaments import bundles, microtubules, spots
from ssrl_core.datasets.simulation.patches import Patches, _col
from ssrl_core.datasets.simulation.textures import sampled

Array = np.ndarray[Any, Any]


def dna(p: Patches) -> Array:
    """(B, P, P): chromatin in the nuclear pieces, with grains and dark nucleoli."""
    profile, _ = p.nucleus
    c = p.cells
    grains = sampled(p.tiles.fine, p.x_um, p.y_um, c.texture[:, 4:6])
    patches = sampled(p.tiles.coarse, p.x_um * 2.2, p.y_um * 2.2, c.texture[:, 1:3])
    clumps = _col(c.traits["clumps"])
    texture = 1 + clumps * (np.float32(0.8) * grains + np.float32(0.7) * patches)
    nucleoli = np.clip((patches - np.float32(1.1)) * 1.5, 0, 1) * (clumps < 0.25)
    result: Array = profile * np.maximum(texture - np.float32(0.3) * nucleoli, 0.2) * _col(c.dna)
    return result


def actin(p: Patches, edge_um: Array, chance: Chance) -> Array:
    """(B, P, P): a haze as thick as the cell, its cortex, stress fibres and aggregates.

    Args:
        edge_um: (B, P, P) distance from the cell's border, 0 outside the cell.
    """
    c, traits = p.cells, p.cells.traits
    inside = edge_um > 0
    coarse = sampled(p.tiles.coarse, p.x_um, p.y_um, c.texture[:, 3:5])
    haze = np.float32(0.55) * _thickness(p, edge_um) * (1 + np.float32(0.18) * coarse)
    ruffle = np.clip(1 + np.float32(0.55) * coarse, 0.15, None)
    cortex = np.exp(-((edge_um - np.float32(0.7)) ** 2) / np.float32(0.9)) * ruffle
    along, across = p.turned(c.fibre_angle)
    bend = np.float32(0.02) * along * along / np.float32(10)
    streaks = sampled(p.tiles.fibres, along, across + bend, c.texture[:, 0:2])
    fibres = np.clip(streaks - np.float32(0.2), 0, None) * (1 - np.exp(-edge_um / 3))
    body = (
        haze + np.float32(0.65) * _col(traits["cortex"]) * cortex + np.float32(0.55) * _col(traits["fibres"]) * fibres
    )
    dots = spots(p, edge_um, traits["puncta"], chance)
    return (np.where(inside, body, 0) + dots) * _col(c.actin)


def tubulin(p: Patches, edge_um: Array, chance: Chance) -> Array:
    """(B, P, P): microtubules from beside the nucleus outwards, a haze of free tubulin, bundles."""
    c, traits = p.cells, p.cells.traits
    inside = edge_um > 0
    profile, _ = p.nucleus
    fine = sampled(p.tiles.fine, p.x_um, p.y_um, c.texture[:, 1:3])
    haze = _col(traits["tubulin_haze"]) * _thickness(p, edge_um) * (1 + np.float32(0.1) * fine)
    lines = microtubules(p, traits["filaments"], chance) + bundles(p, traits["bundles"], chance)
    lines = lines * np.clip(edge_um / np.float32(1.5), 0, 1)
    shade = 1 - _col(traits["hole"]) * np.minimum(profile, 1)
    result: Array = np.where(inside, haze + lines, 0) * shade * _col(c.tubulin)
    return result


def _thickness(p: Patches, edge_um: Array) -> Array:
    """A flat cell, thicker around its nucleus; about 1 at its thickest."""
    distance = np.sqrt(p.x_um**2 + p.y_um**2)
    mound = np.exp(-((distance / _col(1.7 * p.cells.nuclear_radius_um)) ** 2))
    round_ = _col(p.cells.traits["roundness"])
    flat = np.float32(0.3) + np.float32(0.45) * mound + np.float32(0.5) * round_
    result: Array = flat * (1 - np.exp(-edge_um / (np.float32(1.2) + np.float32(2.5) * round_)))
    return result
