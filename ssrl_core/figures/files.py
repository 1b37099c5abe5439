"""A chart as a file for a paper: SVG, PDF or PNG (300 dpi), fonts embedded, with its caption; no browser is needed.

Plotly draws in a browser only, so what our charts are made of (points, lines, intervals, bars) is drawn again by
Matplotlib, from the same figure.
"""

from __future__ import annotations

import io
import math
import textwrap
from typing import TYPE_CHECKING, Any

from ssrl_core.errors import SpecError

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

KINDS = {"svg": "image/svg+xml", "pdf": "application/pdf", "png": "image/png"}
DPI = 300
_INK, _QUIET, _LINE = "#14181f", "#5b6470", "#e2e6eb"
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
    if kind not in KINDS:
        raise SpecError(where="Figure", field="kind", rule=f"one of {', '.join(KINDS)}", value=kind)
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure as Sheet
    except ImportError:
        raise SpecError(
            where="Figure", field="kind", rule="drawn by Matplotlib", value=kind, remedy="Run: pip install matplotlib."
        ) from None
    look: Any = {
        "font.size": 8,
        "svg.fonttype": "path",
        "pdf.fonttype": 42,
        "text.color": _INK,
        "axes.edgecolor": _QUIET,
        "xtick.color": _QUIET,
        "ytick.color": _QUIET,
        "axes.labelcolor": _QUIET,
        "svg.hashsalt": "viewloom",
    }
    with rc_context(look):
        lines = textwrap.wrap(caption, int(width_mm * 0.86)) if caption else []
        tall = height_mm + 3.6 * len(lines)
        sheet = Sheet(figsize=(width_mm / 25.4, tall / 25.4), dpi=DPI)
        axes = sheet.add_axes((0.14, (0.16 * height_mm + 3.6 * len(lines)) / tall, 0.81, 0.68 * height_mm / tall))
        _draw(axes, sheet, fig)
        if lines:
            sheet.text(0.02, 0.015, "\n".join(lines), fontsize=6.5, color=_QUIET, va="bottom")
        out = io.BytesIO()
        metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {}}[kind]
        sheet.savefig(out, format=kind, metadata=metadata, facecolor="white")
    return out.getvalue()


def _draw(axes: Any, sheet: Any, fig: Figure) -> None:
    layout = fig.layout
    if layout.xaxis.type == "log":
        axes.set_xscale("log")
        axes.minorticks_off()
    for trace in fig.data:
        if trace.type == "bar":
            _bar(axes, trace)
        elif trace.type == "heatmap":
            _heatmap(axes, sheet, trace)
        else:
            _scatter(axes, sheet, trace)
    for shape in layout.shapes:
        _shape(axes, shape)
    _axis(axes.xaxis, layout.xaxis, axes.set_xlim, axes.set_xlabel)
    _axis(axes.yaxis, layout.yaxis, axes.set_ylim, axes.set_ylabel)
    if layout.xaxis.side == "top":
        axes.xaxis.tick_top()
    if layout.yaxis.rangemode == "tozero":
        axes.set_ylim(bottom=0)
    if layout.title.text:
        sheet.text(0.02, 0.985, _plain(layout.title.text), fontsize=9, fontweight="bold", va="top")
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_axisbelow(True)
    if layout.yaxis.showgrid:
        axes.grid(axis="y", color=_LINE, lw=0.5)


def _scatter(axes: Any, sheet: Any, trace: Any) -> None:
    x, y = list(trace.x), list(trace.y)
    mode = trace.mode or "lines"
    if "lines" in mode:
        axes.plot(x, y, color=trace.line.color or _QUIET, lw=1.2, ls=_DASHES.get(trace.line.dash, "-"), zorder=2)
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
    colour = marker.color or _QUIET
    axes.scatter(x, y, marker=shape, s=area, alpha=marker.opacity or 1.0, lw=0.6, zorder=3, color=colour)


def _heatmap(axes: Any, sheet: Any, trace: Any) -> None:
    from matplotlib.colors import LinearSegmentedColormap

    scale = LinearSegmentedColormap.from_list("scale", [tuple(stop) for stop in trace.colorscale])
    values = [[math.nan if v is None else float(v) for v in row] for row in trace.z]
    edges = [[i - 0.5 for i in range(n + 1)] for n in (len(values[0]), len(values))]
    drawn = axes.pcolormesh(*edges, values, cmap=scale, vmin=trace.zmin, vmax=trace.zmax, edgecolors="white", lw=0.8)
    axes.set_facecolor("#f0f2f4")
    sheet.colorbar(drawn, ax=axes, format=_percent, shrink=0.8)


def _shape(axes: Any, shape: Any) -> None:
    """A line across the chart, or a box."""
    from matplotlib.patches import Rectangle

    if shape.type == "line" and shape.x0 == shape.x1:
        axes.axvline(shape.x0, color=_QUIET, lw=0.7, ls=_DASHES.get(shape.line.dash, "-"))
    elif shape.type == "rect":
        size = shape.x1 - shape.x0, shape.y1 - shape.y0
        axes.add_patch(Rectangle((shape.x0, shape.y0), *size, fill=False, ec=shape.line.color, lw=1.2, zorder=4))


def _bar(axes: Any, trace: Any) -> None:
    lying = trace.orientation == "h"
    place, length = (list(trace.y), list(trace.x)) if lying else (list(trace.x), list(trace.y))
    draw = axes.barh if lying else axes.bar
    draw(place, length, color=trace.marker.color or _QUIET, label=trace.name)


def _axis(axis: Any, told: Any, limit: Any, label: Any) -> None:
    if told.tickvals is not None:
        axis.set_ticks(list(told.tickvals), [str(text) for text in (told.ticktext or told.tickvals)])
    elif told.tickformat and told.tickformat.endswith("%"):
        axis.set_major_formatter(_percent)
    if told.range is not None:
        limit(*(10**v if told.type == "log" else v for v in told.range))
    if told.title.text:
        label(_plain(told.title.text))


def _percent(value: float, _place: object = None) -> str:
    return "" if math.isnan(value) else f"{100 * value:.0f} %"


def _plain(text: str) -> str:
    """Without Plotly's few tags of HTML, and with nothing that Matplotlib would take for mathematics."""
    import html
    import re

    return html.unescape(re.sub(r"<br\s*/?>", "\n", re.sub(r"</?(?:b|i|span|sub|sup)[^>]*>", "", text))).replace(
        "$", r"\$"
    )
