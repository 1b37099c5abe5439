"""Cells as numbers: size, shape, brightness and nuclear pieces of each, before anything is drawn."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from ssrl_core.datasets.made.simulation.chance import Chance
from ssrl_core.datasets.made.simulation.responses import traits_of

Array = np.ndarray[Any, Any]
MOST = 24


@dataclass(frozen=True)
class Lobes:
    """Ellipses around the middle of the nucleus; row = cell, column = piece; lengths in µm.

    Attributes:
        count: (n,) pieces of each cell; columns from there on mean nothing.
        x_um, y_um: (n, MOST) middle of each piece.
        long_um, short_um: (n, MOST) half axes.
        angle: (n, MOST) of the long axis.
        tone: (n, MOST) brightness factors.
    """

    count: Array
    x_um: Array
    y_um: Array
    long_um: Array
    short_um: Array
    angle: Array
    tone: Array

    def take(self, rows: Array | slice) -> Lobes:
        """Those of some cells."""
        return Lobes(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})


def draw_lobes(chance: Chance, radius_um: Array, traits: dict[str, Array], variety: float) -> Lobes:
    """Pieces whose areas sum to that of a nucleus of this radius.

    Args:
        radius_um: (n,) of the disc with the nucleus's area.
        traits: `lobes`, `lobes_more`, `packing`, `lobe_ratio` of each cell.
    """
    n = len(radius_um)
    more = traits["lobes_more"] * chance.uniform(shape=n)
    count = np.clip(np.rint(traits["lobes"] + more), 1, MOST).astype(np.int64)
    used = np.arange(MOST) < count[:, None]
    share = np.where(used, chance.factor(0.28 * variety, (n, MOST)), 0)
    size = radius_um[:, None] * np.sqrt(share / share.sum(axis=1, keepdims=True))
    ratio = (0.62 + 0.36 * chance.uniform(shape=(n, MOST))) * traits["lobe_ratio"][:, None]
    ratio = np.where(count[:, None] > 1, np.maximum(ratio, 0.45), ratio)
    x, y = _packed(chance, size, used, radius_um * traits["packing"])
    return Lobes(
        count=count,
        x_um=x,
        y_um=y,
        long_um=size / np.sqrt(ratio),
        short_um=size * np.sqrt(ratio),
        angle=chance.uniform(0, np.pi, shape=(n, MOST)),
        tone=chance.factor(0.1 * variety, (n, MOST)),
    )


def _packed(chance: Chance, size: Array, used: Array, reach_um: Array) -> tuple[Array, Array]:
    """Places of pieces that push each other away and are held together; the middle of all of them is 0, 0."""
    n, count = len(size), used.sum(axis=1)
    many = count > 1
    place = chance.normal(n, MOST, 2) * 0.5 * reach_um[:, None, None]
    weight = (size**2 * used)[..., None]
    for low, high in ((2, 6), (7, MOST)):  # few pieces need not be pushed as if they were many
        rows = np.flatnonzero((count >= low) & (count <= high))
        if len(rows):
            place[rows, :high] = _pushed(place[rows, :high], size[rows, :high], used[rows, :high])
    place = np.where(many[:, None, None], place, 0)
    place = place - (place * weight).sum(axis=1, keepdims=True) / weight.sum(axis=1, keepdims=True)
    return place[..., 0], place[..., 1]


def _pushed(place: Array, size: Array, used: Array, rounds: int = 16) -> Array:
    """Pieces that overlap move apart, all move a little to the middle."""
    pair = used[:, :, None] & used[:, None, :] & ~np.eye(used.shape[1], dtype=bool)
    wanted = 0.8 * (size[:, :, None] + size[:, None, :])
    for _ in range(rounds):
        apart = place[:, :, None] - place[:, None, :]
        distance = np.sqrt((apart**2).sum(axis=-1)) + 1e-6
        push = np.where(pair, np.maximum(wanted - distance, 0), 0) / distance
        place = 0.97 * place + 0.4 * (push[..., None] * apart).sum(axis=2)
    return place


HARMONICS = (2, 3, 4, 5)
TEETH = (9, 11, 13, 16)


@dataclass(frozen=True)
class Cells:
    """One row a cell; lengths in µm, angles in radians.

    Attributes:
        scene: (n,) the picture that the cell lies in.
        x_um, y_um: (n,) middle of the nucleus, from the picture's top left corner.
        response, strength: (n,) index into `RESPONSE_NAMES`, and how far it went.
        waves, wave_phases: (n, 4) irregularity of the outline; `tooth_phases` (n, 4).
        heart_x_um, heart_y_um: (n,) middle of the cell's body, from the middle of its nucleus.
        dna, actin, tubulin: (n,) brightness factors.
        texture: (n, 6) where in the tiles of texture the cell's own lie, 0..1.
    """

    scene: Array
    x_um: Array
    y_um: Array
    response: Array
    strength: Array
    traits: dict[str, Array]
    nuclear_radius_um: Array
    cell_radius_um: Array
    cell_ratio: Array
    cell_angle: Array
    waves: Array
    wave_phases: Array
    tooth_phases: Array
    heart_x_um: Array
    heart_y_um: Array
    lobes: Lobes
    dna: Array
    actin: Array
    tubulin: Array
    fibre_angle: Array
    texture: Array

    def __len__(self) -> int:
        return len(self.scene)

    def take(self, rows: Array | slice) -> Cells:
        """Some of the cells."""
        kept = {f.name: getattr(self, f.name)[rows] for f in fields(self) if f.name not in ("traits", "lobes")}
        return replace(self, **kept, traits={k: v[rows] for k, v in self.traits.items()}, lobes=self.lobes.take(rows))


@dataclass(frozen=True)
class Seeds:
    """Cells of which only what matters for finding them room is drawn: response, growth and size of the nucleus."""

    scene: Array
    response: Array
    strength: Array
    growth: Array
    nuclear_radius_um: Array

    def take(self, rows: Array) -> Seeds:
        """Some of them."""
        return Seeds(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})


def draw_seeds(chance: Chance, scene: Array, response: Array, strength: Array, *, variety: float = 1.0) -> Seeds:
    """Candidates for cells of some responses.

    Args:
        variety: how different cells of one condition are; 1 = as in real screens.
    """
    growth = chance.uniform(shape=len(scene))  # through the cell cycle: twice the DNA, a larger nucleus
    area = traits_of(response, strength)["nuclear_area"] * (1 + 0.5 * growth)
    return Seeds(scene, response, strength, growth, 5.6 * np.sqrt(area) * chance.factor(0.1 * variety, len(scene)))


def grown(chance: Chance, seeds: Seeds, x_um: Array, y_um: Array, *, variety: float = 1.0) -> Cells:
    """The cells that became of seeds at these places, each with its own shape and brightness."""
    n = len(seeds.scene)
    traits = traits_of(seeds.response, seeds.strength)
    spread = 1 - traits["roundness"]
    nuclear = seeds.nuclear_radius_um
    body = 13.0 * np.sqrt(traits["cell_area"]) * chance.factor(0.16 * variety, n)
    shift = 0.35 * nuclear * spread
    stain = chance.factor(0.12 * variety, n)
    return Cells(
        scene=seeds.scene,
        x_um=x_um,
        y_um=y_um,
        response=seeds.response,
        strength=seeds.strength,
        traits=traits,
        nuclear_radius_um=nuclear,
        cell_radius_um=np.maximum(body, 1.25 * nuclear),
        cell_ratio=1 - spread * chance.uniform(0.05, 0.5, shape=n),
        cell_angle=chance.uniform(0, np.pi, shape=n),
        waves=(0.02 + 0.075 * spread)[:, None] * chance.normal(n, len(HARMONICS)),
        wave_phases=chance.uniform(0, 2 * np.pi, shape=(n, len(HARMONICS))),
        tooth_phases=chance.uniform(0, 2 * np.pi, shape=(n, len(TEETH))),
        heart_x_um=shift * chance.normal(n),
        heart_y_um=shift * chance.normal(n),
        lobes=draw_lobes(chance, nuclear, traits, variety),
        dna=traits["dna"] * (1 + 0.45 * seeds.growth) * stain / traits["nuclear_area"] ** 0.25,
        actin=traits["actin"] * chance.factor(0.25 * variety, n),
        tubulin=traits["tubulin"] * chance.factor(0.32 * variety, n),
        fibre_angle=chance.uniform(0, np.pi, shape=n),
        texture=chance.uniform(shape=(n, 6)),
    )
