"""Columns of an image set: which mean something (plate, well, what is untreated), doses in one unit, class ids.

Doses are written as `300 nM`, `0,3 µM`, or plainly in a column `dose_uM`; what was written is kept.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from ssrl_core.errors import DataError

Array = np.ndarray[Any, Any]

OWN_COLUMNS = ("image_id", "source", "split", "order", "label_id")
KNOWN = {
    "plate": (
        "plate",
        "plateid",
        "platename",
        "platebarcode",
        "barcode",
        "assayplatebarcode",
        "platedapi",
        "platte",
        "plaque",
    ),
    "well": ("well", "wellid", "wellname", "wellposition", "imagewell", "welldapi", "kavitt", "puits"),
    "site": ("site", "fieldid", "fieldindex", "position", "siteid"),
    "replicate": ("replicate", "rep", "replicateid"),
    "compound": (
        *("compound", "compoundname", "treatment", "perturbation", "pertiname", "drug", "drugname", "treatmentname"),
        *("substanz", "wirkstoff", "verbindung", "compos"),  # the last is a French composé
    ),
    "dose": (
        *("dose", "concentration", "conc", "dosevalue", "compoundconcentration", "finalconc", "finalconcentration"),
        *("concentrationvalue", "concvalue", "dosage", "konzentration", "konz", "dosis", "compounddose", "drugdose"),
    ),
    "dose_unit": ("doseunit", "doseunits", "concentrationunit", "concentrationunits", "unit"),
}
MECHANISM = ("mechanism", "moa", "mechanismofaction")
BATCH = ("batch", "batchid", "week", "run", "assaybatch", "platebatch")
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
        ours = _PLACE.get(bare_name(column))
        if ours and ours != column and ours not in taken:
            found[column] = ours
            taken.add(ours)
    return found


def column_of(table: pd.DataFrame, ours: str) -> str:
    """The column of a table that means what we call so (`Metadata_Well` is the well); our name where none does."""
    names = renamed([str(column) for column in table.columns])
    return next((theirs for theirs, name in names.items() if name == ours), ours)


def meaning_of(column: str) -> str:
    """What a column holds by its name: a key of `KNOWN`, `mechanism`, or "" where its name does not say."""
    bare = bare_name(column)
    return "mechanism" if bare in MECHANISM else _PLACE.get(bare, "")


def bare_name(column: str) -> str:
    """`Image_Metadata_Plate_DAPI` -> `platedapi`, `Metadata_Concentration` -> `concentration`."""
    text = re.sub(r"^(image_)?(metadata_)?", "", column.strip().lower())
    return re.sub(r"[^a-z0-9]", "", text)


def says_where_from(column: str) -> bool:
    """Whether a column, by its name, says where an image comes from (plate, well, replicate, a number of field or
    object) rather than what it shows; guessed, so whoever uses it says so."""
    bare = bare_name(column)
    return _PLACE.get(bare) in ("plate", "well", "site", "replicate") or bool(_NUMBERED.fullmatch(bare))


def is_untreated_name(value: object) -> bool:
    """Whether a compound's name says that there was none."""
    return str(value).strip().lower() in UNTREATED


_ROLE = ("controltype", "perttype", "perturbationtype", "welltype")


def untreated(table: pd.DataFrame) -> Array:
    """(n,) bool: cells whose compound says so; where no compound does, whose kind of well does (`negcon` in
    `Metadata_control_type`); where none does either, whose dose is 0."""
    if "compound" in table:
        known = {value: is_untreated_name(value) for value in table["compound"].unique()}
        named: Array = table["compound"].map(known).to_numpy(bool)
        if named.any():
            return named
    roles = {bare: c for c in table if (bare := bare_name(str(c))) in _ROLE}
    for role in (roles[name] for name in _ROLE if name in roles):
        own: Array = table[role].map(is_untreated_name).to_numpy(bool)
        if own.any():
            return own
    if "dose" in table:
        return np.asarray(pd.to_numeric(table["dose"], errors="coerce") == 0)
    return np.zeros(len(table), bool)


