"""Two embeddings beside each other: known answers, and slow twins."""

import numpy as np
import pytest

from ssrl_core.analysis import comparison
from ssrl_core.analysis.comparison import (
    cka,
    compare,
    contingency,
    matched,
    moved,
    nearest_of,
    neighbour_overlap,
    shared,
)
from ssrl_core.errors import DataError


@pytest.fixture
def x():
    return np.random.default_rng(0).normal(size=(300, 6)).astype(np.float32)


def test_an_embedding_turned_and_scaled_is_the_same(x):
    turn, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(6, 6)))
    same = compare(x, (3 * x @ turn + 5).astype(np.float32), np.arange(300) % 4, np.arange(300) % 4)
    assert same["cka"] == pytest.approx(1, abs=1e-5)
    assert same["neighbour_overlap"] > 0.999
    assert same["ami"] == pytest.approx(1)
    assert np.array(same["contingency"]).trace() == 300


def test_unrelated_embeddings_are_near_chance(x):
    other = np.random.default_rng(2).normal(size=(300, 6)).astype(np.float32)
    found = compare(x, other, np.zeros(300, int), np.zeros(300, int))
    assert found["cka"] < 0.1
    assert found["neighbour_overlap"] == pytest.approx(found["neighbour_chance"], abs=0.05)


def test_cka_agrees_with_its_slow_twin(x):
    y = np.tanh(x[:, :4] @ np.random.default_rng(3).normal(size=(4, 9))).astype(np.float32)
    n = len(x)
    centre = np.eye(n) - 1 / n
    k, m = centre @ (x @ x.T) @ centre, centre @ (y @ y.T) @ centre
    slow = (k * m).sum() / np.sqrt((k * k).sum() * (m * m).sum())
    assert cka(x, y) == pytest.approx(slow, rel=1e-4)
    assert cka(x, np.ones((300, 3), np.float32)) is None


def test_neighbours_agree_with_their_slow_twin(x):
    rows = np.array([0, 7, 299])
    away = np.linalg.norm(x[rows][:, None] - x[None], axis=2)
    away[np.arange(3), rows] = np.inf
    slow = np.argsort(away, axis=1)[:, :5]
    assert np.array_equal(np.sort(nearest_of(x, rows, 5)), np.sort(slow))


def test_of_many_rows_a_seeded_part_is_looked_at(x, monkeypatch):
    monkeypatch.setattr(comparison, "MOST_QUERIES", 50)
    rows, share = neighbour_overlap(x, x)
    assert len(rows) == 50
    assert (share == 1).all()


def test_contingency_counts_pairs_and_leaves_out_none():
    table = contingency([0, 0, 1, -1, 1], [1, 1, 0, 0, -1])
    assert table.tolist() == [[0, 2], [1, 0]]


def test_clusters_are_matched_one_to_one_by_what_they_share():
    table = np.array([[50, 0, 0], [0, 30, 5], [4, 3, 3]])
    assert {row: column for row, (column, _) in matched(table).items()} == {0: 0, 1: 1}
    assert shared(table)[0, 0] == pytest.approx(100 / 104)
    assert matched(np.zeros((0, 3), int)) == {}


def test_images_that_moved_are_those_outside_the_matched_cluster():
    ids = np.array([0] * 10 + [1] * 10 + [-1])
    others = np.array([1] * 9 + [0] + [0] * 10 + [1])
    assert np.flatnonzero(moved(ids, others)).tolist() == [9]


def test_different_images_are_refused(x):
    with pytest.raises(DataError, match="the same images"):
        compare(x, x[:10], np.zeros(300, int), np.zeros(10, int))
