"""What differs between microscopes and stainings, against definitions: scipy, torchvision, plain Python."""

from __future__ import annotations

import statistics

import numpy as np
import pytest
import torch
from scipy import stats
from torchvision.transforms import functional as F

from ssrl_core.compositions.random_numbers import normal, poisson
from ssrl_core.compositions.transforms import channel_gain, defocus, elastic, stain_crosstalk
from ssrl_core.errors import SpecError
from tests.compositions import twins
from tests.compositions.workbench import noise, step, values, view

WORDS = np.concatenate([[0, 1, 2, 2**31, 2**32 - 1], np.random.default_rng(0).integers(0, 2**32, 3000)])


def test_normal_numbers_are_the_inverse_of_the_distribution():
    exact = [statistics.NormalDist().inv_cdf((int(word) + 0.5) / 2**32) for word in WORDS]
    assert np.abs(normal(torch.from_numpy(WORDS)).numpy() - exact).max() < 1e-6


@pytest.mark.parametrize("expected", [0.0, 0.3, 4.0, 15.9])
def test_few_photons_are_the_inverse_of_the_distribution_exactly(expected):
    counts = poisson(torch.from_numpy(WORDS), torch.full((len(WORDS),), expected, dtype=torch.float64)).numpy()
    exact = stats.poisson.ppf((WORDS + 0.5) / 2**32, expected)
    assert (counts == (exact if expected else 0)).mean() > 0.999


@pytest.mark.parametrize("expected", [16.1, 30.0, 200.0])
def test_many_photons_have_the_distribution_of_counts(expected):
    even = (np.arange(1 << 17) * 2**15).astype(np.int64)
    counts = poisson(torch.from_numpy(even), torch.full((len(even),), expected, dtype=torch.float64)).numpy()
    found = np.bincount(counts.astype(int)) / len(even)
    exact = stats.poisson.pmf(np.arange(len(found)), expected)
    assert np.abs(found - exact).sum() / 2 < 5e-4
    assert abs(counts.mean() - expected) < 1e-3 * expected
    assert abs(counts.var() / expected - 1) < 2e-3


def test_gaussian_noise_has_the_drawn_width_and_is_its_own_for_each_pixel_channel_and_view():
    source = torch.full((4, 5, 64, 64), 0.5)
    views, draws = view(source, step("gaussian_noise", sigma=[0.02, 0.1]))
    for v in range(2):
        for b in range(4):
            z = (views[v, b] - 0.5) / float(values(draws)["sigma"][v, b])
            assert abs(float(z.mean())) < 4 / np.sqrt(z.numel())
            assert abs(float(z.std()) - 1) < 4 / np.sqrt(2 * z.numel())
    z = (views - 0.5).flatten(2).flatten(0, 1)
    assert (torch.corrcoef(z) - torch.eye(len(z))).abs().max() < 0.04
    channels = (views[0, 0] - 0.5).flatten(1)
    assert (torch.corrcoef(channels) - torch.eye(5)).abs().max() < 0.08
    key = [int(k) for k in values(draws)["noise"][0, 0]]
    words = twins.philox([3, 7, 1, 0], key)
    exact = 0.5 + float(values(draws)["sigma"][0, 0]) * statistics.NormalDist().inv_cdf((words[0] + 0.5) / 2**32)
    assert float(views[0, 0, 4, 3, 7]) == pytest.approx(exact, abs=1e-6)


def test_shot_noise_has_mean_x_and_variance_x_over_photons():
    for level in (0.02, 0.3, 0.6):
        views, _ = view(torch.full((4, 3, 64, 64), level), step("poisson_noise", photons=[200.0, 200.0]))
        assert abs(float(views.mean()) - level) < 5 * np.sqrt(level / 200 / views.numel())
        assert abs(float(views.var()) / (level / 200) - 1) < 0.03
        assert ((views * 200).round() - views * 200).abs().max() < 1e-3
    black, _ = view(torch.zeros(2, 3, 8, 8), step("poisson_noise"))
    assert not black.any()


def test_channel_gain_is_its_own_for_each_channel_and_uniform():
    source = torch.full((2000, 5, 1, 1), 0.4)
    made = step("channel_gain", gain=0.2, offset=0.1)
    views, draws = view(source, made)
    seeds = values(draws)["channels"].reshape(-1, 2)
    gain, offset = channel_gain.amounts(made, seeds, 5)
    assert np.abs(views.view(-1, 5).numpy() - (0.4 * gain + offset)).max() < 1e-6
    assert 0.8 <= gain.min() < 0.801
    assert 1.199 < gain.max() <= 1.2
    assert abs(gain.mean() - 1) < 4 * 0.4 * np.sqrt(1 / 12 / gain.size)
    assert abs(offset.mean()) < 4 * 0.2 * np.sqrt(1 / 12 / gain.size)
    table = np.corrcoef(np.concatenate([gain, offset], axis=1).T)
    assert np.abs(table - np.eye(10)).max() < 5 / np.sqrt(len(gain))


def test_channel_drop_takes_each_channel_equally_often_and_leaves_the_others():
    source = noise(900, 3, 4)
    views, _ = view(source, step("channel_drop", fill=0.25))
    dropped = (views == 0.25).flatten(3).all(3)
    assert (dropped.sum(2) == 1).all()
    assert (dropped.float().mean((0, 1)) - 1 / 3).abs().max() < 4 * np.sqrt(2 / 9 / 1800)
    assert torch.equal(views[~dropped], source.expand(2, -1, -1, -1, -1)[~dropped])
    with pytest.raises(SpecError, match="channels must be 2 or more, got 1") as caught:
        view(noise(channels=1), step("channel_drop"))
    assert "Leave the step out" in caught.value.remedy


