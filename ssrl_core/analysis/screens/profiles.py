"""From cells to wells to treatments: one profile each, and what is known of it.

A table of a screen has a row a well with the columns of `WELL_COLUMNS`; a treatment is a compound at a dose.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pandas as pd

from ssrl_core.analysis.plates import FORMATS, plate_format, well_place
from ssrl_core.datasets.columns import (
    BATCH,
    MECHANISM,
    batches_of,
    doses_of,
    first_called,
    renamed,
    text_of,
    untreated,
    with_doses,
)
from ssrl_core.errors import DataError, some_of

Array = np.ndarray[Any, Any]
UNTREATED = "untreated"
WELL_COLUMNS = ("plate", "well", "batch", "compound", "dose", "treatment", "mechanism", "cells", "untreated")
SAID_OF = ("plate", "well", "compound", "dose", "mechanism", "batch")
_ELSE = {  # names of identifiers, taken where no better name is there
    "compound": ("broadsample", "broadid", "jcp2022", "compoundid", "inchikey", "smiles", "pertid", "perturbationid"),
    "dose": ("mmolesperliter", "micromolesperliter", "micromolar"),
}
_BLOCK = 200_000  # cells whose rows are in memory at a time, unless one well has more
_TRIM = 0.1
_FEW_CELLS = 20


class Caution(str):
    """A sentence on what makes scores less sure, so that it stands beside them; others say how they were made."""

    __slots__ = ()


@dataclass(frozen=True)
class Profiles:
    """Profiles of wells, or of treatments, and what is known of each.

    Attributes:
        x: (n, D) float64.
        table: n rows: `WELL_COLUMNS` (of treatments `plate` and `well` are not there; `wells` counts them).
        said: what was left out or guessed on the way, in sentences.
    """

    x: Array
    table: pd.DataFrame
    said: tuple[str, ...] = ()

    def of(self, rows: Array, *said: str) -> Profiles:
        """Some of them (bool mask or row numbers), with more said."""
        return Profiles(self.x[rows], self.table.iloc[rows].reset_index(drop=True), (*self.said, *said))

    def with_mechanism(self) -> Profiles:
        """Those whose mechanism is known."""
        return self.of(self.table["mechanism"].map(lambda m: isinstance(m, str)).to_numpy(bool))


def screen_table(table: pd.DataFrame, *, mechanism: str | None = None, batch: str | None = None) -> pd.DataFrame:
    """What of a table of cells (or wells) says where each is from: plate, well, batch, compound, dose, mechanism.

    Args:
        table: (n rows) under the names that programs give (`Metadata_Plate`, `Image_Metadata_Well_DAPI`, `moa` …).
        mechanism, batch: columns to take; left out, the first whose name says so. A batch is else the week in the
            plate's name (`Week4_27481`), else the plate.

    Returns:
        n rows in the same order: plate, well, batch, compound, dose, mechanism (None where not known), untreated;
        `attrs["said"]` has sentences on what was guessed.

    Raises:
        DataError: no well or no compound is known, or a column that is asked for is not there.
    """
    _require_places(table)
    known = table.rename(columns=_named(table))
    said: list[str] = []
    if "plate" not in known:
        said.append("No column names the plates: all wells count as one plate.")
    plates = _text(known["plate"]) if "plate" in known else pd.Series("one plate", index=known.index)
    found = pd.DataFrame({"plate": plates, "well": _text(known["well"])})
    asked = _column(known, batch, (), "batch")
    batches, words = batches_of(known.assign(plate=plates)) if asked is None else (asked.fillna("no batch"), "")
    found["batch"] = batches
    none = untreated(known)
    found["compound"] = _text(known["compound"].where(known["compound"].notna(), "")).where(~none, UNTREATED)
    found["dose"] = doses_of(known)
    found["mechanism"] = _column(known, mechanism, MECHANISM, "mechanism")
    found.loc[none, "mechanism"] = None
    found["untreated"] = none
    found.attrs["said"] = (*said, *filter(None, [words]))
    return found


def _require_places(table: pd.DataFrame) -> None:
    """Refuse a table that names no wells or no compounds."""
    known = {*map(str, table.columns), *_named(table).values()}
    for name in ("well", "compound"):
        if name not in known:
            remedy = f"Name the column that has the {name}s {name} (of a table also: --column {name}=ITS_NAME)."
            raise DataError.at("Screen", name, "a column of the table", ", ".join(map(str, table.columns[:12])), remedy)


def _named(table: pd.DataFrame) -> dict[str, str]:
    """Which columns get one of our names, identifiers of compounds last."""
    found = renamed([str(column) for column in table.columns])
    for ours, names in _ELSE.items():
        if ours not in table and ours not in found.values():
            theirs = first_called([c for c in table.columns if c not in found], names)
            if theirs is not None:
                found[str(theirs)] = ours
    return found


def told_columns(table: pd.DataFrame) -> dict[str, str]:
    """What of `SAID_OF` is read from which column."""
    found = {ours: theirs for theirs, ours in _named(table).items()} | {c: c for c in SAID_OF if c in table}
    for ours, names in (("mechanism", MECHANISM), ("batch", BATCH)):
        if theirs := first_called(table.columns, names):
            found[ours] = str(theirs)
    return {name: found[name] for name in SAID_OF if name in found}


def with_columns(table: pd.DataFrame, columns: Mapping[str, str]) -> pd.DataFrame:
    """A table whose columns have our names as somebody says them.

    Args:
        columns: one of `SAID_OF` -> the table's column.

    Raises:
        DataError: a name that is none of ours, a column that is not there, or one for two things.
    """
    for ours, theirs in columns.items():
        if ours not in SAID_OF:
            raise DataError.at("Screen", "column", f"of one of {', '.join(SAID_OF)}", ours)
        if theirs not in table:
            some = ", ".join(map(str, table.columns[:12]))
            raise DataError.at("Screen", ours, "a column of the table", theirs, f"There is: {some}.")
    if len(set(columns.values())) < len(columns):
        raise DataError.at("Screen", "columns", "one for each", ", ".join(columns.values()), "One was named twice.")
    taken = {ours: f"{ours}_given" for ours, theirs in columns.items() if ours in table and ours != theirs}
    return table.rename(columns=taken).rename(columns={theirs: ours for ours, theirs in columns.items()})


def _text(values: pd.Series) -> pd.Series:
    return values.astype(str).str.strip()


def _column(table: pd.DataFrame, asked: str | None, names: tuple[str, ...], what: str) -> pd.Series[Any] | None:
    """Text of a column, None where it is empty; None where there is no such column."""
    if asked is not None and asked not in table:
        remedy = f"There is: {', '.join(table.columns[:12])}."
        raise DataError.at("Screen", what, "a column of the table", asked, remedy)
    place = asked or first_called(table.columns, names)
    return None if place is None else text_of(table[place])


def treatment_name(compound: str, dose: float) -> str:
    """`taxol 0.3`; the compound alone where no dose is known."""
    return compound if compound == UNTREATED or not np.isfinite(dose) else f"{compound} {dose:g}"


def wells_of(table: pd.DataFrame) -> tuple[pd.DataFrame, Array]:
    """The wells of some cells.

    Args:
        table: (n rows) as `screen_table` gives it.

    Returns:
        a row a well (`WELL_COLUMNS`, `cells` counted, ordered by plate and well) and (n,) the well of each cell.

    Raises:
        DataError: a well that has two compounds or two doses.
    """
    keys = table["plate"] + "\n" + table["well"]
    codes, names = pd.factorize(keys, sort=True)
    first = pd.Series(np.arange(len(table))).groupby(codes).first().to_numpy()
    wells = table.iloc[first].reset_index(drop=True)
    for column in ("compound", "dose"):
        other = _differs(table[column], wells[column].to_numpy()[codes])
        if other.any():
            row = table[other].iloc[0]
            where = f"{row['plate']} {row['well']}"
            both = ", ".join(sorted({str(v) for v in table[column][keys == f"{row['plate']}\n{row['well']}"]})[:3])
            remedy = "A well has one compound at one dose: is a column that tells plates apart missing?"
            raise DataError.at(f"Well {where}", column, "the same for all its cells", both, remedy)
    wells["cells"] = np.bincount(codes, minlength=len(names))
    wells["treatment"] = [treatment_name(c, d) for c, d in zip(wells["compound"], wells["dose"], strict=True)]
    wells.attrs = {}
    return wells[list(WELL_COLUMNS)], codes


def _differs(values: pd.Series, others: Array) -> Array:
    own = values.to_numpy()
    if own.dtype.kind == "f":
        return np.asarray((own != others) & ~(np.isnan(own) & np.isnan(others.astype(float))))
    return np.asarray(own != others)


def aggregate(x: Any, codes: Array, count: int, how: str) -> Array:
    """One profile of each group of rows: memory is that of the groups and of one block of rows.

    Args:
        x: (n, D) rows, in memory or mapped from a file; whole wells are read, some at a time.
        codes: (n,) group of each row, -1 for none.
        count: number of groups.
        how: `mean`, `median` or `trimmed_mean` (of the middle 80 %).

    Returns:
        (count, D) float64; NaN rows for groups without any.
    """
    order = np.argsort(codes, kind="stable")
    sizes = np.bincount(codes[codes >= 0], minlength=count)
    ends = int((codes < 0).sum()) + np.cumsum(sizes)
    found = np.full((count, x.shape[1]), np.nan)
    group = 0
    while group < count:
        start = ends[group] - sizes[group]
        last = max(group + 1, int(np.searchsorted(ends, start + _BLOCK, side="right")))
        rows = np.asarray(x[order[start : ends[last - 1]]], dtype=np.float64)
        _fill(found, rows, ends[group:last] - start, group, how)
        group = last
    return found


def _fill(found: Array, rows: Array, ends: Array, first: int, how: str) -> None:
    from scipy.stats import trim_mean

    start = 0
    for place, end in enumerate(ends):
        own = rows[start:end]
        start = end
        if not len(own):
            continue
        if how == "mean":
            found[first + place] = own.mean(axis=0)
        elif how == "median":
            found[first + place] = np.median(own, axis=0)
        else:
            found[first + place] = trim_mean(own, _TRIM, axis=0)


def wells_profiles(
    x: Any,
    table: pd.DataFrame,
    how: str = "mean",
    *,
    minimum_cells: int = 1,
    cells: Mapping[tuple[str, str], float] | None = None,
) -> Profiles:
    """Profiles of the wells of some cells.

    Args:
        x: (n, D) embedding of the cells.
        table: (n rows) as `screen_table` gives it.
        how, minimum_cells: of the recipe.
        cells: (plate, well) -> how many cells it has, where more are known than have a row here; a well may have 0.

    Returns:
        Wells with enough cells, in order of plates and wells.
    """
    wells, codes = wells_of(table)
    said = list(table.attrs.get("said", ()))
    if cells:
        wells["cells"] = [cells.get((plate, well), own) for plate, well, own in _keys(wells)]
    enough = np.bincount(codes, minlength=len(wells)) >= minimum_cells
    if not enough.all():
        names = some_of(f"{plate} {well}" for plate, well, _ in _keys(wells[~enough]))
        words = f"{(~enough).sum()} wells have fewer than {minimum_cells} cells and are left out: {names}."
        said.append(Caution(words))
    if (empty := (wells["compound"] == "").to_numpy()).any():
        names = some_of(f"{plate} {well}" for plate, well, _ in _keys(wells[empty]))
        said.append(Caution(f"{empty.sum()} wells name no compound and are left out: {names}."))
        enough &= ~empty
    middle = float(np.median(np.bincount(codes))) if len(codes) else 0.0
    if 1 < middle < _FEW_CELLS:
        said.append(Caution(f"A well has {middle:g} cells in the middle: profiles of so few vary much by chance."))
    profiles = aggregate(x, codes, len(wells), how)
    return Profiles(profiles, wells, tuple(said)).of(enough)


def _keys(wells: pd.DataFrame) -> list[tuple[str, str, int]]:
    return list(wells[["plate", "well", "cells"]].itertuples(index=False, name=None))


def treatment_profiles(wells: Profiles, how: str = "median") -> Profiles:
    """One profile of each compound at each dose, the untreated wells left out.

    Returns:
        table: treatment, compound, dose, mechanism, batches (sorted, joined by a line feed), wells, plates, cells.
    """
    treated = wells.of(~wells.table["untreated"].to_numpy(bool))
    if not len(treated.table):
        return Profiles(treated.x, pd.DataFrame(columns=["treatment", "compound", "dose", "mechanism", "batches"]))
    codes, names = pd.factorize(treated.table["treatment"], sort=True)
    grouped = treated.table.groupby(codes)
    table = pd.DataFrame({"treatment": names, **{c: grouped[c].first().to_numpy() for c in ("compound", "dose")}})
    table["mechanism"] = [next((m for m in own if isinstance(m, str)), None) for _, own in grouped["mechanism"]]
    table["batches"] = ["\n".join(sorted(set(map(str, own)))) for _, own in grouped["batch"]]
    table["wells"], table["cells"] = grouped.size().to_numpy(), grouped["cells"].sum().to_numpy()
    table["plates"] = grouped["plate"].nunique().to_numpy()
    return Profiles(aggregate(treated.x, codes, len(names), how), table)


def places(wells: pd.DataFrame) -> pd.DataFrame:
    """Row, column (from 0) and whether a well lies at the edge of its plate (96, 384, 1536); NaN for other names."""
    found = [well_place(name) or (np.nan, np.nan) for name in wells["well"]]
    table = pd.DataFrame(found, columns=["row", "column"], index=wells.index, dtype=float)
    rows, columns = FORMATS[plate_format(wells["well"])]
    edge = table["row"].isin([0, rows - 1]) | table["column"].isin([0, columns - 1])
    table["edge"] = edge.where(table["row"].notna(), other=False).astype(bool)
    return table


def read_table(path: Path, content: BinaryIO | None = None) -> pd.DataFrame:
    """A table of a .csv, .csv.gz, .tsv or .parquet file.

    Args:
        content: of an uploaded file; `path` is its name then.

    Raises:
        DataError: it is not there, or no such table.
    """
    source: Any = path if content is None else content
    try:
        if path.suffix.lower() == ".parquet":
            return pd.read_parquet(source)
        packed = "gzip" if path.suffix.lower() == ".gz" else None
        sep = "\t" if ".tsv" in path.name.lower() else ","
        return pd.read_csv(source, sep=sep, compression=packed, low_memory=False)
    except (OSError, ValueError) as error:
        raise DataError.at("Screen", "table", "a .csv, .csv.gz, .tsv or .parquet file", str(path), str(error)) from None


def profiles_of_table(
    table: pd.DataFrame,
    *,
    mechanism: str | None = None,
    batch: str | None = None,
    columns: Mapping[str, str] | None = None,
) -> Profiles:
    """A table of numbers as CellProfiler and pycytominer write it, brought in: a row a well or a cell.

    Columns that are no numbers, say where from, or are the same everywhere or missing somewhere are no features; this
    is said. Rows of one well are put together by their mean; a column of counted cells is taken as such.

    Args:
        columns: one of `SAID_OF` -> its column, where names do not say it.

    Raises:
        DataError: no feature is left, or no well or compound is known.
    """
    table = with_columns(table, columns or {})
    _require_places(table)
    counts = counted_column(table)
    table, words = _without_empty(table, counts)
    features, said = _features(table)
    known, doses = with_doses(table.rename(columns=_named(table)))
    about = screen_table(known, mechanism=mechanism, batch=batch)
    x = table[features].to_numpy(dtype=np.float64)
    about.attrs["said"] = (*about.attrs["said"], *words, *doses, *said)
    cells = None if counts is None else _counted_cells(table[counts].astype(float), about)
    found = wells_profiles(x, about, "mean", cells=cells)
    if counts is not None:
        found.table["cells"] = found.table["cells"].astype(np.float64)
    elif (found.table["cells"] == 1).all():
        found = replace(found, said=(*found.said, "No column counts the cells of a well: there is no score of cell "
                                     "counts to set beside."))  # fmt: skip
    return found


def _counted_cells(counts: pd.Series[Any], about: pd.DataFrame) -> dict[tuple[str, str], Any]:
    """(plate, well) -> cells, where rows are wells or fields; one number in all rows of each well is the well's."""
    grouped = counts.groupby([about["plate"], about["well"]])
    of_wells = bool((grouped.nunique() == 1).all()) and float(grouped.size().median()) > 1
    return {(str(plate), str(well)): n for (plate, well), n in (grouped.first() if of_wells else grouped.sum()).items()}


