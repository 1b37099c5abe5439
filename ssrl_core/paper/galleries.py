"""The images that figures 4 to 7 and 12 show: those nearest to each centroid, or cells of each condition.

For the Paper page and the printed report. What is not here (an image set, a run's embedding) has no gallery.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ssrl_core.datasets.imageset import ImageSet
from ssrl_core.errors import SSRLError
from ssrl_core.paper import bases, words
from ssrl_core.paper.evidence import Evidence

Array = np.ndarray[Any, Any]
CLUSTERS = {"figure-4": 10, "figure-6": 4, "figure-7": 4, "figure-12": 10}
"""How many clusters each of these figures shows."""
CONDITIONS = "figure-5"
_A_ROW, _MOST = 10, 4
_FEW = 3  # images of a kind in a cluster, from which on its share is given
_SETS_OF_CELLS = (
    ("simulated-cells", "response", "Simulated cells: every response that a compound gives"),
    ("bbbc021-nocodazole", "compound", "BBBC021: untreated and treated with nocodazole"),
    ("bbbc021-crops", "moa", "BBBC021: untreated and four mechanisms of action"),
)
_MOA = ("DMSO", "Microtubule destabilizers", "Microtubule stabilizers", "Actin disruptors", "Eg5 inhibitors")

Row = tuple[tuple[int, ...], str]
"""At most ten image ids, and what they are in words."""


@dataclass(frozen=True)
class Gallery:
    """Rows of images below a title.

    Attributes:
        dataset: the image set. run: the run that clustered them, "" where none did. problem: why there are no rows.
    """

    title: str
    dataset: str
    rows: tuple[Row, ...] = ()
    run: str = ""
    problem: str = ""


def galleries(name: str, evidence: Evidence | None) -> list[Gallery]:
    """The galleries of an item whose images are here; none of items that show no images.

    Args:
        evidence: what there is of the item at a scale; figure 5 needs none.
    """
    if name == CONDITIONS:
        return _conditions()
    if name not in CLUSTERS or evidence is None:
        return []
    return _solved(evidence, CLUSTERS[name]) if evidence.is_solved else _trained(evidence, CLUSTERS[name])


def above(name: str, evidence: Evidence | None) -> str:
    """What stands above the galleries of clusters."""
    if name == CONDITIONS or evidence is None:
        return ""
    one = "the first seed" if evidence.is_solved else "one run of each"
    return f"A row a cluster, the images nearest to its centroid first; {one}."


def _here(names: Iterable[str]) -> set[str]:
    """Of some image sets those that can be shown."""
    from ssrl_core.datasets import store

    return {name for name in {*names} & {*store.names()} if store.is_ready(name)}


def _solved(evidence: Evidence, k: int) -> list[Gallery]:
    """The clusters of solved compositions, of the first seed: of as many whole sweeps as stay within four."""
    tables = {name: evidence.typical(name) for name in evidence.specs}
    here = _here({str(dataset) for table in tables.values() if not table.empty for dataset in table["dataset"]})
    shown: list[tuple[str, Any]] = []
    for name, table in tables.items():
        rows = [row for _, row in table.iterrows() if row["dataset"] in here]
        shown += [(name, row) for row in rows] if not shown or len(shown) + len(rows) <= _MOST else []
    several = len({name.removesuffix(bases.WHOLE) for name, table in tables.items() if not table.empty}) > 1
    return [_of_solved(name, row, k, several=several) for name, row in shown]


def _of_solved(sweep: str, row: Any, k: int, *, several: bool) -> Gallery:
    """Args:
    several: the item has other sweeps, so that the title names this one.
    """
    from ssrl_core.datasets import store

    way = bases.WHOLE if sweep.endswith(bases.WHOLE) else ""
    of = f"{words.sweep(sweep.removesuffix(way))}: " if several else ""
    dataset, title = str(row["dataset"]), f"{of}{words.row_name(row['label'])}{way}"
    clusters = row["clusters"].get(str(k)) or next(iter(row["clusters"].values()))
    try:
        truth = _truth(store.load(dataset))
        rows = tuple((tuple(map(int, ids)), _most_of(truth[ids])) for ids in clusters if ids)
    except (SSRLError, IndexError) as error:  # what ships was measured on other images of the name
        return Gallery(title, dataset, problem=getattr(error, "message", "These were clusters of other images."))
    return Gallery(title, dataset, rows)


def _trained(evidence: Evidence, k: int) -> list[Gallery]:
    """The clusters of the first run that is done, of every composition."""
    first: dict[str, str] = {}
    for name in evidence.specs:
        table = evidence.results(name)
        for _, row in (table[table["state"] == "done"] if not table.empty else table).iterrows():
            first.setdefault(str(row["label"]), str(row["run"]))
    return [_of_run(words.row_name(label), run, k) for label, run in list(first.items())[:_MOST]]


def _of_run(title: str, run_id: str, k: int) -> Gallery:
    from ssrl_core.analysis.clusters import from_ids, nearest
    from ssrl_core.datasets import store
    from ssrl_core.runs.evaluation.clustering import stored_clusters
    from ssrl_core.runs.folder.run_folder import RunFolder

    dataset = ""
    try:
        run = RunFolder(run_id)
        dataset = run.spec().dataset.name
        x, ids = run.embedding()
        x, clusters = np.asarray(x), np.asarray(stored_clusters(run, k, 0).ids)
        truth = _truth(store.load(dataset))[ids]
    except SSRLError as error:
        return Gallery(title, dataset, run=run_id, problem=error.message)
    found, _ = nearest(x, from_ids(x, clusters, k), _A_ROW)
    members = [(clusters == cluster, ids[row[row >= 0]]) for cluster, row in enumerate(found)]
    rows = tuple((tuple(map(int, near)), _about(truth[of], truth)) for of, near in members if len(near))
    return Gallery(title, dataset, rows, run=run_id)


def _conditions() -> list[Gallery]:
    """Cells of every condition, of each image set of cells that is here."""
    here = _here(name for name, _, _ in _SETS_OF_CELLS)
    return [_of_conditions(*row) for row in _SETS_OF_CELLS if row[0] in here]


def _of_conditions(name: str, column: str, title: str) -> Gallery:
    from ssrl_core.datasets import store

    try:
        table = store.load(name).table
    except SSRLError as error:
        return Gallery(title, name, problem=error.message)
    if column not in table.columns:  # a set of one's own under the name
        return Gallery(title, name, problem=f"Its table has no column “{column}”.")
    values = table[column].astype(str).to_numpy()
    wanted = _MOA if column == "moa" else tuple(dict.fromkeys(values))
    random = np.random.default_rng(5)
    rows = []
    for value in sorted((v for v in wanted if (values == v).any()), key=lambda v: v not in ("untreated", "DMSO")):
        members = np.flatnonzero(values == value)
        drawn = np.sort(random.permutation(members)[:_A_ROW])
        rows.append((tuple(map(int, drawn)), f"{value}, {len(members):,} cells"))
    return Gallery(title, name, tuple(rows))


def _truth(imageset: ImageSet) -> Array:
    """(N,) what is known of each image: the response of simulated cells, else its class."""
    if "response" in imageset.table.columns:
        return np.asarray(imageset.table["response"].to_numpy())
    return np.asarray(np.asarray(imageset.classes)[imageset.label_ids])


def _most_of(values: Array) -> str:
    """What most of some images are: `8 of these 10 are “3”`."""
    names, counts = np.unique(values.astype(str), return_counts=True)
    top = int(np.argmax(counts))
    return f"{counts[top]} of these {len(values)} are “{names[top]}”"


def _about(values: Array, every: Array) -> str:
    """How many images, what most of them are, and what is more frequent among them than among all."""
    names, counts = np.unique(values.astype(str), return_counts=True)
    shares = counts / len(values)
    of_all = np.array([float(np.mean(every.astype(str) == name)) for name in names])
    top, more = int(np.argmax(shares)), int(np.argmax(np.where(counts >= _FEW, shares / of_all, 0)))
    text = f"{len(values):,} images, {100 * shares[top]:.0f} % “{names[top]}”"
    if more != top and shares[more] > 1.2 * of_all[more]:
        text += f"; “{names[more]}” {100 * shares[more]:.0f} % ({100 * of_all[more]:.0f} % of all)"
    return text


def picture(imageset: ImageSet, ids: Sequence[int]) -> bytes:
    """The images of a row side by side, each about 64 px high, as a PNG."""
    from ssrl_core.datasets.pictures import png, thumbnails

    return png(thumbnails(imageset, np.asarray(ids, np.int64), columns=_A_ROW))
