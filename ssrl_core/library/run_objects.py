"""A run, several runs and a sweep as a script holds them. All of a run is about its evaluated images, row by row."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ssrl_core import stores
from ssrl_core.runs.folder.run_folder import RunFolder, imageset_of
from ssrl_core.runs.queue import registry, stopping, submitting, sweeps

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure

    from ssrl_core.analysis.clusters import Clustering
    from ssrl_core.analysis.screens.screen import Screen
    from ssrl_core.datasets.imageset import ImageSet
    from ssrl_core.forecast import Forecast
    from ssrl_core.runs.folder.results import Results
    from ssrl_core.runs.queue.registry import RunRow
    from ssrl_core.specs.run import RunSpec
    from ssrl_core.specs.screens import Recipe


_WIDTH = 24


class Bar:
    """Shows a share and a few words wherever the script runs; nothing of it is needed to go on.

    Args:
        what: is waited for, such as a run's id.
    """

    def __init__(self, what: str) -> None:
        self._what, self._last, self._cell = what, "", _notebook_cell()

    def __call__(self, share: float, words: str) -> None:
        """So much is done, 0..1.

        Args:
            words: what is done now; where there is no terminal, only its first word makes a new line.
        """
        if self._cell is not None:
            self._cell.update(_Html(_bar_html(share, f"{self._what}: {words}")))
        elif sys.stderr.isatty():
            done = round(_WIDTH * share)
            print(f"\r\x1b[K{'█' * done}{'░' * (_WIDTH - done)} {words}", end="", file=sys.stderr, flush=True)
        elif words.partition(" ")[0] != self._last:
            self._last = words.partition(" ")[0]
            print(f"{self._what}: {words}", file=sys.stderr, flush=True)

    def close(self) -> None:
        """The line ends."""
        if self._cell is None and sys.stderr.isatty():
            print(file=sys.stderr, flush=True)


class _Html:
    def __init__(self, text: str) -> None:
        self._text = text

    def _repr_html_(self) -> str:
        return self._text


def _bar_html(share: float, words: str) -> str:
    return f'<progress value="{share:.3f}" max="1" style="width:16rem"></progress> {escape(words)}'


def _notebook_cell() -> Any:
    """The display of the cell that runs, which can be changed; None outside of notebooks."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if shell is None or not hasattr(shell, "kernel"):
        return None
    from IPython.display import display  # type: ignore[import-not-found,unused-ignore]

    return display(_Html(_bar_html(0, "")), display_id=True)


Array = NDArray[Any]


@dataclass(frozen=True, repr=False)
class Nearest:
    """The most typical images of each cluster.

    Attributes:
        image_ids: (k, count) int64, the nearest first; -1 where a cluster has fewer images.
        distances: (k, count) float32, Euclidean, to the centre of the cluster; NaN there.
        sizes: images of each cluster.
    """

    images: ImageSet
    image_ids: NDArray[np.int64]
    distances: Array
    sizes: tuple[int, ...]

    def __repr__(self) -> str:
        return f"<Nearest: {self.image_ids.shape[1]} images of each of {len(self.image_ids)} clusters>"

    def _repr_html_(self) -> str:
        from ssrl_core.datasets.pictures import html, thumbnails

        rows = [
            f"<div>cluster {cluster}, {size:,} images</div>{html(thumbnails(self.images, own[own >= 0]))}"
            for cluster, (size, own) in enumerate(zip(self.sizes, self.image_ids, strict=True))
            if (own >= 0).any()
        ]
        return "".join(rows)


