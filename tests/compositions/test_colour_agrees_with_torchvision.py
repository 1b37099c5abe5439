"""Each change of values against torchvision's functional form, and against twins from the definitions.

Stated tolerance: 2e-6 (float32 on both sides); hue 2e-5 (it divides by the chroma); equalize 1e-7 (the last
bit: it multiplies by 1/255 where we divide).
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torchvision.transforms import functional as F
from torchvision.transforms.v2 import functional as F2

from ssrl_core.compositions.transforms import random_erasing
from ssrl_core.errors import SpecError
from tests.compositions import twins
from tests.compositions.workbench import cells, noise, photographs, step, values, view

CLOSE = 2e-6


def images(kind: str) -> torch.Tensor:
    if kind == "photographs":
        return photographs().float() / 255
    if kind == "cells":
        return cells().float() / 65535
    if kind == "greys":
        return noise(channels=1).expand(-1, 3, -1, -1).contiguous()
    return noise()


KINDS = ["noise", "photographs", "cells", "greys"]


def pairs(source, views, draws):
    drawn = values(draws)
    for v in range(views.shape[0]):
        for b in range(views.shape[1]):
            yield source[b], views[v, b], {k: a[v, b] for k, a in drawn.items()}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("name", "adjust", "tolerance"),
    [
        ("brightness", F.adjust_brightness, CLOSE),
        ("contrast", F.adjust_contrast, CLOSE),
        ("saturation", F.adjust_saturation, CLOSE),
        ("hue", F.adjust_hue, 2e-5),
    ],
)
def test_each_change_of_the_jitter(kind, name, adjust, tolerance):
    source = images(kind)
    for image, out, drawn in pairs(source, *view(source, step("color_jitter", **{name: 0.5}))):
        assert (out - adjust(image, float(drawn[name]))).abs().max() < tolerance


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("order", ["random", "fixed"])
def test_jitter_in_its_drawn_order(kind, order):
    source = images(kind)
    made = step("color_jitter", brightness=0.8, contrast=0.8, saturation=0.8, hue=0.2, order=order)
    changes = [F.adjust_brightness, F.adjust_contrast, F.adjust_saturation, F.adjust_hue]
    names = ["brightness", "contrast", "saturation", "hue"]
    for image, out, drawn in pairs(source, *view(source, made)):
        for number in drawn["order"]:
            image = changes[number](image, float(drawn[names[number]]))
        assert (out - image).abs().max() < 1e-4  # a hue near grey turns on the last bit


def test_jitter_of_one_and_five_channels_changes_brightness_and_contrast_only():
    for channels in (1, 5):
        source = noise(channels=channels)
        made = step("color_jitter", brightness=0.5, contrast=0.5, order="fixed")
        for image, out, drawn in pairs(source, *view(source, made)):
            brighter = (image * float(drawn["brightness"])).clamp(0, 1)
            f = float(drawn["contrast"])
            assert (out - (f * brighter + (1 - f) * brighter.mean()).clamp(0, 1)).abs().max() < CLOSE


@pytest.mark.parametrize(
    ("made", "remedy"),
    [
        (step("color_jitter", hue=0.1), "brightness and contrast work"),
        (step("color_jitter", saturation=0.1), "brightness and contrast work"),
        (step("hue_jitter"), "brightness and contrast"),
    ],
)
@pytest.mark.parametrize("channels", [1, 2, 4])
def test_colour_of_images_without_three_channels_is_refused_with_the_alternative(made, remedy, channels):
    with pytest.raises(SpecError, match=r"step 1 (color|hue)_jitter: channels must be 3") as caught:
        view(noise(channels=channels), made)
    assert remedy in caught.value.remedy
    with pytest.raises(SpecError, match="channels must be 3"):
        view(noise(channels=4), step("grayscale"))
    assert torch.equal(view(noise(channels=1), step("grayscale"))[0][0], noise(channels=1))


@pytest.mark.parametrize("kind", KINDS)
def test_hue_jitter(kind):
    source = images(kind)
    for image, out, drawn in pairs(source, *view(source, step("hue_jitter", hue=0.5))):
        assert (out - F.adjust_hue(image, float(drawn["hue"]))).abs().max() < 2e-5


def test_hue_twin_agrees():
    source = noise(2, 3, 6)
    for image, out, drawn in pairs(source, *view(source, step("hue_jitter"))):
        for j in range(6):
            for i in range(6):
                expected = twins.hue(*image[:, j, i].tolist(), float(drawn["hue"]))
                assert out[:, j, i].tolist() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_grayscale(kind):
    source = images(kind)
    expected = F.rgb_to_grayscale(source, 3)
    assert (view(source, step("grayscale"))[0][0] - expected).abs().max() < CLOSE


@pytest.mark.parametrize("kind", KINDS)
def test_invert_and_solarize(kind):
    source = images(kind)
    assert torch.equal(view(source, step("invert"))[0][0], F.invert(source))
    assert torch.equal(view(source, step("solarize"))[0][0], F.solarize(source, 0.5))
    for image, out, drawn in pairs(source, *view(source, step("solarize", threshold=[0.1, 0.9]))):
        assert torch.equal(out, F.solarize(image, float(np.float32(drawn["threshold"]))))


@pytest.mark.parametrize("kind", KINDS)
def test_equalize(kind):
    source = images(kind)
    assert (view(source, step("equalize"))[0][0] - F2.equalize(source)).abs().max() < 1e-7
    if kind == "photographs":
        assert torch.equal(
            (view(photographs(), step("equalize"))[0][0] * 255).round().byte(), F.equalize(photographs())
        )


def test_equalize_twin_agrees():
    for source in (noise(2, 2, 30), noise(2, 2, 30) * 0.2 + 0.4, torch.full((2, 2, 30, 30), 0.3), noise(2, 1, 8)):
        out = view(source, step("equalize"))[0][0]
        for b in range(2):
            for c in range(source.shape[1]):
                assert np.allclose(out[b, c].numpy(), twins.equalized(source[b, c].numpy()), atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_gaussian_blur(kind):
    source = images(kind)
    for image, out, drawn in pairs(source, *view(source, step("gaussian_blur", sigma=[0.1, 3.0]))):
        sigma = float(drawn["sigma"])
        expected = F.gaussian_blur(image, [2 * int(np.ceil(3 * sigma)) + 1] * 2, [sigma] * 2)
        assert (out - expected).abs().max() < CLOSE


def test_blur_twin_agrees_even_where_the_radius_is_larger_than_the_image():
    for sigma in (0.4, 1.7, 4.0):
        source = noise(1, 1, 7)
        out = view(source, step("gaussian_blur", sigma=[sigma, sigma]))[0][0, 0, 0]
        assert np.abs(out.numpy() - twins.blurred(source[0, 0].numpy(), sigma)).max() < CLOSE
    assert torch.equal(view(noise(), step("gaussian_blur", sigma=0.0))[0][0], noise())


@pytest.mark.parametrize("value", [0.0, 0.4])
def test_random_erasing_covers_torchvisions_rectangle(value):
    source = noise(40, 3, 40)
    made = step("random_erasing", value=value)
    views, draws = view(source, made)
    flat = {k: a.reshape(-1, *a.shape[2:]) for k, a in values(draws).items()}
    found = np.stack(random_erasing.boxes(flat, (40, 40)), 1)
    for number, (top, left, h, w) in enumerate(found.tolist()):
        expected = F.erase(source[number % 40], top, left, h, w, torch.tensor(value))
        assert torch.equal(views[number // 40, number % 40], expected)
        assert 0.019 * 1600 < h * w < 0.34 * 1600 + 40


def test_erasing_takes_the_first_try_that_fits_or_nothing():
    drawn = {
        "area": np.array([[1.0, 1.0, 0.25] + [0.5] * 7, [1.0] * 10]),
        "ratio": np.ones((2, 10)),
        "row": np.full((2, 10), 0.999999),
        "column": np.zeros((2, 10)),
    }
    top, left, h, w = random_erasing.boxes(drawn, (20, 20))
    assert (top[0], left[0], h[0], w[0]) == (10, 0, 10, 10)
    assert h[1] == w[1] == 0
    views, draws = view(noise(5), step("random_erasing", scale=[1.0, 1.0], ratio=[1.0, 1.0]))
    assert torch.equal(views[0], noise(5))
    assert draws.describe(0, 0) == ["nothing covered: no try fitted"]


def test_erasing_with_noise_is_uniform_and_its_own_for_each_view_and_channel():
    source = torch.full((8, 3, 64, 64), 2.0).clamp(0, 1)
    views, draws = view(source, step("random_erasing", scale=[0.3, 0.6], value="noise"))
    covered = views[views < 1]
    assert abs(covered.mean() - 0.5) < 4 * (1 / 12 / len(covered)) ** 0.5
    assert abs(covered.var() - 1 / 12) < 4 * (1 / 180 / len(covered)) ** 0.5
    assert len(covered.unique()) > 0.95 * len(covered)
    flat = {k: a.reshape(-1, *a.shape[2:]) for k, a in values(draws).items()}
    top, left, h, w = (int(n[0]) for n in random_erasing.boxes(flat, (64, 64)))
    key = [int(k) for k in values(draws)["noise"][0, 0]]
    for row, column in ((0, 0), (h - 1, w - 1)):
        words = twins.philox([row, column, 0, 0], key)
        expected = [(word >> 8) / 2**24 for word in words[:3]]
        assert views[0, 0, :, top + row, left + column].tolist() == expected


def test_erasing_with_the_mean_of_each_channel():
    source = noise(4)
    views, draws = view(source, step("random_erasing", value="mean"))
    flat = {k: a.reshape(-1, *a.shape[2:]) for k, a in values(draws).items()}
    for number, (top, left, h, w) in enumerate(np.stack(random_erasing.boxes(flat, (40, 40)), 1).tolist()):
        patch = views[number // 4, number % 4, :, top : top + h, left : left + w]
        expected = source[number % 4].mean((1, 2))[:, None, None].expand_as(patch)
        assert (patch - expected).abs().max() < 1e-6
