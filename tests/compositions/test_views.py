from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from ssrl_core.compositions.draws import draw
from ssrl_core.compositions.views import make_views, strip, view_side
from ssrl_core.errors import DataError, SpecError
from ssrl_core.specs.composition import Branch, Composition, Step, ViewGroup, load, preset_names
from ssrl_core.specs.transforms import TRANSFORMS
from tests.compositions.workbench import cells, composition, noise, photographs, step, view

EVERYTHING = {
    name: {
        "resized_crop": {"scale": [0.3, 1.5], "overflow": "pad", "fill": 0.3},
        "center_crop": {"side": [0.3, 1.0]},
        "pad": {"fill": 0.2},
        "affine": {"degrees": 30, "translate": 0.2, "shear": 20, "scale": [0.4, 2.0]},
        "color_jitter": {"brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.2},
        "random_erasing": {"value": "noise"},
    }.get(name, {})
    for name in TRANSFORMS
}


def mixed() -> Composition:
    """Every transform, sometimes, in two groups of different size, with a choice."""
    steps = tuple(step(name, p=0.6, **settings) for name, settings in EVERYTHING.items())
    branches = (Branch(1, steps[:2]), Branch(2, (step("gaussian_blur"), step("rotation"))))
    return Composition(
        "mixed",
        (
            ViewGroup("global", 2, (Step("choice", 0.8, branches=branches), *steps), 20),
            ViewGroup("local", 3, steps[::-1], 12, "local"),
        ),
    )


def byte_images(count: int, channels: int = 3, height: int = 30, width: int = 30) -> torch.Tensor:
    rng = np.random.default_rng(count)
    return torch.from_numpy(rng.integers(0, 256, (count, channels, height, width), dtype=np.uint8))


@pytest.mark.parametrize("name", [*preset_names(), "mixed"])
def test_views_are_bit_equal_in_any_batch_and_order(name):
    made = mixed() if name == "mixed" else load(name)
    images = photographs(6, 40)
    whole = make_views(images, draw(made, np.arange(6), seed=5, epoch=2), made, max_value=255)
    for rows in ([0], [5, 1], [3, 2, 4]):
        part = make_views(images[rows], draw(made, rows, seed=5, epoch=2), made, max_value=255)
        for all_views, some in zip(whole, part, strict=True):
            assert torch.equal(all_views[:, rows], some)


def test_views_are_bit_equal_for_large_images_and_on_any_number_of_threads():
    made = mixed()
    images = byte_images(5, 3, 150, 150)
    threads = torch.get_num_threads()
    try:
        results = []
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            results.append(make_views(images, draw(made, np.arange(5), seed=1, epoch=0), made, max_value=255))
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(threads)
    one = make_views(images[2:3], draw(made, [2], seed=1, epoch=0), made, max_value=255)
    for a, b, c, single in zip(*results, one, strict=True):
        assert torch.equal(a, b)
        assert torch.equal(a, c)
        assert torch.equal(a[:, 2:3], single)


def test_identity_gives_back_the_same_bytes():
    bytes_in = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16)
    words = torch.arange(0, 65536, dtype=torch.int32).to(torch.uint16).view(1, 1, 256, 256)
    for images, top in ((bytes_in, 255), (words, 65535)):
        nothing = [
            composition(),
            load("identity"),
            composition(*(Step(name, enabled=False) for name in TRANSFORMS)),
            composition(*(Step(name, p=0.0) for name in TRANSFORMS)),
            composition(step("rotation", degrees=0), step("affine"), step("center_crop", side=1.0)),
            composition(step("resized_crop", scale=[1.0, 1.0], ratio=[1.0, 1.0]), step("pad", fraction=0.0)),
            composition(step("color_jitter"), step("gaussian_blur", sigma=0.0)),
        ]
        for made in nothing:
            (views,) = make_views(images, draw(made, [0], seed=5, epoch=0), made, max_value=top)
            assert views.max() == 1.0
            assert torch.equal((views * top).round().to(torch.int64), images.to(torch.int64).expand(2, 1, -1, -1, -1))


def test_brighter_whole_numbers_than_max_value_count_as_one():
    (views,) = make_views(
        torch.tensor([0, 2000, 4000, 65535], dtype=torch.int32).to(torch.uint16).view(1, 1, 2, 2),
        draw(composition(), [0], seed=0, epoch=0),
        composition(),
        max_value=4000,
    )
    assert views[0].flatten().tolist() == [0.0, 0.5, 1.0, 1.0]


