"""The closed form equals its definition, and the text-book cases come out as the text-book says."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ssrl_core.compositions.draws import draw
from ssrl_core.compositions.views import make_views
from ssrl_core.errors import DataError, SpecError
from ssrl_core.learning.closed_form import (
    Covariances,
    Pairing,
    intraclass_correlation,
    pairing,
    solve,
    weighted,
)
from ssrl_core.specs.composition import Composition, ViewGroup


def _views(counts, images=40, dim=5, seed=0):
    """Views of each group with means of their own: (V, n, D) each."""
    rng = np.random.default_rng(seed)
    own = rng.normal(size=(images, dim)) * np.arange(1, dim + 1)
    return [own + rng.normal(size=(v, images, dim)) + 0.5 * g for g, v in enumerate(counts)]


def _taken(groups, pairs, block=7):
    found = Covariances(groups[0].shape[2], pairs)
    for start in range(0, groups[0].shape[1], block):
        found.add([group[:, start : start + block] for group in groups])
    return found.moments()


def _by_pairs(groups, pairs):
    """The slow twin: every pair of views of every image, one outer product at a time, both ways round."""
    sides, shares = [], []
    for (one, other), weight in pairs.weights.items():
        for image in range(groups[0].shape[1]):
            made = [
                (groups[one][a, image], groups[other][b, image])
                for a in range(len(groups[one]))
                for b in range(len(groups[other]))
                if one != other or a != b
            ]
            for x, y in made:
                sides += [(x, y), (y, x)]
                shares += [weight / len(made) / 2 / groups[0].shape[1]] * 2
    x, y = (np.array([side[i] for side in sides]) for i in (0, 1))
    shares = np.array(shares)
    mean = shares @ x
    shared = (x - mean).T @ ((y - mean) * shares[:, None])
    total = (x - mean).T @ ((x - mean) * shares[:, None])
    return mean, shared, total


@pytest.mark.parametrize(
    ("counts", "weights"),
    [
        ((4,), {(0, 0): 1.0}),
        ((1, 1), {(0, 1): 1.0}),
        ((1, 3), {(0, 1): 1.0}),
        ((2, 3), {(0, 0): 0.25, (0, 1): 0.75}),
    ],
)
def test_streamed_sums_equal_every_pair_of_views(counts, weights):
    groups, pairs = _views(counts), Pairing(counts, weights)
    found = _taken(groups, pairs)
    for got, true in zip((found.mean, found.shared, found.total), _by_pairs(groups, pairs), strict=True):
        np.testing.assert_allclose(got, true, rtol=1e-9, atol=1e-9)


def test_total_is_shared_part_and_what_is_left_within_images():
    (views,) = _views((6,))
    found = _taken([views], Pairing((6,), {(0, 0): 1.0}))
    rest = (views - views.mean(axis=0)).reshape(-1, 5)
    np.testing.assert_allclose(found.total - found.shared, rest.T @ rest / (40 * 5), atol=1e-12)
    np.testing.assert_allclose(found.total, np.cov(views.reshape(-1, 5).T, bias=True), atol=1e-12)


def test_the_size_of_blocks_does_not_matter_even_far_from_zero():
    groups = [group.astype(np.float32) + 1e3 for group in _views((4,), images=64)]
    pairs = Pairing((4,), {(0, 0): 1.0})
    one, many = _taken(groups, pairs, block=64), _taken(groups, pairs, block=5)
    np.testing.assert_allclose(one.shared, many.shared, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(one.total, np.cov(groups[0].reshape(-1, 5).T.astype(float), bias=True), rtol=1e-4)


def test_weighted_terms_are_sums_of_their_moments():
    pairs = Pairing((3,), {(0, 0): 1.0})
    one, other = (_taken(_views((3,), seed=seed), pairs) for seed in (1, 2))
    both = weighted([(1.0, one), (3.0, other)])
    np.testing.assert_allclose(both.shared, one.shared / 4 + other.shared * 3 / 4)
    np.testing.assert_allclose(both.total, one.total / 4 + other.total * 3 / 4)


def test_methods_pair_views_of_which_one_at_least_is_global():
    multi = Composition("multi", (ViewGroup("wide", 2), ViewGroup("small", 6, role="local")))
    found = pairing(multi, 8)
    assert found.counts == (2, 6)
    assert found.weights == {(0, 0): 1 / 13, (0, 1): 12 / 13}
    two = Composition("two", (ViewGroup("first", 1), ViewGroup("second", 1)))
    assert pairing(two, 8) == Pairing((4, 4), {(0, 1): 1.0})
    assert pairing(Composition("one", (ViewGroup("only", 1),)), 2) == Pairing((2,), {(0, 0): 1.0})


def _factors(icc, variance, images=6000, views=4, seed=0):
    """(V, n, F) Gaussian numbers, each with its own share of variance between images, and the images' own (n, F)."""
    rng = np.random.default_rng(seed)
    icc, variance = np.asarray(icc), np.asarray(variance)
    own = rng.normal(size=(images, len(icc)))
    noise = rng.normal(size=(views, images, len(icc)))
    return np.sqrt(variance) * (np.sqrt(icc) * own + np.sqrt(1 - icc) * noise), own


