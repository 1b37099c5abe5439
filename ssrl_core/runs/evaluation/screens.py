"""The wells of a run's screen: made of its embedding, kept beside it with those of what a run is set beside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ssrl_core import stores
from ssrl_core.analysis.screens.profiles import (
    WELL_COLUMNS,
    Caution,
    Profiles,
    counted_column,
    numbers_of,
    screen_table,
    wells_of,
    wells_profiles,
)
from ssrl_core.datasets import store
from ssrl_core.errors import DataError, SpecError, SSRLError
from ssrl_core.runs.folder.results import save_array
from ssrl_core.runs.folder.run_folder import RunFolder, bank_ids, imageset_of
from ssrl_core.specs.parameters import Frozen
from ssrl_core.specs.screens import Recipe

if TYPE_CHECKING:
    from ssrl_core.analysis.screens.screen import Screen
    from ssrl_core.compositions.pairs import Taught
    from ssrl_core.datasets.imageset import ImageSet
    from ssrl_core.datasets.progress import Report
    from ssrl_core.specs.run import RunSpec

OWN, LEARNT = "own", "learnt"
BESIDE = {"untrained": "untrained network", "pixels": "raw pixels", "imagenet": "ImageNet network"}
NAMED = {**BESIDE, LEARNT: "what it learnt from"}
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
    """Those of some images that the recipe scores: all, or untreated ones and those not learnt from (or those that
    were).

    Raises:
        DataError: every treated image was learnt from (or none).
    """
    if recipe.images == "all":
        return ids
    from ssrl_core.datasets.columns import untreated

    none = untreated(imageset.table)[ids]
    learnt = np.isin(ids, bank_ids(spec, imageset))
    asked = learnt if recipe.images == LEARNT else ~learnt
    if not (asked & ~none).any():
        remedy = "Keep the embedding of all images, or of the test split (keep: {embedding: all})."
        rule = f"some that the network {'learnt' if recipe.images == LEARNT else 'did not learn'} from"
        raise DataError.at("Screen", "images", rule, "none", remedy)
    return np.asarray(ids[asked | none])


def learnt_wells(run: RunFolder, recipe: Recipe) -> dict[str, Profiles]:
    """Wells of what the network learnt from, beside a score of what it did not: what pairs may have taught it.

    Returns:
        empty for recipes that score all, and where no embedding of them is kept.
    """
    if recipe.images != "held_out":
        return {}
    try:
        return {LEARNT: wells_of_run(run, replace(recipe, images=LEARNT))}
    except DataError:
        return {}


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
    words = kinds[OWN].said
    cautions = [text for text in words if isinstance(text, Caution)]
    said = {"kind": "screen", "recipe": recipe.to_mapping(), "said": list(words), "cautions": cautions}
    for kind, wells in kinds.items():
        save_array(run.path / array_file(kind), wells.x.astype(np.float32), said | {"features": kind})
    stores.replace(run.path / WELLS_FILE, lambda file: table.to_parquet(file, index=False))
    return [WELLS_FILE, *map(array_file, kinds)]


def kept(run: RunFolder, recipe: Recipe) -> dict[str, Profiles]:
    """The wells that are kept with a run, by kind; empty where none are, or where cells were put together otherwise."""
    found: dict[str, Profiles] = {}
    try:
        table = pd.read_parquet(run.path / WELLS_FILE)
        table = _as_known_now(run, recipe, table) if is_older(run) else table
    except (OSError, ValueError, KeyError, SSRLError):
        return {}
    for kind in (OWN, *BESIDE):
        path = run.path / array_file(kind)
        try:
            said = stores.read_json(path.with_suffix(".json"))
            made = Recipe.from_mapping(said["recipe"])
            if all(getattr(made, name) == getattr(recipe, name) for name in _OF_WELLS):
                x = stores.read_array(path)
                found[kind] = Profiles(x.astype(np.float64), table, _said(said))
        except (SSRLError, OSError, KeyError, ValueError):
            continue
    return found if OWN in found and all(len(w.x) == len(w.table) for w in found.values()) else {}


def _said(kept: Mapping[str, Any]) -> tuple[str, ...]:
    """What is said of kept wells; all of it a caution where an older file does not tell which sentences are."""
    cautions = kept.get("cautions", kept.get("said", ()))
    return tuple(Caution(text) if text in cautions else text for text in kept.get("said", ()))


def is_older(run: RunFolder) -> bool:
    """Whether the kept wells are older than what is known of the images: columns were joined since."""
    if run.is_demo:
        return False
    try:
        table = store.folder_of(run.spec().dataset.name) / "table.parquet"
        return table.stat().st_mtime_ns > (run.path / WELLS_FILE).stat().st_mtime_ns
    except (OSError, SSRLError):
        return False


def _as_known_now(run: RunFolder, recipe: Recipe, table: pd.DataFrame) -> pd.DataFrame:
    """What is known of kept wells, by the image set's table of today.

    Raises:
        KeyError: a well that is not there any more.
    """
    spec = run.spec()
    imageset = imageset_of(spec)
    ids = scored_ids(spec, imageset, run.embedding_ids(), recipe)
    wells, _ = wells_of(about_cells(imageset, ids, **recipe.columns())[0])
    rows = pd.MultiIndex.from_frame(table[["plate", "well"]])
    now = wells.set_index(["plate", "well"]).loc[rows].reset_index()[list(WELL_COLUMNS)]
    return now.assign(cells=table["cells"].to_numpy())


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
    return screen(own, chosen), wells | learnt_wells(run, chosen)


def taught(run: RunFolder, recipe: Recipe) -> list[Taught]:
    """Which scores of a run's screen its pairs taught it; empty where none are."""
    from ssrl_core.compositions.pairs import taught_by_pairs

    spec = run.spec()
    return taught_by_pairs(spec, imageset_of(spec), recipe.to_mapping())


