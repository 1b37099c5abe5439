"""The front door for engineers: what `import ssrl_core as vl` offers, one function a task."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ssrl_core.errors import SpecError

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from ssrl_core.analysis.screens.screen import Screen
    from ssrl_core.compositions.perceptual import Lpips
    from ssrl_core.datasets.imageset import ImageSet
    from ssrl_core.forecast import Forecast, Search
    from ssrl_core.forecast.by_example import ByExample
    from ssrl_core.library.images import Views
    from ssrl_core.library.run_objects import Run, Runs, Sweep
    from ssrl_core.specs import screens
    from ssrl_core.specs.composition import Composition
    from ssrl_core.specs.run import RunSpec
    from ssrl_core.specs.sweep import SweepSpec
    from ssrl_core.specs.wishes import Wishes

    Images = str | ImageSet | NDArray[Any]
    """An image set, the name of one, or pixels (B, C, H, W): uint8, uint16, or float in 0..1."""
    Recipe = str | Path | Mapping[str, Any] | Composition


def load(name: str) -> ImageSet:
    """An image set by its name; one that ships (`strokes`, `digits` …) is made or fetched on first use.

    Returns:
        The set: `pixels` (N, C, H, W) uint8 or uint16, memory-mapped; `table`, one row an image; `label_ids` (N,).

    Raises:
        SpecError: there is none of this name; those that there are are named.
        DataError: its files are damaged, or it cannot be fetched.
    """
    from ssrl_core.datasets import store

    return store.load(name)


def datasets() -> pd.DataFrame:
    """Every image set that can be named, those that ship first; one that is not made yet is told as it will be.

    Returns:
        One row a set, by its name: title, images, channels, height, width, dtype, classes, train, val, test, label,
        ready (whether it is on disk).
    """
    import pandas as pd

    from ssrl_core.datasets import store

    rows = []
    for item in map(store.summary, store.names()):
        channels, height, width = item["shape"]
        shape = {"channels": channels, "height": height, "width": width, "dtype": item["dtype"]}
        rows.append(
            {"name": item["name"], "title": item["title"], "images": item["count"], **shape}
            | {"classes": len(item["classes"]), **item["splits"], "label": item["label"]}
            | {"ready": bool(item["fingerprint"])}
        )
    return pd.DataFrame(rows).set_index("name")


def import_images(source: str | Path | Sequence[str | Path], name: str, **options: Any) -> ImageSet:
    """Make an image set of one's own images.

    Args:
        source: a folder of class folders, a zip of one, an .npz, a table (CSV, TSV, Parquet) of file names, or image
            files.
        name: of the new set: lower-case letters, digits, - and _.
        options: title, label, group, size, fit, layout, seed, max_value; see
            `datasets.reading.understanding.ImportOptions`.

    Raises:
        SpecError: a name that is taken, an option that is not known, a column that is not there.
        DataError: nothing that can be read; names the file. Nothing is left in the store.
    """
    from dataclasses import fields

    from ssrl_core.datasets.importing import import_source
    from ssrl_core.datasets.reading.understanding import ImportOptions

    known = [f.name for f in fields(ImportOptions)]
    for option in options:
        if option not in known:
            raise SpecError.at("import_images", "option", f"one of {', '.join(known)}", option, "Check its name.")
    return import_source(source, name, ImportOptions(**options))


def composition(source: Recipe) -> Composition:
    """A composition: ordered steps, each a transformation with its parameters and probability.

    Args:
        source: the name of a preset or a saved one, a YAML or JSON file, or plain data such as
            `{"name": "mine", "steps": [{"transform": "rotation", "degrees": 30}]}`; a composition comes back as it is.

    Raises:
        SpecError: nothing of that name (those there are are named), or a step that is not valid: which and why.
    """
    from ssrl_core.specs.composition import Composition
    from ssrl_core.specs.composition import load as load_composition

    return source if isinstance(source, Composition) else load_composition(source)


def views(
    images: Images, composition: Recipe, n: int | None = None, seed: int = 5, *, epoch: int = 0, limit: int = 8
) -> Views:
    """What a training would see: views of some images, made exactly as training makes them.

    Args:
        images: an image set (or its name), of which `limit` are taken by chance (the same for the same seed); or
            pixels (B, C, H, W), taken all.
        composition: as `composition` takes it.
        n: views of each image; left out, as many as the composition says. Only where it has one group of views.
        seed, epoch: decide the draws.

    Returns:
        A sequence with one (V, B, C, S, S) float32 array in 0..1 for each view group; shown as a grid.

    Raises:
        SpecError: pixels of another shape, `n` for a composition of several groups, no images.
    """
    from dataclasses import replace

    from ssrl_core.compositions.pairs import draw_shown
    from ssrl_core.compositions.views import make_views
    from ssrl_core.library.images import Pixels, Views, opened, some_ids

    recipe = _recipe(composition)
    if n is not None:
        if len(recipe.views) != 1:
            rule = "left out for a composition of several view groups"
            raise SpecError.at("views", "n", rule, n, "Their counts stand in the composition.")
        recipe = replace(recipe, views=(replace(recipe.views[0], count=n),))
    source = opened(images)
    ids = some_ids(source, limit, seed)
    shown = Pixels(np.array(source.pixels[ids]), source.max_value, source.channels)
    drawn = draw_shown(source, recipe, ids, seed=seed, epoch=epoch)
    made = make_views(np.array(source.pixels[drawn.needed]), drawn, recipe, max_value=shown.max_value)
    return Views(recipe, shown, tuple(group.numpy() for group in made))


def lpips(images: Images, composition: Recipe, *, seed: int = 5, limit: int = 200, net: str = "alex") -> Lpips:
    """How different the views of an image look: LPIPS, the mean over pairs of views and over images.

    Args:
        images, limit: as of `views`.
        net: the network that compares, alex or vgg.

    Returns:
        `mean`, `sd`, `n`, and `values` (n,), one an image.

    Raises:
        SpecError: fewer than two views, no images; weights that are not there, with where to get them.
    """
    from ssrl_core.compositions.perceptual import measure
    from ssrl_core.library.images import opened, some_ids

    source = opened(images)
    return measure(source, _recipe(composition), some_ids(source, limit, seed), seed=seed, net=net)


def forecast(dataset: str | ImageSet, composition: Recipe, **options: Any) -> Forecast:
    """What a network trained with a composition is likely to keep, within seconds and without training.

    Args:
        dataset: an image set, or the name of one.
        composition: as `composition` takes it.
        options: against, by_step, images, views, bank, seed, input …; see `ssrl_core.forecast.forecast`.

    Returns:
        `kept` (descriptors, columns, classes with intervals, beside no steps at all), `classes`, `guards` (warnings).

    Raises:
        SpecError: too few images, an unknown name or option.
        DataError: images that are all the same.
    """
    from ssrl_core.forecast.kept import forecast as asked

    _check_options("forecast", options, asked, ("dataset", "composition"))
    return asked(dataset, _recipe(composition), **options)


def by_example(dataset: str | ImageSet, name: str, like: Sequence[int], unlike: Sequence[int]) -> ByExample:
    """A descriptor of one's own, "like these, not like those": kept with the image set, known by its name everywhere.

    Args:
        dataset: an image set, or the name of one.
        name: words of one's own; forecasts, searches and evaluation list it among their descriptors.
        like, unlike: ids of images, two or more of each.

    Returns:
        `right`: share of the examples that the others tell rightly; `values(images, ids)`: 1 is like the one list,
        0 like the other.

    Raises:
        SpecError: a name that is taken, too few images, unknown ones, one in both lists.
        DataError: examples that are all the same.
    """
    from ssrl_core.forecast.by_example import define
    from ssrl_core.forecast.kept import imageset_of

    return define(imageset_of(dataset), name, like, unlike)


def search(dataset: str | ImageSet, wishes: str | Path | Mapping[str, Any] | Wishes, **options: Any) -> Search:
    """Compositions for what a network shall keep and what it shall ignore, by forecasts and without training.

    A bar tells how far it is. Ctrl+C ends it; what was tried is kept, and the same call goes on.

    Args:
        dataset: an image set, or the name of one.
        wishes: name -> keep or ignore (a descriptor, a numeric column, `classes`, a group such as `exposure`); or a
            file of wishes.
        options: candidates, seed, input, progress, on_candidate; see `ssrl_core.forecast.search`.

    Returns:
        `front`: a handful that differ, each with `composition`, `kept` and its `price`; `.table`. None is the best.

    Raises:
        SpecError: an unknown name or option, wishes that contradict each other, too few images.
        RunError: the same search runs already.
    """
    from dataclasses import replace

    from ssrl_core.forecast.searching import search as asked
    from ssrl_core.library.run_objects import Bar
    from ssrl_core.specs.wishes import load_wishes

    _check_options("search", options, asked, ("dataset", "wishes"))
    bar = Bar("search")
    options.setdefault("progress", lambda share: bar(share, f"{10 * int(10 * share)}%"))
    if isinstance(wishes, str | Path):
        name = dataset if isinstance(dataset, str) else dataset.name
        said = {option: options.pop(option) for option in ("candidates", "seed", "input") if option in options}
        wishes = replace(load_wishes(wishes), dataset=name, **said)
    try:
        return asked(dataset, wishes, **options)
    finally:
        bar.close()


def train(spec: str | Path | Mapping[str, Any] | RunSpec, wait: bool = True, *, again: bool = False) -> Run:
    """Train a network, or solve for one (`method: spectral`), in a process of its own that outlives this one.

    The same spec is the same run: one that is done comes back at once. While it is waited for a bar tells how far it
    is; Ctrl+C ends the waiting, not the run.

    Args:
        spec: a YAML file, a spec, or plain data, in which `dataset` may be an image set and compositions stand as such:
            `{"dataset": images, "method": "spectral", "terms": composition}`.
        wait: until it is done; else it comes back as soon as it is queued.
        again: train the same spec once more beside the first.

    Raises:
        SpecError: a spec that is not valid; names field, rule and remedy.
        RunError: it was waited for, and failed; in the words of its log.
        Stopped: somebody stopped it meanwhile.
    """
    from ssrl_core.library.images import read_run
    from ssrl_core.library.run_objects import Run
    from ssrl_core.runs.queue import submitting

    asked = submitting.submit(read_run(spec), again=again)
    found = Run(asked["id"])
    return found.wait() if wait else found


def run(id: str) -> Run:
    """A run by its id, or the beginning of one that fits no other.

    Raises:
        SpecError: none, or several; names them.
    """
    from ssrl_core.library.run_objects import Run
    from ssrl_core.runs.queue import run_names

    return Run(run_names.find(id))


def screen(
    table: pd.DataFrame | str | Path,
    recipe: screens.Recipe | Mapping[str, Any] | str | None = None,
    *,
    mechanism: str | None = None,
    batch: str | None = None,
    columns: Mapping[str, str] | None = None,
) -> Screen:
    """A table of profiles (CellProfiler, pycytominer) as a screen, corrected for plates; of a run: `run.screen()`.

    Args:
        table: rows of wells or cells, or a .csv, .csv.gz, .tsv or .parquet file.
        recipe: how wells are corrected, or the name of a recipe that ships (`bbbc021`); left out, the defaults.
        mechanism, batch: columns, where their names do not say it.
        columns: the same of others too: {"well": "Metadata_Position"}; plate, well, compound, dose, mechanism, batch.

    Raises:
        DataError: no wells, compounds, features or untreated wells are found in it.
    """
    from ssrl_core.analysis.screens.profiles import profiles_of_table, read_table
    from ssrl_core.analysis.screens.screen import screen as score
    from ssrl_core.specs import screens

    read = read_table(Path(table)) if isinstance(table, str | Path) else table
    chosen = screens.recipe_of(recipe) or screens.Recipe()
    named = chosen.columns(mechanism=mechanism, batch=batch)
    return score(profiles_of_table(read, **named, columns=columns), chosen)


def runs(search: str = "") -> Runs:
    """Runs, one's own newest first, then those that ship.

    Args:
        search: words that must all be in what is known of a run: id, name, image set, method, compositions …

    Returns:
        A list of runs; `.table` has them as a DataFrame.
    """
    from ssrl_core.library.run_objects import Runs
    from ssrl_core.runs.queue import registry, run_names

    return Runs.of(run_names.chosen(registry.list_runs(), search))


def sweep(spec: str | Path | Mapping[str, Any] | SweepSpec, wait: bool = True) -> Sweep:
    """Queue many runs that differ in chosen values (a run's spec with `seeds` and `vary`), or find them again.

    Args:
        spec: a YAML file, a sweep, plain data as of `train`, or the id of a sweep that is there.
        wait: until all its runs are over; Ctrl+C ends the waiting, not the runs.

    Returns:
        `.results` and `.classes`, DataFrames that grow as runs end; `.runs`, one by one.

    Raises:
        SpecError: a value makes a spec that is not valid; nothing is queued then.
        RunError: it was waited for, and some of its runs failed.
    """
    from ssrl_core.library.images import read_sweep
    from ssrl_core.library.run_objects import Sweep
    from ssrl_core.runs.queue import sweep_files, sweeps

    there = isinstance(spec, str) and not Path(spec).exists() and sweep_files.path_of(spec).is_file()
    found = Sweep(str(spec) if there else sweeps.submit(read_sweep(spec))["id"])
    return found.wait() if wait else found


def costs(dataset: str = "strokes", *, seeds: Sequence[int] = (5, 6, 7)) -> pd.DataFrame:
    """How much of each concept is kept over the strength of each transformation alone, solved; minutes the first time.

    Args:
        dataset: an image set with a label or columns of numbers.
        seeds: of images, feature bank and draws.

    Returns:
        One row a transformation, strength and concept: transform, strength, concept, kept, low, high (95 % over seeds),
        n. 1: nothing is lost.

    Raises:
        SpecError: an unknown image set, or one without label and numbers.
    """
    from ssrl_core.paper.curves import curves as solved
    from ssrl_core.paper.curves import summary

    return summary(solved(dataset, seeds=seeds))


def _check_options(where: str, given: Mapping[str, Any], asked: Callable[..., Any], others: Sequence[str]) -> None:
    from inspect import signature

    known = [name for name in signature(asked).parameters if name not in others]
    for option in given:
        if option not in known:
            raise SpecError.at(where, "option", f"one of {', '.join(known)}", option, "Check its name.")


def _recipe(source: Recipe) -> Composition:
    return composition(source)
