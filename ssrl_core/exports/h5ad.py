"""AnnData: scanpy opens it as it is. Embedding in X, layouts in obsm (`X_umap`), groups in obs, the spec in uns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ssrl_core import stores
from ssrl_core.exports.cells import CellTable, cell_table
from ssrl_core.runs.folder.run_folder import RunFolder


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
