"""What is known of the cells of a run, as one table: the image set's columns, groups, layouts, embedding."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ssrl_core import stores
from ssrl_core.errors import RunError
from ssrl_core.runs.folder.annotations import read as said_of
from ssrl_core.runs.folder.run_folder import RunFolder

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class CellTable:
    """All rows of a run's embedding.

    Attributes:
        ids: (n,) image ids.  x: (n, D) embedding, float32.
        known: n rows: the image set's columns.
        clusters: `kmeans_k4` -> (n,) int32, -1 outside the evaluated split; names: the same key -> number -> name.
        layouts: method -> (n, 2) float32.
    """

    ids: Array
    x: Array
    known: pd.DataFrame
    clusters: dict[str, Array]
    names: dict[str, dict[int, str]]
    layouts: dict[str, Array]

    def flat(self, *, embedding: bool = True) -> pd.DataFrame:
        """One row a cell: everything side by side (`tsne_x`, `tsne_y`, `embedding_0` …)."""
        table = self.known.reset_index(drop=True).copy()
        for key, ids in self.clusters.items():
            table[key] = ids
            if self.names.get(key):
                table[f"{key}_name"] = [self.names[key].get(int(i)) for i in ids]
        parts = [table]
        for method, points in self.layouts.items():
            parts.append(pd.DataFrame(points, columns=[f"{method}_x", f"{method}_y"]))
        if embedding:
            parts.append(pd.DataFrame(self.x, columns=[f"embedding_{i}" for i in range(self.x.shape[1])]))
        return pd.concat(parts, axis=1)


def cell_table(run: RunFolder) -> CellTable:
    """Read it.

    Raises:
        RunError: the embedding is not there (yet), or was not kept.
    """
    from ssrl_core.runs.folder.run_folder import imageset_of

    x, ids = run.embedding()
    if len(x) != len(ids):
        raise RunError(f"Run {run.id}: embedding.npy and embedding_ids.npy differ in length. Resume it.", where=run.id)
    known = imageset_of(run.spec()).table.iloc[ids].reset_index(drop=True)
    clusters = {_key(path): stores.read_array(path) for path in sorted(run.path.glob("clusters_*.npy"))}
    clusters = {key: values for key, values in clusters.items() if len(values) == len(ids)}
    layouts = {method: points for method, (points, _) in run.layouts().items() if len(points) == len(ids)}
    return CellTable(ids, np.asarray(x, np.float32), known, clusters, _names(run), layouts)


def _key(path: Path) -> str:
    """`clusters_kmeans_k4_s0.npy` -> `kmeans_k4`; another seed keeps its number."""
    return path.stem.removeprefix("clusters_").removesuffix("_s0")


def _names(run: RunFolder) -> dict[str, dict[int, str]]:
    """The names that were given to groups."""
    every = said_of(run)["clusters"]
    return {
        _key(Path(stem)): {int(number): note["name"] for number, note in notes.items() if note.get("name")}
        for stem, notes in every.items()
    }


def write_csv(run: RunFolder, out: Path) -> dict[str, Any]:
    """All that is known of every cell but its embedding; tells rows and columns."""
    table = cell_table(run).flat(embedding=False)
    stores.replace(out, stores.csv_text(table))
    return {"rows": len(table), "columns": list(table.columns)}


def write_parquet(run: RunFolder, out: Path) -> dict[str, Any]:
    """The same with the embedding; tells rows and columns."""
    table = cell_table(run).flat()
    stores.replace(out, lambda file: table.to_parquet(file, index=False))
    return {"rows": len(table), "columns": len(table.columns)}
