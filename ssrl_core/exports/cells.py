"""What is known of the cells of a run: one table with the embedding, the same as AnnData, places in their fields."""

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


def write_positions(run: RunFolder, out: Path) -> dict[str, Any]:
    """See `exports`; tells rows and fields."""
    table = positions(cell_table(run), where=run.id)
    stores.replace(out, stores.csv_text(table))
    return {"rows": len(table), "fields": int(table["ImageNumber"].nunique())}


def positions(cells: CellTable, *, where: str = "positions") -> pd.DataFrame:
    """The table.

    Raises:
        RunError: the image set does not know where its cells lay (no columns x_px, y_px).
    """
    known = cells.known
    if "x_px" not in known or "y_px" not in known:
        raise RunError(
            f"{where}: the image set has no columns x_px and y_px. Cut its cells with `data cells`.", where=where
        )
    source = known["source"].astype(str).str.replace(r"#\d+$", "", regex=True)
    place = [known[c].astype(str) for c in ("plate", "well", "site") if c in known]
    field = known["field"].astype(str) if "field" in known else source.str.cat(place, sep="|") if place else source
    number = pd.factorize(field)[0] + 1
    table = pd.DataFrame({"ImageNumber": number, "ObjectNumber": pd.Series(number).groupby(number).cumcount() + 1})
    if "nucleus_id" in known:
        table["ObjectNumber"] = known["nucleus_id"]
    table["Location_Center_X"], table["Location_Center_Y"] = known["x_px"], known["y_px"]
    table["FileName"] = source
    for column, theirs in (("plate", "Metadata_Plate"), ("well", "Metadata_Well"), ("site", "Metadata_Site")):
        if column in known:
            table[theirs] = known[column]
    table["image_id"] = cells.ids
    for key, ids in cells.clusters.items():
        table[key] = ids
    return table


def write_h5ad(run: RunFolder, out: Path) -> dict[str, Any]:
    """See `exports`; tells shape, obs and obsm."""
    import anndata

    cells = cell_table(run)
    data = anndata.AnnData(
        X=cells.x,
        obs=_obs(cells),
        var=pd.DataFrame(index=[f"embedding_{i}" for i in range(cells.x.shape[1])]),
        obsm={f"X_{method}": np.asarray(points, np.float64) for method, points in cells.layouts.items()},
        uns={"viewloom": {"run": run.id, "spec": (run.path / "spec.yaml").read_text(encoding="utf-8")}},
    )
    stores.replace(out, lambda file: _write(data, file, out.absolute().parent))
    return {"cells": data.n_obs, "dimensions": data.n_vars, "obs": list(data.obs.columns), "obsm": list(data.obsm)}


def _write(data: Any, file: Any, beside: Path) -> None:
    """Through a file of its own: HDF5 seeks and reads back while it writes."""
    import tempfile

    with tempfile.TemporaryDirectory(prefix=".h5ad-", dir=beside) as folder:
        path = Path(folder) / "cells.h5ad"
        data.write_h5ad(path)
        with open(path, "rb") as done:
            while block := done.read(1 << 20):
                file.write(block)


def _obs(cells: CellTable) -> pd.DataFrame:
    """Columns that HDF5 can hold: groups and text as categories, everything else as it is."""
    obs = cells.known.rename(columns={"_index": "index_given"})  # the format keeps this name for itself
    obs.columns = [str(name).replace("/", "_per_") for name in obs.columns]
    for key, ids in cells.clusters.items():
        named = cells.names.get(key, {})
        obs[key] = pd.Categorical([named.get(int(i), str(i)) if i >= 0 else None for i in ids])
    for column in obs.columns:
        if obs[column].dtype == object or isinstance(obs[column].dtype, pd.StringDtype):
            obs[column] = pd.Categorical(obs[column].map(lambda v: None if pd.isna(v) else str(v)))
    obs.index = pd.Index(cells.ids.astype(str), name=None)
    return obs
