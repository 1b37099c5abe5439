"""The map of an embedding as a figure for a paper."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssrl_core.figures.colours import MISSING, VIRIDIS
from ssrl_core.figures.sheets import INK, QUIET, plain, sheet

_MANY = 20_000  # points; more are drawn as pixels within the vector file, or no viewer would open it
_MOST_NAMES = 40


def map_file(
    points: NDArray[Any],
    kind: str,
    *,
    codes: NDArray[Any] | None = None,
    names: Sequence[str] = (),
    colours: Sequence[str] = (),
    values: NDArray[Any] | None = None,
    selected: NDArray[np.bool_] | None = None,
    what: str = "",
    title: str = "",
    caption: str = "",
) -> bytes:
    """The bytes of a file (`sheets.sheet`).

    Args:
        points: (n, 2); rows that are not finite are left out.
        codes, names, colours: groups of the points, -1 for none.
        values: (n,) a scale instead, NaN for none.
        selected: (n,) bool, the others are drawn faint.
        what: what the colours mean.
    """
    placed = np.isfinite(points).all(axis=1)
    order = np.random.default_rng(0).permutation(np.flatnonzero(placed))
    size = float(np.clip(9000 / max(1, len(order)), 0.3, 10))

    def draw(axes: Any, page: Any) -> None:
        axes.set_axis_off()
        axes.set_aspect("equal", adjustable="datalim")
        if not len(order):
            axes.text(0.5, 0.5, "no points", ha="center", va="center", color=QUIET, transform=axes.transAxes)
            return
        own, scale = _colours(codes, colours, values)
        alpha = np.full(len(order), 0.85) if selected is None else np.where(selected[order], 0.95, 0.08)
        rgba = np.column_stack([own[order], alpha])
        axes.scatter(*points[order].T, s=size, c=rgba, lw=0, rasterized=len(order) > _MANY)
        if scale is not None:
            bar = page.colorbar(scale, ax=axes, shrink=0.5, pad=0.01)
            bar.set_label(plain(what))
            bar.outline.set_visible(False)
        elif codes is not None:
            _legend(axes, codes, names, colours, what)
            _labels(axes, points, codes, names, placed)

    return sheet(draw, kind, title=title, caption=caption, box=(0.02, 0.02, 0.76 if values is None else 0.92, 0.96))


def _colours(
    codes: NDArray[Any] | None, colours: Sequence[str], values: NDArray[Any] | None
) -> tuple[NDArray[np.float64], Any]:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LinearSegmentedColormap, Normalize, to_rgb

    if values is not None:
        known = values[np.isfinite(values)]
        low, high = np.percentile(known, [1, 99]) if len(known) else (0.0, 1.0)
        ramp = LinearSegmentedColormap.from_list("viridis-like", VIRIDIS)
        scale = ScalarMappable(Normalize(low, high), ramp)
        found = np.asarray(scale.to_rgba(np.nan_to_num(values, nan=low)))[:, :3].copy()
        found[~np.isfinite(values)] = to_rgb(MISSING)
        return found, scale
    table = np.array([*map(to_rgb, colours), to_rgb(MISSING)])
    return table[codes if codes is not None else -1], None


def _legend(axes: Any, codes: NDArray[Any], names: Sequence[str], colours: Sequence[str], what: str) -> None:
    from matplotlib.lines import Line2D

    shown = [c for c in np.argsort(-np.bincount(codes[codes >= 0], minlength=len(names))) if c < len(names)]
    shown = sorted(shown[:_MOST_NAMES])
    dots = [Line2D([], [], ls="", marker="o", ms=4, color=colours[c], label=plain(names[c])) for c in shown]
    columns = 1 if len(dots) <= 20 else 2
    place = {"loc": "upper left", "bbox_to_anchor": (1.0, 1.0), "frameon": False, "fontsize": 6.5, "handletextpad": 0.2}
    axes.legend(handles=dots, title=plain(what), title_fontsize=7, ncols=columns, columnspacing=0.6, **place)


def _labels(
    axes: Any, points: NDArray[Any], codes: NDArray[Any], names: Sequence[str], placed: NDArray[np.bool_]
) -> None:
    from matplotlib.patheffects import withStroke

    if len(names) > _MOST_NAMES:
        return
    for code, name in enumerate(names):
        rows = np.flatnonzero((codes == code) & placed)
        if len(rows):
            middle = np.median(points[rows], axis=0)
            at = points[rows[np.argmin(((points[rows] - middle) ** 2).sum(axis=1))]]
            halo = [withStroke(linewidth=2, foreground="white")]
            axes.text(*at, plain(name), fontsize=7, ha="center", va="center", color=INK, path_effects=halo)
