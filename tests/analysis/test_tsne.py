"""t-SNE: every fast part against the definition, and the whole against what it is for."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from ssrl_core.analysis.affinities import bandwidths, joint_probabilities
from ssrl_core.analysis.attraction import attraction
from ssrl_core.analysis.neighbours import nearest_rows
from ssrl_core.analysis.repulsion import repulsion
from ssrl_core.analysis.tsne import tsne


def repulsion_by_definition(points):
    difference = points[:, None] - points[None]
    similarity = 1 / (1 + (difference**2).sum(-1))
    np.fill_diagonal(similarity, 0)
    return (similarity[..., None] ** 2 * difference).sum(1), similarity.sum()


@pytest.mark.parametrize(("extent", "tolerance"), [(1e-4, 1e-5), (1.0, 1e-5), (10.0, 1e-3), (60.0, 2e-2)])
def test_repulsion_on_the_grid_agrees_with_all_pairs(extent, tolerance):
    points = np.random.default_rng(3).normal(size=(1200, 2)) * extent / 6
    forces, total = repulsion(points)
    true_forces, true_total = repulsion_by_definition(points)
    assert np.linalg.norm(forces - true_forces) <= tolerance * np.linalg.norm(true_forces)
    assert total == pytest.approx(true_total, rel=tolerance)


def test_attraction_agrees_with_the_definition_however_many_threads_share_it():
    rng = np.random.default_rng(0)
    points, p = rng.normal(size=(50, 2)), rng.random((50, 50)) * (rng.random((50, 50)) < 0.2)
    difference = points[:, None] - points[None]
    expected = ((p / (1 + (difference**2).sum(-1)))[..., None] * difference).sum(1)
    sparse = csr_matrix(p)
    with ThreadPoolExecutor(3) as pool:
        one, three = (attraction(sparse, points, pool, parts) for parts in (1, 3))
    np.testing.assert_allclose(one, expected, atol=1e-12)
    np.testing.assert_array_equal(one, three)


def test_every_row_gets_the_perplexity_that_was_asked_for():
    squared = np.sort(np.random.default_rng(1).gamma(2.0, size=(40, 60)), axis=1)
    beta = bandwidths(squared, 20.0)
    p = np.exp(-beta[:, None] * squared)
    p /= p.sum(1, keepdims=True)
    np.testing.assert_allclose(np.exp(-(p * np.log(p)).sum(1)), 20.0, rtol=1e-4)


def test_joint_probabilities_are_symmetric_and_sum_to_one():
    x = np.random.default_rng(2).normal(size=(80, 5)).astype(np.float32)
    joint = joint_probabilities(*nearest_rows(x, 30), 10.0)
    assert joint.sum() == pytest.approx(1, abs=1e-5)
    assert abs(joint - joint.T).max() < 1e-9
    assert joint.diagonal().max() == 0


def test_tsne_keeps_planted_groups_apart_and_tells_how_far_it_is():
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(5), 60)
    x = (rng.normal(size=(5, 20)) * 3)[group] + rng.normal(size=(300, 20))
    told = []
    points, params = tsne(x.astype(np.float32), seed=0, report=told.append)
    near, _ = nearest_rows(points.astype(np.float32), 10)
    assert (group[near] == group[:, None]).mean() > 0.98
    assert told == sorted(told)
    assert told[-1] == 1.0
    assert params["perplexity"] == 30


def test_tsne_twice_is_the_same_and_equal_rows_do_no_harm():
    x = np.repeat(np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32), 3, axis=0)
    first, second = tsne(x, seed=4)[0], tsne(x, seed=4)[0]
    np.testing.assert_array_equal(first, second)
    assert np.isfinite(first).all()
