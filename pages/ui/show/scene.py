"""What the Show page tells: groups of cells with their names, the cells that are looked at, doses, plates."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from pages.ui.clusters.scene import Scene, clusters_of
from ssrl_core.analysis.clusters import Clustering, nearest
from ssrl_core.datasets.columns import doses_of, untreated
from ssrl_core.figures.colours import palette
from ssrl_core.runs.folder.run_folder import RunFolder

Array = np.ndarray[Any, Any]
UNTREATED = "untreated"


@dataclass(frozen=True)
class Group:
    """A group of cells that look alike.

    Attributes:
        rows: (n,) rows of the scene, the most typical first.
        share: of all cells that are looked at.
    """

    number: int
    name: str
    note: str
    colour: str
    rows: Array
    share: float


@dataclass(frozen=True)
class Told:
    """A scene under the choices of the page. Arrays follow the scene's rows.

    Attributes:
        ids: (n,) group of each cell; -1 for groups that were set aside.
        compounds, doses, plates, wells: (n,) of each cell, None where the image set does not know them.
        kept: (n,) bool, cells of the compounds and doses that were chosen.
    """

    scene: Scene
    clustering: Clustering
    names: dict[int, str]
    ids: Array
    compounds: Array | None
    doses: Array | None
    plates: Array | None
    wells: Array | None
    unit: str
    kept: Array
    groups: tuple[Group, ...]

    @property
    def things(self) -> str:
        """What the images show, in the plural: cells where compounds or the size of a pixel are known."""
        return "cells" if self.compounds is not None or self.scene.imageset.pixel_size_um else "images"

    @property
    def control(self) -> Array:
        """(n,) bool: untreated cells."""
        return self.doses == 0 if self.doses is not None else np.zeros(len(self.ids), bool)

    @cached_property
    def looked_at(self) -> str:
        """A digest of the cells that are looked at and of their groups, to keep what is told of them by."""
        return hashlib.sha256(np.where(self.kept, self.ids, -1).astype(np.int32).tobytes()).hexdigest()


def compounds_of(scene: Scene) -> list[str]:
    """Compounds, without the untreated; most cells first."""
    if "compound" not in scene.table:
        return []
    treated = scene.table["compound"][~untreated(scene.table)]
    return [str(name) for name in treated.value_counts().index]


def known_doses(scene: Scene) -> list[float]:
    """Doses tested, ascending, without 0."""
    if "dose" not in scene.table:
        return []
    doses = doses_of(scene.table)
    return [float(d) for d in np.unique(doses[np.isfinite(doses)]) if d > 0]


def told(scene: Scene, k: int, *, compounds: list[str], doses: tuple[float, float] | None) -> Told:
    """Everything that the page shows.

    Args:
        compounds: those that are looked at (the untreated always are); empty = all.
        doses: lowest and highest dose that is looked at; None = all.
    """
    clustering = clusters_of(scene, k)
    notes = _notes(scene, k)
    ids = clustering.ids.astype(np.int64).copy()
    for number, note in notes.items():
        if note.get("excluded"):
            ids[ids == number] = -1
    dose = doses_of(scene.table) if "dose" in scene.table else None
    compound = _compounds(scene.table)
    kept = _kept(scene.table, compound, dose, compounds, doses)
    names = {g: str(notes.get(g, {}).get("name") or f"Group {g + 1}") for g in range(clustering.k)}
    return Told(
        scene=scene,
        clustering=clustering,
        names=names,
        ids=ids,
        compounds=compound,
        doses=dose,
        plates=_text(scene.table, "plate"),
        wells=_text(scene.table, "well"),
        unit=_unit(scene.table),
        kept=kept,
        groups=_groups(scene, clustering, ids, kept, names, notes),
    )


def present(told: Told) -> list[str]:
    """Compounds of the cells that are looked at, `UNTREATED` among them; most cells first."""
    if told.compounds is None:
        return []
    return [str(name) for name in pd.Series(told.compounds[told.kept]).value_counts().index]


def replicates(told: Told) -> Array:
    """(n,) what a repeat of the experiment is: the plate, else the replicate, else everything is one."""
    if told.plates is not None:
        return told.plates
    found = _text(told.scene.table, "replicate")
    return found if found is not None else np.full(len(told.ids), "all cells")


def table_of(told: Told) -> pd.DataFrame:
    """Every cell with its group: the table to take home."""
    table = told.scene.table.copy()
    table.insert(0, "image_id", told.scene.ids) if "image_id" not in table else None
    table = table[[c for c in table.columns if c not in ("order", "label_id")]]
    table["group"] = [told.names.get(int(g), "") for g in told.ids]
    return table


def tips(told: Told, rows: Array) -> list[str]:
    """What hovering over a cell says: its number, compound, dose, plate and well."""
    found = []
    for row in rows:
        parts = [f"cell {told.scene.ids[row]}"]
        if told.compounds is not None:
            parts.append(str(told.compounds[row]))
        if told.doses is not None and told.doses[row] > 0:
            parts.append(f"{told.doses[row]:g} {told.unit}")
        if told.plates is not None and told.wells is not None:
            parts.append(f"{told.plates[row]} {told.wells[row]}")
        found.append(" · ".join(parts))
    return found


def _groups(
    scene: Scene,
    clustering: Clustering,
    ids: Array,
    kept: Array,
    names: dict[int, str],
    notes: dict[int, dict[str, Any]],
) -> tuple[Group, ...]:
    rows, _ = nearest(scene.x, clustering, max(clustering.sizes) if clustering.sizes else 0)
    colours, total = palette(clustering.k), max(1, int((kept & (ids >= 0)).sum()))
    found = []
    for g in range(clustering.k):
        own = rows[g][rows[g] >= 0]
        own = own[kept[own] & (ids[own] >= 0)]
        if not notes.get(g, {}).get("excluded") and clustering.sizes[g]:
            colour = str(notes.get(g, {}).get("colour") or colours[g])
            found.append(Group(g, names[g], str(notes.get(g, {}).get("note") or ""), colour, own, len(own) / total))
    return tuple(found)


def _notes(scene: Scene, k: int) -> dict[int, dict[str, Any]]:
    """What was written to each group on the Clusters page: name, colour, note, excluded."""
    every = RunFolder(scene.run_id).annotations().get("clusters") or {}
    own = every.get(f"clusters_kmeans_k{k}_s0") or {}
    return {int(number): dict(note) for number, note in own.items()}


def _compounds(table: pd.DataFrame) -> Array | None:
    if "compound" not in table:
        return None
    names = table["compound"].astype(str).to_numpy(object)
    return np.where(untreated(table), UNTREATED, names)


def _kept(
    table: pd.DataFrame,
    compound: Array | None,
    dose: Array | None,
    compounds: list[str],
    doses: tuple[float, float] | None,
) -> Array:
    kept = np.ones(len(table), bool)
    if compounds and compound is not None:
        kept &= np.isin(compound.astype(str), [UNTREATED, *compounds])
    if doses is not None and dose is not None:
        kept &= (dose == 0) | ((dose >= doses[0]) & (dose <= doses[1]))
    return kept


def _text(table: pd.DataFrame, column: str) -> Array | None:
    if column not in table or table[column].isna().all():
        return None
    return table[column].astype(str).to_numpy(object)


def _unit(table: pd.DataFrame) -> str:
    units = table["dose_unit"].dropna().unique() if "dose_unit" in table else []
    return str(units[0]) if len(units) == 1 else "units as given"
