import numpy as np
import pytest

from ssrl_core.analysis import clusters, matrix
from ssrl_core.analysis.clusters import borderline, distances_to_own, kmeans, nearest
from ssrl_core.errors import DataError, SpecError


@pytest.fixture(scope="module")
def planted():
    rng = np.random.default_rng(0)
    group = np.repeat([0, 1, 2], [90, 60, 30])
    return (np.array([[0, 0], [8, 0], [0, 8]])[group] + rng.normal(size=(180, 2))).astype(np.float32), group


def test_planted_groups_are_found_and_numbered_by_size(planted):
    x, group = planted
    found = kmeans(x, 3)
    np.testing.assert_array_equal(found.ids, group)
    assert found.sizes == (90, 60, 30)
    assert found.ids.dtype == np.int32


def test_centroids_and_inertia_are_those_of_the_definition(planted):
    x, _ = planted
    found = kmeans(x, 3)
    for cluster in range(3):
        np.testing.assert_allclose(found.centroids[cluster], x[found.ids == cluster].mean(0), atol=1e-4)
    assert found.inertia == pytest.approx(((x - found.centroids[found.ids]) ** 2).sum(), rel=1e-5)
    np.testing.assert_allclose(
        distances_to_own(x, found), np.linalg.norm(x - found.centroids[found.ids], axis=1), rtol=1e-6
    )


def test_a_table_in_pieces_gives_what_it_gives_whole(monkeypatch, planted):
    x = np.hstack([planted[0], planted[0] ** 2])

    def found():
        groups = kmeans(x, 3)
        near, edge = nearest(x, groups, 5), borderline(x, groups, 5)
        ways = (groups.centroids, groups.inertia, *near, *edge, distances_to_own(x, groups))
        return [*ways, matrix.principal_components(x, 2), matrix.all_equal(x), len(matrix.checked(x))]

    whole = found()
    monkeypatch.setattr(matrix, "_VALUES", 7 * x.shape[1])
    for here, there in zip(found(), whole, strict=True):
        np.testing.assert_allclose(here, there, rtol=1e-5, atol=1e-6)
    with pytest.raises(DataError, match="in 2 of 180 rows"):
        matrix.checked(np.where(np.isin(np.arange(180), [3, 170])[:, None], np.nan, x))


def test_same_seed_same_clusters(planted):
    x = planted[0]
    np.testing.assert_array_equal(kmeans(x, 7, seed=2).ids, kmeans(x, 7, seed=2).ids)


def test_nearest_are_the_members_closest_to_their_centroid(planted):
    x, _ = planted
    found = kmeans(x, 3)
    rows, distances = nearest(x, found, 40)
    for cluster in range(3):
        members = np.flatnonzero(found.ids == cluster)
        away = np.linalg.norm(x[members] - found.centroids[cluster], axis=1)
        expected = members[np.argsort(away, kind="stable")][:40]
        np.testing.assert_array_equal(rows[cluster][: len(expected)], expected)
    assert (rows[2, 30:] == -1).all()
    assert np.isnan(distances[2, 30:]).all()
    assert (np.diff(distances[0]) >= 0).all()


def test_equal_points_leave_clusters_empty_without_a_warning():
    found = kmeans(np.ones((20, 3)), 4)
    assert found.sizes == (20, 0, 0, 0)
    assert (nearest(np.ones((20, 3)), found, 2)[0][1:] == -1).all()


def test_large_tables_are_clustered_by_mini_batches_nearly_as_well(planted, monkeypatch):
    rng = np.random.default_rng(0)
    x = (rng.normal(size=(6, 8))[rng.integers(0, 6, 3000)] * 4 + rng.normal(size=(3000, 8))).astype(np.float32)
    whole = kmeans(x, 6)
    assert clusters.describe_kmeans(3000, 6) == "k-means (10 starts by k-means++)"
    monkeypatch.setattr(clusters, "MOST_FULL", 2999)
    found = kmeans(x, 6)
    assert clusters.describe_kmeans(3000, 6).startswith("mini-batch k-means (4096 images at a time")
    assert found.inertia < 1.1 * whole.inertia
    assert sum(found.sizes) == 3000


@pytest.mark.parametrize("k", [0, 6, True, 2.0])
def test_k_outside_the_rows_is_refused(k):
    with pytest.raises(SpecError, match=r"k must be in 1\.\.5"):
        kmeans(np.eye(5), k)


def test_an_embedding_with_nan_is_refused():
    with pytest.raises(DataError, match="diverged"):
        kmeans(np.full((5, 2), np.nan), 2)