def test_known_shares_of_variance_are_found():
    icc = (0.9, 0.6, 0.25)
    views, _ = _factors(icc, (1.0, 4.0, 0.5))
    turn, _ = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))
    found = solve(
        _taken([views @ turn], Pairing((4,), {(0, 0): 1.0}), block=500), mu=1e-9, dim=3, power=1, standardised=False
    )
    np.testing.assert_allclose(found.shares, icc, atol=0.02)
    for factor, share in enumerate(icc):
        assert intraclass_correlation(views[:, :, factor]) == pytest.approx(share, abs=0.02)


@pytest.mark.parametrize(("mu", "kept"), [(0.01, (0, 1, 1)), (100.0, (1, 0, 1))])
def test_small_mu_orders_by_share_and_large_mu_by_share_times_variance(mu, kept):
    """Two directions of three: (share, variance) (.30, high), (.95, low), (.70, middle); the text of the method."""
    views, own = _factors((0.30, 0.95, 0.70), (100.0, 0.5, 10.0))
    found = solve(_taken([views], Pairing((4,), {(0, 0): 1.0}), block=500), mu=mu, dim=2, power=1, standardised=False)
    x = found.embed(own * np.sqrt((30.0, 0.475, 7.0)))
    for factor, expected in enumerate(kept):
        target = own[:, factor]
        left = target - x @ np.linalg.lstsq(x, target, rcond=None)[0]
        assert 1 - left.var() / target.var() == pytest.approx(expected, abs=0.05)


def test_turned_views_lose_the_angle_and_keep_the_length():
    """Rotation and orientation: features of a point are cos, sin of its angle times its length, and the length."""
    rng = np.random.default_rng(0)
    length, angle = rng.uniform(1, 2, 500), rng.uniform(0, 2 * np.pi, 500)
    turned = angle + rng.uniform(0, 2 * np.pi, (4, 500))
    views = np.stack([length * np.cos(turned), length * np.sin(turned), np.broadcast_to(length, (4, 500))], axis=2)
    found = solve(_taken([views], Pairing((4,), {(0, 0): 1.0})), mu=0.01, dim=3, power=1)
    assert found.shares[0] > 0.95
    assert found.shares[1] < 0.1
    assert np.abs(found.weight[:, 0]).argmax() == 2


_PLACES = np.mgrid[:48, :48] - 23.5


def _of_views(pixels, transform, **settings):
    """(V,n,S,S) four real views of images (n,S,S) in 0..1 by one step."""
    steps = ({"transform": transform, **settings},)
    group = {"name": "view", "count": 4, "size": 48, "steps": steps}
    composition = Composition.from_mapping({"version": 1, "name": "one", "views": [group]})
    bytes_ = torch.from_numpy((255 * pixels[:, None]).astype(np.uint8))
    drawn = draw(composition, np.arange(len(pixels)), seed=5, epoch=0)
    return make_views(bytes_, drawn, composition, max_value=255)[0][:, :, 0].numpy()


