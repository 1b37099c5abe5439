import math

import numpy as np
import pytest

from ssrl_core.analysis.clusters import kmeans
from ssrl_core.analysis.scores import agreement, ami, cluster_scores, purity, shuffled_ami


def expected_information(a, b):
    """Mean mutual information of two labellings with these sizes, summed from its definition (Vinh et al. 2010)."""
    n, total = sum(a), 0.0
    for ai in a:
        for bj in b:
            for nij in range(max(1, ai + bj - n), min(ai, bj) + 1):
                log_p = (
                    sum(map(math.lgamma, (ai + 1, bj + 1, n - ai + 1, n - bj + 1)))
                    - sum(map(math.lgamma, (n + 1, nij + 1, ai - nij + 1, bj - nij + 1, n - ai - bj + nij + 1)))
                )  # fmt: skip
                total += nij / n * math.log(n * nij / (ai * bj)) * math.exp(log_p)
    return total


def entropy(counts):
    p = np.array(counts) / sum(counts)
    return float(-(p * np.log(p)).sum())


def test_ami_is_the_papers_formula():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, 60)
    found = np.where(rng.random(60) < 0.6, truth, rng.integers(0, 4, 60))
    table = np.histogram2d(truth, found, bins=(3, 4))[0]
    rows, columns = table.sum(1).astype(int), table.sum(0).astype(int)
    p = table / 60
    mutual = np.nansum(np.where(p > 0, p * np.log(np.where(p > 0, p, 1) / np.outer(rows, columns) * 3600), 0))
    chance = expected_information(rows, columns)
    h1, h2 = entropy(rows), entropy(columns)
    assert ami(truth, found) == pytest.approx((mutual - chance) / (max(h1, h2) - chance), abs=1e-9)
    assert ami(truth, found, average="arithmetic") == pytest.approx(
        (mutual - chance) / ((h1 + h2) / 2 - chance), abs=1e-9
    )


def test_shuffled_labels_are_the_floor():
    truth = np.repeat(np.arange(4), 50)
    floor = shuffled_ami(truth, truth)
    assert floor["n"] == 20
    assert abs(floor["mean"]) < 0.02
    assert floor["sd"] > 0
    assert floor == shuffled_ami(truth, truth)


def test_scores_of_planted_clusters():
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(3), 40)
    x = np.eye(3)[group] * 10 + rng.normal(size=(120, 3)) * 0.3
    scores = cluster_scores(x, kmeans(x, 3), group, projection=x)
    assert scores["ami"] == pytest.approx(1)
    assert scores["ari"] == scores["homogeneity"] == 1
    assert scores["silhouette"] > 0.9
    assert scores["silhouette_projection"] == scores["silhouette"]
    assert scores["silhouette_n"] == 120
    assert scores["sizes"] == [40, 40, 40]
    assert scores["missing"] == {}


def test_silhouette_is_that_of_the_definition():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(30, 2)).astype(np.float32)
    clusters = kmeans(x, 3)
    values = []
    for i in range(30):
        away = np.linalg.norm(x - x[i], axis=1)
        own = clusters.ids == clusters.ids[i]
        if own.sum() == 1:
            values.append(0.0)
            continue
        a = away[own].sum() / (own.sum() - 1)
        b = min(away[clusters.ids == c].mean() for c in range(3) if c != clusters.ids[i])
        values.append((b - a) / max(a, b))
    assert cluster_scores(x, clusters, None)["silhouette"] == pytest.approx(np.mean(values), abs=1e-5)


def test_silhouette_of_many_rows_is_taken_on_ten_thousand(monkeypatch):
    monkeypatch.setattr("ssrl_core.analysis.scores.SILHOUETTE_ROWS", 100)
    x = np.random.default_rng(0).normal(size=(300, 2))
    clusters = kmeans(x, 2)
    first, second = (cluster_scores(x, clusters, None, seed=1) for _ in range(2))
    assert first["silhouette_n"] == 100
    assert first == second


@pytest.mark.parametrize(
    ("x", "k", "labels", "reasons"),
    [
        (np.ones((10, 2)), 2, None, {"silhouette": "1 of 10", "ami": "no labels"}),
        (np.eye(6), 1, np.zeros(6, dtype=np.int64), {"silhouette": "2 clusters", "ami": "same label"}),
        (np.eye(6), 6, np.full(6, -1), {"silhouette": "6 of 6", "ami": "got 0"}),
    ],
)
def test_what_is_undefined_is_none_and_says_why(x, k, labels, reasons):
    scores = cluster_scores(x, kmeans(x, k), labels)
    for key, words in reasons.items():
        assert scores[key] is None
        assert words in scores["missing"][key]


def test_rows_without_a_label_or_cluster_are_left_out():
    labels, ids = np.array([0, 0, 1, 1, -1, 1]), np.array([0, 0, 1, 1, 0, -1], dtype=np.int32)
    assert agreement(labels, ids)["ami"] == pytest.approx(1)


def test_purity_names_the_commonest_label():
    labels, ids = np.array([2, 2, 1, -1, 0]), np.array([0, 0, 0, 0, 1], dtype=np.int32)
    assert purity(labels, ids, 3) == [{"label": 2, "share": 2 / 3, "n": 3}, {"label": 0, "share": 1.0, "n": 1}, None]
