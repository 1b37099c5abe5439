from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from ssrl_core.compositions.draws import draw, fixed_steps
from ssrl_core.errors import SpecError
from ssrl_core.specs.composition import Branch, Composition, Step, ViewGroup, load, preset_names
from ssrl_core.specs.transforms import TRANSFORMS
from tests.compositions.twins import philox
from tests.compositions.workbench import composition, step, values

MANY = np.arange(20_000)


def same(a, b) -> bool:
    return a.keys() == b.keys() and all(np.array_equal(a[k], b[k]) for k in a)


def steps_of(draws):
    return [(s.applied, s.values) for g in draws.groups for s in g.steps]


@pytest.mark.parametrize("name", TRANSFORMS)
def test_every_transform_is_applied_as_often_as_p_says(name):
    for p in (0.0, 0.2, 0.5, 1.0):
        applied = draw(composition(step(name, p=p), count=1), MANY, seed=5, epoch=0).groups[0].steps[0].applied
        assert abs(applied.mean() - p) <= 4 * np.sqrt(p * (1 - p) / len(MANY))


def test_views_and_epochs_and_steps_are_independent_coins():
    made = composition(step("invert", p=0.5), step("invert", p=0.5))
    first = draw(made, MANY, seed=5, epoch=0).groups[0].steps
    later = draw(made, MANY, seed=5, epoch=1).groups[0].steps
    coins = [first[0].applied[0], first[0].applied[1], first[1].applied[0], later[0].applied[0]]
    for i, one in enumerate(coins):
        for other in coins[i + 1 :]:
            assert abs((one == other).mean() - 0.5) < 4 * 0.5 / np.sqrt(len(MANY))


RANGES = [
    ("resized_crop", {"scale": [0.3, 0.9]}, "area", 0.3, 0.9),
    ("center_crop", {"side": [0.2, 0.8]}, "side", 0.2, 0.8),
    ("side_crop", {"side": [0.2, 0.8]}, "side", 0.2, 0.8),
    ("pad", {"fraction": [0.1, 0.4]}, "fraction", 0.1, 0.4),
    ("rotation", {"degrees": 25}, "angle_deg", -25, 25),
    ("rotation", {"degrees": [10, 30]}, "angle_deg", 10, 30),
    ("affine", {"degrees": 20}, "angle_deg", -20, 20),
    ("affine", {"translate": 0.1}, "shift_x", -0.1, 0.1),
    ("affine", {"translate": 0.1}, "shift_y", -0.1, 0.1),
    ("affine", {"shear": 10}, "shear_deg", -10, 10),
    ("affine", {"scale": [0.5, 2.0]}, "scale", 0.5, 2.0),
    ("color_jitter", {"brightness": 0.4}, "brightness", 0.6, 1.4),
    ("color_jitter", {"contrast": 1.5}, "contrast", 0.0, 2.5),
    ("color_jitter", {"saturation": [0.5, 1.0]}, "saturation", 0.5, 1.0),
    ("color_jitter", {"hue": 0.125}, "hue", -0.125, 0.125),
    ("hue_jitter", {"hue": 0.5}, "hue", -0.5, 0.5),
    ("gaussian_blur", {"sigma": [0.1, 2.0]}, "sigma", 0.1, 2.0),
    ("solarize", {"threshold": [0.2, 0.7]}, "threshold", 0.2, 0.7),
    ("random_erasing", {"scale": [0.02, 0.3]}, "area", 0.02, 0.3),
    ("gaussian_noise", {"sigma": [0.01, 0.2]}, "sigma", 0.01, 0.2),
    ("defocus", {"radius": [0.5, 3.0]}, "radius", 0.5, 3.0),
    ("channel_drop", {}, "channel", 0.0, 1.0),
    ("elastic", {"amplitude": [0.01, 0.05]}, "amplitude", 0.01, 0.05),
    ("elastic", {"spacing": [0.1, 0.4]}, "spacing", 0.1, 0.4),
    ("saturation_noise", {"exposure": [1.0, 3.0]}, "exposure", 1.0, 3.0),
    ("saturation_noise", {"share": [0.0, 0.1]}, "share", 0.0, 0.1),
    ("shading", {"depth": [0.1, 0.6]}, "depth", 0.1, 0.6),
]


