"""Intrinsic dimension and feature spectrum on data whose answer is known, and the table of all properties."""

import time

import numpy as np
import pandas as pd
import pytest

from ssrl_core.analysis import bias
from ssrl_core.analysis.properties import (
    FAMILIES,
    against_behaviour,
    class_properties,
    covariance_spectrum,
    maximum_likelihood,
    two_nn,
)
from ssrl_core.analysis.properties.class_table import nearest_distances
from ssrl_core.errors import DataError, SpecError
from tests.analysis.bias.tables import classes_table

RNG = np.random.default_rng(0)


def flat(n, dim, ambient=40, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, dim)) @ rng.normal(size=(dim, ambient))


@pytest.mark.parametrize("dim", [1, 2, 5])
@pytest.mark.parametrize("estimate", [two_nn, maximum_likelihood])
def test_the_dimension_of_a_flat_cloud_is_found(estimate, dim):
    found = estimate(flat(1000, dim))
    assert found.value == pytest.approx(dim, rel=0.08)
    assert abs(found.value - dim) < 4 * found.se + 0.05 * dim
    assert (found.n, found.reason) == (1000, None)


def test_a_rolled_sheet_has_two_dimensions():
    t, h = RNG.uniform(size=(2, 800))
    roll = np.stack([t * np.cos(6 * t), t * np.sin(6 * t), h], axis=1)
    assert two_nn(roll).value == pytest.approx(2, abs=0.2)


def test_dimension_does_not_depend_on_scale_or_order_or_copies():
    x = flat(300, 3)
    value = two_nn(x).value
    assert two_nn(1000 * x[::-1] + 5).value == pytest.approx(value, rel=1e-6)
    assert two_nn(np.concatenate([x, x[:100]])).value == pytest.approx(value)
    assert two_nn(x, discard=0).value == pytest.approx(value, rel=0.2)


def test_distances_are_those_of_the_slow_twin():
    x = RNG.normal(size=(40, 5)) + 1000
    slow = np.sort(np.linalg.norm(x[:, None] - x[None], axis=2), axis=1)[:, 1:4]
    np.testing.assert_allclose(nearest_distances(x, 3), slow, rtol=1e-9)


@pytest.mark.parametrize("x", [np.zeros((50, 4)), RNG.normal(size=(5, 4))])
def test_too_few_points_have_no_dimension_and_say_so(x):
    for found in (two_nn(x), maximum_likelihood(x)):
        assert np.isnan(found.value)
        assert "are needed" in found.reason


def test_effective_rank_and_decay_of_known_spectra():
    even = covariance_spectrum(RNG.normal(size=(20000, 8)))
    assert even.effective_rank == pytest.approx(8, abs=0.02)
    assert even.spectrum_decay == pytest.approx(0, abs=0.05)
    falling = covariance_spectrum(RNG.normal(size=(20000, 40)) * np.arange(1, 41) ** -0.5)
    assert falling.spectrum_decay == pytest.approx(1, abs=0.05)
    line = covariance_spectrum(np.outer(RNG.normal(size=50), [1, 2, 3]))
    assert line.effective_rank == pytest.approx(1)
    assert line.first_share == pytest.approx(1)
    assert np.isnan(line.spectrum_decay)
    np.testing.assert_allclose(even.variances.sum(), 8, rtol=0.05)


def test_a_spectrum_needs_images_that_differ():
    assert "the same features" in covariance_spectrum(np.ones((20, 3))).reason
    assert "are needed" in covariance_spectrum(np.ones((4, 3))).reason
    with pytest.raises(SpecError):
        covariance_spectrum(np.full((20, 3), np.nan))


def test_the_table_has_every_property_from_as_many_images_of_each_class():
    labels = np.repeat([0, 1, 2], [40, 25, 0])
    images = RNG.integers(0, 256, (65, 3, 16, 16), dtype=np.uint8)
    images[labels == 1] //= 8
    features = np.concatenate([flat(40, 5), flat(25, 12)])
    table = class_properties(labels, ["a", "b", "none"], images=images, features=features).set_index("class")
    assert {name for names in FAMILIES.values() for name in names} <= set(table.columns)
    assert table["n_features"].tolist() == [25, 25, 0]
    assert table.loc["a", "contrast"] > table.loc["b", "contrast"]
    assert table.loc["a", "intrinsic_dimension"] < table.loc["b", "intrinsic_dimension"]
    assert table.loc["a", "effective_rank"] < table.loc["b", "effective_rank"]
    assert table.loc["none"].drop(["n", "n_features", "reason"]).isna().all()
    assert table["reason"].isna().tolist() == [True, True, False]
    assert "no images" in table.loc["none", "reason"]


