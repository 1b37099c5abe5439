"""The forecast says what a composition keeps, with intervals, and answers bad input in words."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from ssrl_core.datasets.creation import Metadata, create
from ssrl_core.datasets.made.strokes import draw_strokes
from ssrl_core.errors import DataError, SpecError
from ssrl_core.forecast import forecast
from ssrl_core.forecast.reading import read_classes
from ssrl_core.specs.composition import Composition
from ssrl_core.specs.run import Term
from ssrl_core.specs.steps import Step
from tests.kit import no_network

QUICK = {"bank": "live", "images": 400, "views": 4}
DRAWN = draw_strokes(400, seed=5)


def _strokes():
    pixels, table = DRAWN
    return create("few-strokes", pixels, table, Metadata(label="digit"))


def _plain_set(pixels, **columns):
    table = pd.DataFrame(columns, index=range(len(pixels)))
    return create("some", pixels, table, Metadata(label="kind" if "kind" in columns else None))


def _composition(*steps):
    return Composition.simple("mine", [Step(name, p=p, settings=s) for name, p, s in steps])


def _value(found, name):
    return next(row.value for row in found.kept if row.name == name)


def test_the_answer_has_the_shape_of_the_contract():
    found = forecast(_strokes(), "mnist-rotation-crop", against="mnist-second-set", **QUICK)
    document = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert {"dataset", "bank", "images", "views", "kept", "classes", "clusters", "guards", "seconds"} <= set(document)
    assert (document["dataset"], document["bank"], document["images"], document["views"]) == (
        "few-strokes",
        "live",
        400,
        4,
    )
    for row in document["kept"]:
        assert {"name", "kind", "value", "low", "high", "icc", "plain"} <= set(row)
        assert row["kind"] in ("descriptor", "classes", "column")
        assert 0 <= row["low"] <= row["value"] + 1e-9
        assert row["value"] <= row["high"] + 1e-9 <= 1 + 1e-6
        assert row["icc"] is None or 0 <= row["icc"] <= 1
    assert {row["name"] for row in document["kept"]} >= {"brightness", "thickness_px", "slant_deg", "digit"}
    assert len(document["classes"]) == 10
    more = [row["confused"] - row["plain"] for row in document["pairs"]]
    assert more == sorted(more, reverse=True)
    assert all(rise > 0 for rise in more)
    assert all({row["a"], row["b"]} <= set(map(str, range(10))) and row["against"] >= 0 for row in document["pairs"])
    assert document["clusters"]["k"] == 10
    assert found.embedding.shape == (200, 64)
    assert len(found.image_ids) == len(found.cluster_ids) == 200


def test_classes_are_read_with_what_they_are_taken_for():
    train, test = np.array([[0.0], [0.1], [5.0], [5.1]]), np.array([[0.0], [5.0], [5.1], [0.2]])
    accuracy, taken = read_classes(train, np.array([0, 0, 1, 1]), test, np.array([0, 0, 1, 1]), classes=3, seed=5)
    assert accuracy.value == 0.5
    assert np.array_equal(taken[:2], [[0.5, 0.5, 0], [0.5, 0.5, 0]])
    assert np.isnan(taken[2]).all()


def test_the_same_seed_gives_the_same_answer_and_another_seed_other_images():
    images = _strokes()
    one, again, other = (forecast(images, "mnist-rotation-crop", seed=s, **QUICK) for s in (5, 5, 6))
    assert one.kept == again.kept
    assert not np.array_equal(one.image_ids, other.image_ids)


def test_flips_cost_slant_and_keep_thickness_and_digits_are_found_without_labels():
    images = _strokes()
    first = forecast(images, "mnist-rotation-crop", **QUICK)
    second = forecast(images, "mnist-second-set", **QUICK)
    assert _value(second, "slant_deg") < _value(first, "slant_deg") - 0.1
    assert _value(second, "thickness_px") > _value(first, "thickness_px") - 0.15
    assert _value(first, "digit") > _value(second, "digit")
    assert first.clusters["ami"] > second.clusters["ami"]
    assert first.clusters["ami"] > 0.4


def test_by_step_says_what_each_step_costs():
    composition = _composition(("rotation", 1.0, {"degrees": 20.0}), ("horizontal_flip", 0.5, {}))
    found = forecast(_strokes(), composition, by_step=True, **QUICK)
    assert [cost.place for cost in found.steps] == [1, 2]
    assert set(found.steps[0].kept) == {row.name for row in found.kept}


def test_progress_rises_to_one_and_may_end_the_work():
    told = []
    images = _strokes()
    forecast(images, "mnist-rotation-crop", progress=told.append, **QUICK)
    assert told == sorted(told)
    assert told[-1] == 1.0

    def stop(share):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        forecast(images, "mnist-rotation-crop", progress=stop, **QUICK)


def test_a_fixed_crop_is_what_the_network_is_shown():
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 40, (200, 1, 32, 32), dtype=np.uint8)
    border = rng.integers(0, 200, 200)
    pixels[:, :, :6] += border[:, None, None, None].astype(np.uint8)
    images = _plain_set(pixels, border=border.astype(float), kind=["a", "b"] * 100)
    crop = _composition(("center_crop", 1.0, {"side": [0.5, 0.5]}), ("horizontal_flip", 0.5, {}))
    whole, fixed = (forecast(images, crop, bank="live", images=200, views=4, input=w) for w in ("whole", "fixed_steps"))
    assert _value(whole, "border") > 0.8
    assert _value(fixed, "border") < 0.2
    flips = Term(_composition(("horizontal_flip", 0.5, {})))  # of several terms the first with a fixed step, as runs do
    both = forecast(images, [flips, Term(crop)], bank="live", images=200, views=4, input="fixed_steps")
    assert _value(both, "border") < 0.2


@pytest.mark.parametrize("channels", [1, 3, 5])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_any_channels_and_depth(channels, dtype):
    rng = np.random.default_rng(0)
    top = np.iinfo(dtype).max
    pixels = rng.integers(0, top, (60, channels, 24, 24)).astype(dtype)
    found = forecast(_plain_set(pixels), "mnist-rotation-crop-flips", bank="live", images=60, views=2)
    assert "classes" in found.missing
    assert found.clusters["ami"] is None
    assert any("rough" in text for text in found.guards)


def test_two_images_are_too_few():
    pixels = np.random.default_rng(0).integers(0, 255, (2, 1, 16, 16), dtype=np.uint8)
    with pytest.raises(SpecError, match="images must be 40 or more"):
        forecast(_plain_set(pixels), "mnist-first-set", **QUICK)


def test_constant_images_are_refused():
    with pytest.raises(DataError, match="different from one another"):
        forecast(_plain_set(np.full((60, 1, 16, 16), 9, np.uint8)), "mnist-rotation-crop", **QUICK)


def test_one_class_and_a_constant_column_are_said_and_the_rest_is_answered():
    pixels, table = DRAWN
    images = create("one", pixels, table.assign(kind="a", same=3.0), Metadata(label="kind"))
    found = forecast(images, "mnist-rotation-crop", **QUICK)
    assert "fewer than two classes" in found.missing["kind"]
    assert not found.classes
    assert _value(found, "thickness_px") > 0.3


def test_equal_views_are_warned_of():
    found = forecast(_strokes(), "identity", **QUICK)
    assert any("All views of an image are equal" in text for text in found.guards)
    assert _value(found, "digit") == pytest.approx(next(r.plain for r in found.kept if r.name == "digit"), abs=0.1)


def test_a_step_that_does_nothing_is_named():
    composition = _composition(("rotation", 1.0, {"degrees": 20.0}), ("grayscale", 0.5, {}))
    found = forecast(_strokes(), composition, **QUICK)
    assert any("step 2 (grayscale) changes nothing" in text for text in found.guards)
    assert not any("step 1" in text for text in found.guards)


def test_views_that_share_nothing_are_warned_of():
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 255, (300, 1, 32, 32), dtype=np.uint8)
    strong = _composition(
        ("resized_crop", 1.0, {"scale": [0.02, 0.05]}),
        ("rotation", 1.0, {"degrees": 180.0}),
        ("color_jitter", 1.0, {"brightness": 0.9, "contrast": 0.9}),
        ("invert", 0.5, {}),
    )
    found = forecast(_plain_set(pixels), strong, bank="live", images=300, views=8)
    said = next(text for text in found.guards if "almost nothing in common" in text)
    assert "Weaken step 1 (resized crop): it alone leaves views" in said


def test_a_colour_that_solves_the_task_is_warned_of():
    rng = np.random.default_rng(0)
    levels = rng.integers(20, 230, (200, 3, 1, 1))
    pixels = np.clip(levels + rng.integers(-3, 3, (200, 3, 32, 32)), 0, 255).astype(np.uint8)
    images = _plain_set(pixels)
    found = forecast(images, _composition(("horizontal_flip", 0.5, {})), **QUICK)
    said = next(text for text in found.guards if "histogram of values alone finds" in text)
    assert "No step varies it. Add one that varies brightness or colour." in said
    weak = _composition(("horizontal_flip", 0.5, {}), ("color_jitter", 1.0, {"brightness": 0.01}))
    said = next(text for text in forecast(images, weak, **QUICK).guards if "histogram of values alone" in text)
    assert said.endswith("Step 2 (color jitter) varies it too little: strengthen it.")


def test_a_border_that_solves_the_task_is_warned_of():
    rng = np.random.default_rng(0)
    framed = rng.integers(0, 255, (200, 1, 36, 36), dtype=np.uint8)
    framed[..., 2:-2, 2:-2] = framed[:1, ..., 2:-2, 2:-2]  # all alike but for the border
    noise = _composition(("gaussian_noise", 1.0, {"sigma": [0.01, 0.02]}))
    said = [text for text in forecast(_plain_set(framed), noise, **QUICK).guards if "border of the picture" in text]
    assert said[0].endswith("No step varies it. Add a crop or a shift, so that the border differs.")


def test_a_vignette_that_solves_the_task_is_warned_of_and_the_step_that_should_help_is_named():
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:32, :32] - 15.5
    rings = np.minimum(np.hypot(y, x) / 2, 11).astype(int)
    levels = rng.integers(20, 230, (200, 12))
    vignettes = (levels[:, rings] + rng.integers(-9, 9, (200, 32, 32))).clip(0, 255).astype(np.uint8)[:, None]
    turned = _composition(
        *((f"{way}_flip", 0.5, {}) for way in ("horizontal", "vertical")), ("color_jitter", 1.0, {"brightness": 0.02})
    )
    said = [text for text in forecast(_plain_set(vignettes), turned, **QUICK).guards if "from centre to border" in text]
    assert said[0].endswith("Step 3 (color jitter) varies it too little: strengthen it.")


def test_two_terms_that_undo_each_other_are_named():
    rng = np.random.default_rng(1)
    patterns = rng.normal(0, 1, (300, 1, 8, 8)).repeat(4, axis=2).repeat(4, axis=3)
    patterns -= patterns.mean(axis=(2, 3), keepdims=True)
    pixels = np.clip(rng.integers(60, 200, (300, 1, 1, 1)) + 40 * patterns, 0, 255).astype(np.uint8)
    images = _plain_set(pixels)
    shape = Term(_composition(("color_jitter", 1.0, {"brightness": 0.95, "contrast": 0.95})))
    light = Term(_composition(("resized_crop", 1.0, {"scale": [0.02, 0.04]}), ("rotation", 1.0, {"degrees": 180.0})))
    mild = Term(_composition(("horizontal_flip", 0.5, {})))
    said = next(text for text in forecast(images, [shape, light], **QUICK).guards if "undo each other" in text)
    assert "Most of it is step 1 (color jitter) of term 1 and step 1 (resized crop) of term 2" in said
    assert not any("undo each other" in text for text in forecast(images, [shape, mild], **QUICK).guards)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"bank": "randm"}, "Did you mean random"),
        ({"views": 1}, "views must be a whole number in 2..32"),
        ({"images": 3}, "images must be a whole number"),
        ({"input": "half"}, "input must be whole or fixed_steps"),
        ({"bank": "resnet18"}, "weights"),
    ],
)
def test_wrong_settings_are_named(wrong, said, monkeypatch):
    monkeypatch.setattr("urllib.request.urlopen", no_network)
    with pytest.raises(SpecError, match=said):
        forecast(_strokes(), "mnist-rotation-crop", **{**QUICK, **wrong})
