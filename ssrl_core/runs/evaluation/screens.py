"""The wells of a run's screen: made of its embedding, kept beside it with those of what a run is set beside."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from ssrl_core import stores
from ssrl_core.analysis.screens.profiles import Profiles, counted_column, numbers_of, screen_table, wells_profiles
from ssrl_core.errors import DataError, SSRLError
from ssrl_core.runs.folder.results import save_array
from ssrl_core.runs.folder.run_folder import RunFolder, bank_ids, imageset_of
from ssrl_core.specs.screens import Recipe

if TYPE_CHECKING:
    import pandas as pd

    from ssrl_core.analysis.screens.screen import Screen
    from ssrl_core.datasets.imageset import ImageSet
    from ssrl_core.specs.run import RunSpec

OWN = "own"
BESIDE = {"untrained": "untrained network", "pixels": "raw pixels", "imagenet": "ImageNet network"}
WELLS_FILE = "screen_wells.parquet"
_OF_WELLS = ("wells", "minimum_cells", "images", "mechanism", "batch")  # what of a recipe the kept wells depend on
_MOST = 256  # numbers a well of raw pixels: their directions of largest variance, in which nothing of rank is lost


def array_file(kind: str) -> str:
    """Name of the profiles of the wells by one kind of features."""
    return f"screen_{kind}.npy"


def about_cells(
    imageset: ImageSet, ids: np.ndarray, *, mechanism: str | None = None, batch: str | None = None
) -> tuple[pd.DataFrame, dict[tuple[str, str], int]]:
    """Where some images are from (`screen_table`), and how many cells each well has.

    A column of counted cells that is the same for all cells of a well says how many (the set may be a sample of them);
    else those of the whole image set are counted.

    Raises:
        DataError: no well or no compound is known.
    """
    whole = screen_table(imageset.table, mechanism=mechanism, batch=batch)
    wells = whole.groupby(["plate", "well"])
    counts = wells.size()
    if (column := counted_column(imageset.table)) is not None:
        said = whole.assign(told=numbers_of(imageset.table[column])).groupby(["plate", "well"])["told"]
        if (said.nunique(dropna=False) == 1).all() and said.first().notna().all():
            counts = said.first()
    found = whole.iloc[ids].reset_index(drop=True)
    found.attrs["said"] = whole.attrs["said"]
    return found, {(str(plate), str(well)): int(n) for (plate, well), n in counts.items()}


def scored_ids(spec: RunSpec, imageset: ImageSet, ids: np.ndarray, recipe: Recipe) -> np.ndarray:
    """Those of some images that the recipe scores: all, or untreated ones and those not learnt from.

    Raises:
        DataError: every treated image was learnt from.
    """
    if recipe.images == "all":
        return ids
    from ssrl_core.datasets.columns import untreated

    none = untreated(imageset.table)[ids]
    new = ~np.isin(ids, bank_ids(spec, imageset))
    if not (new & ~none).any():
        remedy = "Keep the embedding of all images, or of the test split (keep: {embedding: all})."
        raise DataError.at("Screen", "images", "some that the network did not learn from", "none", remedy)
    return np.asarray(ids[new | none])


def wells_of_run(run: RunFolder, recipe: Recipe, *, mechanism: str | None = None, batch: str | None = None) -> Profiles:
    """Profiles of the wells by the run's network, of every cell whose embedding it keeps.

    Raises:
        RunError: there is no embedding.
        DataError: no well or no compound is known.
    """
    x, ids = run.embedding()
    spec = run.spec()
    imageset = imageset_of(spec)
    scored = scored_ids(spec, imageset, ids, recipe)
    x = x if len(scored) == len(ids) else x[np.isin(ids, scored)]
    about, counts = about_cells(imageset, scored, **recipe.columns(mechanism=mechanism, batch=batch))
    return wells_profiles(x, about, recipe.wells, minimum_cells=recipe.minimum_cells, cells=counts)


def keep(run: RunFolder, kinds: Mapping[str, Profiles], recipe: Recipe) -> list[str]:
    """Write the wells into the run folder; the names of the files."""
    table = kinds[OWN].table
    said = {"kind": "screen", "recipe": recipe.to_mapping(), "said": list(kinds[OWN].said)}
    for kind, wells in kinds.items():
        save_array(run.path / array_file(kind), wells.x.astype(np.float32), said | {"features": kind})
    stores.replace(run.path / WELLS_FILE, lambda file: table.to_parquet(file, index=False))
    return [WELLS_FILE, *map(array_file, kinds)]


def kept(run: RunFolder, recipe: Recipe) -> dict[str, Profiles]:
    """The wells that are kept with a run, by kind; empty where none are, or where cells were put together otherwise."""
    import pandas as pd

    found: dict[str, Profiles] = {}
    try:
        table = pd.read_parquet(run.path / WELLS_FILE)
    except (OSError, ValueError):
        return {}
    for kind in (OWN, *BESIDE):
        path = run.path / array_file(kind)
        try:
            said = stores.read_json(path.with_suffix(".json"))
            made = Recipe.from_mapping(said["recipe"])
            if all(getattr(made, name) == getattr(recipe, name) for name in _OF_WELLS):
                x = stores.read_array(path)
                found[kind] = Profiles(x.astype(np.float64), table, tuple(said.get("said", ())))
        except (SSRLError, OSError, KeyError, ValueError):
            continue
    return found if OWN in found and all(len(w.x) == len(w.table) for w in found.values()) else {}


def screen_of_run(
    run: RunFolder, recipe: Recipe | None = None, *, mechanism: str | None = None, batch: str | None = None
) -> tuple[Screen, dict[str, Profiles]]:
    """A run's screen under a recipe, and the wells of what it can be set beside.

    Args:
        recipe: left out, the one that its spec asks for, else the defaults.
        mechanism, batch: columns of the image set, where their names do not say it.

    Raises:
        RunError: there is no embedding.
        DataError: no well or compound is known, or no untreated well on any plate.
    """
    from ssrl_core.analysis.screens.screen import screen

    chosen = recipe or asked_recipe(run)
    wells = {} if mechanism or batch else kept(run, chosen)
    own = wells.pop(OWN, None) or wells_of_run(run, chosen, mechanism=mechanism, batch=batch)
    return screen(own, chosen), wells


def asked_recipe(run: RunFolder) -> Recipe:
    """The recipe in a run's spec, else the defaults."""
    return Recipe.from_mapping(run.spec().evaluate.parts.get("screen") or {})


def fewest_numbers(wells: Profiles) -> Profiles:
    """The same wells in at most 256 directions: wide profiles (pixels) lose nothing that few wells can tell."""
    from ssrl_core.analysis.matrix import principal_components

    if wells.x.shape[1] <= _MOST:
        return wells
    x = principal_components(wells.x, min(_MOST, *wells.x.shape))
    return Profiles(np.asarray(x, np.float64), wells.table, wells.said)


def no_screen(imageset: ImageSet) -> str:
    """Why an image set is no screen, in words; "" where it is one."""
    try:
        screen_table(imageset.table.head(1))
    except DataError as error:
        return error.message
    return ""
