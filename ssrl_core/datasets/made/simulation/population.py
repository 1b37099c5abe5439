"""Cells as numbers, before anything is drawn: the traits of each response, then size, shape and nucleus of each cell.

The responses, and what compounds at which dose bring them about, are those that one sees in real screens (untreated
MCF7 cells, nocodazole, cytochalasin B, taxol in BBBC021); the numbers are chosen by eye beside such images.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import pandas as pd

from ssrl_core.datasets.made.simulation.chance import Chance

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Traits:
    """What a response changes; the defaults are an untreated cell.

    Attributes:
        nuclear_area, cell_area: factors.
        roundness: 0 = spread and irregular, 1 = a disc.
        ragged: depth of the teeth of the outline, share of the radius.
        lobes, lobes_more: least number of nuclear pieces, and how many more there may be.
        packing: distance of the pieces, in nuclear radii (0 = one piece).
        lobe_ratio: short by long axis of each piece.
        dna, actin, tubulin: brightness, factors.
        clumps: contrast of the chromatin.
        filaments: how many microtubules, share of an untreated cell's.
        bundles: how many thick bundles of microtubules.
        tubulin_haze: tubulin that is in no filament.
        hole: how far nuclei exclude tubulin, 0..1.
        fibres: stress fibres of actin.
        cortex: actin along the border.
        puncta: how many actin aggregates.
    """

    nuclear_area: float = 1.0
    cell_area: float = 1.0
    roundness: float = 0.0
    ragged: float = 0.03
    lobes: float = 1.0
    lobes_more: float = 0.0
    packing: float = 0.0
    lobe_ratio: float = 1.0
    dna: float = 1.0
    clumps: float = 0.16
    actin: float = 1.0
    fibres: float = 0.45
    cortex: float = 1.0
    puncta: float = 4.0
    tubulin: float = 1.0
    filaments: float = 1.0
    bundles: float = 0.0
    tubulin_haze: float = 0.45
    hole: float = 0.35

    def as_row(self) -> Array:
        """(T,) in the order of `TRAIT_NAMES`."""
        return np.array([getattr(self, f.name) for f in fields(self)])


TRAIT_NAMES = tuple(f.name for f in fields(Traits))
UNTREATED = "untreated"

RESPONSES: dict[str, Traits] = {
    UNTREATED: Traits(),
    "mitotic": Traits(
        nuclear_area=0.66, cell_area=0.36, roundness=1.0, ragged=0.01, lobes=4, lobes_more=14, packing=0.4,
        lobe_ratio=0.6, dna=2.3, clumps=0.4, actin=1.7, fibres=0.0, cortex=0.75, puncta=2, tubulin=1.5, filaments=0.0,
        tubulin_haze=1.3, hole=0.3,
    ),
    "micronucleated": Traits(
        nuclear_area=1.5, cell_area=1.25, roundness=0.2, lobes=9, lobes_more=14, packing=1.0, dna=0.85, clumps=0.12,
        actin=0.8, fibres=0.25, cortex=0.9, tubulin=1.3, filaments=0.02, tubulin_haze=1.6, hole=0.95,
    ),
    "diffuse": Traits(
        nuclear_area=1.35, cell_area=1.15, roundness=0.1, dna=0.85, clumps=0.1, actin=0.9, fibres=0.75, cortex=1.0,
        tubulin=1.2, filaments=0.04, tubulin_haze=1.5, hole=0.9,
    ),
    "aggregated": Traits(
        nuclear_area=1.1, cell_area=0.8, roundness=0.25, ragged=0.2, lobes=1, lobes_more=1.6, packing=0.95, dna=1.0,
        actin=0.85, fibres=0.0, cortex=0.35, puncta=100, tubulin=1.1, filaments=0.7, tubulin_haze=0.5, hole=0.35,
    ),
    "bundled": Traits(
        nuclear_area=1.15, cell_area=0.95, roundness=0.35, lobes=1, lobes_more=0.8, packing=0.8, actin=0.9, fibres=0.3,
        tubulin=1.5, filaments=0.15, bundles=15, tubulin_haze=0.45, hole=0.5,
    ),
    "multinucleated": Traits(
        nuclear_area=1.5, cell_area=1.35, roundness=0.2, lobes=3, lobes_more=3.5, packing=1.25, dna=0.9, clumps=0.13,
        actin=0.95, fibres=0.35, tubulin=1.2, filaments=0.6, bundles=5, tubulin_haze=0.45, hole=0.55,
    ),
}  # fmt: skip
RESPONSE_NAMES = tuple(RESPONSES)
TRAIT_TABLE = np.stack([traits.as_row() for traits in RESPONSES.values()])


@dataclass(frozen=True)
class Compound:
    """What cells do under a compound.

    Attributes:
        doses_um: the concentrations tested, µM, ascending.
        ec50_um, hill: where half of `reach` responds, and how steeply.
        reach: the share of cells that respond at the highest doses; the others look untreated.
        responses: response -> its share among those that respond, at the lowest and at the highest dose.
    """

    name: str
    doses_um: tuple[float, ...]
    ec50_um: float
    hill: float
    reach: float
    responses: Mapping[str, tuple[float, float]]


CONTROL = "DMSO"
NATURAL_MITOSIS = 0.03
COMPOUNDS: dict[str, Compound] = {
    c.name: c
    for c in (
        Compound(
            "sim-nocodazole",
            (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0),
            0.12,
            1.3,
            0.9,
            {"diffuse": (0.8, 0.25), "micronucleated": (0.15, 0.5), "mitotic": (0.05, 0.25)},
        ),
        Compound(
            "sim-cytochalasin-b",
            (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0),
            1.5,
            1.2,
            0.92,
            {"aggregated": (1.0, 1.0)},
        ),
        Compound(
            "sim-taxol",
            (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0),
            0.08,
            1.2,
            0.9,
            {"multinucleated": (0.7, 0.3), "bundled": (0.25, 0.4), "mitotic": (0.05, 0.3)},
        ),
    )
}
CLASSES = (CONTROL, *COMPOUNDS)
MECHANISMS: dict[str, Compound] = {
    "microtubule destabilizer": COMPOUNDS["sim-nocodazole"],
    "actin disruptor": COMPOUNDS["sim-cytochalasin-b"],
    "microtubule stabilizer": COMPOUNDS["sim-taxol"],
    "mitotic arrest": Compound("sim-monastrol", (0.3, 1.0, 3.0, 10.0), 2.0, 1.4, 0.75, {"mitotic": (1.0, 1.0)}),
}
"""What the compounds of a simulated screen do to cells, by the name of the mechanism."""
_ACTING = {compound.name: compound for compound in MECHANISMS.values()}


def response_shares(compound: str, dose_um: float) -> Array:
    """(R,) the share of each response (order of `RESPONSE_NAMES`) among the cells of a condition; sums to 1."""
    shares = np.zeros(len(RESPONSE_NAMES))
    if compound in _ACTING and dose_um > 0:
        row = _ACTING[compound]
        place = _place(row.doses_um, dose_um)
        responding = row.reach * effect(compound, dose_um)
        for name, (low, high) in row.responses.items():
            shares[RESPONSE_NAMES.index(name)] = responding * (low + (high - low) * place)
    quiet = 1 - shares.sum()
    shares[RESPONSE_NAMES.index("mitotic")] += NATURAL_MITOSIS * quiet
    shares[0] = quiet * (1 - NATURAL_MITOSIS)
    return shares


def effect(compound: str, dose_um: float) -> float:
    """How much of its effect a compound has at a dose, 0..1 (Hill curve); 0 for untreated cells."""
    if compound not in _ACTING or dose_um <= 0:
        return 0.0
    row = _ACTING[compound]
    return float(1 / (1 + (row.ec50_um / dose_um) ** row.hill))


def traits_of(response: Array, strength: Array) -> dict[str, Array]:
    """Traits of cells, from untreated (strength 0) to the full response (1).

    Args:
        response: (n,) index into `RESPONSE_NAMES`.
        strength: (n,) 0..1.

    Returns:
        trait -> (n,).
    """
    rows = TRAIT_TABLE[0] + strength[:, None] * (TRAIT_TABLE[response] - TRAIT_TABLE[0])
    return dict(zip(TRAIT_NAMES, rows.T, strict=True))


def _place(doses: tuple[float, ...], dose: float) -> float:
    """Where a dose lies between the lowest (0) and the highest (1), on the logarithmic scale."""
    return float(np.clip(np.log(dose / doses[0]) / np.log(doses[-1] / doses[0]), 0, 1))


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
