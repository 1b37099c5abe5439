"""Where pixels come from: placements of frames, as numbers. numpy only; nothing is resampled here.

Coordinates are in pixels measured from the top left *corner* of a frame: pixel j covers [j, j + 1], its middle is
j + ½. A placement takes a point of the new frame to the old one, as resampling needs it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ssrl_core.compositions import Array

Frame = tuple[int, int]
"""Height and width."""


@dataclass(frozen=True)
class Placement:
    """One geometric step for n images.

    Attributes:
        matrix: (n, 2, 3), takes (x, y, 1) of the new frame to (x, y) of the old one.
        window: (n, 4) x0, x1, y0, y1 in the old frame: what a crop cut out. Its edge pixels are repeated outwards, as
            resizing the cut-out piece alone does. ±inf where there is none.
        lost: (n,) bool; where True, points outside the old frame are `fill` and stay lost.
        old, new: the frames.
        cuts: whether steps of this kind have a window at all, whichever images they are applied to.
    """

    matrix: Array
    window: Array
    lost: Array
    fill: float
    old: Frame
    new: Frame
    cuts: bool

    def only_where(self, applied: Array) -> Placement:
        """This placement where `applied` (n,), elsewhere the frame merely resized (or left alone)."""
        if applied.all():
            return self
        rest = resize(len(applied), self.old, self.new) if self.cuts else _still(len(applied), self.old)
        return replace(
            self,
            matrix=np.where(applied[:, None, None], self.matrix, rest.matrix),
            window=np.where(applied[:, None], self.window, rest.window),
            lost=np.where(applied, self.lost, rest.lost),
        )

    def take(self, rows: Array) -> Placement:
        """The same for some of the images."""
        return replace(self, matrix=self.matrix[rows], window=self.window[rows], lost=self.lost[rows])


def cut(top: Array, left: Array, height: Array, width: Array, old: Frame, new: Frame, fill: float = 0.0) -> Placement:
    """Cut out a rectangle (n,) in whole pixels and resize it to the new frame; it may reach over the edge."""
    top, left, height, width = (np.asarray(v, np.float64) for v in (top, left, height, width))
    matrix = np.zeros((len(top), 2, 3))
    matrix[:, 0, 0], matrix[:, 0, 2] = width / new[1], left
    matrix[:, 1, 1], matrix[:, 1, 2] = height / new[0], top
    window = np.stack([left, left + width, top, top + height], axis=1)
    over = (left < 0) | (top < 0) | (left + width > old[1]) | (top + height > old[0])
    return Placement(matrix, window, over, fill, old, new, cuts=True)


def resize(n: int, old: Frame, new: Frame) -> Placement:
    """The whole frame at another size (the identity if it is the same)."""
    zero, one = np.zeros(n), np.ones(n)
    return cut(zero, zero, one * old[0], one * old[1], old, new)


def mirror(n: int, frame: Frame, axis: int) -> Placement:
    """Mirrored along x (axis 0) or y (axis 1)."""
    placement = _still(n, frame)
    placement.matrix[:, axis, axis] = -1.0
    placement.matrix[:, axis, 2] = frame[1 - axis]
    return placement


def _still(n: int, frame: Frame) -> Placement:
    window = np.tile(np.array([-np.inf, np.inf, -np.inf, np.inf]), (n, 1))
    return Placement(np.tile(np.eye(2, 3), (n, 1, 1)), window, np.zeros(n, bool), 0.0, frame, frame, cuts=False)


def turn(
    clockwise_deg: Array,
    frame: Frame,
    *,
    shift: Array | None = None,
    scale: Array | None = None,
    shear_x_deg: Array | None = None,
    fill: float = 0.0,
) -> Placement:
    """Turn, scale, slant about the middle, then shift; what leaves the frame is lost.

    Args:
        clockwise_deg: (n,) degrees as torchvision's `affine` counts them (its `rotate` counts the other way).
        shift: (n, 2) pixels right and down.
        scale: (n,) enlargement.
        shear_x_deg: (n,) degrees.

    Source:
        The inverse of T·C·R·Shear·C⁻¹, as torchvision.transforms.functional documents for `affine`, with the shear
        along x only: R·Shear = [[cos a, -cos a·tan s - sin a], [sin a, -sin a·tan s + cos a]].
    """
    n = len(clockwise_deg)
    angle = np.deg2rad(clockwise_deg)
    slant = np.tan(np.deg2rad(np.zeros(n) if shear_x_deg is None else shear_x_deg))
    cos, sin = _snap(np.cos(angle)), _snap(np.sin(angle))
    a, b, c, d = cos, -cos * slant - sin, sin, -sin * slant + cos
    inverse = np.stack([np.stack([d, -b], -1), np.stack([-c, a], -1)], 1)
    inverse /= np.ones((n, 1, 1)) if scale is None else np.asarray(scale)[:, None, None]
    middle = np.array([frame[1] / 2, frame[0] / 2])
    moved = middle + (0.0 if shift is None else np.asarray(shift))
    moved = np.broadcast_to(moved, (n, 2))
    offset = middle - (inverse[:, :, 0] * moved[:, 0:1] + inverse[:, :, 1] * moved[:, 1:2])
    still = (inverse == np.eye(2)).all((1, 2)) & (offset == 0).all(1)
    matrix = np.concatenate([inverse, offset[:, :, None]], axis=2)
    return replace(_still(n, frame), matrix=matrix, lost=~still, fill=fill)


def _snap(value: Array) -> Array:
    # cos 90° and sin 180° are 6e-17 in floating point; as exact zeros they need no interpolation
    return np.where(np.abs(value) < 1e-12, 0.0, value)


def after(first: Array, then: Array) -> Array:
    """(n, 2, 3) matrix of: `then` applied to a point, then `first` to what comes out."""
    # written out, not as matmul: its result may depend on how many matrices are multiplied
    product: Array = first[:, :, 0:1] * then[:, 0:1, :] + first[:, :, 1:2] * then[:, 1:2, :]
    product[:, :, 2] += first[:, :, 2]
    return product


def whole(chain: Sequence[Placement]) -> Array:
    """(n, 2, 3): from the last frame of a chain to its first."""
    matrix = chain[0].matrix
    for placement in chain[1:]:
        matrix = after(matrix, placement.matrix)
    return matrix


def untouched(chain: Sequence[Placement]) -> Array:
    """(n,) bool: images that come out exactly as they went in."""
    same = np.ones(len(chain[0].lost), bool)
    for placement in chain:
        same &= (placement.matrix == np.eye(2, 3)).all((1, 2)) & ~placement.lost & (placement.old == placement.new)
    return same


def upright(chain: Sequence[Placement]) -> Array:
    """(n,) bool: images that are only cut, mirrored, shifted and resized, so that rows and columns stay apart."""
    straight = np.ones(len(chain[0].lost), bool)
    for placement in chain:
        straight &= (placement.matrix[:, 0, 1] == 0) & (placement.matrix[:, 1, 0] == 0)
    return straight
