"""Profiles as pycytominer takes them: `Metadata_` columns, then features; one row a cell, or one a well.

Features are `Embedding_0` …; pycytominer infers features by CellProfiler's compartments only, so give them:
`features=[c for c in profiles if c.startswith("Embedding_")]`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from ssrl_core import stores
from ssrl_core.errors import RunError
from ssrl_core.exports.cells import CellTable, cell_table
from ssrl_core.runs.folder.run_folder import RunFolder

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
    """One row a cell."""
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
