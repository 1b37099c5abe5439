"""Which images a network learns from, is watched on and is judged by: train, val, test.

Everything is decided by one seeded permutation, `order`, made from raw Philox bits so that it is the same with every
version of numpy.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from ssrl_core.datasets.columns import column_of, one_well
from ssrl_core.errors import DataError, SpecError

Array = np.ndarray[Any, Any]
SPLITS = ("train", "val", "test")
FRACTIONS = (0.7, 0.1, 0.2)
NO_GROUP = "none"  # asked for as a group: nothing is kept together, wells neither
_SYNONYMS = {
    "train": ("train", "training", "trainset", "trainingset", "trn"),
    "val": (
        *("val", "valid", "validate", "validation", "valset", "validationset", "dev", "devset", "eval", "evaluation"),
        *("tune", "tuning", "publictest"),  # the last is FER2013's, like privatetest
    ),
    "test": ("test", "testing", "testset", "tst", "holdout", "heldout", "privatetest"),
}
_WORDS = {word: split for split, words in _SYNONYMS.items() for word in words}


def seeded_order(count: int, seed: int) -> Array:
    """(N,) int64: the place of each image in the seeded permutation.

    Raises:
        SpecError: a seed that is not a whole number from 0 on.
    """
    if not isinstance(seed, int) or isinstance(seed, bool) or seed < 0:
        raise SpecError.at("split", "seed", "a whole number from 0 on", seed)
    bits = np.random.Philox(key=seed % 2**128).random_raw(count)
    order = np.empty(count, dtype=np.int64)
    order[np.argsort(bits, kind="stable")] = np.arange(count)
    return order


def stratified(label_ids: Array, order: Array) -> Array:
    """70/10/20 within every class (images without a label are a class of their own).

    A class of two gives one image to train and one to test, a class of three one to each. Classes of one image are
    split together, as one.

    Returns:
        (N,) str: train | val | test.
    """
    split = np.full(len(order), "train", dtype=object)
    labels, sizes = np.unique(label_ids, return_counts=True)
    strata = [np.flatnonzero(label_ids == label) for label in labels[sizes > 1]]
    single = np.flatnonzero(np.isin(label_ids, labels[sizes == 1]))
    for members in [*strata, single]:
        n_val, n_test = _shares(len(members), at_least_one=members is not single or not strata)
        members = members[np.argsort(order[members])]
        split[members[:n_test]] = "test"
        split[members[n_test : n_test + n_val]] = "val"
    return split.astype(str)


def by_group(groups: pd.Series[Any], order: Array) -> Array:
    """About 70/10/20 without tearing a group apart; an image whose group is missing is a group of its own.

    Groups are dealt in the seeded order, each to the split that lacks most; then an empty test, and after it an empty
    val, takes the smallest train group, as long as train keeps one.

    Returns:
        (N,) str: train | val | test.
    """
    codes = group_codes(groups)
    first = np.full(codes.max(initial=-1) + 1, len(order), dtype=np.int64)
    np.minimum.at(first, codes, order)
    sizes = np.bincount(codes, minlength=len(first))
    lacking = np.array(FRACTIONS) * len(order)
    dealt = np.empty(len(first), dtype=np.int64)
    for group in np.argsort(first, kind="stable"):
        dealt[group] = int(np.argmax(lacking))
        lacking[dealt[group]] -= sizes[group]
    for place in (2, 1):
        trained = np.flatnonzero(dealt == 0)
        if not np.any(dealt == place) and len(trained) > 1:
            dealt[trained[np.argmin(sizes[trained])]] = place
    return np.array(SPLITS)[dealt[codes]] if len(order) else np.array([], dtype=str)


def _some_by_group(groups: pd.Series[Any], order: Array, members: Array) -> Array:
    """`by_group` of some of the images, in the order that they have among all."""
    return by_group(groups.iloc[members], np.argsort(np.argsort(order[members])))


def left_out_by_kind(
    groups: pd.Series[Any],
    kinds: pd.Series[Any],
    order: Array,
    batches: pd.Series[Any] | None = None,
    wells: pd.Series[Any] | None = None,
) -> Array:
    """Half of the groups of each kind to test, so that what they have in common can be asked of groups never seen.

    Of three groups two go to test, of two both in every second kind (none of such a kind could find another
    otherwise), one alone stays in train. Images without a group (untreated) are split 70/10/20, by wells if known.

    Args:
        groups: what is left out, compounds.
        kinds: of each image the kind of its group, mechanisms; missing ones are one kind.
        batches: in which each was made; those left out are taken from several in turn.
        wells: of each image, with its plate.

    Returns:
        (N,) str: train | val | test.
    """
    made = np.zeros(len(order)) if batches is None else batches.astype(str).to_numpy()
    table = pd.DataFrame({"group": groups.to_numpy(), "kind": kinds.to_numpy(), "order": order, "batch": made})
    known = table.dropna(subset=["group"]).groupby("group")
    first = known.agg(kind=("kind", "first"), order=("order", "min"), batch=("batch", "min")).sort_values("order")
    first["kind"] = first["kind"].fillna("")
    first["turn"] = first.groupby(["kind", "batch"]).cumcount()
    left_out: list[Any] = []
    twos = 0
    for _, own in first.groupby("kind"):
        names = own.sort_values(["turn", "order"]).index.tolist()
        count = (len(names) + 1) // 2 if len(names) > 2 else 0
        if len(names) == 2:
            twos += 1
            count = 2 * (twos % 2)
        left_out += names[:count]
    split = np.where(table["group"].isin(left_out), "test", "train").astype(object)
    alone = np.flatnonzero(table["group"].isna())
    split[alone] = _some_by_group(groups if wells is None else wells, order, alone)
    return split.astype(str)


def split_word(name: str) -> str | None:
    """train | val | test where a name says so, else None."""
    return _WORDS.get(re.sub(r"[\s_-]", "", name.lower()))


def well_names(table: pd.DataFrame) -> pd.Series[Any] | None:
    """The well of each image, with its plate where that is known; None where wells are not known.

    Columns are known by what they mean: `Metadata_Well` is a well, and A1 is A01.
    """
    well, plate = column_of(table, "well"), column_of(table, "plate")
    if well not in table or table[well].isna().mean() > 0.5:
        return None
    wells = table[well].astype(object).where(table[well].notna()).map(one_well, na_action="ignore")
    known = wells.notna()
    return wells if plate not in table else table[plate].astype(str).str.cat(wells.astype(str), "/").where(known)


def by_well(wells: pd.Series[Any], label_ids: Array, order: Array) -> Array | None:
    """About 70/10/20 without tearing a well apart, within every class where each well holds one class.

    Returns:
        (N,) str: train | val | test; None where wells are so few that train or test would be empty.
    """
    one_each = bool(pd.Series(label_ids).groupby(wells.to_numpy()).nunique().le(1).all())
    split = np.full(len(order), "train", dtype=object)
    for label in np.unique(label_ids) if one_each else [None]:
        members = np.arange(len(order)) if label is None else np.flatnonzero(label_ids == label)
        split[members] = _some_by_group(wells, order, members)
    return split.astype(str) if {"train", "test"} <= set(split) else None


def group_codes(groups: pd.Series[Any]) -> Array:
    """(N,) int64: one number a group; each missing value is its own."""
    codes: Array = pd.factorize(groups)[0].astype(np.int64)
    missing = np.flatnonzero(codes < 0)
    codes[missing] = codes.max(initial=-1) + 1 + np.arange(len(missing))
    return codes


def read_given(values: pd.Series[Any]) -> Array | None:
    """A column of splits in our words, or None when it holds anything else (or nothing)."""
    words = [split_word(str(value)) for value in values.tolist()]
    if not words or any(word is None for word in words):
        return None
    return np.array(words, dtype=str)


def unknown_splits(values: pd.Series[Any]) -> list[str]:
    """The values of a column of splits that are no split, sorted; a missing one as `(none)`."""
    words = {"(none)" if pd.isna(value) else str(value).strip() for value in values.tolist()}
    return sorted(word for word in words if split_word(word) is None)


def split_folders(names: Iterable[str], *, alike: bool = False) -> dict[str, str]:
    """Which of some sibling folders are splits, {name: train | val | test}; none unless train and another are.

    A name may say more than the split (`seg_train`, `Test_set`, `train.X1`) if another split's says the same: so
    `bullet train` and `crash test` stay classes. Where all hold the same folders (`alike`) a name may say what it likes
    beside the split, and the only one that says none is train (`NCT-CRC-HE-100K` beside `CRC-VAL-HE-7K`).
    """
    found: dict[str, tuple[str, frozenset[str]]] = {}
    every = list(names)
    for name in every:
        words = re.findall(r"[a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower())
        said = {_WORDS[word] for word in words if word in _WORDS}
        if len(said) == 1:
            found[name] = (said.pop(), frozenset(words) - _WORDS.keys())
    kept = {
        name: split
        for name, (split, rest) in found.items()
        if alike or not rest or any(other != split and same == rest for other, same in found.values())
    }
    unsaid = [name for name in every if name not in found]
    if alike and kept and len(unsaid) == 1 and "train" not in kept.values():
        kept[unsaid[0]] = "train"
    return kept if "train" in kept.values() and len(set(kept.values())) > 1 else {}


def complete_given(split: Array, label_ids: Array, order: Array, wells: pd.Series[Any] | None = None) -> Array:
    """Given splits are kept; without a val, 1/8 of train (by seed, stratified) becomes it, in whole wells if known.

    Raises:
        DataError: nothing to train on.
    """
    if not np.any(split == "train"):
        raise DataError.at(
            "split",
            "the given split",
            "one with train images",
            sorted(set(split.tolist())),
            "Name the column of splits otherwise to have the images split by seed.",
        )
    if np.any(split == "val"):
        return split
    done = split.copy()
    whole = _whole_wells(split, label_ids, order, wells) if wells is not None else np.array([], int)
    if len(whole):
        done[whole] = "val"
        return done
    for label in np.unique(label_ids):
        members = np.flatnonzero((label_ids == label) & (split == "train"))
        members = members[np.argsort(order[members])]
        count = _rounded(len(members) / 8) if len(members) > 4 else int(len(members) > 2)
        done[members[:count]] = "val"
    return done


def _whole_wells(split: Array, label_ids: Array, order: Array, wells: pd.Series[Any]) -> Array:
    """Train images of about 1/8 of the wells of each class (of all classes together, where wells hold several)."""
    train = np.flatnonzero(split == "train")
    codes = group_codes(wells.iloc[train].reset_index(drop=True))
    one_each = bool(pd.Series(label_ids[train]).groupby(codes).nunique().le(1).all())
    strata = label_ids[train] if one_each else np.zeros(len(train), int)
    taken: list[int] = []
    for label in np.unique(strata):
        places = np.flatnonzero(strata == label)
        first = pd.Series(order[train[places]]).groupby(codes[places]).min().sort_values()
        count = max(1, _rounded(len(first) / 8))
        if len(first) > count:
            taken += first.index[:count].tolist()
    return train[np.isin(codes, taken)]


def _shares(count: int, *, at_least_one: bool) -> tuple[int, int]:
    """How many of a class go to val and to test."""
    n_test = max(_rounded(count * FRACTIONS[2]), int(at_least_one and count > 1))
    n_val = max(_rounded(count * FRACTIONS[1]), int(at_least_one and count > 2))
    return n_val, n_test


def _rounded(value: float) -> int:
    return int(np.floor(value + 0.5))