_WEEK = re.compile(r"^(week\s*\d+)[_\-\s]", re.IGNORECASE)


def batches_of(table: pd.DataFrame) -> tuple[pd.Series[Any] | None, str]:
    """In which batch each image was made, and how that is known: as a column names it, else the week in its plate's
    name (`Week4_27481`), else its plate.

    Returns:
        (n,) text (`no batch` where a cell is empty), None where no plate is known either; a sentence where it is
        guessed.
    """
    if (named := first_called(table.columns, BATCH)) is not None:
        return text_of(table[named]).fillna("no batch"), ""
    plate = column_of(table, "plate")
    if plate not in table:
        return None, ""
    plates = table[plate].astype(str).str.strip()
    weeks = plates.str.extract(_WEEK, expand=False)
    if weeks.notna().all():
        return weeks, "Batches are the weeks in the names of the plates."
    return plates, "No column names the batches: every plate counts as a batch."


def first_called(columns: Iterable[Any], names: Sequence[str]) -> Any | None:
    """The column with the first of these (bare) names that any column has; of two with one name the first."""
    bare = {bare_name(str(column)): column for column in reversed([*columns])}
    return next((bare[name] for name in names if name in bare), None)


def text_of(values: pd.Series[Any]) -> pd.Series[Any]:
    """Values as stripped text, None where there is none."""
    return values.astype(object).map(
        lambda v: None if v is None or pd.isna(v) or not str(v).strip() else str(v).strip()
    )


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


PLAIN_WELL = re.compile(r"(?:A[A-F]|[A-P])-?(?!00?$)\d{1,2}", re.IGNORECASE)


def one_well(word: Any) -> Any:
    """A1, a01, A-01 and A01 are one well: `A01`; any other word (or number) as it is."""
    if not isinstance(word, str):
        return word
    bare = word.strip()
    row = bare.rstrip("0123456789")
    return f"{row.rstrip('-').upper()}{int(bare[len(row) :]):02d}" if PLAIN_WELL.fullmatch(bare) else word