@pytest.mark.parametrize(("name", "settings", "value", "low", "high"), RANGES)
def test_every_range_is_uniform_within_its_bounds(name, settings, value, low, high):
    drawn = values(draw(composition(step(name, **settings), count=1), MANY, seed=5, epoch=0))[value]
    drawn = drawn.reshape(len(MANY), -1)[:, 0]
    assert drawn.min() >= low
    assert drawn.max() <= high
    share = (drawn - low) / (high - low)
    assert abs(share.mean() - 1 / 2) < 4 * np.sqrt(1 / 12 / len(MANY))
    assert abs(share.var() - 1 / 12) < 4 * np.sqrt(1 / 180 / len(MANY))
    tenths = np.histogram(share, 10, (0, 1))[0] / len(MANY)
    assert np.abs(tenths - 0.1).max() < 4 * np.sqrt(0.09 / len(MANY))


@pytest.mark.parametrize(
    ("name", "value", "low", "high"),
    [
        ("resized_crop", "ratio", 0.75, 4 / 3),
        ("random_erasing", "ratio", 0.3, 3.3),
        ("gamma", "gamma", 0.5, 2.0),
        ("poisson_noise", "photons", 50.0, 500.0),
    ],
)
def test_ratios_are_log_uniform_within_their_bounds(name, value, low, high):
    drawn = values(draw(composition(step(name), count=1), MANY, seed=5, epoch=0))[value].reshape(len(MANY), -1)[:, 0]
    assert low <= drawn.min() <= drawn.max() <= high
    share = np.log(drawn / low) / np.log(high / low)
    assert abs(share.mean() - 1 / 2) < 4 * np.sqrt(1 / 12 / len(MANY))
    assert abs(share.var() - 1 / 12) < 4 * np.sqrt(1 / 180 / len(MANY))


def test_every_order_of_the_jitter_comes_up_equally_often():
    order = values(draw(composition(step("color_jitter"), count=1), MANY, seed=5, epoch=0))["order"][0]
    counts = np.unique(order @ [64, 16, 4, 1], return_counts=True)[1] / len(MANY)
    assert len(counts) == 24
    assert np.abs(counts - 1 / 24).max() < 4 * np.sqrt(1 / 24 / len(MANY))
    fixed = values(draw(composition(step("color_jitter", order="fixed")), MANY, seed=5, epoch=0))["order"]
    assert (fixed == np.arange(4)).all()


def test_a_range_of_one_number_gives_that_number():
    drawn = values(draw(composition(step("center_crop", side=0.7)), np.arange(9), seed=1, epoch=0))["side"]
    assert (drawn == 0.7).all()


@pytest.mark.parametrize(("name", "setting"), [(name, s) for name, row in TRANSFORMS.items() for s in row.once])
def test_what_is_drawn_once_is_one_value_for_a_run_and_uniform_over_runs(name, setting):
    made = composition(Step(name, settings={setting: [0.2, 0.8]}, once=(setting,)))
    of_run = []
    for seed in range(2000):
        drawn = values(draw(made, [0, 7], seed=seed, epoch=seed % 3))
        of_run.append(drawn[setting][0, 0])
        assert (drawn[setting] == of_run[-1]).all()
    assert values(draw(made, [12345], seed=3, epoch=77))[setting][0, 0] == of_run[3]
    share = (np.array(of_run) - 0.2) / 0.6
    assert abs(share.mean() - 1 / 2) < 4 * np.sqrt(1 / 12 / len(share))
    assert abs(share.var() - 1 / 12) < 4 * np.sqrt(1 / 180 / len(share))


