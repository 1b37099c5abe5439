"""One row of images a cluster, as a figure for a paper."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssrl_core.figures.sheets import INK, QUIET, plain, sheet

_ROW_MM = 11.0


def gallery_file(
    rows: Sequence[tuple[str, str, str, NDArray[np.uint8]]], kind: str, *, title: str = "", caption: str = ""
) -> bytes:
    """The bytes of a file (`sheets.sheet`).

    Args:
        rows: (name, second line, colour, (m, H, W, 3) uint8 images) of each cluster; without names they are a grid.
    """
    most = max((len(images) for *_, images in rows), default=1)
    named = any(name for name, *_ in rows)
    space = 3.4 if named else 0.0  # images' widths that the names take

    def draw(axes: Any, page: Any) -> None:
        axes.set_xlim(0, space + most)
        axes.set_ylim(len(rows) or 1, 0)
        axes.set_axis_off()
        for at, (name, told, colour, images) in enumerate(rows):
            if named:
                _head(axes, at, name, told, colour)
            for i, image in enumerate(images):
                left = space + i
                axes.imshow(image, extent=(left + 0.03, left + 0.97, at + 0.97, at + 0.03), aspect="auto")
        axes.set_xlim(0, space + most)
        axes.set_ylim(len(rows) or 1, 0)

    width = _ROW_MM * (space + most) * 0.96
    return sheet(
        draw, kind, title=title, caption=caption, width_mm=max(80.0, width), height_mm=max(20.0, _ROW_MM * len(rows))
    )


def _head(axes: Any, at: int, name: str, told: str, colour: str) -> None:
    axes.plot([0.15], [at + 0.36], marker="o", ms=4, color=colour)
    axes.text(0.4, at + 0.36, plain(name), fontsize=7, color=INK, va="center", clip_on=True)
    axes.text(0.4, at + 0.68, plain(told), fontsize=5.5, color=QUIET, va="center", clip_on=True)
