"""Consecutive geometric steps: one resampling, with the meaning of doing them one after the other."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as F

from ssrl_core.compositions import geometry
from ssrl_core.compositions.plan import make_plan
from ssrl_core.specs.composition import Branch, Step
from tests.compositions import twins
from tests.compositions.workbench import composition, noise, photographs, step, values, view

CHAINS = {
    "rotation, affine": [step("rotation", degrees=70), step("affine", degrees=20, translate=0.2, shear=15)],
    "crop, rotation": [step("resized_crop", scale=[0.3, 0.8]), step("rotation", degrees=50)],
    "rotation, crop, flip": [step("rotation"), step("resized_crop", scale=[0.3, 0.9]), step("horizontal_flip")],
    "affine, overflow, rotation, all filled": [
        step("affine", translate=0.3, shear=20, fill=0.9),
        step("resized_crop", scale=[0.5, 0.8], overflow="pad", fill=0.4),
        step("rotation", degrees=90, fill=0.2),
    ],
    "centre crop, rotation, centre crop": [
        step("center_crop", side=[0.6, 0.9]),
        step("rotation", degrees=30),
        step("center_crop", side=[0.7, 0.9]),
    ],
    "sometimes": [
        step("rotation", degrees=40, p=0.5),
        step("vertical_flip", p=0.5),
        step("affine", translate=0.2, p=0.5, fill=0.5),
        step("resized_crop", scale=[0.4, 0.9], p=0.5),
    ],
}


def chain_of(source, steps, draws):
    made = composition(*steps)
    plan = make_plan(made.views[0], draws.groups[0], source.shape[1], tuple(source.shape[2:]), "test")
    (run,) = plan.stages
    return run.chain(np.arange(2 * len(source)))


@pytest.mark.parametrize("name", CHAINS)
def test_twin_that_asks_step_by_step_for_each_point_agrees(name):
    source = noise(3, 1, 17)
    views, draws = view(source, *CHAINS[name])
    chain = chain_of(source, CHAINS[name], draws)
    for number in range(6):
        expected = twins.rendered(source[number % 3, 0].double().numpy(), chain, number)
        assert np.abs(views[number // 3, number % 3, 0].numpy() - expected).max() < 1e-4


def test_twin_agrees_on_oblong_images():
    source = noise(2, 1, 19, 13)
    steps = [step("rotation", degrees=30), step("resized_crop", scale=[0.3, 0.6])]
    views, draws = view(source, *steps)
    chain = chain_of(source, steps, draws)
    for number in range(4):
        expected = twins.rendered(source[number % 2, 0].double().numpy(), chain, number)
        assert np.abs(views[number // 2, number % 2, 0].numpy() - expected).max() < 1e-4


def test_cuts_flips_and_margins_in_whole_pixels_equal_torchvision_step_by_step():
    """Where no step resizes, doing them one by one loses nothing either, so both must agree exactly."""
    source = noise(8, 2, 24)
    steps = [
        step("horizontal_flip", p=0.5),
        step("affine", translate=[0.25, 0.25], fill=0.5),
        step("vertical_flip", p=0.5),
        step("affine", translate=[-0.5, -0.5]),
    ]
    views, draws = view(source, *steps)
    flips = [draws.groups[0].steps[i].applied for i in (0, 2)]
    for v in range(2):
        for b in range(8):
            image = source[b].flip(2) if flips[0][v, b] else source[b]
            image = F.pad(image, [6, 6, 0, 0], fill=0.5)[:, :24, :24]
            image = image.flip(1) if flips[1][v, b] else image
            image = F.pad(image, [0, 0, 12, 12])[:, 12:, 12:]
            assert torch.equal(views[v, b], image)


def test_what_an_intermediate_step_pushed_out_stays_lost():
    source = torch.ones(1, 1, 20, 20)
    away_and_back = [step("affine", translate=[0.5, 0.5]), step("affine", translate=[-0.5, -0.5])]
    views, _ = view(source, *away_and_back)
    assert views[0, 0, 0, :10, :10].eq(1).all()
    assert views[0].sum() == 100
    turned = [step("rotation", degrees=[45, 45]), step("rotation", degrees=[-45, -45])]
    corner = view(source, *turned)[0][0, 0, 0]
    assert corner[0, 0] == 0
    assert corner[10, 10] == 1


def test_a_crop_after_a_margin_shows_the_margin_and_a_margin_after_a_crop_does_not_show_the_image():
    source = torch.ones(1, 1, 20, 20)
    views, _ = view(source, step("pad", fraction=0.5), step("center_crop", side=0.5))
    assert (views[0, 0, 0] - 1).abs().max() < 1e-6
    views, _ = view(source, step("center_crop", side=0.5), step("pad", fraction=0.5, fill=0.25))
    assert views[0, 0, 0, 10, 10] == 1
    assert views[0, 0, 0, 1, 1] == 0.25
    assert views.mean() == pytest.approx(0.25 + 0.75 * 0.25, abs=0.02)


def test_composed_views_look_like_step_by_step_but_sharper():
    source = photographs(4, 96).float() / 255
    steps = [step("rotation", degrees=40), step("affine", degrees=20, translate=0.1, shear=10), step("pad")]
    views, draws = view(source, *steps, count=1)
    turn, drawn, margin = (values(draws, i) for i in range(3))
    for b in range(4):
        image = F.rotate(source[b], float(turn["angle_deg"][0, b]), InterpolationMode.BILINEAR)
        shift = [96 * float(drawn["shift_x"][0, b]), 96 * float(drawn["shift_y"][0, b])]
        slant = [float(drawn["shear_deg"][0, b]), 0.0]
        image = F.affine(image, float(drawn["angle_deg"][0, b]), shift, 1.0, slant, InterpolationMode.BILINEAR)
        image = F.pad(image, [round(96 * float(margin["fraction"][0, b]))] * 4)
        image = F.resize(image, [96, 96], InterpolationMode.BILINEAR, antialias=True)
        assert (views[0, b] - image).abs().mean() < 0.02
        detail = [(x[:, 1:] - x[:, :-1]).square().mean() for x in (views[0, b], image)]
        assert detail[0] > detail[1]


@pytest.mark.parametrize("turn", [0.0, 17.0])
def test_shrinking_is_antialiased(turn):
    """A fine chequerboard shrunk eightfold is grey, turned or not."""
    board = (torch.arange(256)[:, None] + torch.arange(256)) % 2
    views, _ = view(board[None, None].float(), step("rotation", degrees=[turn, turn]), size=32)
    inner = views[0, 0, 0, 10:22, 10:22]
    assert (inner - 0.5).abs().max() < 0.02


def test_shrinking_twice_and_a_half_averages_several_points():
    ramp = torch.linspace(0, 1, 160).expand(1, 1, 160, 160)
    views, _ = view(ramp, step("rotation", degrees=[30, 30]), size=64)
    exact = F.resize(F.rotate(ramp, 30, InterpolationMode.BILINEAR), [64, 64], antialias=True)
    assert (views[0] - exact)[..., 16:48, 16:48].abs().max() < 2e-3


def test_choice_of_two_geometric_branches_is_one_resampling_too():
    branches = (Branch(1, (step("rotation", degrees=30),)), Branch(1, (step("resized_crop", scale=[0.3, 0.6]),)))
    steps = [Step("choice", branches=branches), step("horizontal_flip", p=0.5)]
    source = noise(4, 1, 15)
    views, draws = view(source, *steps)
    chain = chain_of(source, steps, draws)
    assert len(chain) == 3
    taken = draws.groups[0].steps[0].values["branch"]
    assert set(taken.ravel()) == {0, 1}
    upright = geometry.upright(chain).reshape(2, 4)
    assert np.array_equal(upright, taken == 1)
    for number in np.flatnonzero(taken.ravel() == 0):
        expected = twins.rendered(source[number % 4, 0].double().numpy(), chain, number)
        assert np.abs(views[number // 4, number % 4, 0].numpy() - expected).max() < 1e-4
