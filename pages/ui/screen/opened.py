"""What the Screen page looks at: a run's wells or a brought table of profiles, under a recipe; and the cells of wells.

A table (CellProfiler, pycytominer) comes without images: where it is and which column is what is asked for (`form`).
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from pages.ui.kit import cache, choices, frame
from pages.ui.kit.gallery import Array
from pages.ui.map.evaluated import EvaluatedRun, open_run
from pages.ui.runs import choosing
from ssrl_core import access
from ssrl_core.analysis.screens.profiles import (
    SAID_OF,
    Profiles,
    profiles_of_table,
    read_table,
    told_columns,
    treatment_name,
)
from ssrl_core.analysis.screens.screen import CELL_COUNT, Scored, Screen, screen
from ssrl_core.errors import SSRLError
from ssrl_core.runs.evaluation import screens
from ssrl_core.runs.evaluation.screens import LEARNT, NAMED
from ssrl_core.runs.folder.run_folder import RunFolder
from ssrl_core.specs.screens import RECIPES, Recipe

KINDS = ["csv", "tsv", "gz", "parquet"]
AS_FOUND = "as found"
_BROUGHT = "screen-table"


@dataclass(frozen=True)
class Brought:
    """A table that is looked at.

    Attributes:
        name: of its file; wells: its profiles.
    """

    name: str
    wells: Profiles
    cache_key: Hashable


def brought() -> Brought | None:
    """The table that this session looks at."""
    found = st.session_state.get(_BROUGHT)
    return found if isinstance(found, Brought) else None


def forget() -> None:
    """Callback: back to the runs."""
    st.session_state.pop(_BROUGHT, None)


def button() -> None:
    """Opens the dialog; beside a table, the way back to the runs."""
    if brought() is not None:
        st.button("Back to experiments", icon=":material/arrow_back:", key="screen-table-close", on_click=forget)
    elif st.button("Score a table", icon=":material/table_chart:", key="screen-table-open"):
        st.dialog("Score a table of profiles", width="large")(form)()


def form() -> None:
    """Where the table is, what is taken for what (live), then its scores."""
    try:
        source = _source()
        if source is None:
            frame.quiet(
                "Numbers of wells or cells as CellProfiler and pycytominer write them: a row each, columns that say "
                "plate, well and compound (dose and mechanism where they are known), and a column for each feature."
            )
            return
        name, table, key = source
        chosen = _columns(table)
        wells = _profiles(table, tuple(chosen.items()), key)
    except SSRLError as error:
        frame.show_error(error)
        return
    _understood(wells)
    if st.button("Score it", type="primary", key="screen-table-now"):
        st.session_state[_BROUGHT] = Brought(name, wells, (key, tuple(chosen.items())))
        st.rerun()


def _source() -> tuple[str, pd.DataFrame, str] | None:
    """Name, table and what it is known by: a path on this machine, or an uploaded file."""
    told = st.text_input(
        "Table on the machine that runs Viewloom", key="screen-table-path", placeholder="/data/profiles.csv.gz"
    ).strip()
    if told:
        path = Path(told).expanduser()
        access.require_readable(path, "Table")
        known = path.stat() if path.is_file() else None
        stamp = known and (known.st_mtime_ns, known.st_size)
        return path.name, _of_path(str(path), stamp), f"{path}:{stamp}"
    file = st.file_uploader("or from here: .csv, .csv.gz, .tsv or .parquet", type=KINDS, key="screen-table-file")
    if file is None:
        return None
    content = file.getvalue()
    key = hashlib.sha256(content).hexdigest()
    return file.name, _of_bytes(file.name, content, key), key


@cache.kept(spinner="Reading the table")
def _of_path(path: str, stamp: Hashable) -> pd.DataFrame:
    return read_table(Path(path))


@cache.kept(by=lambda name, content, key: (name, key), spinner="Reading the table")
def _of_bytes(name: str, content: bytes, key: str) -> pd.DataFrame:
    return read_table(Path(name), io.BytesIO(content))


def _columns(table: pd.DataFrame) -> dict[str, str]:
    """Which columns say where a row is from, where the names do not or are to be taken otherwise."""
    found, names = told_columns(table), [str(column) for column in table.columns]
    chosen: dict[str, str] = {}
    with st.expander("Which column is what", icon=":material/tune:", expanded=not {"well", "compound"} <= found.keys()):
        cells = st.columns(3)
        for place, what in enumerate(SAID_OF):
            as_found = f"{AS_FOUND} ({found.get(what, 'none')})"
            options = [as_found, *names]
            value = cells[place % 3].selectbox(what.capitalize(), options, key=f"screen-table-{what}")
            if value != as_found:
                chosen[what] = value
    return chosen


@cache.kept(by=lambda table, chosen, key: (chosen, key), spinner="Putting rows of a well together")
def _profiles(table: pd.DataFrame, chosen: tuple[tuple[str, str], ...], key: str) -> Profiles:
    return profiles_of_table(table, columns=dict(chosen))


def _understood(wells: Profiles) -> None:
    """Counts, and what was left out or guessed."""
    known = wells.table
    treated = known[~known["untreated"].astype(bool)]
    counts = {
        "wells": len(known),
        "plates": known["plate"].nunique(),
        "untreated wells": len(known) - len(treated),
        "compounds": treated["compound"].nunique(),
        "mechanisms": treated["mechanism"].nunique(),
        "features": wells.x.shape[1],
    }
    st.markdown(", ".join(f"**{count:,}** {name}" for name, count in counts.items()) + ".")
    for said in wells.said:
        frame.quiet(said)


def heading(table: Brought) -> str:
    """Which table is looked at; its name."""
    st.markdown(f"Table **{frame.plain(table.name)}**: numbers only, so there are no cells to show.")
    return table.name


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
    return choosing.choose_run("Experiment", usable=choosing.of_cells_embedded(), default=choosing.newest_of_cells())


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
