"""Where each cell lies in its field, as CellProfiler writes and loads object positions.

`ImageNumber`, `ObjectNumber`, `Location_Center_X`, `Location_Center_Y` (px, the first pixel's centre is 0), the field's
file, and the cell's group; one row a cell, so that it can be found in its field again.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from ssrl_core import stores
from ssrl_core.errors import RunError
from ssrl_core.exports.cells import CellTable, cell_table
from ssrl_core.runs.folder.run_folder import RunFolder


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
