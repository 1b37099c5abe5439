"""What one clustering separates and another does not."""

import numpy as np

from ssrl_core.analysis.comparison import contingency, splits


def test_a_cluster_that_is_two_on_the_other_side_is_found():
    a = np.repeat([0, 1, 2], [50, 40, 60])
    b = np.repeat([0, 0, 1], [50, 40, 60])
    (split,) = splits(contingency(a, b))
    assert (split.whole, split.n, split.parts) == (0, 90, ((0, 50), (1, 40)))
    assert split.told_apart == 40
    assert splits(contingency(b, a)) == []


def test_unrelated_clusterings_separate_nothing():
    rng = np.random.default_rng(0)
    assert splits(contingency(rng.integers(0, 6, 3000), rng.integers(0, 6, 3000))) == []


def test_a_sliver_is_no_part_and_the_same_clusters_have_none():
    a = np.repeat([0, 1], [95, 5])
    assert splits(contingency(a, np.zeros(100, int))) == []
    assert splits(contingency(a, a)) == []


def test_those_that_tell_most_apart_come_first_and_empty_tables_have_none():
    a = np.repeat([0, 1, 2, 3], [30, 10, 50, 45])
    b = np.repeat([0, 0, 1, 1], [30, 10, 50, 45])
    assert [split.whole for split in splits(contingency(a, b))] == [1, 0]
    assert splits(np.zeros((0, 0), np.int64)) == []
