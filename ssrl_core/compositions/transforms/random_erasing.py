"""A rectangle covered by a brightness, by noise, or by the image's mean colour."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ssrl_core.compositions import Array, colour, geometry, random_numbers
from ssrl_core.compositions.random_numbers import philox
from ssrl_core.specs.composition import Step

if TYPE_CHECKING:
    from torch import Tensor

    from ssrl_core.compositions.plan import Change

TRIES = 10
SLOTS = TRIES + 1  # one block a try: area, ratio, row, column; one for the seed of the noise


def draw(step: Step, words: Array) -> dict[str, Array]:
    """Ten tries (V, B, 10) of area (share), ratio (h:w) and the place as uniforms; two words that seed the noise."""
    u = np.moveaxis(random_numbers.unit(words[:TRIES]), 0, 2)
    return {
        "area": random_numbers.uniform(u[..., 0], step["scale"]),
        "ratio": random_numbers.log_uniform(u[..., 1], step["ratio"]),
        "row": u[..., 2],
        "column": u[..., 3],
        "noise": words[TRIES, ..., :2],
    }


def boxes(values: dict[str, Array], frame: geometry.Frame) -> tuple[Array, Array, Array, Array]:
    """Top, left, height and width (n,): the first try that is smaller than the image, else nothing (height 0).

    Source: torchvision.transforms.RandomErasing.get_params, rounding included.
    """
    height, width = frame
    area = values["area"] * (height * width)
    h = np.rint(np.sqrt(area * values["ratio"])).astype(np.int64)
    w = np.rint(np.sqrt(area / values["ratio"])).astype(np.int64)
    fits = (h < height) & (w < width)
    first = np.argmax(fits, axis=1)
    pick = (np.arange(len(first)), first)
    found = fits[pick]
    h, w = np.where(found, h[pick], 0), np.where(found, w[pick], 0)
    top = random_numbers.integer(values["row"][pick], height - h + 1)
    left = random_numbers.integer(values["column"][pick], width - w + 1)
    return top, left, h, w


def told(step: Step, values: dict[str, Array], channels: int, frame: geometry.Frame) -> Array:
    """Top, left, height and width as shares, (n, 4)."""
    height, width = frame
    return np.stack(boxes(values, frame), axis=1) / np.array([height, width, height, width], dtype=np.float64)


def apply(images: Tensor, step: Step, values: dict[str, Array]) -> Tensor:
    """Cover the rectangle; noise is uniform in 0..1 for each pixel and channel, from the drawn seed."""
    down, across = _places(values["top"], images, 2), _places(values["left"], images, 3)
    inside = (down >= 0) & (down < _column(values["height"], images))
    inside = inside & (across >= 0) & (across < _column(values["width"], images))
    if step["value"] == "noise":
        cover = _noise(images, values["noise"], down, across)
    elif step["value"] == "mean":
        cover = colour.mean(images.flatten(0, 1)).view(len(images), -1, 1, 1)
    else:
        cover = images.new_full((), float(step["value"]))
    return cover.where(inside, images)


def lay(step: Step, values: dict[str, Array], shape: tuple[int, ...]) -> dict[str, Array]:
    """The rectangle, and the seed of the noise."""
    found = zip(("top", "left", "height", "width"), boxes(values, (shape[1], shape[2])), strict=True)
    return {**dict(found), "noise": values["noise"]}


def compiled(step: Step, values: dict[str, Array], applied: Array) -> Change:
    """The same; nothing is done outside the rectangle."""
    from ssrl_core.compositions.kernels import plain
    from ssrl_core.compositions.kernels import values as noise

    kind = {"mean": 1, "noise": 2}.get(step["value"], 0)
    value = np.float32(0.0 if kind else step["value"])
    seeds = plain(values["noise"], np.int64)

    def change(images: Array, first: int) -> None:
        some = {name: value[first : first + len(images)] for name, value in values.items()}
        found = plain(np.stack(boxes(some, (images.shape[2], images.shape[3])), axis=1), np.int64)
        noise.erase(images, first, applied, found, kind, value, seeds)

    return change


def describe(step: Step, values: dict[str, Any]) -> str:
    """The rectangle as it comes out on a square image."""
    nominal = 10_000
    _, _, h, w = boxes({k: np.asarray(v)[None] for k, v in values.items()}, (nominal, nominal))
    return f"{100 * h[0] * w[0] / nominal**2:.0f} % of the area covered" if h[0] else "nothing covered: no try fitted"


def _column(values: Array, images: Tensor) -> Tensor:
    from ssrl_core.compositions.pixels import send

    return send(values[:, None, None, None], images.device, colour.long())


def _places(start: Array, images: Tensor, axis: int) -> Tensor:
    """Row (axis 2) or column (axis 3) numbers counted from where the rectangle begins."""
    import torch

    shape = (1, 1, -1, 1) if axis == 2 else (1, 1, 1, -1)
    return torch.arange(images.shape[axis], device=images.device).view(shape) - _column(start, images)


def _noise(images: Tensor, seeds: Any, down: Tensor, across: Tensor) -> Tensor:
    """Noise (n, C, H, W), meaningful inside the rectangles only.

    Counter: (row, column) within the rectangle and channel // 4; the four words are four channels.
    """
    import torch

    n, channels = images.shape[:2]
    seeds = random_numbers.whole(seeds)
    key = (_column(seeds[:, 0], images), _column(seeds[:, 1], images))
    quads = torch.arange(-(-channels // 4), device=images.device).view(1, -1, 1, 1)
    shape = (n, -(-channels // 4), *images.shape[2:])
    words = philox((down.clamp(min=0), across.clamp(min=0), quads, 0), key)
    both = torch.stack([word.expand(shape) for word in words], dim=2).flatten(1, 2)[:, :channels]
    return (both >> 8).to(torch.float32) * 2.0**-24
