"""Profiles of wells: see `exports.profiles`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ssrl_core.exports.cell_table import cell_table
from ssrl_core.exports.profiles import _written, well_profiles
from ssrl_core.runs.folder.run_folder import RunFolder


def write(run: RunFolder, out: Path) -> dict[str, Any]:
    """See `exports`: one row a well; tells rows, metadata and features."""
    return _written(run, well_profiles(cell_table(run), where=run.id), out)