_COUNTED = r"(Metadata_|Image_)?(Object_Count|Count_(Cells|Nuclei)|cell_?count|n_?cells|cells)"


def counted_column(table: pd.DataFrame) -> str | None:
    """The column that says how many cells a row's well or field has."""
    return next((str(c) for c in table.columns if re.fullmatch(_COUNTED, str(c), re.IGNORECASE)), None)


def numbers_of(column: pd.Series[Any]) -> Array:
    """(n,) float64 of a column in the order of its rows; NaN where there is no number."""
    found: Array = pd.to_numeric(column, errors="coerce").to_numpy(np.float64)
    return found


def _without_empty(table: pd.DataFrame, counts: Any) -> tuple[pd.DataFrame, list[str]]:
    """Without rows that count no cell, or whose numbers are nearly all missing."""
    numbers = table.select_dtypes("number")
    empty = numbers.isna().mean(axis=1) > 0.5
    if counts is not None:
        empty |= ~(pd.to_numeric(table[counts], errors="coerce") > 0)
    if not empty.any():
        return table, []
    well = _named(table)
    at = [c for c in table.columns if well.get(c, c) in ("plate", "well")]
    names = some_of(" ".join(map(str, row)) for row in table.loc[empty, at].itertuples(index=False))
    said = Caution(f"{empty.sum()} rows have no cells and are left out: {names}.")
    return table[~empty].reset_index(drop=True), [said]


