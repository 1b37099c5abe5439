"""Image sets made of others, and columns of a table joined to one by what both know.

Part of a screen (as in the paper, appendix A: one compound at its highest doses against the same number of untreated
cells of their plates), or all of it split anew: the cells are copied, so that the new set has splits, statistics and a
fingerprint of its own. Joined columns are how BBBC021's official table of mechanisms (compound, concentration, moa)
comes to cells of its fields.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ssrl_core import access, stores
from ssrl_core.datasets.columns import (
    OWN_COLUMNS,
    batches_of,
    doses_of,
    is_untreated_name,
    meaning_of,
    one_well,
    renamed,
    untreated,
    with_doses,
)
from ssrl_core.datasets.creation import Metadata, check_free, create
from ssrl_core.datasets.imageset import ImageSet
from ssrl_core.datasets.progress import Report, or_silent
from ssrl_core.datasets.splits import by_group, left_out_by_kind, seeded_order, well_names
from ssrl_core.errors import DataError, SpecError

Array = np.ndarray[Any, Any]
CLEAR = 0.3  # Cramér's V from which one is warned


def cramers_v(first: pd.Series[Any], second: pd.Series[Any]) -> float:
    """How closely two columns go together: 0 = not at all, 1 = one tells the other. NaN where one has one value only.

    Source:
        Cramér 1946; with Bergsma's correction of 2013, without which few cells look confounded by chance.
    """
    counts = pd.crosstab(first, second).to_numpy(float)
    n, (rows, columns) = counts.sum(), counts.shape
    if min(rows, columns) < 2:
        return float("nan")
    expected = counts.sum(1, keepdims=True) * counts.sum(0) / n
    phi2 = max(0.0, float(((counts - expected) ** 2 / expected).sum() / n - (rows - 1) * (columns - 1) / (n - 1)))
    smaller = min(rows - (rows - 1) ** 2 / (n - 1), columns - (columns - 1) ** 2 / (n - 1)) - 1
    return float(np.sqrt(min(1.0, phi2 / smaller))) if smaller > 0 else float("nan")


def confounded_words(table: pd.DataFrame, label: str = "compound", by: str = "plate") -> list[str]:
    """What to warn of, in sentences; none where class and plate are mixed, or one of them is not known."""
    if label not in table or by not in table:
        return []
    v = cramers_v(table[label].astype(str), table[by].astype(str))
    if not v >= CLEAR:
        return []
    kinds = table.groupby(table[by].astype(str))[label].nunique()
    alone = int((kinds == 1).sum())
    said = f", {alone} of {len(kinds)} {by}s have one {label} only" if alone else ""
    return [
        f"{label} and {by} are confounded (Cramér's V {v:.2f}{said}): what looks like a {label} may be a {by}; split "
        f"by {by}, and look at how well the {by} can be read"
    ]


_CHUNK = 256


@dataclass(frozen=True)
class SubsetChoice:
    """What a subset holds.

    Attributes:
        compounds: names as the image set has them (capitals, hyphens and a `sim-` before them do not matter).
        highest: only the so many highest doses of each; None = all doses.
        doses: only these; None = all.
        cells: cells of each compound, and untreated ones; fewer where there are fewer. None = as many as there are of
            the rarer side.
        group: a column no value of which may be in two splits (`well`, `plate`); None = cell by cell.
        whole_wells: without a group, wells stay whole where they are known.
        seed: decides which cells, and the split.
    """

    compounds: tuple[str, ...]
    highest: int | None = None
    doses: tuple[float, ...] | None = None
    cells: int | None = None
    group: str | None = None
    whole_wells: bool = False
    seed: int = 5


@dataclass(frozen=True)
class PresetRow:
    """A subset of the paper."""

    title: str
    sentence: str
    choice: SubsetChoice


PRESETS: dict[str, PresetRow] = {
    "nocodazole": PresetRow(
        "Nocodazole",
        "Its four highest concentrations, 1,750 cells, and 1,750 untreated (tables 3 and 4, figures 6 to 8).",
        SubsetChoice(("nocodazole",), highest=4, cells=1750),
    ),
    "taxol": PresetRow(
        "Taxol",
        "950 cells and 950 untreated; that it takes the four highest concentrations, too, is an assumption.",
        SubsetChoice(("taxol",), highest=4, cells=950),
    ),
    "cytochalasin-b": PresetRow(
        "Cytochalasin B",
        "1,150 cells and 1,150 untreated; that it takes the four highest concentrations, too, is an assumption.",
        SubsetChoice(("cytochalasin B",), highest=4, cells=1150),
    ),
    "nocodazole-every-dose": PresetRow(
        "Nocodazole, every concentration",
        "All its cells and as many untreated, for figures 9 and 10.",
        SubsetChoice(("nocodazole",)),
    ),
}


@dataclass
class Chosen:
    """Cells of a subset.

    Attributes:
        ids: image ids of the whole set, ascending.
        notes: what fell short or is confounded, in sentences.
    """

    ids: Array
    notes: list[str] = field(default_factory=list)


def fitting_presets(table: pd.DataFrame) -> dict[str, SubsetChoice]:
    """The presets whose compounds an image set has, with its own spelling of their names."""
    found = {}
    for key, row in PRESETS.items():
        try:
            names = _compounds(table, row.choice.compounds, "subset") if "compound" in table else []
        except SpecError:
            continue
        if names:
            found[key] = replace(row.choice, compounds=tuple(names))
    return found


def counted(table: pd.DataFrame) -> pd.DataFrame:
    """What a choice of cells comes to.

    Args:
        table: rows of an image set's table, with `compound`.

    Returns:
        One row a compound, the untreated last: compound, cells, doses (from lowest to highest, "" if untreated),
        plates, wells (None where the table does not know them; B02 of two plates is two wells).
    """
    doses, free = doses_of(table), untreated(table)
    rows = []
    for name in sorted(table["compound"].astype(str).unique(), key=lambda n: (is_untreated_name(n), n)):
        own = (table["compound"].astype(str) == name).to_numpy()
        rows.append(
            {
                "compound": name,
                "cells": int(own.sum()),
                "doses": ", ".join(f"{d:g}" for d in np.unique(doses[own & ~free & np.isfinite(doses)])),
                "plates": table.loc[own, "plate"].nunique() if "plate" in table else None,
                "wells": _wells(table.loc[own]) if "well" in table else None,
            }
        )
    return pd.DataFrame(rows)


def _wells(table: pd.DataFrame) -> int:
    """How many wells of how many plates there are."""
    known = table.dropna(subset="well")
    return len(known[["plate", "well"] if "plate" in table else ["well"]].drop_duplicates())


def make_subset(
    source: ImageSet, name: str, choice: SubsetChoice, *, title: str | None = None, report: Report | None = None
) -> ImageSet:
    """Copy the chosen cells into an image set of their own, labelled by compound.

    Raises:
        SpecError: a name that is taken, a compound, dose or column that is not there.
        DataError: no untreated cells in the plates of the compound.
    """
    check_free(name)
    if choice.group is not None and choice.group not in source.table.columns:
        known = ", ".join(c for c in ("well", "plate") if c in source.table.columns) or "none here"
        raise SpecError.at(f"subset {name!r}", "group", f"a column ({known})", choice.group)
    chosen = choose_cells(source.table, choice, where=f"subset {name!r}")
    table = source.table.iloc[chosen.ids].reset_index(drop=True)
    kept = table.drop(columns=[c for c in OWN_COLUMNS if c in table and c != "source"])
    kept["image_of_whole"] = chosen.ids
    said = Metadata(
        title=title or f"{source.title}: {', '.join(choice.compounds)}",
        label="compound",
        seed=choice.seed,
        group=choice.group,
        by_well=choice.whole_wells,
        source="; ".join([f"subset of {source.name} ({source.fingerprint[:12]})", *chosen.notes]),
    )
    return _copied(source, chosen.ids, name, kept, said, report)


def kinds_of(table: pd.DataFrame, group: str) -> pd.Series[Any] | None:
    """The mechanism of each image, where groups are compounds and it is known: half of each are left out then."""
    if meaning_of(group) != "compound":
        return None
    return next((table[column] for column in table if meaning_of(str(column)) == "mechanism"), None)


def split_anew(source: ImageSet, name: str, group: str, *, seed: int = 5, report: Report | None = None) -> ImageSet:
    """A copy of a whole image set whose splits keep every value of a column together: compounds that are left out.

    Where mechanisms are known, half of the compounds of each are left out, and all of these are tested on
    (`splits.left_out_by_kind`). Untreated images are split by wells, or one by one where none are known, so that
    every split has some.

    Raises:
        SpecError: a name that is taken, no such column.
    """
    check_free(name)
    table = source.table
    if group not in table:
        raise SpecError.at(f"subset {name!r}", "group", f"a column ({', '.join(map(str, table.columns))})", group)
    kept = table.drop(columns=[c for c in OWN_COLUMNS if c in table and c != "source"])
    values = table[group].astype(object).where(~untreated(table), None)
    order, wells = seeded_order(len(table), seed), well_names(table)
    kinds = kinds_of(table, group)
    if kinds is None:
        kept["split"] = by_group(values if wells is None else values.where(values.notna(), wells), order)
    else:
        kept["split"] = left_out_by_kind(values, kinds, order, batches_of(table)[0], wells)
    said = Metadata(
        title=f"{source.title}, split by {group}",
        classes=source.classes,
        label=source.label,
        seed=seed,
        source=f"{source.name} ({source.fingerprint[:12]}) split by {group}",
    )
    return _copied(source, np.arange(source.count), name, kept, said, report)


def _copied(
    source: ImageSet, ids: Array, name: str, table: pd.DataFrame, said: Metadata, report: Report | None
) -> ImageSet:
    """Some images of a set as one of their own; what is true of each image (its field too) stays true."""
    from ssrl_core.datasets.cells.in_field import hand_on_fields

    said = replace(
        said,
        max_value=source.max_value,
        channels=source.channels,
        pixel_size_um=source.pixel_size_um,
        licence=source.meta.get("licence"),
        citation=source.meta.get("citation"),
    )
    made = create(name, _pieces(source, ids, or_silent(report)), table, said)
    hand_on_fields(source, made, ids)
    return made


def choose_cells(table: pd.DataFrame, choice: SubsetChoice, *, where: str = "subset") -> Chosen:
    """The cells, without copying them.

    Args:
        table: an image set's table, with the column `compound`.

    Raises:
        SpecError, DataError: as `make_subset`.
    """
    if "compound" not in table:
        raise SpecError.at(where, "the image set", "one with a column compound", [str(c) for c in table.columns])
    names = _compounds(table, choice.compounds, where)
    treated = {name: _treated(table, name, choice, where) for name in names}
    order = seeded_order(len(table), choice.seed)
    most = max(len(rows) for rows in treated.values())
    taken = {name: _first(rows, order, choice.cells or most) for name, rows in treated.items()}
    every = np.concatenate(list(taken.values()))
    wanted = max(len(rows) for rows in taken.values())
    control = _controls(table, every, order, wanted, where)
    if choice.cells is None and len(control) < wanted:  # both sides alike, as many as the rarer one has
        taken = {name: _first(rows, order, len(control)) for name, rows in taken.items()}
    short = {name: rows for name, rows in taken.items() if choice.cells is not None and len(rows) < choice.cells}
    if choice.cells is not None and len(control) < wanted:
        short["untreated"] = control
    notes = [f"only {len(rows):,} of {choice.cells:,} {name} cells are there" for name, rows in short.items()]
    ids = np.sort(np.concatenate([*taken.values(), control]))
    return Chosen(ids, [*notes, *confounded_words(table.iloc[ids])])


def _compounds(table: pd.DataFrame, wanted: Sequence[str], where: str) -> list[str]:
    """The table's own spelling of each wanted compound."""
    known: Mapping[str, str] = {
        _bare(name): str(name) for name in table["compound"].dropna().unique() if not is_untreated_name(name)
    }
    found = []
    for name in wanted:
        if _bare(name) not in known:
            raise SpecError.at(where, "compound", f"one of {', '.join(sorted(known.values()))}", name)
        found.append(known[_bare(name)])
    if not found:
        raise SpecError.at(where, "compound", "at least one", list(wanted))
    return list(dict.fromkeys(found))