@dataclass(frozen=True, repr=False)
class Run:
    """One run: what it was asked, how it stands, what it learned.

    Attributes:
        id: of the run, which is its folder's name.
    """

    id: str

    @property
    def folder(self) -> RunFolder:
        """Its folder, read: files, log, metrics; the embedding of all images that were kept."""
        return RunFolder(self.id)

    @property
    def state(self) -> str:
        """How it stands: queued, submitted, running, done, failed or stopped."""
        row: Mapping[str, Any] = registry.get(self.id) or self.folder.state()
        return str(row["state"])

    @cached_property
    def spec(self) -> RunSpec:
        """What was asked, every default written out."""
        return self.folder.spec()

    @property
    def name(self) -> str:
        """The name it was given, else its id."""
        return self.spec.name or self.id

    @property
    def images(self) -> ImageSet:
        """The images it learned from."""
        return imageset_of(self.spec)

    @property
    def results(self) -> Results:
        """What was measured: knn, clusters, references, probes …; false while there is nothing."""
        return self.folder.results()

    @property
    def verdict(self) -> str:
        """In words: whether it is better than raw pixels and than the untrained network, at what; what would help."""
        from ssrl_core.runs.folder.verdict import in_words

        return in_words(self.results, self.spec)

    @property
    def image_ids(self) -> NDArray[np.int64]:
        """(n,) int64, ascending: the evaluated images."""
        return self._rows[1]

    @property
    def embedding(self) -> NDArray[np.float32]:
        """(n, D) float32: the evaluated images as the network encodes them.

        Raises:
            RunError: not there yet, or not kept; says which.
        """
        return self._rows[0]

    def clusters(self, k: int, seed: int = 0) -> Clustering:
        """k-means in the embedding: found once for each k and seed, then kept with the run.

        Returns:
            `ids` (n,) int32, the largest cluster is 0; `sizes`, `centroids` (k, D).

        Raises:
            SpecError: k is outside 1..n.
            RunError: there is no embedding yet.
        """
        from ssrl_core.runs.evaluation.clustering import clusters_of_rows

        x, _, rows, whole = self._rows
        return clusters_of_rows(self.folder, x, rows, whole, k, seed)

    def nearest(self, k: int, count: int = 8, seed: int = 0) -> Nearest:
        """The images nearest to the centre of each of k clusters; shown as a row of pictures a cluster."""
        from ssrl_core.analysis.clusters import nearest

        found = self.clusters(k, seed)
        rows, distances = nearest(self.embedding, found, count)
        ids = np.where(rows >= 0, self.image_ids[np.maximum(rows, 0)], -1)
        return Nearest(self.images, ids, distances, found.sizes)

    def layout(self, method: str = "tsne", *, like: Run | None = None) -> NDArray[np.float32]:
        """(n, 2) float32: the embedding laid out in the plane; what the run has is not made again.

        Args:
            method: tsne, umap or pca.
            like: the run whose layout of that method this one begins from, so that both lie alike.

        Raises:
            SpecError: another method, or a run that has no such layout or fewer than half of the images.
            RunError: there is no embedding yet.
        """
        from ssrl_core.analysis.layouts import compute_layout, started_like
        from ssrl_core.runs.evaluation.parts.layouts import lay_out, places_in

        x, ids, rows, whole = self._rows
        other, name = (None, None) if like is None else (like.folder, like.id)
        found = self.folder.layout(method, name)
        if found is None and self.folder.is_demo:  # what ships is not written into
            init = None if other is None else started_like(x, places_in(other, method, self.folder, ids))
            return np.asarray(compute_layout(x, method, init=init).points, dtype=np.float32)
        if found is None:
            labels = self.images.label_ids[ids] if self.images.label is not None else None
            file, _ = lay_out(self.folder, x, rows, whole, method, labels=labels, report=lambda share: None, like=other)
            found = (stores.read_array(self.folder.path / file), {})
        return np.asarray(found[0][rows], dtype=np.float32)

    def table(self, k: int | None = None) -> pd.DataFrame:
        """What is known of each evaluated image, one row an image, by its `image_id`.

        Args:
            k: number of clusters; adds the column `cluster`.
        """
        table = self.images.table.iloc[self.image_ids]
        table = table if "image_id" not in table else table.set_index("image_id")
        return table if k is None else table.assign(cluster=self.clusters(k).ids)

    def forecast(self, **options: Any) -> Forecast:
        """What its composition was to keep of its images; `options` as of `forecast`."""
        from ssrl_core.forecast.kept import forecast

        return forecast(self.images, self.spec.terms, **options)

    def doses(self, k: int | None = None) -> pd.DataFrame:
        """How the share of each group of cells differs from untreated cells, at each dose of each compound.

        Args:
            k: number of groups; left out, the first that the run was asked for.

        Returns:
            compound, dose, group, name (where somebody named it), cells, untreated, share, change, least and most (the
            interval of the change's size), clear; the clearest first.

        Raises:
            DataError: the image set knows no compounds, no untreated cells or no doses.
            RunError: there is no embedding.
        """
        from ssrl_core.analysis.doses import changes_in
        from ssrl_core.runs.evaluation.clustering import KMEANS, file_of
        from ssrl_core.runs.folder.annotations import Clusters, marks_of

        found = self.clusters(k or next(iter(self.results.clusters), 4))
        table = changes_in(self.table(), found.ids, found.k)
        stem = file_of(KMEANS, found.k, found.seed).removesuffix(".npy")
        marks = marks_of(Clusters(self.folder, stem, self.image_ids, found.ids), [])
        names = [marks[group].name if group in marks else "" for group in table["group"]]
        table.insert(3, "name", names)
        return table

    def screen(
        self,
        recipe: Recipe | Mapping[str, Any] | str | None = None,
        *,
        mechanism: str | None = None,
        batch: str | None = None,
    ) -> Screen:
        """Its wells corrected for plates, and their scores: `.to_json()`, `.tables()`, `.scored`, `.cell_count`.

        Args:
            recipe: settings of the recipe, or the name of one that ships (`bbbc021`); left out, the run's own.
            mechanism, batch: columns of the image set, where their names do not say it.

        Raises:
            RunError: there is no embedding.
            DataError: the image set knows no wells or compounds, or no untreated wells.
        """
        from ssrl_core.runs.evaluation.screens import screen_of_run
        from ssrl_core.specs.screens import recipe_of

        return screen_of_run(self.folder, recipe_of(recipe), mechanism=mechanism, batch=batch)[0]

    def leaving_out(self, recipe: Recipe | Mapping[str, Any] | str | None = None, *, wait: bool = True) -> Run:
        """The same run without half of the compounds that its pairs share; its `screen()` scores those.

        Its `screen({"images": "learnt"})` is the same of the compounds it learnt from, which is taught.

        Raises:
            SpecError: the pairs of this run taught no score of a screen.
            RunError: it was waited for, and failed.
        """
        from ssrl_core.runs.evaluation.screens import asked_recipe, leaving_out
        from ssrl_core.runs.queue import submitting
        from ssrl_core.specs.screens import recipe_of

        chosen = recipe_of(recipe) or asked_recipe(self.folder)
        found = Run(submitting.submit(leaving_out(self.folder.spec(), chosen))["id"])
        return found.wait() if wait else found

    def map(self, method: str = "tsne", colour: str | int | None = None) -> Figure:
        """The layout as a figure: a point an image.

        Args:
            colour: a column of the image set, or a number of clusters; left out, the label.

        Raises:
            SpecError: no such column.
        """
        from ssrl_core.figures.curves import layout_figure
        from ssrl_core.specs.parts import LAYOUTS

        points = self.layout(method)
        title = f"{LAYOUTS[method].title} of {len(points):,} images"
        return layout_figure(points, self._colours(colour), self.image_ids, title=title)

    def curves(self) -> dict[str, Figure]:
        """Figures of the training by name: loss, knn, spread; none for what was not trained."""
        from ssrl_core.figures.curves import training_curves

        return training_curves(self.folder.metrics())

    def classes(self, probe: str = "knn") -> Figure:
        """A bar a class: the share of its images that a probe gets right, with its interval.

        Raises:
            SpecError: the run has no such probe.
        """
        from ssrl_core.errors import SpecError
        from ssrl_core.figures.classes import class_bars

        probes = self.results.probes
        if probe not in probes:
            rule = f"one of {', '.join(probes)}" if probes else "measured (the image set has no labels, or wait)"
            raise SpecError.at(f"Run {self.id}", "probe", rule, probe, "`run.results.missing` says what is missing.")
        found = probes[probe]
        pixels = found.pixels.classes if found.pixels else None
        return class_bars(found.classes, mean=found.top1, pixels=pixels, title=f"Accuracy by class, {probe}")

    def wait(self) -> Run:
        """Wait until it is done, with a bar; Ctrl+C ends the waiting, and the run goes on.

        Raises:
            RunError, SpecError: it failed, in its own words.
            Stopped: somebody stopped it.
        """
        bar = Bar(self.id)
        try:
            state = submitting.wait(self.id, lambda now: bar(_share(now), submitting.progress_line(now)))
        except KeyboardInterrupt:
            bar.close()
            print(f"Run {self.id} goes on. Find it again by run({self.id!r}); .stop() ends it.")
            raise
        bar.close()
        submitting.raise_unless_done(self.id, state)
        return self

    def stop(self) -> None:
        """Ask it to stop after a checkpoint.

        Raises:
            SpecError: a run that ships.
        """
        stopping.stop(self.id)

    @cached_property
    def _rows(self) -> tuple[Array, NDArray[np.int64], NDArray[np.int64], int]:
        """Embedding and image ids of the evaluated images; their rows among all that are kept, how many those are."""
        whole, images = self.folder.embedding()
        rows = np.flatnonzero(self.folder.evaluated())
        return whole[rows], images[rows], rows, len(whole)

    def _colours(self, colour: str | int | None) -> pd.Series:
        import pandas as pd

        from ssrl_core.errors import SpecError

        if isinstance(colour, int):
            return pd.Series([f"cluster {i}" for i in self.clusters(colour).ids], name=f"{colour} clusters")
        column = self.images.label if colour is None else colour
        if column is None:
            return pd.Series(["images"] * len(self.image_ids), name="")
        table = self.table()
        if column not in table:
            names = ", ".join(map(str, table.columns))
            raise SpecError.at(
                f"Run {self.id}", "colour", "a column or a number of clusters", column, f"It has {names}."
            )
        return table[column]

    def __repr__(self) -> str:
        return f"<Run {self.id}: {self.state}>"

    def _repr_html_(self) -> str:
        head = f"<b>{escape(self.name)}</b> {escape(self.state)}<br>{escape(self.id)}"
        sentences = "<br>".join(escape(term.composition.sentence()) for term in self.spec.terms)
        return f"<div>{head}<br>{sentences}<br>{escape(self.verdict)}</div>"