def apart_of(imageset: ImageSet, column: str) -> str:
    """Name of an image set's copy whose splits keep a column's values together: the one there is, else a free one."""
    stem, made_of = stores.as_slug(f"{imageset.name[:50]}-{column}-apart"), imageset.fingerprint[:12]
    for name in (stem, *(f"{stem}-{n}" for n in range(2, 100))):
        folder = stores.data_root() / name
        if not folder.exists() or made_of in str(stores.read_json(folder / "imageset.json").get("source")):
            return name
    raise SpecError.at("Screen", "image set", "a free name", stem, "Delete some of its copies.")


def leaving_out(spec: RunSpec, recipe: Recipe, report: Report | None = None) -> RunSpec:
    """The same run, learning without some of the compounds (or wells) that its pairs share, and scored by those.

    The image set split so is made where it is not there yet; all of its embedding is kept, so that what was learnt from
    can stand beside.

    Raises:
        SpecError: the pairs taught no score of a screen.
    """
    from ssrl_core.compositions.pairs import taught_by_pairs
    from ssrl_core.datasets.subsets import split_anew

    found = taught_by_pairs(spec, imageset_of(spec), recipe.to_mapping())
    if not found:
        rule = "a compound, a well or a mechanism that is learnt from"
        raise SpecError.at("Screen", "pairs", f"of images that share {rule}", "none", "All it says is found.")
    source = store.load(spec.dataset.name)
    name = apart_of(source, found[0].apart)
    if not store.is_ready(name):
        split_anew(source, name, found[0].apart, report=report)
    asked = Frozen({**spec.evaluate.parts, "screen": {**recipe.to_mapping(), "images": "held_out"}})
    return replace(
        spec,
        name=None if spec.name is None else f"{spec.name}, {found[0].apart}s left out",
        dataset=replace(spec.dataset, name=name),
        evaluate=replace(spec.evaluate, parts=asked),
        keep=replace(spec.keep, embedding="all"),
    )


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
