"""Columns of an image set: which mean something (plate, well, dose, what is untreated), and one as class ids."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from ssrl_core.errors import DataError

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
    """class -> superclass of an image set; empty where its makers gave none.

    Args:
        dataset: its name, e.g. `cifar100`.

    Source:
        Krizhevsky, Learning Multiple Layers of Features from Tiny Images (2009), and the data set's own page.
    """
    if dataset != "cifar100":
        return {}
    return {name: group for group, names in _CIFAR100.items() for name in names.split()}
