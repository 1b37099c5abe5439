"""Each geometric transform against torchvision's functional form with the parameters that were drawn.

Stated tolerance: 1e-6 for crops and padding (torchvision in float64; its own float32 is off by 3e-6), none for flips,
1e-4 for rotation and affine, whose coordinates are float32 in both (on noise, the worst image there is).
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torchvision.transforms import InterpolationMode, RandomResizedCrop
from torchvision.transforms import functional as F

from ssrl_core.compositions.transforms import resized_crop
from tests.compositions.workbench import cells, noise, photographs, step, values, view

UPRIGHT, TURNED = 1e-6, 1e-4
BILINEAR = InterpolationMode.BILINEAR


def images(kind: str) -> torch.Tensor:
    if kind == "photographs":
        return photographs().float() / 255
    if kind == "cells":
        return cells().float() / 65535
    return noise(height=41, width=30) if kind == "oblong" else noise()


KINDS = ["noise", "oblong", "photographs", "cells"]


def each(views):
    for v in range(views.shape[0]):
        for b in range(views.shape[1]):
            yield v, b, views[v, b]


def boxes(made, drawn, height, width):
    flat = {k: a.reshape(-1, *a.shape[2:]) for k, a in drawn.items()}
    return np.stack(resized_crop.boxes(made, flat, (height, width)), 1).astype(int).reshape(2, -1, 4)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [None, 16, 50])
@pytest.mark.parametrize("scale", [(0.08, 1.0), (0.9, 1.1)])
def test_resized_crop(kind, size, scale):
    source, made = images(kind), step("resized_crop", scale=list(scale))
    views, draws = view(source, made, size=size)
    found = boxes(made, values(draws), *source.shape[2:])
    side = views.shape[-1]
    for v, b, out in each(views):
        top, left, h, w = (int(n) for n in found[v, b])
        expected = F.resized_crop(source[b].double(), top, left, h, w, [side, side], BILINEAR, antialias=True)
        assert (out - expected).abs().max() < UPRIGHT


def test_resized_crop_draws_boxes_as_torchvision_does():
    """Same tries in, same boxes out: torchvision's own get_params is fed with our uniforms."""
    made = step("resized_crop", scale=[0.5, 1.6], ratio=[0.5, 2.0])
    for height, width in ((40, 40), (30, 47), (64, 9)):
        _, draws = view(noise(200, 1, height, width), made, size=8)
        drawn = values(draws)
        found = boxes(made, drawn, height, width)
        for b in range(200):
            expected = torchvision_box(drawn, b, height, width, made)
            assert found[0, b].tolist() == expected


def torchvision_box(drawn, b, height, width, made):
    uniforms = iter(x for t in range(10) for x in (drawn["area"][0, b, t], np.log(drawn["ratio"][0, b, t])))
    places: list[int] = []

    class Tensor:  # stands for torch.empty(1): every call is our next number
        def uniform_(self, low, high):
            places.append(len(places))
            return torch.tensor([next(uniforms)], dtype=torch.float64)

    def whole(low, high, size):
        t = (len(places) - 1) // 2
        u = drawn["row"][0, b, t] if whole.calls % 2 == 0 else drawn["column"][0, b, t]
        whole.calls += 1
        return torch.tensor([int(np.floor(u * high))])

    whole.calls = 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "empty", lambda *_: Tensor())
        patch.setattr(torch, "randint", lambda low, high, size: whole(low, high, size))
        top, left, h, w = RandomResizedCrop.get_params(
            torch.zeros(1, height, width), list(made["scale"]), list(made["ratio"])
        )
    return [int(top), int(left), int(h), int(w)]


def test_crops_of_0_9_to_1_1_return_the_whole_image_a_third_of_the_time():
    made = step("resized_crop", scale=[0.9, 1.1])
    _, draws = view(noise(2000, 1, 28), made, size=8)
    found = boxes(made, values(draws), 28, 28).reshape(-1, 4)
    assert (found[:, 2:] <= 28).all()
    whole = (found[:, 2:] == 28).all(1).mean()
    assert whole == pytest.approx(0.34, abs=0.08)  # 34 % of torchvision's draws


@pytest.mark.parametrize("kind", KINDS)
def test_crop_that_may_overflow_equals_padding_then_cropping(kind):
    source, made = images(kind), step("resized_crop", scale=[0.6, 1.8], overflow="pad", fill=0.25)
    views, draws = view(source, made)
    height, width = source.shape[2:]
    found = boxes(made, values(draws), height, width)
    assert (found[..., :2] < 0).any()
    margin = max(height, width)
    side = views.shape[-1]
    for v, b, out in each(views):
        top, left, h, w = (int(n) for n in found[v, b])
        wide = F.pad(source[b].double(), [margin] * 4, fill=0.25)
        expected = F.resized_crop(wide, top + margin, left + margin, h, w, [side, side], BILINEAR, antialias=True)
        assert (out - expected).abs().max() < UPRIGHT


@pytest.mark.parametrize("kind", KINDS)
def test_center_crop(kind):
    source, made = images(kind), step("center_crop", side=[0.3, 1.0])
    views, draws = view(source, made)
    height, width = source.shape[2:]
    frame = min(height, width)
    for v, b, out in each(views):
        share = float(values(draws)["side"][v, b])
        piece = F.center_crop(source[b].double(), [round(share * height), round(share * width)])
        expected = F.resize(piece, [frame, frame], BILINEAR, antialias=True)
        assert (out - expected).abs().max() < UPRIGHT