def test_classes_with_few_or_empty_images_say_what_is_undefined():
    labels = np.repeat([0, 1], [20, 4])
    images = np.zeros((24, 1, 16, 16), np.uint8)
    images[:20] = RNG.integers(0, 256, (20, 1, 16, 16))
    table = class_properties(labels, ["a", "b"], images=images, features=RNG.normal(size=(24, 3))).set_index("class")
    assert "are needed" in table.loc["b", "reason"]
    black = class_properties(labels, ["a", "b"], images=images).set_index("class")
    assert "one grey value" in black.loc["b", "reason"]
    assert np.isnan(black.loc["b", "fourier_slope"])


@pytest.mark.parametrize(
    "settings",
    [{}, {"images": np.zeros((2, 1, 8, 8))}, {"features": np.zeros((2, 3))}],
)
def test_inputs_that_do_not_fit_are_refused(settings):
    with pytest.raises(SpecError):
        class_properties([0, 0, 1], ["a", "b"], **settings)
    with pytest.raises(SpecError):
        class_properties([0, 5], ["a", "b"], features=np.zeros((2, 3)))


def planted(classes=30):
    """Classes with much texture rise, those with little fall."""
    rng = np.random.default_rng(1)
    curves = {
        f"c{i:02d}": (lambda x, i=i: 0.5 + (0.2 if i % 3 == 0 else -0.2 if i % 3 == 1 else 0) * x)
        for i in range(classes)
    }
    behaviours = bias.behaviours(classes_table(curves, noise=0.01), "hue", alpha=0.001)
    rough = np.array([{0: 2.0, 1: 0.0, 2: 1.0}[i % 3] for i in range(classes)]) + rng.normal(0, 0.3, classes)
    properties = pd.DataFrame({"class": list(curves), "intrinsic_dimension": rng.normal(size=classes)})
    for name in FAMILIES["texture"]:
        properties[name] = rough + rng.normal(0, 0.2, classes)
    return properties, behaviours


def test_a_planted_property_explains_the_behaviour_and_a_random_one_does_not():
    properties, behaviours = planted()
    found = against_behaviour(properties, behaviours)

    def row(name, test):
        return found[(found["property"] == name) & (found["test"] == test)].iloc[0]

    assert row("texture", "manova")["p"] < 0.01
    assert row("texture", "manova")["effect"] > 0.2
    assert row("intrinsic dimension", "anova")["p"] > 0.01
    assert set(found["n"]) == {30}
    assert found["groups"].iloc[0].startswith("ascending 10, descending 10")
    assert "fourier spectrum" not in set(found["property"])


def test_classes_of_other_names_are_refused():
    properties, behaviours = planted(6)
    with pytest.raises(DataError, match="named as in"):
        against_behaviour(properties.assign(**{"class": "x"}), behaviours)


def test_one_group_cannot_be_tested_and_it_is_said():
    properties, behaviours = planted(9)
    found = against_behaviour(properties, behaviours.assign(behaviour="random"))
    assert found["statistic"].isna().all()
    assert found["reason"].str.contains("at least two groups").all()


def test_properties_of_cifar_sized_sets_are_quick(capsys):
    rng = np.random.default_rng(0)
    images, features = rng.integers(0, 256, (2000, 3, 32, 32), dtype=np.uint8), rng.normal(size=(2000, 512))
    start, cpu = time.perf_counter(), time.process_time()
    class_properties(np.arange(2000) % 100, [str(i) for i in range(100)], images=images, features=features)
    with capsys.disabled():
        print(f"\n2,000 images: {time.perf_counter() - start:.2f} s, {time.process_time() - cpu:.2f} s of CPU")
