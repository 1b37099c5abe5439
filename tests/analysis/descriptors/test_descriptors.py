"""Descriptors measure what was drawn."""

import numpy as np
import pytest

from ssrl_core.analysis.descriptors.images import Look, otsu
from ssrl_core.analysis.descriptors.table import DESCRIPTORS, describe


def drawn(*boxes, side=40, ground=20, ink=200):
    image = np.full((1, 1, side, side), ground, np.uint8)
    for top, left, height, width in boxes:
        image[0, 0, top : top + height, left : left + width] = ink
    return image


def one(image):
    return {name: float(v[0]) for name, v in describe(image, max_value=255).items()}


def test_two_boxes_are_two_objects_of_known_area():
    found = one(drawn((4, 4, 10, 10), (22, 22, 12, 12)))
    assert found["objects"] == 2
    assert found["area"] == pytest.approx((100 + 144) / 1600)
    assert found["elongation"] == pytest.approx(1, abs=1e-5)
    assert found["brightness"] == pytest.approx((20 * 1356 + 200 * 244) / 1600 / 255, rel=1e-5)


def test_a_long_box_is_as_elongated_as_it_is():
    found = one(drawn((10, 4, 5, 30)))
    assert found["elongation"] == pytest.approx(6, rel=1e-5)
    turned = one(drawn((4, 10, 30, 5)))
    assert turned["elongation"] == pytest.approx(6, rel=1e-5)


def test_dark_things_on_a_bright_ground_are_the_objects():
    found = one(drawn((8, 8, 12, 12), ground=220, ink=30))
    assert found["objects"] == 1
    assert found["area"] == pytest.approx(144 / 1600)


def test_specks_are_no_objects():
    assert one(drawn((5, 5, 1, 1), (20, 20, 10, 10)))["objects"] == 1


def test_objects_of_one_image_never_join_those_of_the_next():
    images = np.concatenate([drawn((10, 10, 20, 20))] * 5)
    assert describe(images, max_value=255)["objects"].tolist() == [1] * 5


def test_an_empty_image_has_nothing_to_measure_and_says_so():
    found = one(np.full((1, 1, 16, 16), 7, np.uint8))
    assert np.isnan(found["elongation"])
    assert np.isnan(found["texture"])
    assert found["objects"] == 0
    assert found["contrast"] == 0


def test_noise_is_finer_grained_than_a_slope():
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 255, (1, 1, 32, 32)).astype(np.uint8)
    slope = np.tile(np.linspace(0, 255, 32), (1, 1, 32, 1)).astype(np.uint8)
    assert one(noise)["texture"] > 0.8
    assert one(slope)["texture"] < 0.1


def test_otsu_agrees_with_its_slow_twin():
    rng = np.random.default_rng(1)
    grey = np.concatenate([rng.normal(0.2, 0.05, 300), rng.normal(0.7, 0.1, 100)]).reshape(1, 20, 20).astype(np.float32)
    flat = grey.ravel().astype(float)
    edges = flat.min() + (flat.max() - flat.min()) * np.arange(1, 64) / 64

    def between(threshold):
        low, high = flat[flat <= threshold], flat[flat > threshold]
        return len(low) * len(high) * (low.mean() - high.mean()) ** 2

    best = max(edges, key=between)
    assert otsu(grey)[0] == pytest.approx(best, abs=2 * (flat.max() - flat.min()) / 64)


def test_the_largest_object_is_the_largest():
    look = Look(drawn((2, 2, 6, 6), (20, 20, 15, 15))[:, 0].astype(np.float32) / 255)
    assert look.largest.sum() == 225


def test_every_row_has_words_and_measures_a_batch():
    images = np.concatenate([drawn((8, 8, 12, 12)), drawn((8, 8, 20, 6))])
    for name, row in DESCRIPTORS.items():
        assert row.name == name
        assert row.more
        assert row.less
        assert row.sentence.endswith(".")
        values = row.measure(Look(images[:, 0].astype(np.float32) / 255))
        assert values.shape == (2,)
