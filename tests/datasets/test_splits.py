"""Splits: disjoint, stratified, seeded, and never through a group."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssrl_core.datasets import splits
from ssrl_core.errors import DataError, SpecError

labels = st.lists(st.integers(-1, 4), min_size=1, max_size=120).map(np.array)


@given(labels, st.integers(0, 2**40))
def test_every_image_is_in_one_split_and_train_is_never_empty(label_ids, seed):
    split = splits.stratified(label_ids, splits.seeded_order(len(label_ids), seed))
    assert set(split) <= set(splits.SPLITS)
    assert np.any(split == "train")


@given(labels, st.integers(0, 2**40))
def test_every_class_is_split_70_10_20_to_within_an_image(label_ids, seed):
    split = splits.stratified(label_ids, splits.seeded_order(len(label_ids), seed))
    for label in np.unique(label_ids):
        of_class = split[label_ids == label]
        if len(of_class) >= 3:
            for name, share in zip(splits.SPLITS, splits.FRACTIONS, strict=True):
                assert abs(np.sum(of_class == name) - share * len(of_class)) <= 1.5
                assert np.any(of_class == name)


def test_seed_decides_the_split():
    label_ids = np.arange(200) % 4
    first, again, other = (splits.stratified(label_ids, splits.seeded_order(200, seed)) for seed in (5, 5, 6))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_order_is_a_permutation_that_no_version_of_numpy_changes():
    order = splits.seeded_order(8, 5)
    assert sorted(order) == list(range(8))
    assert order.tolist() == [5, 3, 0, 2, 1, 4, 6, 7]


@pytest.mark.parametrize("count", [1, 2])
def test_one_or_two_images_do_not_crash(count):
    split = splits.stratified(np.zeros(count, dtype=int), splits.seeded_order(count, 5))
    assert sorted(split) == (["train"] if count == 1 else ["test", "train"])


def test_classes_of_one_image_are_split_together():
    split = splits.stratified(np.arange(100), splits.seeded_order(100, 5))
    assert [int(np.sum(split == name)) for name in splits.SPLITS] == [70, 10, 20]


@given(st.lists(st.integers(0, 8), min_size=2, max_size=80), st.integers(0, 99))
def test_no_group_is_in_two_splits(groups, seed):
    split = splits.by_group(pd.Series(groups), splits.seeded_order(len(groups), seed))
    for group in set(groups):
        assert len(set(split[np.array(groups) == group])) == 1
    if len(set(groups)) >= 3:
        assert set(split) == set(splits.SPLITS)


def test_groups_of_one_size_are_split_70_10_20():
    split = splits.by_group(pd.Series(np.arange(1000) // 10), splits.seeded_order(1000, 5))
    assert [int(np.sum(split == name)) for name in splits.SPLITS] == [700, 100, 200]


def test_images_without_a_group_are_groups_of_their_own():
    codes = splits.group_codes(pd.Series(["a", None, "a", None]))
    assert codes[0] == codes[2]
    assert len(set(codes)) == 3


def test_given_test_stays_test_and_an_eighth_of_train_becomes_val():
    given_split = np.array(["train"] * 80 + ["test"] * 20)
    label_ids = np.arange(100) % 2
    done = splits.complete_given(given_split, label_ids, splits.seeded_order(100, 5))
    assert np.array_equal(done == "test", given_split == "test")
    assert np.sum(done == "val") == 10
    assert np.sum((done == "val") & (label_ids == 0)) == 5


def test_given_val_is_kept():
    given_split = np.array(["train", "val", "test", "train"])
    done = splits.complete_given(given_split, np.zeros(4, dtype=int), splits.seeded_order(4, 5))
    assert np.array_equal(done, given_split)


def test_given_split_without_train_is_refused():
    with pytest.raises(DataError, match="train"):
        splits.complete_given(np.array(["test"]), np.array([0]), np.array([0]))


def test_words_of_other_people_are_understood_and_other_columns_are_not_splits():
    assert splits.read_given(pd.Series(["Training", "validation", "TEST"])).tolist() == ["train", "val", "test"]
    assert splits.read_given(pd.Series(["fold-1", "train"])) is None


@pytest.mark.parametrize("seed", [-1, 1.5, True])
def test_bad_seed_is_refused(seed):
    with pytest.raises(SpecError, match="seed"):
        splits.seeded_order(3, seed)


def test_wells_are_known_by_what_their_column_means_and_however_they_are_written():
    table = pd.DataFrame({"Metadata_Plate": ["P1", "P1", "P2", "P2"], "Metadata_Well": ["A1", "A01", "a01", None]})
    assert splits.well_names(table).tolist()[:3] == ["P1/A01", "P1/A01", "P2/A01"]
