"""t-SNE against what it is for."""

import numpy as np
import pytest
from openTSNE import affinity

from ssrl_core.analysis.matrix import nearest_rows
from ssrl_core.analysis.tsne import tsne


@pytest.fixture(scope="module")
def planted():
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(5), 60)
    return ((rng.normal(size=(5, 20)) * 3)[group] + rng.normal(size=(300, 20))).astype(np.float32), group


def joint_by_definition(x, perplexity):
    """Symmetric similarities over the 3 * perplexity nearest, by bisection on every row (van der Maaten 2008)."""
    rows, distances = nearest_rows(x, int(3 * perplexity))
    joint = np.zeros((len(x), len(x)))
    for i, (near, away) in enumerate(zip(rows, distances.astype(float) ** 2, strict=True)):
        low, high = 1e-12, 1e12
        for _ in range(200):
            p = np.exp(-np.sqrt(low * high) * (away - away[0]))
            p /= p.sum()
            wide = -(p[p > 0] * np.log(p[p > 0])).sum() > np.log(perplexity)
            low, high = (np.sqrt(low * high), high) if wide else (low, np.sqrt(low * high))
        joint[i, near] = p
    return (joint + joint.T) / joint.sum() / 2


def divergence(joint, points):
    away = ((points[:, None] - points[None]) ** 2).sum(-1)
    q = 1 / (1 + away)
    np.fill_diagonal(q, 0)
    q /= q.sum()
    return float((joint[joint > 0] * np.log(joint[joint > 0] / q[joint > 0])).sum())


def test_tsne_lowers_the_divergence_of_the_definition_well_below_that_of_its_start(planted):
    x, _ = planted
    joint = joint_by_definition(x, 30.0)
    start = x[:, :2] / x[:, 0].std() * 1e-4
    assert divergence(joint, tsne(x)[0]) < 0.4 * divergence(joint, start)


def test_the_similarities_are_those_of_the_definition(planted):
    x, _ = planted
    from openTSNE.nearest_neighbors import PrecomputedNeighbors

    rows, distances = nearest_rows(x, 90)
    found = affinity.PerplexityBasedNN(
        perplexity=30.0, knn_index=PrecomputedNeighbors(rows, distances.astype(float)), k_neighbors=90
    )
    np.testing.assert_allclose(found.P.toarray(), joint_by_definition(x, 30.0), atol=1e-6)


def test_a_layout_that_starts_from_another_lies_as_it_does(planted):
    x, _ = planted
    other = tsne(x)[0] @ np.array([[0.0, -5.0], [5.0, 0.0]])  # turned and larger
    noisy = x + np.random.default_rng(1).normal(size=x.shape).astype(np.float32) * 0.3

    def likeness(points):
        return np.mean([np.corrcoef(points[:, i], other[:, i])[0, 1] for i in (0, 1)])

    assert likeness(tsne(noisy, init=other)[0]) > 0.9
    assert likeness(tsne(noisy)[0]) < 0.5


@pytest.mark.parametrize("rows", [300, pytest.param(1200, marks=pytest.mark.slow)])
def test_tsne_keeps_planted_groups_apart_and_tells_how_far_it_is(rows):
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(5), rows // 5)
    x = (rng.normal(size=(5, 20)) * 3)[group] + rng.normal(size=(rows, 20))
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
