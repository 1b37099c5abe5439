"""Which axis of an array of images is the channels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ssrl_core.errors import DataError, SpecError

Array = np.ndarray[Any, Any]
LAYOUTS = ("NHW", "NHWC", "NCHW")
_FEW = 16  # more channels than this are not guessed unless the sides agree
_COLOURS = 4


@dataclass(frozen=True)
class Form:
    """One of NHW, NHWC, NCHW, and a sentence if it was guessed from the sides."""

    name: str
    note: str = ""


def find_layout(shapes: list[tuple[int, ...]], asked: str | None, where: str) -> Form:
    """The layout of arrays of images; asked for, or read from the sides.

    Channels are fewer than the sides. Where the second and the last axis could both be channels, it is not guessed.

    Raises:
        SpecError: an unknown layout, or one that does not fit.
        DataError: not images, empty images, arrays of different sides, or an ambiguous layout.
    """
    shape = shapes[0]
    if any(other[1:] != shape[1:] for other in shapes):
        raise DataError(
            where=where, field="x_train and x_test", rule="of the same sides", value=[s[1:] for s in shapes]
        )
    if len(shape) not in (3, 4) or 0 in shape[1:]:
        raise DataError(where=where, field="x", rule="(N,H,W), (N,H,W,C) or (N,C,H,W)", value=shape)
    if asked is not None:
        return _asked(asked.strip().upper(), shape, where)
    if len(shape) == 3:
        return Form("NHW")
    return Form(_guess(shape, where))


def channels_first(images: Array, form: Form) -> Array:
    """(n, C, H, W) of images in any layout."""
    if form.name == "NHW":
        return images[:, None]
    return np.moveaxis(images, -1, 1) if form.name == "NHWC" else images


def _asked(layout: str, shape: tuple[int, ...], where: str) -> Form:
    if layout not in LAYOUTS or len(layout) != len(shape):
        fitting = [name for name in LAYOUTS if len(name) == len(shape)]
        raise SpecError(where=where, field="--layout", rule=f"{' or '.join(fitting)} for x of {shape}", value=layout)
    return Form(layout)


def _guess(shape: tuple[int, ...], where: str) -> str:
    _, second, third, last = shape
    first_possible = second <= _FEW and second < third
    last_possible = last <= _FEW and last < third
    if first_possible and not last_possible:
        return "NCHW"
    if last_possible and not first_possible:
        return "NHWC"
    if second == third != last or (last <= _COLOURS and second >= 2 * _COLOURS):
        return "NHWC"
    if third == last != second or (second <= _COLOURS and last >= 2 * _COLOURS):
        return "NCHW"
    raise DataError(
        where=where,
        field="the layout of x",
        rule="clear from its sides",
        value=shape,
        remedy="Say which axis is the channels: --layout NCHW or --layout NHWC.",
    )