def _treated(table: pd.DataFrame, name: str, choice: SubsetChoice, where: str) -> Array:
    """Rows of one compound at the doses that are wanted."""
    mine, doses = (table["compound"].astype(str) == name).to_numpy(copy=True), doses_of(table)
    tested = np.unique(doses[mine & np.isfinite(doses)])
    if choice.doses is not None:
        absent = [dose for dose in choice.doses if not np.isclose(tested, dose).any()]
        if absent:
            rule = f"among the doses of {name} ({', '.join(f'{d:g}' for d in tested)})"
            raise SpecError.at(where, "dose", rule, absent[0])
        mine &= np.isclose(doses[:, None], np.array(choice.doses)[None]).any(axis=1)
    if choice.highest is not None:
        if choice.highest < 1:
            raise SpecError.at(where, "highest", "a whole number from 1 on", choice.highest)
        mine &= np.isin(doses, tested[-choice.highest :])
    return np.flatnonzero(mine)


def _controls(table: pd.DataFrame, treated: Array, order: Array, wanted: int, where: str) -> Array:
    """Untreated cells of the same plates, shared out as the treated ones are; what a plate lacks others give."""
    free = untreated(table)
    plates = table["plate"].astype(str).to_numpy() if "plate" in table else np.full(len(table), "")
    own, counts = np.unique(plates[treated], return_counts=True)
    rows = {plate: np.flatnonzero(free & (plates == plate)) for plate in own}
    if not sum(map(len, rows.values())):
        raise DataError(
            f"{where}: there are no untreated cells on the plates of these compounds ({', '.join(own[:5])}). "
            "Choose other compounds, or import those plates' untreated fields."
        )
    quota = np.floor(wanted * counts / counts.sum()).astype(int)
    quota[np.argsort(-(wanted * counts / counts.sum() - quota), kind="stable")[: wanted - quota.sum()]] += 1
    first = [_first(rows[plate], order, n) for plate, n in zip(own, quota, strict=True)]
    taken = np.concatenate(first)
    rest = np.setdiff1d(np.concatenate(list(rows.values())), taken)
    return np.concatenate([taken, _first(rest, order, wanted - len(taken))])


def _first(rows: Array, order: Array, count: int) -> Array:
    """The rows that come first in the seeded order."""
    return rows[np.argsort(order[rows], kind="stable")[: max(0, count)]]


def _pieces(source: ImageSet, ids: Array, report: Report) -> Iterator[Array]:
    for start in range(0, len(ids), _CHUNK):
        report(start, len(ids), "copying cells")
        yield np.asarray(source.pixels[ids[start : start + _CHUNK]])


def _bare(name: object) -> str:
    text = re.sub(r"[^a-z0-9]", "", str(name).lower())
    return text.removeprefix("sim")


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
