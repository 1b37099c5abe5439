"""What the Screen page looks at: a run's wells under a recipe, whose profiles are looked at, and the cells of wells."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from pages.ui.kit import cache, choices, frame
from pages.ui.kit.blocks import Array
from pages.ui.map.evaluated import EvaluatedRun, open_run
from pages.ui.runs import choosing
from pages.ui.screen.tables import Brought
from ssrl_core.analysis.screens.profiles import treatment_name
from ssrl_core.analysis.screens.screen import CELL_COUNT, Scored, Screen, screen
from ssrl_core.runs.evaluation import screens
from ssrl_core.runs.evaluation.screens import LEARNT, NAMED
from ssrl_core.runs.folder.run_folder import RunFolder
from ssrl_core.specs.screens import RECIPES, Recipe

NETWORK, TABLE = "this network", "these profiles"
COUNT = "number of cells alone"
_ABOUT_RECIPE = (
    "How wells are corrected. bbbc021: means of wells, standardised to each plate's untreated wells and whitened on "
    "those of all plates. no-correction: as they are."
)
_STEPS = {"plain": "before correction", "normalised": "plates evened", "sphered": "corrected"}


@dataclass(frozen=True)
class OpenScreen:
    """A screen, of a run or of a table of numbers.

    Attributes:
        name: the run's id, or the table's name.
        source: what it is made of changes with it.
        screen: of the run's network; others: the same wells by what it is set beside.
        told: `Screen.to_json`.
        run: None for a table, which has no cells to show.
        cells: where each kept cell is from (`screen_table`, with `treatment`), its id in `image_ids`.
        look: whose profiles are looked at, "" for its own; step: after which step.
    """

    name: str
    source: Hashable
    screen: Screen
    others: Mapping[str, Screen]
    told: Mapping[str, Any]
    run: EvaluatedRun | None = None
    cells: pd.DataFrame = field(default_factory=pd.DataFrame)
    image_ids: Array = field(default_factory=lambda: np.empty(0, np.int64))
    look: str = ""
    step: str = ""

    @property
    def cache_key(self) -> Hashable:
        """Changes with the run's files, the recipe, whose profiles and which step."""
        return self.source, str(self.screen.recipe), self.look, self.step

    @property
    def own(self) -> str:
        """What its own profiles are called."""
        return TABLE if self.run is None else NETWORK

    @property
    def scored(self) -> Scored:
        """What is looked at."""
        if self.look == COUNT and self.screen.cell_count is not None:
            return self.screen.cell_count
        own = self.others.get(self.look, self.screen)
        return own.after(self.step) if self.step else own.scored

    @property
    def unit(self) -> str:
        """Of doses."""
        units = None if self.run is None else self.run.imageset.table.get("dose_unit")
        return str(units.dropna().iloc[0]) if units is not None and units.notna().any() else ""

    def cells_of(self, **where: str) -> Array:
        """Ids of the cells of a treatment, or of a well of a plate."""
        chosen = np.ones(len(self.cells), bool)
        for column, value in where.items():
            chosen &= (self.cells[column] == value).to_numpy(bool)
        return np.asarray(self.image_ids[chosen])


def choose_screen() -> str:
    """The run; until another is chosen the one that Show opens with."""
    return choosing.choose_run("Experiment", usable=choosing.of_cells_embedded, default=choosing.newest_of_cells())


def choose_recipe(own: str) -> Recipe | None:
    """A recipe that ships; None: the run's own, or the default.

    Args:
        own: what is taken unless another is chosen.
    """
    names = {own: own} | {name: name for name in RECIPES if name != "default"}
    chosen = choices.from_address("Recipe", list(names), key="recipe", default=own, help=_ABOUT_RECIPE)
    return RECIPES.get(chosen)


def open_table(table: Brought, recipe: Recipe | None) -> OpenScreen:
    """A table's screen.

    Raises:
        SSRLError: no plate has an untreated well.
    """
    found, told = _scored_table(table, recipe or Recipe())
    return OpenScreen(table.name, table.cache_key, found, {}, told)


@cache.kept(spinner="Scoring the table", least=2)
def _scored_table(table: Brought, recipe: Recipe) -> tuple[Screen, Mapping[str, Any]]:
    found = screen(table.wells, recipe)
    return found, found.to_json()


def open_screen(run_id: str, recipe: Recipe | None = None) -> OpenScreen:
    """The run's screen, or an empty state with the reason.

    Args:
        recipe: how wells are corrected; None: as the run asks.

    Raises:
        SSRLError: it cannot be corrected, or there is no embedding.
    """
    run = open_run(run_id)
    why = screens.no_screen(run.imageset)
    if why:
        frame.empty(
            "These images are no screen: their table has no wells or compounds.",
            button="Bring a screen in",
            page="pages/1_Data.py",
            icon="photo_library",
        )
    own = screens.asked_recipe(RunFolder(run_id))
    if recipe is not None:  # which images and columns stay those of the run
        own = replace(recipe, images=own.images, mechanism=own.mechanism, batch=own.batch)
    return _opened(run, own)


@cache.kept(spinner="Scoring the screen", least=2)
def _opened(run: EvaluatedRun, recipe: Recipe) -> OpenScreen:
    folder = RunFolder(run.run_id)
    found, wells = screens.screen_of_run(folder, recipe)
    others = {NAMED[kind]: screen(own, recipe) for kind, own in wells.items()}
    told = _told(run, recipe) or found.to_json({kind: others[NAMED[kind]].scored.numbers() for kind in wells})
    others.pop(NAMED[LEARNT], None)  # other wells than those that are looked at
    ids = screens.scored_ids(folder.spec(), run.imageset, folder.embedding_ids(), recipe)
    cells, _ = screens.about_cells(run.imageset, ids, **recipe.columns())
    pairs = zip(cells["compound"], cells["dose"], strict=True)
    cells["treatment"] = [treatment_name(compound, dose) for compound, dose in pairs]
    cells.attrs = {}
    return OpenScreen(run.run_id, run.cache_key, found, others, told, run, cells, ids)


def _told(run: EvaluatedRun, recipe: Recipe) -> Mapping[str, Any] | None:
    """What the run's results say, where that was made by the same recipe (and tells which sentences are cautions)."""
    entry = run.results.entry("screen")
    same = (
        entry
        and "cautions" in entry
        and not screens.is_older(RunFolder(run.run_id))
        and all(entry.get(key) == value for key, value in recipe.to_mapping().items())
    )
    return {**entry, "missing": {}} if same else None


def choose_look(of: OpenScreen) -> OpenScreen:
    """Whose profiles, and before or after correction."""
    kinds = [of.own, *of.others, *([COUNT] if of.told.get(CELL_COUNT) else [])]
    steps = [step.name for step in of.screen.corrected.steps]
    left, right = st.columns(2)
    with left:
        look = choices.from_address("Seen by", kinds, key="seen")
    with right:
        step = choices.from_address("Plates", steps[::-1], key="step", shown=lambda name: _STEPS[name])
    return replace(of, look=look, step=step)
