"""The names that screens give to plate, well, compound, dose, and ours for them."""

from __future__ import annotations

import re
from collections.abc import Iterable

KNOWN = {
    "plate": ("plate", "plateid", "platename", "platebarcode", "barcode", "assayplatebarcode", "platedapi"),
    "well": ("well", "wellid", "wellname", "wellposition", "imagewell", "welldapi"),
    "site": ("site", "fieldid", "fieldindex", "position", "siteid"),
    "replicate": ("replicate", "rep", "replicateid"),
    "compound": ("compound", "compoundname", "treatment", "perturbation", "pertiname"),
    "dose": ("dose", "concentration", "conc", "dosevalue", "compoundconcentration"),
    "dose_unit": ("doseunit", "doseunits", "concentrationunit", "concentrationunits", "unit"),
}
_PLACE = {name: ours for ours, names in KNOWN.items() for name in names}


def renamed(columns: Iterable[str]) -> dict[str, str]:
    """Which columns get one of our names: {theirs: ours}; a name of ours that is taken already stays with its owner."""
    taken = set(columns) & set(KNOWN)
    found: dict[str, str] = {}
    for column in columns:
        ours = _PLACE.get(_bare(column))
        if ours and ours != column and ours not in taken:
            found[column] = ours
            taken.add(ours)
    return found


def _bare(column: str) -> str:
    """`Image_Metadata_Plate_DAPI` -> `platedapi`, `Metadata_Concentration` -> `concentration`."""
    text = re.sub(r"^(image_)?(metadata_)?", "", column.strip().lower())
    return re.sub(r"[^a-z0-9]", "", text)
