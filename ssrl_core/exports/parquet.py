"""Everything of every cell in one Parquet table: known columns, groups, layouts, embedding."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ssrl_core import stores
from ssrl_core.exports.cell_table import cell_table
from ssrl_core.runs.folder.run_folder import RunFolder


def write(run: RunFolder, out: Path) -> dict[str, Any]:
    """See `exports`; tells rows and columns."""
    table = cell_table(run).flat()
    stores.replace(out, lambda file: table.to_parquet(file, index=False))
    return {"rows": len(table), "columns": len(table.columns)}