_PLACES = re.compile(
    r"(^|_)(Location|Parent|Children)_|(_|^)Center_[XYZ]|BoundingBox|Number_Object_Number", re.IGNORECASE
)


def _features(table: pd.DataFrame) -> tuple[list[str], list[str]]:
    """Columns that are features, and what is said of those that are not."""
    about = re.compile(r"^(metadata_|image_(?!.*intensity)|.*_?(objectnumber|imagenumber|tablenumber))", re.IGNORECASE)
    ours = {*_named(table), *SAID_OF, *(f"{name}_given" for name in SAID_OF), "site", "replicate", "image_id"}
    counted = re.compile(_COUNTED, re.IGNORECASE)
    named = {c: str(c) for c in table.columns if c not in ours}
    names = [c for c, name in named.items() if not about.match(name) and not counted.fullmatch(name)]
    every = [c for c in names if pd.api.types.is_numeric_dtype(table[c]) and table[c].dtype != bool]
    numbers = [c for c in every if not _PLACES.search(named[c])]
    values = table[numbers].to_numpy(dtype=np.float64)
    whole = np.isfinite(values).all(axis=0)
    alike = np.zeros(len(numbers), bool)
    alike[whole] = np.ptp(values[:, whole], axis=0) == 0
    said = []
    if len(numbers) < len(every):
        said.append(f"{len(every) - len(numbers)} features that say where an object lies, or its number, are left out.")
    if (~whole).any():
        said.append(f"{(~whole).sum()} features with missing values are left out: "
                    f"{some_of(np.array(numbers)[~whole])}.")  # fmt: skip
    if alike.any():
        said.append(f"{alike.sum()} features that are the same in every row are left out.")
    kept = [c for c, good in zip(numbers, whole & ~alike, strict=True) if good]
    if not kept:
        remedy = "A table of profiles has a column of numbers for each feature, without gaps."
        raise DataError.at("Screen", "features", "columns of numbers that differ", len(numbers), remedy)
    return kept, said
