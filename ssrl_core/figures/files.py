"""A chart as a file for a paper: SVG, PDF or PNG (300 dpi), fonts embedded, with its caption; no browser is needed.

Plotly draws in a browser only, so what our charts are made of (points, lines, intervals, bars) is drawn again by
Matplotlib, from the same figure.
"""

from __future__ import annotations

import html
import math
import re
from typing import TYPE_CHECKING, Any

from ssrl_core.figures.sheets import KINDS, QUIET, escape_mathtext, sheet

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

__all__ = ["KINDS", "figure_file"]
_LINE = "#e2e6eb"
_SYMBOLS = {"diamond": "D", "square": "s", "circle": "o"}
_DASHES = {"dot": ":", "dash": "--", "dashdot": "-."}


def figure_file(fig: Figure, kind: str, *, caption: str = "", width_mm: float = 120, height_mm: float = 75) -> bytes:
    """The bytes of a file.

    Args:
        kind: svg | pdf | png.
        caption: a sentence or two, set under the chart.

    Raises:
        SpecError: another kind, or Matplotlib is not installed.
    """
    title = _plain(fig.layout.title.text or "")
    beside = any(_stands_at_a_point(note) and note.xanchor == "left" for note in fig.layout.annotations)
    box = (0.14, 0.16, 0.68 if beside else 0.81, 0.78)
    size = {"width_mm": width_mm, "height_mm": height_mm}
    return sheet(lambda axes, page: _draw(axes, page, fig), kind, title=title, caption=caption, box=box, **size)


def _draw(axes: Any, page: Any, fig: Figure) -> None:
    layout = fig.layout
    if layout.xaxis.type == "log":
        axes.set_xscale("log")
        axes.minorticks_off()
    for trace in fig.data:
        if trace.type == "bar":
            _bar(axes, trace)
        elif trace.type == "heatmap":
            _heatmap(axes, page, trace)
        else:
            _scatter(axes, trace)
    for shape in layout.shapes:
        _shape(axes, shape)
    for note in layout.annotations:
        _note(axes, note)
    _axis(axes.xaxis, layout.xaxis, axes.set_xlim, axes.set_xlabel)
    _axis(axes.yaxis, layout.yaxis, axes.set_ylim, axes.set_ylabel)
    if layout.xaxis.side == "top":
        axes.xaxis.tick_top()
    if layout.yaxis.rangemode == "tozero":
        axes.set_ylim(bottom=0)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_axisbelow(True)
    if layout.yaxis.showgrid:
        axes.grid(axis="y", color=_LINE, lw=0.5)


def _scatter(axes: Any, trace: Any) -> None:
    x, y = list(trace.x), list(trace.y)
    mode = trace.mode or "lines"
    if "lines" in mode:
        axes.plot(x, y, color=trace.line.color or QUIET, lw=1.2, ls=_DASHES.get(trace.line.dash, "-"), zorder=2)
    if "markers" not in mode:
        return
    marker, size = trace.marker, trace.marker.size or 6
    if marker.opacity == 0:
        return
    if trace.error_y.array is not None:
        low = trace.error_y.arrayminus if trace.error_y.arrayminus is not None else trace.error_y.array
        axes.errorbar(
            x, y, yerr=[list(low), list(trace.error_y.array)], fmt="none", ecolor=trace.error_y.color, lw=0.9, capsize=2
        )
    shape = _SYMBOLS.get(marker.symbol or "circle", "o")
    area = (0.62 * size) ** 2
    colour = marker.color or trace.line.color or QUIET
    axes.scatter(x, y, marker=shape, s=area, alpha=marker.opacity or 1.0, lw=0.6, zorder=3, color=colour)


def _heatmap(axes: Any, page: Any, trace: Any) -> None:
    from matplotlib.colors import LinearSegmentedColormap

    scale = LinearSegmentedColormap.from_list("scale", [tuple(stop) for stop in trace.colorscale])
    values = [[math.nan if v is None else float(v) for v in row] for row in trace.z]
    edges = [[i - 0.5 for i in range(n + 1)] for n in (len(values[0]), len(values))]
    drawn = axes.pcolormesh(*edges, values, cmap=scale, vmin=trace.zmin, vmax=trace.zmax, edgecolors="white", lw=0.8)
    axes.set_facecolor("#f0f2f4")
    page.colorbar(drawn, ax=axes, format=_percent, shrink=0.8)


def _shape(axes: Any, shape: Any) -> None:
    """A line across the chart, or a box."""
    from matplotlib.patches import Rectangle

    if shape.type == "line" and shape.x0 == shape.x1:
        axes.axvline(shape.x0, color=QUIET, lw=0.7, ls=_DASHES.get(shape.line.dash, "-"))
    elif shape.type == "rect":
        size = shape.x1 - shape.x0, shape.y1 - shape.y0
        axes.add_patch(Rectangle((shape.x0, shape.y0), *size, fill=False, ec=shape.line.color, lw=1.2, zorder=4))


def _note(axes: Any, note: Any) -> None:
    """A text beside a point, as the names at the ends of lines; arrows and texts outside the axes are left out."""
    if not _stands_at_a_point(note):
        return
    side = {"left": "left", "right": "right"}.get(note.xanchor or "", "center")
    shift = (0.75 * (note.xshift or 0), 0.75 * (note.yshift or 0))  # from px to points
    style = {"ha": side, "va": "center", "fontsize": 7, "color": note.font.color or QUIET, "annotation_clip": False}
    axes.annotate(escape_mathtext(_plain(note.text)), (note.x, note.y), shift, textcoords="offset points", **style)


def _stands_at_a_point(note: Any) -> bool:
    return note.showarrow is False and (note.xref or "x") == "x" and (note.yref or "y") == "y"


def _bar(axes: Any, trace: Any) -> None:
    lying = trace.orientation == "h"
    place, length = (list(trace.y), list(trace.x)) if lying else (list(trace.x), list(trace.y))
    draw = axes.barh if lying else axes.bar
    draw(place, length, color=trace.marker.color or QUIET, label=trace.name)


def _axis(axis: Any, told: Any, limit: Any, label: Any) -> None:
    if told.tickvals is not None:
        axis.set_ticks(list(told.tickvals), [str(text) for text in (told.ticktext or told.tickvals)])
    elif told.tickformat and told.tickformat.endswith("%"):
        axis.set_major_formatter(_percent)
    elif told.tickformat == "d":
        axis.get_major_locator().set_params(integer=True)
    if told.range is not None:
        limit(*(10**v if told.type == "log" else v for v in told.range))
    if told.title.text:
        label(escape_mathtext(_plain(told.title.text)))


def _percent(value: float, _place: object = None) -> str:
    return "" if math.isnan(value) else f"{100 * value:.0f} %"


def _plain(text: str) -> str:
    """Without Plotly's few tags of HTML."""
    return html.unescape(re.sub(r"<br\s*/?>", "\n", re.sub(r"</?(?:b|i|span|sub|sup)[^>]*>", "", text)))
