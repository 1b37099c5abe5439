"""A contingency of two clusterings as a figure for a paper."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssrl_core.figures.colours import ACCENT
from ssrl_core.figures.sheets import INK, plain, sheet

_MOST_NUMBERS = 24


def matrix_file(
    counts: NDArray[Any],
    rows: Sequence[str],
    columns: Sequence[str],
    kind: str,
    *,
    row_title: str = "",
    column_title: str = "",
    title: str = "",
    caption: str = "",
) -> bytes:
    """The bytes of a file (`sheets.sheet`): cells shaded by their share of the row, with their counts.

    Args:
        counts: (r, c).
    """
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)

    def draw(axes: Any, page: Any) -> None:
        from matplotlib.colors import LinearSegmentedColormap

        ramp = LinearSegmentedColormap.from_list("share", ["#f6f7f9", ACCENT])
        axes.imshow(shares, cmap=ramp, vmin=0, vmax=1, aspect="auto")
        axes.set_xticks(range(len(columns)), [plain(c) for c in columns], rotation=90 if len(columns) > 12 else 0)
        axes.set_yticks(range(len(rows)), [plain(r) for r in rows])
        axes.tick_params(length=0, labelsize=6.5)
        axes.set_xlabel(plain(column_title))
        axes.set_ylabel(plain(row_title))
        axes.spines[:].set_visible(False)
        if max(counts.shape) <= _MOST_NUMBERS:
            for (r, c), n in np.ndenumerate(counts):
                if n:
                    colour = "white" if shares[r, c] > 0.55 else INK
                    axes.text(c, r, str(n), ha="center", va="center", fontsize=6, color=colour)

    return sheet(draw, kind, title=title, caption=caption, box=(0.16, 0.16, 0.8, 0.8))
