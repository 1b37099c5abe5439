"""What is known of every cell, its groups and its places on the maps, as CSV; the embedding stays out (see parquet)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ssrl_core import stores
from ssrl_core.exports.cell_table import cell_table
from ssrl_core.runs.folder.run_folder import RunFolder


def write(run: RunFolder, out: Path) -> dict[str, Any]:
    """See `exports`; tells rows and columns."""
    table = cell_table(run).flat(embedding=False)
    stores.replace(out, table.to_csv(index=False))
    return {"rows": len(table), "columns": list(table.columns)}
