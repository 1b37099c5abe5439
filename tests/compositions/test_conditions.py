"""What a projector is told of a view, beside the numbers worked out one by one from the draws."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from ssrl_core.compositions.conditions import Conditions
from ssrl_core.compositions.draws import Draws, draw
from ssrl_core.compositions.transforms import random_erasing, resized_crop
from ssrl_core.specs.composition import Branch, Composition, Step, ViewGroup, load
from tests.compositions.test_views import EVERYTHING, mixed
from tests.compositions.workbench import composition, step

SHAPE = (3, 20, 30)
STEPS = (
    step("resized_crop", scale=[0.3, 1.0], p=0.7),
    step("rotation", degrees=25),
    step("color_jitter", brightness=0.4, contrast=0.0, saturation=0.2, hue=0.1, p=0.8),
    Step("choice", 0.9, branches=(Branch(1, (step("invert"),)), Branch(2, (step("gaussian_blur"),)))),
    step("random_erasing", p=0.5),
    step("horizontal_flip", p=0.5),
    step("solarize", threshold=[0.5, 0.5]),
    step("gamma", p=0.0),
)


def _numbers(draws: Draws, view: int, image: int) -> list[tuple[float, bool]]:
    """Each number of one view by hand, and whether it means anything."""
    crop, turn, jitter, choice, erased, flip, solar, _ = draws.groups[0].steps
    found: list[tuple[float, bool]] = []

    def at(step: Any) -> tuple[bool, dict[str, Any]]:
        return bool(step.applied[view, image]), {name: value[view, image] for name, value in step.values.items()}

    def add(here: bool, *numbers: float) -> None:
        found.extend([(float(here), True), *((number, here) for number in numbers)])

    here, values = at(crop)
    boxes = resized_crop.boxes(crop.step, {name: np.array([value]) for name, value in values.items()}, SHAPE[1:])
    top, left, height, width = (float(side[0]) for side in boxes)
    if not here:
        top, left, height, width = 0.0, 0.0, 20.0, 30.0
    add(here, width / 30, 0.0, left / 30, 0.0, height / 20, top / 20)
    here, values = at(turn)
    angle = math.radians(values["angle_deg"])  # counter-clockwise; y points down: the old point is turned clockwise
    c, s = math.cos(angle), math.sin(angle)
    add(here, c, -s, 0.5 - (c - s) / 2, s, c, 0.5 - (s + c) / 2)
    here, values = at(jitter)
    add(here, *(values[name] for name in ("brightness", "contrast", "saturation", "hue")))
    add(at(choice.branches[0][0])[0])
    here, values = at(choice.branches[1][0])
    add(here, values["sigma"])
    here, values = at(erased)
    box = random_erasing.boxes({name: np.array([value]) for name, value in values.items()}, (20, 20))
    add(here, *(float(side[0]) / 20 for side in box))
    here, _ = at(flip)
    add(here, -1.0 if here else 1.0, 0.0, 1.0 if here else 0.0, 0.0, 1.0, 0.0)
    here, values = at(solar)
    add(here, values["threshold"])
    return found


def test_vectors_equal_their_slow_twin() -> None:
    made = composition(*STEPS)
    sample = draw(made, np.arange(1024), seed=0, epoch=0)
    rows = [_numbers(sample, view, image) for view in range(2) for image in range(1024)]
    columns = []
    for place in range(len(rows[0])):
        known = [row[place][0] for row in rows if row[place][1]]
        mean = sum(known) / len(known)
        sd = math.sqrt(sum((value - mean) ** 2 for value in known) / len(known))
        if sd > 1e-9:
            columns.append((place, mean, sd))
    drawn = draw(made, [3, 70_000, 5], seed=9, epoch=4)
    conditions = Conditions([made], SHAPE)
    (told,) = conditions.of(0, drawn)
    assert told.shape == (2, 3, len(columns)) == (2, 3, conditions.width)
    for view in range(2):
        for image in range(3):
            numbers = _numbers(drawn, view, image)
            expected = [(numbers[p][0] - mean) / sd if numbers[p][1] else 0.0 for p, mean, sd in columns]
            np.testing.assert_allclose(told[view, image], expected, rtol=1e-5, atol=1e-5)


def test_what_is_told_hangs_on_the_image_and_not_on_its_batch() -> None:
    made = mixed()
    conditions = Conditions([made], SHAPE)
    whole = conditions.of(0, draw(made, np.arange(6), seed=5, epoch=2))
    part = conditions.of(0, draw(made, [4, 1], seed=5, epoch=2))
    assert [told.shape for told in whole] == [(2, 6, conditions.width), (3, 6, conditions.width)]
    for every, some in zip(whole, part, strict=True):
        np.testing.assert_array_equal(every[:, [4, 1]], some)
        assert np.isfinite(every).all()
    first, second = (np.abs(told).max(axis=(0, 1)) > 0 for told in whole)
    assert not (first & second).any()  # other steps, other places


def test_terms_and_groups_of_other_steps_have_places_of_their_own_and_equal_groups_share_theirs() -> None:
    steps = (step("rotation", degrees=20), step("invert", p=0.5))
    two = Composition("two", (ViewGroup("a", 2, steps), ViewGroup("b", 4, steps, 10, "local")))
    conditions = Conditions([two, load("mnist-rotation-crop")], (1, 28, 28))
    alone = [Conditions([one], (1, 28, 28)).width for one in (two, load("mnist-rotation-crop"))]
    assert conditions.width == sum(alone)
    a, b = conditions.of(0, draw(two, np.arange(9), seed=5, epoch=0))
    assert (a[..., : alone[0]] != 0).any()
    assert not a[..., alone[0] :].any()
    assert not b[..., alone[0] :].any()
    (c,) = conditions.of(1, draw(load("mnist-rotation-crop"), np.arange(9), seed=5, epoch=0))
    assert not c[..., : alone[0]].any()


@pytest.mark.parametrize("name", EVERYTHING)
def test_every_transform_is_told_of(name: str) -> None:
    conditions = Conditions([composition(step(name, p=0.5, **EVERYTHING[name]))], SHAPE)
    assert conditions.width >= 1
    (told,) = conditions.of(0, draw(conditions._compositions[0], np.arange(4000), seed=1, epoch=1))
    assert abs(float(told.mean())) < 0.1
    assert abs(told[..., 0].std() - 1) < 0.1


def test_nothing_is_told_where_nothing_is_left_to_chance() -> None:
    assert Conditions([load("identity")], SHAPE).width == 0
    assert Conditions([composition(step("invert"), step("center_crop", side=[0.5, 0.5]))], SHAPE).width == 0
