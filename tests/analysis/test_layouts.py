from importlib import import_module

import numpy as np
import pytest
from sklearn.manifold import trustworthiness as reference

from ssrl_core.analysis import layouts
from ssrl_core.analysis.layouts import compute_layout, neighbour_hit, started_like, trustworthiness
from ssrl_core.analysis.matrix import principal_components
from ssrl_core.errors import DataError, SpecError
from ssrl_core.specs.parts import LAYOUTS, PARTS


@pytest.fixture(scope="module")
def blobs():
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(4), 50)
    return ((rng.normal(size=(4, 30)) * 2)[group] + rng.normal(size=(200, 30))).astype(np.float32), group


def test_trustworthiness_agrees_with_scikit_learn(blobs):
    x, _ = blobs
    flat = x[:, :2] + np.random.default_rng(1).normal(size=(200, 2))
    assert trustworthiness(x, flat, k=7) == pytest.approx(reference(x, flat, n_neighbors=7), abs=1e-9)


def test_trustworthiness_counts_equal_distances_in_the_order_of_the_rows(monkeypatch):
    x = np.random.default_rng(1).integers(0, 3, (60, 2)).astype(np.float32)  # most rows have a twin
    whole = trustworthiness(x, x[:, ::-1] * [1.0, 0.3])
    distances = np.square(x[:, None] - x[None]).sum(-1)
    np.fill_diagonal(distances, -1)
    ranks = np.argsort(np.argsort(distances, axis=1, kind="stable"), axis=1)
    near = layouts._map_neighbours((x[:, ::-1] * [1.0, 0.3]).astype(np.float64), np.arange(60), 10)
    penalty = np.maximum(np.take_along_axis(ranks, near, axis=1) - 10, 0).sum()
    assert whole == pytest.approx(1 - penalty * 2 / (60 * 10 * (120 - 31)), abs=1e-12)
    monkeypatch.setattr(layouts, "_DISTANCES", 60 * 7)
    assert trustworthiness(x, x[:, ::-1] * [1.0, 0.3]) == whole


def test_trustworthiness_of_a_sample_is_near_that_of_all(monkeypatch, blobs):
    x, _ = blobs
    whole = trustworthiness(x, x[:, :2])
    monkeypatch.setattr("ssrl_core.analysis.layouts.MOST_QUERIES", 80)
    assert trustworthiness(x, x[:, :2]) == pytest.approx(whole, abs=0.03)


def test_neighbour_hit_counts_neighbours_of_the_same_label():
    points = np.array([[0, 0], [0, 1], [0, 2], [9, 0], [9, 1], [9, 2]], dtype=float)
    assert neighbour_hit(points, np.array([0, 0, 0, 1, 1, 1]), k=2) == 1.0
    assert neighbour_hit(points, np.array([0, 1, 0, 1, 0, 1]), k=2) == pytest.approx(1 / 3)
    assert neighbour_hit(points, np.full(6, -1)) is None


def test_pca_finds_the_directions_of_largest_variance_and_never_mirrors():
    x = np.random.default_rng(0).normal(size=(60, 5)).astype(np.float32) * [5, 3, 1, 0.1, 0.1]
    found = principal_components(x.astype(np.float32), 2)
    u, s, _ = np.linalg.svd(x - x.mean(0), full_matrices=False)
    np.testing.assert_allclose(np.abs(found), np.abs((u * s)[:, :2]), atol=1e-4)
    np.testing.assert_allclose(principal_components(x[:4].astype(np.float32), 9).shape, (4, 4))


@pytest.mark.parametrize("method", ["tsne", "pca"])
def test_a_layout_records_how_it_was_made_and_how_far_to_trust_it(blobs, method):
    x, group = blobs
    made = compute_layout(x, method, seed=3, labels=group)
    assert made.points.shape == (200, 2)
    assert made.points.dtype == np.float32
    assert made.params["method"] == method
    assert made.params["seed"] == 3
    assert made.neighbour_hit > 0.9
    assert 0.8 < made.trustworthiness <= 1


