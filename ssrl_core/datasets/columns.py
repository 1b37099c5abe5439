"""Columns of an image set that mean something: our own, what screens call plate, well and dose, what is untreated."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

Array = np.ndarray[Any, Any]

OWN_COLUMNS = ("image_id", "source", "split", "order", "label_id")
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
_NUMBERED = re.compile(
    r"(fields?|frame|file|tile|row|col|column|object|image|cell|nucleus|track|batch|session|series|plane)?"
    r"(id|ids|index|idx|number|nr|no|num)|field|frame|file|tile|row|col|column|track|batch|session|series|plane"
)
UNTREATED = ("dmso", "untreated", "control", "negative", "negcon", "mock", "vehicle")


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


def says_where_from(column: str) -> bool:
    """Whether a column, by its name, says where an image comes from (plate, well, replicate, a number of field or
    object) rather than what it shows; guessed, so whoever uses it says so."""
    bare = _bare(column)
    return _PLACE.get(bare) in ("plate", "well", "site", "replicate") or bool(_NUMBERED.fullmatch(bare))


def is_untreated_name(value: object) -> bool:
    """Whether a compound's name says that there was none."""
    return str(value).strip().lower() in UNTREATED


def untreated(table: pd.DataFrame) -> Array:
    """(n,) bool: cells whose compound says so, or, where no compound does, whose dose is 0."""
    named = np.zeros(len(table), bool)
    if "compound" in table:
        known = {value: is_untreated_name(value) for value in table["compound"].unique()}
        named = table["compound"].map(known).to_numpy(bool)
    if not named.any() and "dose" in table:
        return np.asarray(pd.to_numeric(table["dose"], errors="coerce") == 0)
    return named


def doses_of(table: pd.DataFrame) -> Array:
    """(n,) float dose of each cell: 0 where it is untreated, NaN where it is not known."""
    doses = pd.to_numeric(table["dose"], errors="coerce").to_numpy(float) if "dose" in table else None
    if doses is None:
        doses = np.full(len(table), np.nan)
    return np.where(untreated(table), 0.0, doses)


def informative_columns(table: pd.DataFrame, label: str | None) -> list[str]:
    """The label first, then every column with more than one value that is no name of each single image."""
    others = [c for c in table.columns if c not in OWN_COLUMNS and c != label and _tells(table[c])]
    return [*([label] if label else []), *others]


def _tells(column: pd.Series) -> bool:
    count = column.nunique(dropna=True)
    numeric = pd.api.types.is_numeric_dtype(column)
    return bool(count > 1 and (numeric or count <= max(2, len(column) // 2)))