def _share(state: Mapping[str, Any]) -> float:
    return float(state["progress"] or 0.0) if state["state"] == "running" else float(state["state"] == "done")


def _torn(dataset: str) -> str:
    """What makes the scores on an image set doubtful, if anything."""
    from ssrl_core.datasets.store import torn_words

    return f"{dataset}: {said}" if (said := torn_words(dataset)) else ""


class Runs(list[Run]):
    """Runs, a list; shown as a table.

    Attributes:
        rows: what the registry has of each.
    """

    rows: Sequence[RunRow] = ()

    @classmethod
    def of(cls, rows: Sequence[RunRow]) -> Runs:
        """The runs of some rows of the registry."""
        found = cls(Run(row["id"]) for row in rows)
        found.rows = rows
        return found

    @property
    def table(self) -> pd.DataFrame:
        """One row a run, by its id: name, state, dataset, method, backbone, compositions, seed, numbers, verdict."""
        import pandas as pd

        from ssrl_core.runs.queue import run_names
        from ssrl_core.runs.queue.registry import verdict_of
        from ssrl_core.specs.parts import columns

        numbers = [column.name for _, column in columns(listed=True)]
        names = ["id", "name", "state", "dataset", "method", "backbone", "compositions", "seed", *numbers]
        names += ["verdict", "created_at"]
        rows = [{**row, "verdict": verdict_of(row)} for row in run_names.with_names(self.rows)]
        return pd.DataFrame([{n: row.get(n) for n in names} for row in rows], columns=names).set_index("id")

    def _repr_html_(self) -> str:
        torn = [said for name in dict.fromkeys(str(row["dataset"]) for row in self.rows) if (said := _torn(name))]
        return str(self.table.to_html(max_rows=30)) + "".join(f"<p>{escape(said)}</p>" for said in torn)


