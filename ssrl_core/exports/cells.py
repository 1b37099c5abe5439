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
    """One row a cell, as CellProfiler writes and loads object positions, so that it can be found in its field again.

    Returns:
        `ImageNumber`, `ObjectNumber`, `Location_Center_X`, `Location_Center_Y` (px, the first pixel's centre is 0), the
        field's file, and the cell's group.

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
    stores.replace(out, lambda file: _write(data, file))
    return {"cells": data.n_obs, "dimensions": data.n_vars, "obs": list(data.obs.columns), "obsm": list(data.obsm)}


def _write(data: Any, file: Any) -> None:
    """HDF5 made in memory, twice what the file takes: on a disk that becomes full it falls in the middle of C."""
    import h5py  # type: ignore[import-untyped]
    from anndata.io import write_elem

    with h5py.File("cells.h5ad", "w", driver="core", backing_store=False, block_size=1 << 24) as made:
        write_elem(made, "/", data)
        made.flush()
        file.write(made.id.get_file_image())


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


_NAMES = {
    "plate": "Plate",
    "well": "Well",
    "site": "Site",
    "replicate": "Replicate",
    "compound": "Compound",
    "dose": "Concentration",
    "dose_unit": "ConcentrationUnit",
}
_WELL = ("plate", "well")
_SAME = ("replicate", "compound", "dose", "dose_unit")


def write_profiles(run: RunFolder, out: Path) -> dict[str, Any]:
    """See `exports`: one row a cell; tells rows, metadata and features. `.parquet` in the name gives Parquet."""
    return _written(run, profiles(cell_table(run)), out)


def profiles(cells: CellTable) -> pd.DataFrame:
    """One row a cell, as pycytominer takes it: `Metadata_` columns, then `Embedding_0` …

    pycytominer infers features by CellProfiler's compartments only, so give them:
    `features=[c for c in profiles if c.startswith("Embedding_")]`.
    """
    return pd.concat([_metadata(cells), _features(cells)], axis=1)


def well_profiles(cells: CellTable, *, where: str = "profiles") -> pd.DataFrame:
    """One row a well, every number with what it rests on.

    Medians of the features over `Metadata_Cell_Count`, all cells of the well; for each clustering the cells of the well
    that are in one of its groups (`Metadata_Clustered_KEY`), and for each group how many of those are in it
    (`Metadata_Cells_KEY_GROUP`) and their share (`Metadata_Share_KEY_GROUP`; empty where none is clustered).

    Raises:
        RunError: the image set has no columns plate and well.
    """
    missing = [column for column in _WELL if column not in cells.known]
    if missing:
        raise RunError(
            f"{where}: the image set has no column {' and '.join(missing)}. Export one row a cell instead.", where=where
        )
    metadata, features = _metadata(cells), _features(cells)
    wells = [metadata[f"Metadata_{_NAMES[column]}"] for column in _WELL]
    kept = [f"Metadata_{_NAMES[c]}" for c in _SAME if c in cells.known]
    constant = [c for c in kept if (metadata.groupby(wells, dropna=False)[c].nunique() <= 1).all()]
    by_well = metadata.groupby(wells, dropna=False)
    parts = [by_well[constant].first(), by_well.size().rename("Metadata_Cell_Count"), *_shares(cells, wells)]
    parts.append(features.groupby(wells, dropna=False).median())
    return pd.concat(parts, axis=1).reset_index()


def _shares(cells: CellTable, wells: list[pd.Series]) -> list[pd.Series]:
    """Of every clustering its denominator, then of every group how many cells and their share of it."""
    found = []
    for key, ids in cells.clusters.items():
        clustered = pd.Series(ids >= 0).groupby(wells, dropna=False).sum()
        found.append(clustered.rename(f"Metadata_Clustered_{key}"))
        for number in range(int(ids.max(initial=-1)) + 1):
            inside = pd.Series(ids == number).groupby(wells, dropna=False).sum()
            name = f"{key}_{cells.names.get(key, {}).get(number, str(number))}"
            share = inside / clustered.where(clustered > 0)
            found += [inside.rename(f"Metadata_Cells_{name}"), share.rename(f"Metadata_Share_{name}")]
    return found


def _metadata(cells: CellTable) -> pd.DataFrame:
    table = cells.flat(embedding=False)
    names = {column: f"Metadata_{_NAMES.get(str(column), column)}" for column in table.columns}
    return table.rename(columns=names)


def _features(cells: CellTable) -> pd.DataFrame:
    return pd.DataFrame(cells.x, columns=[f"Embedding_{i}" for i in range(cells.x.shape[1])])


def _written(run: RunFolder, table: pd.DataFrame, out: Path) -> dict[str, Any]:
    """As CSV, or as Parquet where the name says so."""
    if out.suffix.lower() == ".parquet":
        stores.replace(out, lambda file: table.to_parquet(file, index=False))
    else:
        stores.replace(out, stores.csv_text(table))
    features = [c for c in table.columns if c.startswith("Embedding_")]
    return {"rows": len(table), "metadata": len(table.columns) - len(features), "features": len(features)}


def write_wells(run: RunFolder, out: Path) -> dict[str, Any]:
    """See `exports`: one row a well; tells rows, metadata and features."""
    return _written(run, well_profiles(cell_table(run), where=run.id), out)
