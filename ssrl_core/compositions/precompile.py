"""Compiles the kernels that views need, ahead of the first look: `python -m ssrl_core.compositions.precompile`.

Compiled code is kept in the store, so this takes some seconds once for a new store, and one second ever after.
"""

from __future__ import annotations

import os
import sys

import numpy as np

from ssrl_core.errors import SpecError
from ssrl_core.specs.composition import load, preset_names


def precompile(most: int | None = None) -> int:
    """Make a few tiny views under the presets, grey and colour.

    Args:
        most: only so many presets, the first ones; None takes all.

    Returns:
        How many of these could be made (a colour step takes no grey image).
    """
    from ssrl_core.compositions.draws import draw
    from ssrl_core.compositions.views import make_views

    made, ids = 0, np.arange(2)
    for name in preset_names()[:most]:
        composition = load(name)
        for channels in (1, 3):
            pixels = np.zeros((len(ids), channels, 32, 32), np.uint8)
            try:
                make_views(pixels, draw(composition, ids, seed=0, epoch=0), composition, max_value=255)
            except SpecError:
                continue
            made += 1
    return made


if __name__ == "__main__":
    if hasattr(os, "nice"):
        os.nice(10)
    precompile()
    sys.exit(0)