def test_numpy_and_torch_and_every_type_of_pixel_give_the_same():
    made = load("cells-figure6-left")
    images = byte_images(4)
    drawn = draw(made, np.arange(4), seed=5, epoch=0)
    (expected,) = make_views(images, drawn, made, max_value=255)
    assert torch.equal(make_views(images.numpy(), drawn, made, max_value=255)[0], expected)
    frozen = images.numpy().copy()
    frozen.flags.writeable = False
    assert torch.equal(make_views(frozen, drawn, made, max_value=255)[0], expected)
    assert torch.equal(make_views(images.float() / 255, drawn, made, max_value=1)[0], expected)
    wide = images.to(torch.int32).to(torch.uint16)
    assert torch.equal(make_views(wide, drawn, made, max_value=255)[0], expected)
    assert torch.equal(make_views(images[:, :, :, range(29, -1, -1)].flip(3), drawn, made, max_value=255)[0], expected)


def test_pixels_that_were_given_are_left_alone():
    images = noise()
    before = images.clone()
    view(images, step("invert"), step("color_jitter", brightness=0.4), step("random_erasing"))
    assert torch.equal(images, before)


@pytest.mark.parametrize("name", TRANSFORMS)
@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (2, 2), (30, 17)])
@pytest.mark.parametrize("channels", [1, 3, 5])
def test_every_transform_takes_any_size_and_number_of_channels(name, shape, channels):
    if TRANSFORMS[name].channels == 3 and channels not in ((1, 3) if name == "grayscale" else (3,)):
        return
    if TRANSFORMS[name].channels == 2 and channels == 1:
        return
    for images in (noise(2, channels, *shape), torch.full((2, channels, *shape), 0.5)):
        for size in (None, 5):
            views, _ = view(images, step(name, **EVERYTHING[name]), size=size)
            assert views.shape == (2, 2, channels, *[size or min(shape)] * 2)
            assert views.dtype == torch.float32
            assert 0 <= views.min() <= views.max() <= 1  # NaN fails this too


def test_constant_images_stay_constant_under_what_moves_nothing_in():
    for name in ("center_crop", "horizontal_flip", "gaussian_blur", "resized_crop", "equalize"):
        views, _ = view(torch.full((3, 3, 20, 20), 0.25), step(name))
        assert (views - 0.25).abs().max() < 1e-6


def test_groups_have_their_own_size_count_and_steps():
    made = mixed()
    shapes = [
        v.shape for v in make_views(byte_images(4), draw(made, np.arange(4), seed=0, epoch=0), made, max_value=255)
    ]
    assert shapes == [(2, 4, 3, 20, 20), (3, 4, 3, 12, 12)]
    assert view_side(ViewGroup(), (30, 41)) == 30
    assert view_side(ViewGroup(size=12), (30, 41)) == 12


def test_view_is_resized_when_the_steps_leave_another_size():
    images = photographs(2, 60).float() / 255
    views, _ = view(images, size=24)
    expected = torch.nn.functional.interpolate(images.double(), (24, 24), mode="bilinear", antialias=True)
    assert (views[0] - expected).abs().max() < 1e-6
    colourless, _ = view(images, step("grayscale"), size=24)
    assert colourless.shape[-1] == 24


def test_images_skipped_by_a_crop_have_the_size_of_the_view_too():
    images = noise(6, 3, 30, 44)
    views, draws = view(images, step("resized_crop", p=0.5), step("invert"), size=16)
    skipped = ~draws.groups[0].steps[0].applied
    assert 0 < skipped.sum() < 12
    plain, _ = view(images, step("invert"), size=16)
    stretched = 1 - torch.nn.functional.interpolate(images.double(), (16, 16), mode="bilinear", antialias=True)
    for v, b in itertools.product(range(2), range(6)):
        if skipped[v, b]:
            assert (views[v, b] - stretched[b]).abs().max() < 1e-6
            assert (plain[v, b] - stretched[b]).abs().max() < 1e-6


def test_values_stay_in_0_to_1_on_real_cells():
    for name in ("cells-first-set", "cells-second-set", "cells-figure6-left", "cells-figure6-right"):
        made = load(name)
        (views,) = make_views(cells(16), draw(made, np.arange(16), seed=3, epoch=0), made, max_value=65535)
        assert views.shape == (2, 16, 3, 68, 68)
        assert 0 <= views.min() <= views.max() <= 1
        assert not torch.equal(views[0], views[1])