def test_gamma_agrees_with_torchvision():
    source = noise()
    views, draws = view(source, step("gamma", gamma=[0.3, 3.0]))
    for v in range(2):
        for b in range(6):
            expected = F.adjust_gamma(source[b], float(values(draws)["gamma"][v, b]))
            assert (views[v, b] - expected).abs().max() < 2e-6


@pytest.mark.parametrize("radius", [0.7, 1.5, 3.0, 6.5])
def test_defocus_twin_agrees_even_where_the_disk_is_larger_than_the_image(radius):
    source = noise(1, 1, 9)
    out = view(source, step("defocus", radius=radius))[0][0, 0, 0].numpy()
    assert np.abs(out - twins.spread(source[0, 0].numpy(), radius)).max() < 2e-6


def test_defocus_up_to_half_a_pixel_changes_nothing_and_weights_sum_to_one():
    assert torch.equal(view(noise(), step("defocus", radius=[0.0, 0.5]))[0][0], noise())
    assert np.allclose(defocus.disks(np.array([0.6, 2.2, 5.0]), 5).sum((1, 2)), 1)


def test_elastic_twin_agrees_and_the_displacement_has_the_drawn_spread():
    source = noise(2, 3, 13)
    views, draws = view(source, step("elastic", amplitude=[0.02, 0.1], spacing=[0.2, 0.5]))
    drawn = values(draws)
    for v, b in ((0, 0), (1, 1)):
        settings = (
            float(drawn["amplitude"][v, b]),
            float(drawn["spacing"][v, b]),
            [int(k) for k in drawn["grid"][v, b]],
        )
        for channel in range(3):
            expected = twins.elastic(source[b, channel].numpy(), *settings)
            assert np.abs(views[v, b, channel].numpy() - expected).max() < 2e-5
    many = {
        "amplitude": np.full(400, 0.05),
        "spacing": np.full(400, 0.25),
        "grid": np.arange(800).reshape(400, 2),
    }
    moved = elastic.displacements(many, 64, 64) / 64
    assert moved.std() == pytest.approx(0.05, rel=0.08)
    assert np.abs(np.corrcoef(moved[:, 0].ravel(), moved[:, 1].ravel())[0, 1]) < 0.05
    assert torch.equal(view(source, step("elastic", amplitude=0.0))[0][0], source)
    assert np.allclose(elastic.splines(50, 0.13).sum(axis=1), 1)


def test_shading_is_1_at_its_spot_and_loses_its_depth_in_the_farthest_corner():
    views, draws = view(torch.full((3, 2, 41, 41), 0.8), step("shading", depth=[0.2, 0.9]))
    drawn = values(draws)
    for v in range(2):
        for b in range(3):
            depth, (x, y) = float(drawn["depth"][v, b]), drawn["spot"][v, b]
            side = views.shape[-1]
            place = (np.arange(side) + 0.5) / side
            far = max((cx - x) ** 2 + (cy - y) ** 2 for cx in (0, 1) for cy in (0, 1))
            light = 1 - depth * ((place[None, :] - x) ** 2 + (place[:, None] - y) ** 2) / far
            assert np.abs(views[v, b].numpy() - 0.8 * light).max() < 2e-6
            assert views[v, b].min() >= 0.8 * (1 - depth) - 1e-6


def test_crosstalk_adds_a_uniform_share_of_every_other_stain_and_leaves_the_own():
    source = torch.zeros(3000, 4, 1, 1)
    source[:, 1] = 0.5
    made = step("stain_crosstalk", share=[0.1, 0.3])
    views, draws = view(source, made)
    share = views.view(-1, 4).numpy() / 0.5
    assert (share[:, 1] == 1).all()
    for channel in (0, 2, 3):
        assert 0.1 <= share[:, channel].min() < 0.101
        assert 0.299 < share[:, channel].max() <= 0.3001
        assert abs(share[:, channel].mean() - 0.2) < 4 * 0.2 * np.sqrt(1 / 12 / len(share))
    mixing = stain_crosstalk.mixing(made, values(draws)["channels"].reshape(-1, 2), 4)
    assert np.abs(np.corrcoef(mixing[:, 0, 1], mixing[:, 1, 0])[0, 1]) < 0.06
    bright, _ = view(torch.ones(2, 3, 4, 4), made)
    assert (bright == 1).all()
    with pytest.raises(SpecError, match="channels must be 2 or more, got 1"):
        view(noise(channels=1), step("stain_crosstalk"))


def test_saturation_cuts_off_what_is_too_bright_and_lights_the_drawn_share_of_pixels():
    source = noise(4, 5, 64)
    views, draws = view(source, step("saturation_noise", exposure=[1.2, 2.0], share=[0.02, 0.1]))
    drawn = values(draws)
    for v in range(2):
        for b in range(4):
            exposed = (source[b] * float(drawn["exposure"][v, b])).clamp(max=1)
            hot = (views[v, b] == 1) & (exposed < 1)
            assert (views[v, b] - exposed)[~hot].abs().max() < 1e-6
            chance, n = float(drawn["share"][v, b]), int((exposed < 1).sum())
            assert abs(int(hot.sum()) / n - chance) < 5 * np.sqrt(chance * (1 - chance) / n)
    plain, _ = view(source, step("saturation_noise", exposure=1.0, share=0.0))
    assert (plain - source).abs().max() < 1e-7
