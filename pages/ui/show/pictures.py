"""Cells as a biologist wants to see them: channels on and off, one contrast for all, a scale bar where it is true."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from pages.ui.kit import cache, frame
from pages.ui.kit.gallery import Array
from ssrl_core.datasets import pictures
from ssrl_core.datasets.imageset import Channel, ImageSet

STANDARD, SAFE = "as stained", "for colour-blind eyes"
_SAFE = ("#3d7dff", "#ffb000", "#e8ebef", "#dc267f", "#2dd4bf")  # blue, amber, near white …: told apart by all eyes
_BARS_UM = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
_SAMPLE = 400

CSS = f"""
.vl-wall {{ background: {frame.IMAGE_GROUND}; border-radius: 6px; padding: 6px; display: grid; gap: 4px;
  grid-template-columns: repeat(8, 1fr); }}
.vl-wall.few {{ grid-template-columns: repeat(auto-fill, minmax(92px, 1fr)); }}
@media (max-width: 700px) {{ .vl-wall:not(.few) {{ grid-template-columns: repeat(4, 1fr); }} }}
.vl-wall i {{ display: block; aspect-ratio: var(--ratio); background-image: var(--sheet); background-repeat: no-repeat;
  background-size: calc(100% * var(--across)) auto; border-radius: 2px; position: relative; }}
.vl-wall .bar {{ position: absolute; right: 6%; bottom: 9%; height: 3px; background: #fff; }}
.vl-wall .um {{ position: absolute; right: 6%; bottom: calc(9% + 5px); color: #fff; font: 600 11px sans-serif; }}
"""


@dataclass(frozen=True)
class Look:
    """How cells are drawn.

    Attributes:
        shown: names of the channels that are on.
        colours: `STANDARD` or `SAFE`.
        low, high: percentiles of all cells that are shown black and full.
    """

    shown: tuple[str, ...]
    colours: str = STANDARD
    low: float = 0.5
    high: float = 99.7


def limits_of(imageset: ImageSet, look: Look) -> Array:
    """(C, 2) grey values shown black and full, the same in every picture of the page."""
    return _limits(imageset, look.low, look.high)


def limits_words(imageset: ImageSet, look: Look) -> str:
    """The limits, written out."""
    limits, names = limits_of(imageset, look), [c.name for c in imageset.channels]
    ranges = [
        f"{name} {low:.0f} to {high:.0f}" for name, (low, high) in zip(names, limits, strict=True) if name in look.shown
    ]
    return (
        f"Brightness is the same in all pictures: {', '.join(ranges)} of {imageset.max_value:,} "
        f"(percentiles {look.low:g} and {look.high:g} of the cells)."
    )


def colours_of(imageset: ImageSet, look: Look) -> tuple[Channel, ...]:
    """The channels in the colours that were chosen; the colour stays with its channel when others are off."""
    if look.colours == SAFE:
        return tuple(replace(c, colour=_SAFE[i % len(_SAFE)]) for i, c in enumerate(imageset.channels))
    return imageset.channels


def rgb_of(imageset: ImageSet, ids: Sequence[int] | Array, look: Look) -> Array:
    """(B, H, W, 3) uint8 of some cells."""
    channels, limits = colours_of(imageset, look), limits_of(imageset, look)
    on = [i for i, channel in enumerate(channels) if channel.name in look.shown] or [0]
    pixels = np.asarray(imageset.pixels[np.asarray(ids, np.int64)])[:, on]
    return pictures.to_rgb(pixels, [channels[i] for i in on], max_value=imageset.max_value, limits=limits[on])


def bar_um(width_um: float) -> float:
    """Length of a scale bar: the round number nearest to a quarter of the picture."""
    return float(min(_BARS_UM, key=lambda um: abs(np.log(um / (width_um / 4)))))


def wall(imageset: ImageSet, ids: Sequence[int] | Array, look: Look, tips: Sequence[str], *, few: bool = False) -> str:
    """Cells side by side; the first carries the scale bar, if the size of a pixel is known.

    Args:
        few: as many a row as fit, for a narrow place; else eight, and four on a phone, so that rows are full.
    """
    ids = tuple(int(i) for i in ids)
    if not ids:
        return '<p class="vl-quiet">No such cells among those chosen.</p>'
    across = min(len(ids), 8)
    sheet = _sheet(imageset, ids, look, across)
    rows = -(-len(ids) // across)
    cells = []
    for n, tip in enumerate(tips):
        x = 100 * (n % across) / max(1, across - 1)
        y = 100 * (n // across) / max(1, rows - 1)
        inside = _bar(imageset) if n == 0 else ""
        hover = html.escape(tip)
        cells.append(f'<i style="background-position:{x:.3f}% {y:.3f}%" title="{hover}">{inside}</i>')
    _, height, width = imageset.shape
    style = f"--sheet:url(data:image/png;base64,{sheet});--across:{across};--ratio:{width}/{height}"
    return f'<div class="vl-wall{" few" if few else ""}" style="{style}">{"".join(cells)}</div>'


def gallery_png(imageset: ImageSet, ids: Sequence[int] | Array, look: Look, *, columns: int = 8) -> bytes:
    """The same cells as a PNG with its scale bar burnt in, at their own size."""
    rgb = rgb_of(imageset, ids, look).copy()
    if imageset.pixel_size_um and len(rgb):
        length = max(1, round(bar_um(imageset.shape[2] * imageset.pixel_size_um) / imageset.pixel_size_um))
        thick, edge = max(1, rgb.shape[1] // 40), rgb.shape[1] // 16
        rgb[0, -edge - thick : -edge, -edge - length : -edge] = 255
    return pictures.png(pictures.montage(rgb, columns=columns, scale=max(1, round(192 / rgb.shape[1]))))


def _bar(imageset: ImageSet) -> str:
    if not imageset.pixel_size_um:
        return ""
    width = imageset.shape[2] * imageset.pixel_size_um
    um = bar_um(width)
    return f'<span class="um">{um:g} µm</span><span class="bar" style="width:{100 * um / width:.2f}%"></span>'


@cache.kept
def _limits(imageset: ImageSet, low: float, high: float) -> Array:
    ids = imageset.split_ids("all")
    some = ids[np.unique(np.linspace(0, len(ids) - 1, _SAMPLE).astype(np.int64))]
    flat = np.moveaxis(np.asarray(imageset.pixels[some]), 1, 0).reshape(imageset.shape[0], -1)
    step = max(1, flat.shape[1] // 1_000_000)
    found = np.percentile(flat[:, ::step], [low, high], axis=1).T
    found[:, 1] = np.maximum(found[:, 1], found[:, 0] + 1)
    return np.asarray(found)


@cache.kept(least=12)
def _sheet(imageset: ImageSet, ids: tuple[int, ...], look: Look, across: int) -> str:
    rgb = rgb_of(imageset, ids, look)
    side = max(rgb.shape[1:3])
    if side > 224:
        rgb = pictures.shrunk(rgb, round(rgb.shape[1] * 224 / side), round(rgb.shape[2] * 224 / side))
    return base64.b64encode(pictures.png(pictures.montage(rgb, columns=across, gap=0))).decode()