@pytest.mark.parametrize("degrees", [30.0, 60.0, 180.0])
def test_rotation_takes_from_orientation_what_it_must(degrees):
    """Bars at any angle, turned by up to d: cos and sin of twice the angle keep (sin 2d / 2d)², in radians."""
    angles = np.random.default_rng(0).uniform(0, np.pi, 1500)[:, None, None]
    along, across = (np.cos(a) * _PLACES[1] + np.sin(a) * _PLACES[0] for a in (angles, angles + np.pi / 2))
    bars = np.exp(-np.square(along / 9) - np.square(across / 3))
    views = _of_views(bars, "rotation", degrees=degrees)
    wide, high, tilted = ((views * by).sum(axis=(2, 3)) for by in (_PLACES[1] ** 2, _PLACES[0] ** 2, _PLACES.prod(0)))
    twice = np.stack([wide - high, 2 * tilted], axis=2) / np.hypot(wide - high, 2 * tilted)[..., None]
    left = (np.sin(2 * np.radians(degrees)) / (2 * np.radians(degrees))) ** 2
    assert intraclass_correlation(twice[..., 0]) == pytest.approx(left, abs=0.04)
    found = solve(_taken([twice], Pairing((4,), {(0, 0): 1.0}), block=500), mu=1e-9, dim=2, power=1)
    np.testing.assert_allclose(found.shares, left, atol=0.04)


def test_a_crop_of_any_side_takes_from_size_what_it_must_and_nothing_from_brightness():
    """Discs, enlarged by 1/s with s from .5 to 1: log size keeps Var(log r) / (Var(log r) + Var(log s))."""
    rng = np.random.default_rng(0)
    radius, bright = rng.uniform(5, 10, 1500), rng.uniform(0.4, 1.0, 1500)
    discs = bright[:, None, None] / (1 + np.exp(2 * (np.hypot(*_PLACES) - radius[:, None, None])))
    views = _of_views(discs, "center_crop", side=[0.5, 1.0])
    light = views[:, :, 22:26, 22:26].mean(axis=(2, 3))
    told = np.stack([np.log((views / light[..., None, None]).sum(axis=(2, 3))) / 2, light], axis=2)
    zoom = np.log(np.linspace(0.5, 1, 1001)).var()
    left = np.log(radius).var() / (np.log(radius).var() + zoom)
    assert intraclass_correlation(told[..., 0]) == pytest.approx(left, abs=0.03)
    found = solve(_taken([told], Pairing((4,), {(0, 0): 1.0}), block=500), mu=1e-9, dim=2, power=1)
    np.testing.assert_allclose(found.shares, (1.0, left), atol=0.03)
    assert np.abs(found.weight).argmax(axis=0).tolist() == [1, 0]


def test_shares_on_other_images_are_of_the_same_directions():
    views, _ = _factors((0.9, 0.1, 0.5), (1.0, 1.0, 1.0))
    pairs = Pairing((4,), {(0, 0): 1.0})
    found = solve(_taken([views[:, :3000]], pairs), mu=1e-6, dim=3, power=0.5)
    np.testing.assert_allclose(found.held_out(_taken([views[:, 3000:]], pairs)), (0.9, 0.5, 0.1), atol=0.05)


def test_more_features_than_views_is_still_solved():
    (views,) = _views((2,), images=10, dim=60)
    found = solve(_taken([views], Pairing((2,), {(0, 0): 1.0})), mu=0.1, dim=80, power=1)
    assert found.weight.shape == (60, 60)
    assert np.isfinite(found.weight).all()


def test_nothing_to_solve_is_said():
    flat = Covariances(3, Pairing((2,), {(0, 0): 1.0}))
    with pytest.raises(SpecError, match="two or more"):
        flat.moments()
    flat.add([np.ones((2, 4, 3))])
    with pytest.raises(DataError, match="different from one another"):
        solve(flat.moments(), mu=0.1, dim=2, power=1)
    assert intraclass_correlation(np.ones((2, 4))) is None
    assert intraclass_correlation(np.full((2, 4), np.nan)) is None