@dataclass(frozen=True, repr=False)
class Sweep:
    """Many runs that differ in chosen values.

    Attributes:
        id: of the sweep.
    """

    id: str

    @property
    def runs(self) -> list[Run]:
        """Its runs, in its order."""
        return [Run(entry["id"]) for entry in sweeps.members(self.id)]

    @property
    def results(self) -> pd.DataFrame:
        """One row a run: run, state, seed, `vary.…` columns, and the numbers that were measured (None until then)."""
        from ssrl_core.runs.queue.tables import results_table

        return results_table(self.id)

    @property
    def classes(self) -> pd.DataFrame:
        """One row for each class, probe and run: n, correct, accuracy."""
        from ssrl_core.runs.queue.tables import classes_table

        return classes_table(self.id)

    def wait(self) -> Sweep:
        """Wait until all its runs are over, with a bar; Ctrl+C ends the waiting, and the runs go on.

        Raises:
            RunError: some of them failed (all are waited for first).
            Stopped: some were stopped.
        """
        bar, ends = Bar(self.id), {"done": 0, "failed": 0, "stopped": 0}
        runs = self.runs
        try:
            for number, run in enumerate(runs):
                bar(number / len(runs), f"{number} of {len(runs)} runs")
                ends[submitting.wait(run.id)] += 1
        except KeyboardInterrupt:
            bar.close()
            print(f"The runs of {self.id} go on. Find them again by sweep({self.id!r}).")
            raise
        bar(1.0, f"{len(runs)} of {len(runs)} runs")
        bar.close()
        _raise_unless_all_done(self.id, ends)
        return self

    def __repr__(self) -> str:
        return f"<Sweep {self.id}: {len(self.runs)} runs>"

    def _repr_html_(self) -> str:
        return f"<div>{escape(repr(self))}</div>{self.results.to_html(max_rows=30)}"


def _raise_unless_all_done(sweep_id: str, ends: Mapping[str, int]) -> None:
    from ssrl_core.errors import RunError, Stopped

    if ends["failed"]:
        raise RunError(f"Sweep {sweep_id}: {ends['failed']} runs failed. `.results` says which.", where=sweep_id)
    if ends["stopped"]:
        raise Stopped(f"Sweep {sweep_id}: {ends['stopped']} runs were stopped.", where=sweep_id)