@pytest.mark.parametrize("kind", KINDS)
def test_side_crop(kind):
    source, made = images(kind), step("side_crop", side=[0.3, 1.0])
    views, draws = view(source, made)
    height, width = source.shape[2:]
    frame = min(height, width)
    drawn = values(draws)
    for v, b, out in each(views):
        share, row, column = (float(drawn[name][v, b]) for name in ("side", "row", "column"))
        h, w = round(share * height), round(share * width)
        top, left = int(row * (height - h + 1)), int(column * (width - w + 1))
        expected = F.resized_crop(source[b].double(), top, left, h, w, [frame, frame], BILINEAR, antialias=True)
        assert (out - expected).abs().max() < UPRIGHT


@pytest.mark.parametrize("fill", [0.0, 0.5])
@pytest.mark.parametrize("kind", KINDS)
def test_pad(kind, fill):
    source, made = images(kind), step("pad", fraction=[0.1, 0.4], fill=fill)
    views, draws = view(source, made)
    height, width = source.shape[2:]
    frame = min(height, width)
    for v, b, out in each(views):
        share = float(values(draws)["fraction"][v, b])
        down, across = round(share * height), round(share * width)
        wide = F.pad(source[b].double(), [across, down, across, down], fill=fill)
        expected = F.resize(wide, [frame, frame], BILINEAR, antialias=True)
        assert (out - expected).abs().max() < UPRIGHT


@pytest.mark.parametrize("kind", ["noise", "photographs", "cells"])
def test_flips_move_pixels_and_change_no_value(kind):
    source = images(kind)
    assert torch.equal(view(source, step("horizontal_flip"))[0][0], source.flip(3))
    assert torch.equal(view(source, step("vertical_flip"))[0][1], source.flip(2))
    assert torch.equal(view(source, step("horizontal_flip"), step("vertical_flip"))[0][1], source.flip(2, 3))


@pytest.mark.parametrize("kind", ["noise", "photographs", "cells"])
def test_rotation_is_counter_clockwise_as_torchvisions(kind):
    source = images(kind)
    views, draws = view(source, step("rotation", degrees=360))
    for v, b, out in each(views):
        expected = F.rotate(source[b], float(values(draws)["angle_deg"][v, b]), BILINEAR)
        assert (out - expected).abs().max() < TURNED


def test_rotation_of_oblong_images_agrees_before_the_resize():
    source = noise(height=41, width=30)
    views, draws = view(source, step("rotation", degrees=50))
    for v, b, out in each(views):
        turned = F.rotate(source[b], float(values(draws)["angle_deg"][v, b]), BILINEAR)
        stretched = F.resize(turned, [30, 30], BILINEAR, antialias=True)
        assert (out - stretched).abs().mean() < 0.08  # one resampling instead of two


def test_rotation_fill_agrees_away_from_the_pixel_at_the_edge():
    """torchvision fades the edge against black and again against the fill; here it fades once."""
    source = noise()
    views, draws = view(source, step("rotation", degrees=60, fill=0.7))
    for v, b, out in each(views):
        angle = float(values(draws)["angle_deg"][v, b])
        expected = F.rotate(source[b], angle, BILINEAR, fill=[0.7])
        share = F.rotate(torch.ones(1, 40, 40), angle, BILINEAR)
        clear = ((share < 1e-6) | (share > 1 - 1e-6)).expand_as(out)
        assert (out - expected)[clear].abs().max() < TURNED
        exact = F.rotate(source[b], angle, BILINEAR) + (1 - share) * 0.7
        assert (out - exact).abs().max() < TURNED


@pytest.mark.parametrize("turns", [1, 2, 3, 4])
def test_quarter_turns_are_exact(turns):
    source = noise(height=33)
    views, _ = view(source, step("rotation", degrees=[90 * turns] * 2))
    assert torch.allclose(views[0], source.rot90(turns, (2, 3)), atol=2e-5)
    if turns % 2 == 0:
        assert torch.equal(views[0], source.rot90(turns, (2, 3)))


@pytest.mark.parametrize("kind", KINDS)
def test_affine_is_clockwise_as_torchvisions(kind):
    source = images(kind)
    square = source[..., : min(source.shape[2:]), : min(source.shape[2:])]
    views, draws = view(square, step("affine", degrees=40, translate=0.2, shear=30, scale=[1.0, 1.6]))
    drawn, side = values(draws), square.shape[-1]
    for v, b, out in each(views):
        expected = F.affine(
            square[b],
            float(drawn["angle_deg"][v, b]),
            [float(drawn["shift_x"][v, b]) * side, float(drawn["shift_y"][v, b]) * side],
            float(drawn["scale"][v, b]),
            [float(drawn["shear_deg"][v, b]), 0.0],
            BILINEAR,
        )
        if reduction(drawn, v, b) <= 1.25:  # above, several points are averaged; torchvision aliases
            assert (out - expected).abs().max() < TURNED


def reduction(drawn, v, b):
    slant = np.tan(np.deg2rad(drawn["shear_deg"][v, b]))
    return np.linalg.svd(np.array([[1, slant], [0, 1]]), compute_uv=False).max() / drawn["scale"][v, b]


def test_translation_alone_moves_right_and_down():
    source = torch.zeros(1, 1, 20, 20)
    source[0, 0, 10, 10] = 1.0
    views, _ = view(source, step("affine", translate=[0.25, 0.25]))
    assert views[0, 0, 0, 15, 15] == 1.0
    assert views[0].sum() == 1.0