def test_a_crop_of_one_size_for_a_run_still_moves():
    every = composition(step("side_crop", side=[0.5, 0.9]))
    once = composition(Step("side_crop", settings={"side": [0.5, 0.9]}, once=("side",)))
    fixed, free = (values(draw(made, MANY[:500], seed=5, epoch=0)) for made in (once, every))
    assert len(np.unique(fixed["side"])) == 1 < len(np.unique(free["side"]))
    assert (fixed["row"] == free["row"]).all()
    assert fixed_steps(once).steps == ()  # a training of another seed would show another size


@pytest.mark.parametrize("name", preset_names())
def test_draws_do_not_depend_on_batch_or_order(name):
    made = load(name)
    whole = steps_of(draw(made, np.arange(40), seed=7, epoch=3, term=1))
    rows = np.array([31, 2, 17])
    part = steps_of(draw(made, rows, seed=7, epoch=3, term=1))
    for (applied, drawn), (some_applied, some) in zip(whole, part, strict=True):
        assert np.array_equal(applied[:, rows], some_applied)
        assert same({k: v[:, rows] for k, v in drawn.items()}, some)


def test_draws_differ_between_seeds_epochs_terms_and_views():
    made = composition(step("rotation"))
    base = {"seed": 5, "epoch": 0, "term": 0}
    angles = [
        values(draw(made, [3], **(base | change)))["angle_deg"]
        for change in ({}, {"seed": 6}, {"epoch": 1}, {"term": 1})
    ]
    assert len({float(a) for pair in angles for a in pair.ravel()}) == 8


def test_other_steps_do_not_reroll_a_step():
    first = composition(step("rotation"), step("affine", degrees=20), step("pad"))
    other = composition(step("invert", p=0.3), Step("affine", 0.5, settings={"degrees": 40.0}), step("pad"))
    off = composition(Step("rotation", enabled=False), step("affine", degrees=20), step("pad"))
    a, b, c = (draw(made, np.arange(50), seed=5, epoch=0) for made in (first, other, off))
    assert same(values(a, 2), values(b, 2))
    assert same(values(a, 1), values(c, 1))
    assert np.array_equal(values(a, 1)["shear_deg"], values(b, 1)["shear_deg"])
    assert np.allclose(2 * values(a, 1)["angle_deg"], values(b, 1)["angle_deg"])
    assert not c.groups[0].steps[0].applied.any()


def test_counter_is_the_one_of_the_contract():
    made = composition(step("invert"), step("rotation", degrees=180, p=0.5))
    drawn = draw(made, [2**32 - 1, 12], seed=2**32 - 1, epoch=9, term=4).groups[0].steps[1]
    for view in (0, 1):
        for row, image in enumerate((2**32 - 1, 12)):
            coin = philox([image, 9, view, 32 * 1 + 0], [2**32 - 1, 4])[0] / 2**32
            turn = philox([image, 9, view, 32 * 1 + 1], [2**32 - 1, 4])[0] / 2**32
            assert drawn.applied[view, row] == (coin < 0.5)
            assert drawn.values["angle_deg"][view, row] == -180 + turn * 360


def test_views_are_counted_through_all_groups():
    steps = (step("rotation"),)
    both = Composition("both", (ViewGroup("one", 1, steps), ViewGroup("two", 1, steps)))
    pair = Composition("pair", (ViewGroup("view", 2, steps),))
    a = draw(both, np.arange(5), seed=5, epoch=0).groups
    b = draw(pair, np.arange(5), seed=5, epoch=0).groups[0]
    assert np.array_equal(a[1].steps[0].values["angle_deg"][0], b.steps[0].values["angle_deg"][1])
    assert not np.array_equal(a[0].steps[0].values["angle_deg"], a[1].steps[0].values["angle_deg"])


def choice(*weights: float, p: float = 1.0) -> Step:
    inner = [("rotation", {"degrees": 30.0}), ("invert", {}), ("pad", {})]
    branches = tuple(Branch(w, (Step(n, 0.5, settings=s),)) for w, (n, s) in zip(weights, inner, strict=False))
    return Step("choice", p, branches=branches)