def test_no_images_give_no_views():
    (views,) = make_views(byte_images(3)[:0], draw(composition(), [], seed=0, epoch=0), composition(), max_value=255)
    assert views.shape == (2, 0, 3, 30, 30)


@pytest.mark.parametrize(
    ("pixels", "rule"),
    [
        (torch.full((1, 1, 4, 4), float("nan")), "NaN"),
        (torch.full((1, 1, 4, 4), float("inf")), "inf"),
        (torch.full((1, 1, 4, 4), 1.5), "in 0..1"),
        (torch.full((1, 1, 4, 4), -0.5), "in 0..1"),
        (torch.zeros(1, 4, 4), "images, channels, height, width"),
        (torch.zeros(1, 1, 0, 4), "images, channels, height, width"),
        (torch.zeros(1, 1, 4, 4, dtype=torch.int64), "uint8, uint16 or float"),
        (np.array([[["a"]]]), "numbers"),
        (np.zeros((1, 1, 2, 2), complex), "numbers"),
    ],
)
def test_what_is_no_image_is_refused(pixels, rule):
    with pytest.raises(DataError, match=rule) as caught:
        make_views(pixels, draw(composition(), [0], seed=0, epoch=0), composition(), max_value=1)
    assert caught.value.remedy


def test_draws_of_another_composition_or_batch_are_refused():
    made = composition(step("rotation"))
    images = byte_images(3)
    with pytest.raises(SpecError, match="2 images, as many as were drawn for"):
        make_views(images, draw(made, [0, 1], seed=0, epoch=0), made, max_value=255)
    with pytest.raises(SpecError, match="of this composition"):
        make_views(images, draw(composition(), np.arange(3), seed=0, epoch=0), made, max_value=255)
    with pytest.raises(SpecError, match="max_value must be above 0"):
        make_views(images, draw(made, np.arange(3), seed=0, epoch=0), made, max_value=0)


@pytest.mark.slow
def test_huge_images_are_shrunk_or_refused_with_the_remedy():
    image = torch.zeros(1, 1, 20_000, 20_000, dtype=torch.uint8)
    image[..., 10_000:] = 255
    crop = step("resized_crop", scale=[1.0, 1.0], ratio=[1.0, 1.0])
    views, _ = view(image, crop, step("rotation", degrees=[10, 10]), step("invert"), size=32, count=1)
    assert views[0, 0, 0, 16, 4] > 0.99
    assert views[0, 0, 0, 16, 28] < 0.01
    with pytest.raises(SpecError, match=r"size must be small enough") as caught:
        view(image, step("rotation"), count=1)
    assert "a size, such as 224" in caught.value.remedy
    with pytest.raises(SpecError, match=r"step 1 invert: image must be at most") as caught:
        view(image, step("invert"), crop, size=32, count=1)
    assert "resized_crop before it" in caught.value.remedy


def test_strip_shows_the_image_after_each_step():
    steps = (
        step("rotation", degrees=[90, 90]),
        step("invert"),
        Step("pad", enabled=False),
        step("vertical_flip", p=0.0),
    )
    made = composition(*steps, size=20)
    images = byte_images(1)
    drawn = draw(made, [7], seed=5, epoch=0)
    shown = strip(images, drawn, made, max_value=255, view=1)
    assert [label for label, _ in shown] == [
        "image",
        "turned 90° counter-clockwise",
        "made a negative",
        "vertical flip: not applied",
        "resized to 20 px",
    ]
    assert [tuple(image.shape) for _, image in shown] == [(3, 30, 30)] * 4 + [(3, 20, 20)]
    assert torch.allclose(shown[1][1], images[0].float().rot90(1, (1, 2)) / 255, atol=1e-5)
    assert torch.allclose(shown[2][1], 1 - shown[1][1])
    (views,) = make_views(images, drawn, made, max_value=255)
    assert torch.equal(shown[-1][1], views[1, 0])


@pytest.mark.parametrize("name", preset_names())
def test_strip_ends_in_the_view_itself(name):
    made = load(name)
    images = photographs(2, 40)
    drawn = draw(made, np.arange(2), seed=5, epoch=0)
    views = [v for group in make_views(images, drawn, made, max_value=255) for v in group]
    for number, expected in enumerate(views):
        first = strip(images[:1], drawn, made, max_value=255, view=number)[-1][1]
        assert torch.equal(first, expected[0])
