"""A rectangle of the image, of random area and shape, resized to the view."""

from __future__ import annotations

from typing import Any

import numpy as np

from ssrl_core.compositions import Array, geometry, random_numbers
from ssrl_core.specs.composition import Step

TRIES = 10
SLOTS = TRIES  # one block a try: area, ratio, row, column


def draw(step: Step, words: Array) -> dict[str, Array]:
    """Ten tries (V, B, 10) of area (share), ratio (w:h) and the place as uniforms, as torchvision draws them."""
    u = np.moveaxis(random_numbers.unit(words), 0, 2)
    return {
        "area": random_numbers.uniform(u[..., 0], step["scale"]),
        "ratio": random_numbers.log_uniform(u[..., 1], step["ratio"]),
        "row": u[..., 2],
        "column": u[..., 3],
    }


def boxes(step: Step, values: dict[str, Array], frame: geometry.Frame) -> tuple[Array, Array, Array, Array]:
    """Top, left, height and width (n,) in whole pixels.

    With `overflow: reject` the first of the ten tries that fits, else the largest centred rectangle whose shape is
    allowed; with `pad` the first try, which may reach over the edge.

    Source: torchvision.transforms.RandomResizedCrop.get_params, rounding included.
    """
    height, width = frame
    area = values["area"] * (height * width)
    w = np.rint(np.sqrt(area * values["ratio"]))
    h = np.rint(np.sqrt(area / values["ratio"]))
    if step["overflow"] == "pad":
        w, h = np.maximum(w[:, 0], 1), np.maximum(h[:, 0], 1)
        return _place(values["row"][:, 0], height, h), _place(values["column"][:, 0], width, w), h, w
    fits = (w > 0) & (w <= width) & (h > 0) & (h <= height)
    first = np.argmax(fits, axis=1)
    pick = (np.arange(len(first)), first)
    middle = _centre(step["ratio"], height, width)
    found = fits[pick]
    h, w = np.where(found, h[pick], middle[2]), np.where(found, w[pick], middle[3])
    top = np.where(found, _place(values["row"][pick], height, h), middle[0])
    left = np.where(found, _place(values["column"][pick], width, w), middle[1])
    return top, left, h, w


def place(step: Step, values: dict[str, Array], n: int, frame: geometry.Frame, side: int) -> geometry.Placement:
    """The crop at the side of the view."""
    return geometry.cut(*boxes(step, values, frame), frame, (side, side), step["fill"])


def describe(step: Step, values: dict[str, Any]) -> str:
    """The rectangle as it comes out on a square image."""
    nominal = 10_000
    _, _, h, w = boxes(step, {k: np.asarray(v)[None] for k, v in values.items()}, (nominal, nominal))
    return f"cropped to {100 * h[0] * w[0] / nominal**2:.0f} % of the area, {w[0] / h[0]:.2f} times as wide as high"


def _place(u: Array, side: int, piece: Array) -> Array:
    """Where the piece begins: any whole pixel at which it fits (or, when larger, at which it covers the image)."""
    begin: Array = np.minimum(0, side - piece) + random_numbers.integer(u, np.abs(side - piece) + 1)
    return begin


def _centre(ratio: tuple[float, float], height: int, width: int) -> tuple[int, int, int, int]:
    h, w = height, width
    if width / height < ratio[0]:
        h = max(1, round(width / ratio[0]))
    elif width / height > ratio[1]:
        w = max(1, round(height * ratio[1]))
    return (height - h) // 2, (width - w) // 2, h, w
