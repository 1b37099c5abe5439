"""Embeddings and probes: same numbers in any batch, slow twins, agreement of the two linear protocols."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from ssrl_core.errors import SpecError
from ssrl_core.learning.backbones import build
from ssrl_core.learning.embedding import at_once, embed, untrained_encoder, views_of
from ssrl_core.learning.probes.knn import knn_predict, knn_top1
from ssrl_core.learning.probes.linear import linear_probe, linear_probe_through
from ssrl_core.specs.composition import load
from tests.learning.tiny_runs import small_images, small_spec


def test_embedding_does_not_depend_on_the_batch() -> None:
    images = small_images()
    encoder = untrained_encoder(small_spec(), images)
    ids = images.split_ids("all")
    told: list[tuple[int, int]] = []
    whole = embed(encoder, images.pixels, ids, max_value=255, device="cpu")
    parts = embed(
        encoder,
        images.pixels,
        ids,
        max_value=255,
        device="cpu",
        batch_size=7,
        report=lambda done, of: told.append((done, of)),
    )
    assert whole.shape == (64, 128)
    assert whole.dtype == np.float32
    np.testing.assert_allclose(parts, whole, atol=1e-5)
    assert told[-1] == (64, 64)
    one = embed(encoder, images.pixels, ids[5:6], max_value=255, device="cpu")
    np.testing.assert_allclose(one[0], whole[5], atol=1e-5)


def test_large_images_go_in_fewer_at_once() -> None:
    assert [at_once(shape) for shape in ((1, 28, 28), (3, 196, 196), (9, 2000, 2000))] == [512, 36, 1]


def test_16_bit_and_8_bit_images_of_the_same_values_embed_alike() -> None:
    images = small_images()
    encoder = untrained_encoder(small_spec(), images)
    ids = np.arange(8)
    narrow = embed(encoder, images.pixels, ids, max_value=255, device="cpu")
    wide = embed(encoder, images.pixels.astype(np.uint16) * 257, ids, max_value=65535, device="cpu")
    np.testing.assert_allclose(narrow, wide, atol=1e-5)


def test_images_of_another_side_are_brought_to_the_side_of_the_views() -> None:
    images = small_images()
    encoder = build("tiny_cnn", channels=1, side=32, mean=[0.5], sd=[0.2], seed=0)
    got = embed(encoder, images.pixels, np.arange(2), max_value=255, device="cpu")
    pixels = torch.from_numpy(images.pixels[:2].copy()).float() / 255
    large = torch.nn.functional.interpolate(pixels, size=(32, 32), mode="bilinear", antialias=True)
    with torch.inference_mode():
        np.testing.assert_allclose(got, encoder.eval()(large).numpy(), atol=1e-6)


def test_each_image_passes_once_with_fixed_draws() -> None:
    images, composition = small_images(), load("mnist-first-set")
    ids = images.split_ids("test")

    def views(chosen: np.ndarray, seed: int, batch_size: int | None = None) -> np.ndarray:
        found = views_of(images, chosen, composition, seed=seed, device="cpu", batch_size=batch_size)
        return np.concatenate([views.numpy() for _, views in found])

    first = views(ids, 5)
    assert first.shape == (len(ids), 1, 32, 32)
    assert np.array_equal(first, views(ids, 5))
    np.testing.assert_allclose(first, views(ids[::-1].copy(), 5, batch_size=3)[::-1], atol=1e-5)
    assert not np.allclose(first, views(ids, 6))


def _blobs(n: int = 300, dim: int = 12, classes: int = 4, apart: float = 1.5) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    y = rng.integers(0, classes, n)
    return (rng.normal(0, apart, (classes, dim))[y] + rng.normal(0, 1.5, (n, dim))).astype(np.float32), y


@pytest.mark.parametrize("k", [1, 5, 20])
def test_knn_equals_its_slow_twin(k: int) -> None:
    x, y = _blobs()
    predicted = knn_predict(x[:200], y[:200], x[200:], k=k)
    for i, query in enumerate(x[200:]):
        cosine = [float(query @ row / np.linalg.norm(query) / np.linalg.norm(row)) for row in x[:200]]
        votes = [0.0] * 4
        for j in sorted(range(200), key=lambda j: -cosine[j])[:k]:
            votes[y[j]] += math.exp(cosine[j] / 0.07)
        assert predicted[i] == votes.index(max(votes))


def test_knn_refuses_what_it_cannot_do() -> None:
    x, y = _blobs(20)
    with pytest.raises(SpecError, match=r"1\.\.20"):
        knn_top1(x, y, x, y, k=21)
    with pytest.raises(SpecError, match="temperature"):
        knn_top1(x, y, x, y, k=2, temperature=0)
    with pytest.raises(SpecError, match="cosine or euclidean"):
        knn_top1(x, y, x, y, k=2, metric="manhattan")


def test_linear_probe_finds_what_logistic_regression_finds() -> None:
    from sklearn.linear_model import LogisticRegression

    x, y = _blobs(3000, apart=0.6)
    predicted = linear_probe(x[:1000], y[:1000], x[1000:])
    reference = LogisticRegression(max_iter=1000).fit(x[:1000], y[:1000]).predict(x[1000:])
    assert (predicted == y[1000:]).mean() == pytest.approx((reference == y[1000:]).mean(), abs=0.005)
    assert (predicted == y[1000:]).mean() > 0.5


def test_linear_probe_is_the_same_twice_and_at_any_scale() -> None:
    x, y = _blobs()
    first = linear_probe(x[:200], y[:200], x[200:])
    assert np.array_equal(first, linear_probe(x[:200], y[:200], x[200:]))
    scaled = linear_probe(x[:200] * 1000 + 7, y[:200], x[200:] * 1000 + 7)
    assert (first == scaled).mean() > 0.97


def test_linear_probe_leaves_rows_without_label_out() -> None:
    x, y = _blobs()
    missing = y.copy()
    missing[::2] = -1
    kept = missing[:200] >= 0
    first = linear_probe(x[:200], missing[:200], x[200:], classes=4)
    assert np.array_equal(first, linear_probe(x[:200][kept], y[:200][kept], x[200:], classes=4))
    with pytest.raises(SpecError, match="at least two classes"):
        linear_probe(x, np.zeros(len(x), dtype=int), x)


@pytest.mark.parametrize("terms", ["identity", "mnist-first-set"])
def test_cached_and_paper_protocol_agree(terms: str) -> None:
    images = small_images(120)
    encoder = untrained_encoder(small_spec(terms=terms), images)  # the second one's views have another side
    train, test = images.split_ids("train"), images.split_ids("test")
    through = linear_probe_through(encoder, images, train, test, epochs=20, device="cpu")
    embedded = [embed(encoder, images.pixels, ids, max_value=255, device="cpu") for ids in (train, test)]
    cached = linear_probe(embedded[0], images.label_ids[train], embedded[1], epochs=20)
    assert (through == cached).mean() >= 0.95
