"""Pictures: grey, colours, many channels, dark 16-bit images; montages and PNG."""

import io

import numpy as np
import pytest
from PIL import Image

from ssrl_core.datasets.imageset import Channel
from ssrl_core.datasets.pictures import default_channels, montage, percentile_limits, png, to_rgb


def _channels(count, names=None):
    return default_channels(names, count, where="test")


def test_grey_is_grey_and_rgb_is_rgb():
    grey = np.arange(16, dtype=np.uint8).reshape(1, 1, 4, 4) * 17
    assert np.array_equal(to_rgb(grey, _channels(1)), np.repeat(grey[:, 0, :, :, None], 3, axis=-1))
    rgb = np.random.default_rng(0).integers(0, 256, (2, 3, 4, 4), dtype=np.uint8)
    assert np.array_equal(to_rgb(rgb, _channels(3)), np.moveaxis(rgb, 1, -1))


def test_max_value_is_white():
    digits = np.full((1, 1, 2, 2), 16, np.uint8)
    assert np.all(to_rgb(digits, _channels(1), max_value=16) == 255)
    assert np.all(to_rgb(np.full((1, 1, 2, 2), 1.0), _channels(1)) == 255)


def test_channels_are_summed_in_their_colours():
    pixels = np.zeros((1, 2, 1, 3), np.uint8)
    pixels[0, 0, 0] = [255, 0, 255]
    pixels[0, 1, 0] = [0, 255, 255]
    shown = to_rgb(pixels, (Channel("a", "#ff0000"), Channel("b", "#0080ff")))
    assert shown[0, 0].tolist() == [[255, 0, 0], [0, 128, 255], [255, 128, 255]]


@pytest.mark.parametrize("count", [2, 4, 7])
def test_any_number_of_channels_has_a_picture(count):
    pixels = np.random.default_rng(0).integers(0, 65535, (3, count, 5, 6), dtype=np.uint16)
    assert to_rgb(pixels, _channels(count)).shape == (3, 5, 6, 3)


def test_dark_sixteen_bit_images_are_stretched_and_all_by_the_same_limits():
    pixels = np.random.default_rng(0).integers(100, 3000, (4, 1, 32, 32), dtype=np.uint16)
    shown = to_rgb(pixels, _channels(1))
    assert shown.min() == 0
    assert shown.max() == 255
    limits = percentile_limits(pixels)
    assert np.array_equal(to_rgb(pixels[:1], _channels(1), limits=limits), shown[:1])
    assert to_rgb(np.full((1, 1, 4, 4), 7, np.uint16), _channels(1)).shape == (1, 4, 4, 3)


def test_a_montage_has_every_picture_in_its_place():
    rgb = np.random.default_rng(0).integers(0, 256, (5, 4, 6, 3), dtype=np.uint8)
    sheet = montage(rgb, columns=3, gap=2, scale=2, background=(1, 2, 3))
    assert sheet.shape == (2 * 8 + 2, 3 * 12 + 4, 3)
    assert np.array_equal(sheet[10:18:2, 14:26:2], rgb[4])
    assert sheet[9, 0].tolist() == sheet[-1, -1].tolist() == [1, 2, 3]
    assert montage(rgb[:1], columns=8, scale=None).shape[:2] == (64, 96)


def test_png_comes_back():
    rgb = np.random.default_rng(0).integers(0, 256, (4, 6, 3), dtype=np.uint8)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(png(rgb)))), rgb)