@pytest.mark.slow
def test_umap_keeps_groups_apart_and_repeats_itself(blobs):
    x, group = blobs
    told = []
    first, second = (compute_layout(x, "umap", seed=1, labels=group, report=told.append) for _ in range(2))
    np.testing.assert_array_equal(first.points, second.points)
    assert first.neighbour_hit > 0.95
    assert told[-1] == 1.0


@pytest.mark.parametrize("method", ["tsne", "umap", "pca"])
@pytest.mark.parametrize("rows", [1, 2, 3, 7])
def test_a_handful_of_images_still_has_a_layout(method, rows):
    made = compute_layout(np.eye(rows, 4), method, labels=np.zeros(rows, dtype=np.int64))
    assert made.points.shape == (rows, 2)
    assert np.isfinite(made.points).all()
    assert made.trustworthiness is None


def test_a_collapsed_embedding_is_laid_out_as_one_point_and_says_so():
    made = compute_layout(np.ones((40, 8)), "tsne")
    assert not made.points.any()
    assert "same" in made.params["note"]


def test_bad_embeddings_are_refused_in_words():
    with pytest.raises(DataError, match="3 of 5 rows"):
        compute_layout(np.array([[0, 1.0]] * 2 + [[0, np.nan]] * 3), "pca")
    with pytest.raises(DataError, match="at least one row"):
        compute_layout(np.empty((0, 4)), "pca")
    with pytest.raises(SpecError, match="tsne, umap, pca"):
        compute_layout(np.eye(4), "mds")


@pytest.mark.slow
def test_neighbours_of_many_rows_are_found_by_descent_almost_all(monkeypatch):
    from ssrl_core.analysis import matrix

    x = np.random.default_rng(0).normal(size=(600, 8)).astype(np.float32)
    x[:3] = x[0]  # equal rows
    exact, _ = matrix.nearest_rows(x, 10)
    monkeypatch.setattr(matrix, "MOST_EXACT", 100)
    found, distances = matrix.nearest_rows(x, 10)
    assert found.shape == (600, 10)
    assert not (found == np.arange(600)[:, None]).any()
    shared = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(exact, found, strict=True)])
    assert shared > 0.9
    assert (np.diff(distances, axis=1) >= -1e-6).all()


def test_the_layouts_a_spec_may_ask_for_are_those_of_the_table():
    assert all(row.title and row.sentence and row.seconds_per_row > 0 for row in LAYOUTS.values())
    for name in (name for name, row in LAYOUTS.items() if row.starts):
        assert callable(getattr(import_module(f"ssrl_core.analysis.{name}"), name))
    assert PARTS["layouts"].settings[0].options == tuple(LAYOUTS)


def test_a_map_that_begins_like_another_lies_like_it(blobs):
    x, _ = blobs
    first = compute_layout(x, "tsne").points
    turned = first @ np.array([[0.0, -1.0], [1.0, 0.0]])
    turned[:10] = np.nan
    start = started_like(x, turned)
    assert np.isfinite(start).all()
    assert np.array_equal(start[10:], turned[10:].astype(float))
    alike = compute_layout(x, "tsne", init=start).points

    def apart(points):
        return np.corrcoef(points[10:].ravel(), turned[10:].ravel())[0, 1]

    assert apart(alike) > 0.8 > apart(first)


def test_a_map_is_not_begun_from_one_that_shows_other_images(blobs):
    x, _ = blobs
    known = np.full((len(x), 2), np.nan)
    known[: len(x) // 3] = 0.0
    with pytest.raises(SpecError, match="at least half of them"):
        started_like(x, known)


@pytest.mark.parametrize("method", ["tsne", "pca"])
def test_a_layout_says_whether_its_start_was_given(blobs, method):
    x, _ = blobs
    made = compute_layout(x, method, init=np.asarray(x[:, :2]))
    assert made.params.get("start") == ("given" if method == "tsne" else None)
    with pytest.raises(DataError, match="init"):
        compute_layout(x, method, init=np.zeros((3, 2)))