def test_choice_takes_branches_as_often_as_their_weights_say():
    drawn = draw(composition(choice(3, 0, 1, p=0.8), count=1), MANY, seed=5, epoch=0).groups[0].steps[0]
    for branch, share in enumerate((0.75, 0.0, 0.25)):
        expected = 0.8 * share
        taken = drawn.applied[0] & (drawn.values["branch"][0] == branch)
        assert abs(taken.mean() - expected) <= 4 * np.sqrt(expected * (1 - expected) / len(MANY))
        (inner,) = drawn.branches[branch]
        assert not (inner.applied[0] & ~taken).any()
        assert abs(inner.applied.mean() - expected / 2) <= 4 * np.sqrt(expected / 2 / len(MANY))


def test_choice_is_independent_of_what_stands_beside_it():
    alone = draw(composition(choice(1, 1)), np.arange(50), seed=5, epoch=0).groups[0].steps[0]
    beside = draw(composition(choice(1, 1), choice(1, 1)), np.arange(50), seed=5, epoch=0).groups[0].steps
    angle = "angle_deg"
    assert np.array_equal(alone.branches[0][0].values[angle], beside[0].branches[0][0].values[angle])
    assert not np.array_equal(alone.branches[0][0].values[angle], beside[1].branches[0][0].values[angle])


@pytest.mark.parametrize("name", preset_names())
def test_describe_has_a_sentence_for_each_applied_step(name):
    drawn = draw(load(name), np.arange(4), seed=1, epoch=0)
    for view in range(load(name).view_count):
        group, within = drawn.place(view)
        for image in range(4):
            words = drawn.describe(view, image)
            assert len(words) == sum(bool(s.applied[within, image]) for s in group.steps)
            assert all(text and len(text) < 120 for text in words)


def test_describe_names_what_was_drawn():
    drawn = draw(composition(step("rotation", degrees=[14, 14]), step("invert")), [0], seed=5, epoch=0)
    assert drawn.describe(0, 0) == ["turned 14° counter-clockwise", "made a negative"]
    taken = draw(composition(Step("choice", branches=(Branch(1, (step("invert"),)),))), [0], seed=5, epoch=0)
    assert taken.describe(1, 0) == ["made a negative"]
    with pytest.raises(SpecError, match=r"view must be in 0\.\.1, got 2"):
        drawn.describe(2, 0)


@pytest.mark.parametrize(
    ("ids", "change", "field"),
    [
        ([-1], {}, "image_ids"),
        ([2**32], {}, "image_ids"),
        ([0.5], {}, "image_ids"),
        ([[1]], {}, "image_ids"),
        ([0], {"seed": -1}, "seed"),
        ([0], {"seed": 2**32}, "seed"),
        ([0], {"seed": True}, "seed"),
        ([0], {"seed": 1.5}, "seed"),
        ([0], {"epoch": 2**32}, "epoch"),
        ([0], {"term": -2}, "term"),
    ],
)
def test_numbers_outside_32_bits_are_refused_by_name(ids, change, field):
    with pytest.raises(SpecError) as caught:
        draw(composition(step("rotation")), ids, **({"seed": 0, "epoch": 0} | change))
    assert caught.value.field == field
    assert caught.value.remedy


def test_no_images_and_no_steps_are_fine():
    assert draw(composition(step("rotation")), [], seed=0, epoch=0).groups[0].steps[0].applied.shape == (2, 0)
    assert draw(composition(), [1, 2], seed=0, epoch=0).describe(0, 1) == []


def test_drawing_works_without_torch():
    code = (
        "import sys, numpy as np\n"
        "from ssrl_core.compositions.draws import draw\n"
        "from ssrl_core.specs.composition import load, preset_names\n"
        "for name in preset_names(): draw(load(name), np.arange(3), seed=0, epoch=0).describe(0, 0)\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
