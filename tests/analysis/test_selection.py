import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ssrl_core.analysis.layouts import counts, in_polygon


def inside_slowly(point, corners):
    """Even-odd rule, one point, one edge at a time: how many edges a ray to the right crosses."""
    x, y = point
    odd = False
    for i in range(len(corners)):
        (x1, y1), (x2, y2) = corners[i], corners[(i + 1) % len(corners)]
        if (y1 > y) != (y2 > y):
            low, high = ((x1, y1), (x2, y2)) if y1 < y2 else ((x2, y2), (x1, y1))
            odd ^= x < low[0] + (y - low[1]) * (high[0] - low[0]) / (high[1] - low[1])
    return odd


corner = st.tuples(st.floats(-5, 5), st.floats(-5, 5))


@settings(deadline=None, max_examples=60)
@given(st.lists(corner, min_size=3, max_size=12), st.integers(0, 1000))
def test_lasso_agrees_with_its_slow_twin(corners, seed):
    points = np.random.default_rng(seed).uniform(-6, 6, (60, 2))
    np.testing.assert_array_equal(in_polygon(points, corners), [inside_slowly(p, corners) for p in points])


def test_two_outlines_that_share_an_edge_share_no_point_and_lose_none():
    points = np.stack(np.meshgrid(np.arange(0, 4.5, 0.5), np.arange(0, 2.5, 0.5)), -1).reshape(-1, 2)
    left, right = [(0, 0), (2, 0), (2, 2), (0, 2)], [(2, 0), (4, 0), (4, 2), (2, 2)]
    both = in_polygon(points, left).astype(int) + in_polygon(points, right)
    whole = in_polygon(points, [(0, 0), (4, 0), (4, 2), (0, 2)])
    np.testing.assert_array_equal(both == 1, whole)
    assert both.max() == 1


def test_nothing_is_inside_a_line_or_without_a_place():
    assert not in_polygon([[0, 0]], [(0, 0), (1, 1)]).any()
    assert not in_polygon([[np.nan, 0.5]], [(0, 0), (1, 0), (1, 1), (0, 1)]).any()
    assert len(in_polygon(np.empty((0, 2)), [(0, 0), (1, 0), (1, 1)])) == 0


def test_counts_stand_beside_those_of_all_images():
    table = counts(pd.Series(["a", "a", "b", None, "b", "b"]), np.array([1, 0, 0, 1, 1, 0], dtype=bool))
    assert list(table["value"]) == ["b", "a", None]
    assert list(table["selected"]) == [1, 1, 1]
    assert table["share_all"].tolist() == pytest.approx([1 / 2, 1 / 3, 1 / 6])
    assert table["times"].tolist() == pytest.approx([2 / 3, 1, 2])
    assert table.attrs["left_out"] == 0


def test_counts_of_an_empty_selection_are_zero():
    table = counts(np.array([1, 1, 2]), np.zeros(3, dtype=bool))
    assert table["selected"].sum() == 0
    assert table["share"].sum() == 0
