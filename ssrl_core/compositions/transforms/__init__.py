"""One file a transform, a module with the same few functions; `ssrl_core.specs.transforms.TRANSFORMS` is the table.

Every module has
    SLOTS: int                        counter blocks of four words that its draw takes (at most 31)
    draw(step, words) -> dict         words (SLOTS, V, B, 4) -> named arrays (V, B[, …]); numpy only, no image size;
                                      not needed where SLOTS is 0
    describe(step, values) -> str     a few words for one view, whose values are scalars or short arrays

A transform of the kind `geometry` has
    place(step, values, n, frame, side) -> Placement  where each pixel of the new frame comes from; numpy only;
                                                      values arrays (n[, …]), side that of the view

one of the kind `colour` or `pixel` has
    apply(images, step, values) -> Tensor             (n, C, H, W) float32 in 0..1 -> the same shape; may work in place
    lay(step, values, shape) -> dict                  what `apply` takes instead of `values`, where something of it is
                                                      reckoned on the host: arrays (n[, …]) for images of a shape
                                                      (C, H, W), of sizes that follow from the step alone; optional
    compiled(step, values, applied) -> Change         the same with kernels on the CPU, for all N views;
                                                      optional: without it the CPU takes `apply`
    accepts(step, channels) -> bool, REMEDY: str      only where the table says that it may need some channels (and RULE
                                                      where these are not red, green, blue)
    told(step, values, channels, frame) -> array      (n, k) numbers of what was drawn, where these are not the arrays
                                                      (n,) of `values` (a rectangle, amounts of channels); optional

A module that is imported here must not import torch at its top: drawing works without it.
"""

from __future__ import annotations

import importlib
from functools import cache
from types import ModuleType


@cache
def load(name: str) -> ModuleType:
    """The module of a transform; the caller has checked that `TRANSFORMS` has the name."""
    return importlib.import_module(f"{__name__}.{name}")
