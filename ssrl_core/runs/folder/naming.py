"""Names that stay: a cluster that was named once is known again under another k, another seed, another run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ssrl_core import stores
from ssrl_core.analysis.matching import contingency, matched
from ssrl_core.errors import SSRLError
from ssrl_core.runs.folder import marks
from ssrl_core.runs.folder.run_folder import RunFolder


@dataclass(frozen=True)
class Mark:
    """What is said of a cluster.

    Attributes:
        origin: in words where a name comes from that was given elsewhere, "" for one given here.
        shared: Dice overlap with the cluster that was named, 1 for one named here.
    """

    name: str = ""
    colour: str | None = None
    note: str = ""
    excluded: bool = False
    origin: str = ""
    shared: float = 1.0


@dataclass(frozen=True)
class Clusters:
    """A clustering to be named: `ids` (n,) of `image_ids` (n,) ascending, `stem` its file's name without `.npy`."""

    run: RunFolder
    stem: str
    image_ids: np.ndarray
    ids: np.ndarray


def marks_of(clusters: Clusters, others: list[RunFolder]) -> dict[int, Mark]:
    """What is known of each cluster, given here or carried over.

    Args:
        others: runs on the same images that may have names, the nearest first.

    Returns:
        {cluster: mark}. What was said here wins; then names of other clusterings of this run; then of other runs. A
        name goes to one cluster only, to the one that shares most, if that is at least half (Dice).
    """
    own = marks.read(clusters.run)["clusters"]
    found = {int(c): Mark(**_known(said)) for c, said in own.get(clusters.stem, {}).items()}
    for run in [clusters.run, *others]:
        try:
            named = marks.read(run)["clusters"]
        except SSRLError:
            continue  # a damaged file of another run must not hide this one's clusters
        for stem, said in sorted(named.items()):
            if (run.id, stem) != (clusters.run.id, clusters.stem):
                _carry(found, clusters, run, stem, said)
    return found


def _carry(found: dict[int, Mark], clusters: Clusters, run: RunFolder, stem: str, said: dict[str, Any]) -> None:
    wanted = {
        int(c): known for c, entry in said.items() if (known := _known(entry)).get("name") or known.get("excluded")
    }
    taken = {mark.name for mark in found.values() if mark.name}
    if not any(entry.get("name") not in taken for entry in wanted.values()):
        return
    theirs = _aligned(run, stem, clusters.image_ids)
    if theirs is None:
        return
    pairs = matched(contingency(theirs, clusters.ids))
    for cluster, entry in wanted.items():
        if cluster not in pairs or entry.get("name") in taken:
            continue
        here, overlap = pairs[cluster]
        if here not in found:
            found[here] = Mark(**entry, origin=_origin(run, stem, clusters.run), shared=overlap)


def _aligned(run: RunFolder, stem: str, image_ids: np.ndarray) -> np.ndarray | None:
    """(n,) cluster of each of these images in another clustering, -1 where it has none; None where it is gone."""
    path = run.path / f"{stem}.npy"
    try:
        ids, images = stores.read_array(path), run.embedding_ids()
    except SSRLError:
        return None
    if len(ids) != len(images) or not len(ids):
        return None
    at = np.minimum(np.searchsorted(images, image_ids), len(images) - 1)
    return np.where(images[at] == image_ids, ids[at], -1)


def _known(said: dict[str, Any]) -> dict[str, Any]:
    return {key: said[key] for key in marks.MARKS if key in said}


def _origin(run: RunFolder, stem: str, here: RunFolder) -> str:
    parts = stem.split("_")
    which = f"k = {parts[2][1:]}" if len(parts) > 2 and parts[1] == "kmeans" else stem.removeprefix("clusters_")
    return which if run.id == here.id else f"{which} of {run.id}"
