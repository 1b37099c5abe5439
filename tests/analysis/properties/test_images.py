"""Texture and Fourier spectrum: slow twins, values of others, and images whose answer is known."""

import numpy as np
import pytest

from ssrl_core.analysis.properties import fourier, texture
from ssrl_core.analysis.properties.images import grey
from ssrl_core.errors import DataError, SpecError

PATTERN = (np.add.outer(np.arange(6) * 3, np.arange(7) * 5) ** 2 % 23 * 11).astype(np.uint8)


def slow_texture(image, levels, distance=1):
    """One neighbour after the other, from the definition."""
    binned = np.minimum((image / 255 * levels).astype(int), levels - 1)
    rows = []
    for down, right in ((0, distance), (distance, distance), (distance, 0), (distance, -distance)):
        p = np.zeros((levels, levels))
        for r in range(image.shape[0]):
            for c in range(image.shape[1]):
                if 0 <= r + down < image.shape[0] and 0 <= c + right < image.shape[1]:
                    a, b = binned[r, c], binned[r + down, c + right]
                    p[a, b] += 1
                    p[b, a] += 1
        p /= p.sum()
        i, j = np.indices(p.shape)
        mean = (i * p).sum()
        variance = ((i - mean) ** 2 * p).sum()
        correlation = ((i - mean) * (j - mean) * p).sum() / variance
        rows.append([((i - j) ** 2 * p).sum(), (p / (1 + (i - j) ** 2)).sum(), np.sqrt((p**2).sum()), correlation])
    return np.mean(rows, axis=0)


def test_texture_agrees_with_its_slow_twin():
    rng = np.random.default_rng(0)
    images = np.concatenate([rng.integers(0, 256, (3, 1, 9, 11), dtype=np.uint8), np.zeros((1, 1, 9, 11), np.uint8)])
    images[3, 0, 2:5] = 200
    for levels in (8, 32):
        found = texture(images, levels=levels)
        for image, row in zip(images, found, strict=True):
            np.testing.assert_allclose(row, slow_texture(image[0], levels), rtol=1e-9)
    far = texture(images, levels=8, distances=(1, 3))[0]
    twins = [slow_texture(images[0, 0], 8, distance) for distance in (1, 3)]
    np.testing.assert_allclose(far, np.mean(twins, axis=0), rtol=1e-9)


def test_texture_agrees_with_scikit_image():
    """Values of scikit-image 0.26.0, graycomatrix(levels=8, symmetric, normed) and graycoprops, mean over angles."""
    one = texture(PATTERN[None, None], levels=8)[0]
    np.testing.assert_allclose(one, [7.913095238095238, 0.3457985668279786, 0.2351105628059693, -0.06832755320319925])


def test_an_image_of_one_grey_has_no_correlation_and_no_spectrum():
    flat = np.full((2, 3, 16, 16), 90, np.uint8)
    found = texture(flat)
    np.testing.assert_allclose(found[:, :3], [[0, 1, 1]] * 2)
    assert np.isnan(found[:, 3]).all()
    assert np.isnan(fourier(flat)).all()


def test_noise_is_rougher_than_a_ramp():
    rng = np.random.default_rng(0)
    ramp = np.broadcast_to(np.linspace(0, 255, 32).astype(np.uint8), (1, 1, 32, 32))
    noise = rng.integers(0, 256, (1, 1, 32, 32), dtype=np.uint8)
    smooth, rough = texture(ramp)[0], texture(noise)[0]
    assert smooth[0] < rough[0]
    assert smooth[3] > 0.9 > abs(rough[3]) + 0.7


@pytest.mark.parametrize("exponent", [0.0, 1.0, 2.0, 3.0])
def test_the_slope_of_a_known_spectrum_is_found(exponent):
    rng = np.random.default_rng(3)
    radius = np.hypot(np.fft.fftfreq(64)[:, None], np.fft.fftfreq(64)[None])
    radius[0, 0] = 1
    waves = np.fft.ifft2(np.fft.fft2(rng.normal(size=(40, 64, 64))) * radius ** (-exponent / 2)).real
    images = (waves - waves.min()) / np.ptp(waves)
    slope, high = fourier(images[:, None]).mean(axis=0)
    assert slope == pytest.approx(exponent, abs=0.15)
    assert 0 < high < 1


def test_fine_stripes_have_their_power_in_high_frequencies():
    x = np.arange(32)
    fine = np.broadcast_to(0.5 + 0.4 * np.sin(2 * np.pi * 0.4 * x), (1, 1, 32, 32))
    coarse = np.broadcast_to(0.5 + 0.4 * np.sin(2 * np.pi * 0.1 * x), (1, 1, 32, 32))
    assert fourier(fine)[0, 1] > 0.95
    assert fourier(coarse)[0, 1] < 0.05
    turned = fourier(np.swapaxes(fine, 2, 3))
    np.testing.assert_allclose(turned, fourier(fine), rtol=1e-6)


def test_sides_may_differ_and_brightness_does_not_matter():
    image = np.random.default_rng(1).uniform(0.2, 0.6, (1, 1, 24, 40))
    np.testing.assert_allclose(fourier(image), fourier(image + 0.3), rtol=1e-9)


def test_grey_is_the_same_for_every_type():
    image = np.random.default_rng(0).integers(0, 256, (2, 3, 8, 8), dtype=np.uint8)
    np.testing.assert_allclose(grey(image), grey(image.astype(np.uint16) * 257))
    np.testing.assert_allclose(grey(image), grey(image / 255.0))
    two = grey(np.stack([image[:, 0], image[:, 0]], axis=1))
    np.testing.assert_allclose(two, image[:, 0] / 255)


def test_images_that_are_none_are_refused():
    good = np.zeros((1, 1, 16, 16), np.uint8)
    with pytest.raises(DataError):
        grey(np.zeros((16, 16)))
    with pytest.raises(DataError):
        fourier(np.full((1, 1, 16, 16), np.nan))
    with pytest.raises(DataError, match="at least 8 px"):
        fourier(good[..., :6])
    with pytest.raises(DataError):
        texture(good[:0])
    with pytest.raises(SpecError):
        texture(good, levels=1)
    with pytest.raises(SpecError):
        texture(good, distances=(16,))
