"""More of what is known of images: the columns of a table joined to an image set by what both know.

So BBBC021's official table of mechanisms (compound, concentration, moa) comes to cells of its fields.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ssrl_core import access, stores
from ssrl_core.datasets.columns import OWN_COLUMNS, one_well, renamed, with_doses
from ssrl_core.datasets.imageset import ImageSet
from ssrl_core.errors import DataError, SpecError

Array = np.ndarray[Any, Any]
KEYS = ("plate", "well", "site", "compound", "dose")


@dataclass(frozen=True)
class Joined:
    """What a join found.

    Attributes:
        table: the image set's table with the new columns.
        keys, columns: what was compared, and what came.
        found: images that got values; unused: rows of the other table that no image has.
    """

    table: pd.DataFrame
    keys: tuple[str, ...]
    columns: tuple[str, ...]
    found: int
    unused: tuple[str, ...]


def joined(table: pd.DataFrame, other: pd.DataFrame, *, by: tuple[str, ...] = ()) -> Joined:
    """A table of images with the columns of another table, whose rows are told by plate, well, compound or dose.

    Names are compared without regard to capitals, doses to six digits; A1 is A01.

    Args:
        by: columns to compare; left out, those of `KEYS` that both tables have.

    Raises:
        DataError: nothing to compare by or nothing new; two rows that say different things of the same images.
    """
    other = named(other)
    keys = by or keys_of(table, other)
    lacking = [name for name in keys if name not in table or name not in other]
    if lacking or not keys:
        known = ", ".join(map(str, other.columns[:12]))
        remedy = f"Both need a column of one name, such as {', '.join(KEYS)}; the table has {known}."
        raise DataError.at("Join", "columns to compare", "in both tables", ", ".join(lacking) or "none", remedy)
    skipped = {*keys, *OWN_COLUMNS, "dose_unit", "dose_as_written", *(name for name in KEYS if name in table)}
    columns = tuple(str(c) for c in other.columns if c not in skipped)
    if not columns:
        raise DataError.at("Join", "columns", "others than those compared", ", ".join(keys), "Nothing is new in it.")
    names = _keys(other, keys)
    twice = other.assign(key=names).drop_duplicates(["key", *columns])["key"]
    if twice.duplicated().any():
        row = twice[twice.duplicated()].iloc[0].replace("\n", " ")
        remedy = f"Compare by more columns than {', '.join(keys)}, or take one of the rows out."
        raise DataError.at("Join", "rows", "one for the same images", f"several of {row}", remedy)
    rows = pd.Series(np.arange(len(other)), index=names)
    rows = rows[~rows.index.duplicated()]
    own = _keys(table, keys)
    place = rows.reindex(own).to_numpy(float)
    there = np.isfinite(place)
    new = table.copy()
    for column in columns:
        values = other[column].to_numpy(object)
        new[column] = [values[int(at)] if ok else None for at, ok in zip(place, there, strict=True)]
    unused = tuple(name.replace("\n", " ") for name in rows.index[~rows.index.isin(own)])
    return Joined(new.infer_objects(), keys, columns, int(there.sum()), unused)


def keys_of(table: pd.DataFrame, other: pd.DataFrame) -> tuple[str, ...]:
    """Columns with a meaning that both tables have."""
    return tuple(name for name in KEYS if name in table and name in other)


def table_to_join(file: Path) -> pd.DataFrame:
    """A table of a file, under our names (`Metadata_Plate` is the plate), doses in one unit.

    Raises:
        DataError: it cannot be read.
    """
    from ssrl_core.datasets.cells.field_tables import read_table

    return named(read_table(file))


def named(other: pd.DataFrame) -> pd.DataFrame:
    """A table under our names, doses in one unit."""
    return with_doses(other.rename(columns=renamed([str(c) for c in other.columns])))[0]


def join(imageset: ImageSet, file: Path, *, by: tuple[str, ...] = ()) -> Joined:
    """`joined` with the table of a file, kept with the image set; pixels, labels, splits and fingerprint stay.

    Raises:
        SpecError: an image set that ships.
        DataError: as `joined`; no image is told by the table.
    """
    access.require_editor("Changing an image set")
    if not imageset.folder.is_relative_to(stores.data_root()):
        raise SpecError.at("data join", "image set", "one of your own", imageset.name, "The example stays as it ships.")
    found = joined(imageset.table, table_to_join(file), by=by)
    if not found.found:
        raise DataError.at("Join", "rows", f"of images of {imageset.name}", ", ".join(found.unused[:5]), "Check names.")
    with stores.held(imageset.name):
        stores.replace(imageset.folder / "table.parquet", lambda handle: found.table.to_parquet(handle, index=False))
    return found


def _keys(table: pd.DataFrame, keys: tuple[str, ...]) -> pd.Series:
    parts = [_text(table[name].map(one_well) if name == "well" else table[name]) for name in keys]
    return parts[0].str.cat(parts[1:], sep="\n") if len(parts) > 1 else parts[0]


def _text(values: pd.Series) -> pd.Series:
    if values.dtype.kind in "iuf":
        return values.astype(float).map(lambda number: f"{number:.6g}")
    return values.astype(str).str.strip().str.lower()