def with_wells(table: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """A table whose wells are each written in one way, and what is to be said; as it is where they are already.

    What was written stays in `well_as_written`.
    """
    column = column_of(table, "well")
    if column not in table or pd.api.types.is_numeric_dtype(table[column]):
        return table, []
    written = table[column]
    plain = written.map(one_well, na_action="ignore")
    if plain.nunique() == written.nunique():
        return table, []
    shown = ", ".join(sorted({str(w) for w in written[plain == plain[plain != written].iloc[0]]})[:3])
    done = table.assign(**{column: plain, "well_as_written": written})
    return done, [f"wells written in several ways are one well each ({shown})"]


WRITTEN = "dose_as_written"
_MICRO = "[uµμ]|micro"
_UNITS = {  # unit -> what is measured, its size, how it is written
    "M": ("molar", 1.0, "m|M|mol/l|molar"),
    "mM": ("molar", 1e-3, "mm|mmol/l|millimolar"),
    "µM": ("molar", 1e-6, f"(?:{_MICRO})m|(?:{_MICRO})mol/l|micromolar"),
    "nM": ("molar", 1e-9, "nm|nmol/l|nanomolar"),
    "pM": ("molar", 1e-12, "pm|pmol/l|picomolar"),
    "mg/ml": ("mass", 1e-3, "mg/ml|g/l"),
    "µg/ml": ("mass", 1e-6, f"(?:{_MICRO})g/ml|mg/l"),
    "ng/ml": ("mass", 1e-9, f"ng/ml|(?:{_MICRO})g/l"),
    "%": ("share", 1.0, "%|percent|pct"),
}
_WRITINGS = [(unit, re.compile(pattern, re.IGNORECASE)) for unit, (_, _, pattern) in _UNITS.items()]
_DOSE = re.compile(r"([+-]?(?:\d+(?:[.,]\d*)?|[.,]\d+)(?:e[+-]?\d+)?)\s*(\D.*)?", re.IGNORECASE)
_UNIT_IN_NAME = re.compile(r"^(.*?)[\s_\-.]*(?:\(([^)]+)\)|\[([^\]]+)\]|[\s_\-.]([^\s_\-.]+))$")


def unit_of(text: str) -> str | None:
    """A unit in our writing; None where it is none that is known."""
    bare = text.strip().replace(" ", "").replace("_per_", "/")
    return next((unit for unit, pattern in _WRITINGS if pattern.fullmatch(bare)), None)


def with_doses(table: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """A table whose doses are numbers of one unit, in `dose` and `dose_unit`, and what is to be said of them.

    What was written stays in `dose_as_written`, or in its column, where that names the unit. Doses that
    are no numbers, or whose unit is unknown, missing or of another kind than that of most, are missing, and said.
    A table without doses, or whose doses are plain numbers of one unit, stays as it is.
    """
    place = _dose_column(table)
    if place is None:
        return table, []
    column, in_name = place
    names = renamed([str(c) for c in table.columns])
    unit_column = next((c for c in table.columns if names.get(c, c) == "dose_unit"), None)
    written = table[column]
    read = [_read_dose(value) for value in written]
    units = _units_of(table, unit_column, in_name, read)
    plain = pd.api.types.is_numeric_dtype(written)
    if plain and in_name is None and len(set(units)) <= 1:
        return table, []
    if not any(number is not None for number, _ in read):
        return table, [f"no value of column {column!r} is a number: no dose is known"] if written.notna().any() else []
    return _told_doses(table, str(column), in_name, unit_column, read, units)


def _told_doses(
    table: pd.DataFrame,
    column: str,
    in_name: str | None,
    unit_column: Any,
    read: list[tuple[float | None, str]],
    units: list[str],
) -> tuple[pd.DataFrame, list[str]]:
    written = table[column]
    target = _target_unit(read, units)
    pairs = zip(read, units, strict=True)
    doses = pd.Series([_converted_dose(number, unit, target) for (number, _), unit in pairs], table.index, dtype=float)
    notes = _about_doses(written, column, doses, read, units, target)
    same = pd.api.types.is_numeric_dtype(written) and np.array_equal(written.to_numpy(float), doses, equal_nan=True)
    done = table.copy()
    if in_name is not None:
        done["dose"] = doses
    else:
        done[column] = doses
        done = done.rename(columns={column: "dose"})
        if not same:
            done[WRITTEN] = [_as_written(v, u) for v, u in zip(written, _given_units(table, unit_column), strict=True)]
    if target:
        done = done.rename(columns={unit_column: "dose_unit"}) if unit_column is not None else done
        done["dose_unit"] = target
    return done, notes


def _dose_column(table: pd.DataFrame) -> tuple[Any, str | None] | None:
    """The column of doses, and the unit that its name says."""
    names = renamed([str(c) for c in table.columns])
    plain = next((c for c in table.columns if names.get(str(c), str(c)) == "dose"), None)
    if plain is not None:
        return plain, None
    for column in table.columns:
        match = _UNIT_IN_NAME.match(str(column).strip())
        unit = unit_of(match[2] or match[3] or match[4] or "") if match else None
        if match and unit and (renamed([match[1]]).get(match[1], match[1].lower()) == "dose"):
            return column, unit
    return None


def _read_dose(value: Any) -> tuple[float | None, str]:
    """Number and unit of one dose; None = it is no number (or missing)."""
    if isinstance(value, int | float | np.number):
        return (float(value), "") if np.isfinite(value) else (None, "")
    match = _DOSE.fullmatch(str(value).strip()) if isinstance(value, str) else None
    if not match or re.fullmatch(r"[1-9]\d{0,2},\d{3}", match[1]):  # 1,000 may be a thousand, or one
        return None, ""
    return float(match[1].replace(",", ".")), (match[2] or "").strip()


def _units_of(
    table: pd.DataFrame, unit_column: Any, in_name: str | None, read: list[tuple[float | None, str]]
) -> list[str]:
    """The unit of each row as it is written: beside the number, in its own column, in the column's name, or ""."""
    return [
        own or given or in_name or "" for (_, own), given in zip(read, _given_units(table, unit_column), strict=True)
    ]


def _given_units(table: pd.DataFrame, unit_column: Any) -> list[str]:
    if unit_column is None:
        return [""] * len(table)
    return ["" if pd.isna(value) else str(value).strip() for value in table[unit_column]]


def _target_unit(read: list[tuple[float | None, str]], units: list[str]) -> str | None:
    """The unit of most doses above 0 (of all, if none is); None where no unit is known."""
    known = [(number, unit_of(unit)) for (number, _), unit in zip(read, units, strict=True)]
    above = Counter(unit for number, unit in known if unit and number)
    every = above or Counter(unit for number, unit in known if unit and number is not None)
    return every.most_common(1)[0][0] if every else None


def _converted_dose(number: float | None, unit: str, target: str | None) -> float:
    if number is None:
        return np.nan
    if number == 0 or (target is None and not unit):
        return number
    known = unit_of(unit)
    if known is None or target is None or _UNITS[known][0] != _UNITS[target][0]:
        return np.nan
    return number if known == target else float(f"{number * (_UNITS[known][1] / _UNITS[target][1]):.12g}")


def _as_written(value: Any, unit: str) -> str | None:
    if pd.isna(value):
        return None
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return f"{text} {unit}".strip()


def _about_doses(
    written: pd.Series[Any],
    column: str,
    doses: pd.Series[Any],
    read: list[tuple[float | None, str]],
    units: list[str],
    target: str | None,
) -> list[str]:
    known = {unit_of(unit) for unit, dose in zip(units, doses, strict=True) if unit and np.isfinite(dose)}
    changed = sorted(unit for unit in known if unit and unit != target)
    notes = [f"doses in {' and '.join(changed)} were converted to {target}"] if changed and target else []
    if target and not changed and any(own for _, own in read):
        notes.append(f"doses are in {target}, as column {column!r} says")
    lost: dict[str, set[str]] = {}
    for value, dose, (number, _), unit in zip(written, doses, read, units, strict=True):
        if pd.isna(value) or np.isfinite(dose):
            continue
        reason = "are no numbers" if number is None else f"have the unit {unit!r}" if unit else "have no unit"
        lost.setdefault(reason, set()).add(str(value))
    for reason, values in lost.items():
        shown = ", ".join(sorted(values)[:3]) + (" …" if len(values) > 3 else "")
        beside = f" where others are in {target}" if "unit" in reason and target else ""
        notes.append(f"doses that {reason}{beside} were left out ({shown})")
    return notes


MAX_CLASSES = 10_000


def class_names(values: pd.Series[Any]) -> list[str | None]:
    """Each value as the name of a class; None where it is missing (text is as it is written: `none` is a name).

    Whole numbers lose their `.0`, so that a column that became float through a gap keeps its names.
    """
    return [_name(value) for value in values.tolist()]


def class_ids(
    values: pd.Series[Any], classes: Sequence[str] | None = None
) -> tuple[np.ndarray[Any, Any], tuple[str, ...]]:
    """Class ids of a column.

    Args:
        values: (N,) anything; missing values get -1.
        classes: the class names, in order; None takes those that occur, numbers by value, else by name.

    Returns:
        ids (N,) int64 and the class names.

    Raises:
        DataError: a value that is not among `classes`, names given twice, or more than 10,000 classes.
    """
    names = class_names(values)
    known = list(classes) if classes is not None else sort_names({name for name in names if name is not None})
    place = {name: i for i, name in enumerate(known)}
    where = f"label column {values.name!r}"
    if len(place) != len(known):
        raise DataError.at(where, "class names", "different from each other", known)
    if len(known) > MAX_CLASSES:
        raise DataError.at(
            where,
            "the number of classes",
            f"at most {MAX_CLASSES}",
            len(known),
            "Choose another column with --label: this one looks like a measurement or a name.",
        )
    strangers = sorted({name for name in names if name is not None and name not in place})
    if strangers:
        raise DataError.at(where, "labels", f"among the {len(known)} class names", strangers[:5])
    return np.array([-1 if name is None else place[name] for name in names], dtype=np.int64), tuple(known)


def sort_names(names: set[str]) -> list[str]:
    """Names in the order a person expects: 2 before 10, cell-2 before cell-10."""
    return sorted(names, key=natural_key)


def _name(value: Any) -> str | None:
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    if isinstance(value, float | np.floating):
        if not np.isfinite(value):
            return None
        return str(int(value)) if float(value).is_integer() else repr(float(value))
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    return str(value).strip() or None


def natural_key(name: str) -> list[tuple[int, float, str]]:
    """Sort key by which 2 comes before 10 and cell-2 before cell-10."""
    if re.fullmatch(r"-?\d+(\.\d+)?", name):
        return [(0, float(name), "")]
    pieces = re.split(r"(\d+)", name)
    return [
        (1, 0.0, ""),
        *((2, float(p), "") if p.isdecimal() else (3, 0.0, p.casefold()) for p in pieces if p),
        (4, 0.0, name),
    ]


_CIFAR100 = {
    "aquatic_mammals": "beaver dolphin otter seal whale",
    "fish": "aquarium_fish flatfish ray shark trout",
    "flowers": "orchid poppy rose sunflower tulip",
    "food_containers": "bottle bowl can cup plate",
    "fruit_and_vegetables": "apple mushroom orange pear sweet_pepper",
    "household_electrical_devices": "clock keyboard lamp telephone television",
    "household_furniture": "bed chair couch table wardrobe",
    "insects": "bee beetle butterfly caterpillar cockroach",
    "large_carnivores": "bear leopard lion tiger wolf",
    "large_man-made_outdoor_things": "bridge castle house road skyscraper",
    "large_natural_outdoor_scenes": "cloud forest mountain plain sea",
    "large_omnivores_and_herbivores": "camel cattle chimpanzee elephant kangaroo",
    "medium-sized_mammals": "fox porcupine possum raccoon skunk",
    "non-insect_invertebrates": "crab lobster snail spider worm",
    "people": "baby boy girl man woman",
    "reptiles": "crocodile dinosaur lizard snake turtle",
    "small_mammals": "hamster mouse rabbit shrew squirrel",
    "trees": "maple_tree oak_tree palm_tree pine_tree willow_tree",
    "vehicles_1": "bicycle bus motorcycle pickup_truck train",
    "vehicles_2": "lawn_mower rocket streetcar tank tractor",
}


def superclasses_of(dataset: str) -> dict[str, str]:
    """class -> superclass of an image set; empty where its makers gave none and its table has no such column.

    Args:
        dataset: its name, e.g. `cifar100`.

    Source:
        Krizhevsky, Learning Multiple Layers of Features from Tiny Images (2009), and the data set's own page.
    """
    if dataset != "cifar100":
        return _named_in_table(dataset)
    return {name: group for group, names in _CIFAR100.items() for name in names.split()}


SUPERCLASS = "superclass"
"""A column that names what each image's class belongs to."""


def _named_in_table(dataset: str) -> dict[str, str]:
    """class -> what most of its images have in the column `superclass`."""
    from ssrl_core.datasets import store

    if dataset not in store.names() or not store.is_ready(dataset):
        return {}
    imageset = store.load(dataset)
    if SUPERCLASS not in imageset.table.columns or imageset.label is None:
        return {}
    named = imageset.table[imageset.label_ids >= 0]
    classes = np.asarray(imageset.classes)[imageset.label_ids[imageset.label_ids >= 0]]
    return {str(k): str(v.mode().iloc[0]) for k, v in named[SUPERCLASS].groupby(classes) if v.notna().any()}
