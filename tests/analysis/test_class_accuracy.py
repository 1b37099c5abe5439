import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssrl_core.analysis.comparison import class_accuracy, compare_classes, confused_pairs
from ssrl_core.analysis.intervals import difference, wilson
from ssrl_core.errors import SpecError


@pytest.mark.parametrize(
    ("correct", "n", "low", "high"),
    [  # R 4: prop.test(x, n, correct = FALSE)$conf.int; Newcombe 1998a, table I
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (29, 29, 0.8830, 1.0),
    ],
)
def test_wilson_interval_has_the_published_values(correct, n, low, high):
    assert wilson(correct, n) == pytest.approx((low, high), abs=5e-5)


def test_nothing_is_known_of_no_images():
    assert wilson(0, 0) == (0.0, 1.0)
    with pytest.raises(SpecError):
        wilson(3, 2)


@given(st.integers(1, 2000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_interval_holds_the_share_and_stays_inside_0_and_1(case):
    correct, n = case
    low, high = wilson(correct, n)
    assert 0 <= low <= correct / n <= high <= 1


def test_difference_of_two_shares_has_the_published_interval():
    # Newcombe 1998b, table II, method 10: 56/70 - 48/80, 9/10 - 3/10, 10/10 - 0/10
    assert difference((48, 80), (56, 70)) == pytest.approx((0.2, 0.0524, 0.3339), abs=5e-5)
    assert difference((3, 10), (9, 10)) == pytest.approx((0.6, 0.1705, 0.8090), abs=5e-5)
    assert difference((0, 10), (10, 10)) == pytest.approx((1.0, 0.6075, 1.0), abs=5e-5)


def test_class_accuracy_counts_each_class():
    truth, found = [0, 0, 0, 1, 1, -1], [0, 0, 1, 1, 0, 1]
    table = class_accuracy(truth, found, ["cat", "dog", "owl"])
    assert table["top1"] == pytest.approx(3 / 5)
    assert table["confusion"] == [[2, 1, 0], [1, 1, 0], [0, 0, 0]]
    assert table["classes"]["cat"]["correct"] == 2
    assert table["classes"]["cat"]["low"] < 2 / 3 < table["classes"]["cat"]["high"]
    assert table["classes"]["owl"] == {"n": 0, "correct": 0, "accuracy": None, "low": 0.0, "high": 1.0}


def test_no_labelled_images_have_no_accuracy():
    assert class_accuracy([-1], [0], ["cat"])["top1"] is None


@pytest.mark.parametrize(("truth", "found"), [([0, 1], [0]), ([0], [2]), ([3], [0]), ([0], [-1])])
def test_ids_outside_the_names_are_refused(truth, found):
    with pytest.raises(SpecError, match="Class accuracy"):
        class_accuracy(truth, found, ["cat", "dog"])


def test_commonest_mistakes_are_named():
    pairs = confused_pairs([[5, 3, 0], [1, 9, 0], [0, 0, 0]], ["four", "nine", "owl"])
    assert pairs[0] == {"truth": "four", "predicted": "nine", "n": 3, "share": 3 / 8}
    assert len(pairs) == 2


def test_winners_and_losers_between_two_runs():
    first = class_accuracy(np.repeat([0, 1], 100), np.repeat([0, 1, 1], [60, 40, 100]), ["a", "b"])["classes"]
    second = class_accuracy(np.repeat([0, 1], 100), np.repeat([0, 1, 0], [100, 90, 10]), ["a", "b"])["classes"]
    rows = compare_classes(first, second | {"c": {"n": 0, "correct": 0}})
    assert [row["class"] for row in rows] == ["a", "b"]
    assert rows[0]["difference"] == pytest.approx(0.4)
    assert rows[0]["clear"]
    assert rows[1]["difference"] == pytest.approx(-0.1)
