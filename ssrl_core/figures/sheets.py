"""A sheet for a paper: SVG, PDF or PNG (300 dpi), fonts embedded, a title above, a caption below; without a browser.

Plotly draws in a browser only, so what our charts are made of (points, lines, intervals, bars) is drawn again by
Matplotlib, from the same figure.
"""

from __future__ import annotations

import html
import io
import math
import re
import textwrap
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ssrl_core.errors import SpecError
from ssrl_core.figures.style import ACCENT, MISSING, VIRIDIS

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from plotly.graph_objects import Figure


KINDS = {"svg": "image/svg+xml", "pdf": "application/pdf", "png": "image/png"}
DPI = 300
INK, QUIET = "#14181f", "#5b6470"
_LINE_MM, _HEAD_MM = 3.6, 4.0
_LOOK: Any = {
    "font.size": 8,
    "svg.fonttype": "path",
    "pdf.fonttype": 42,
    "svg.hashsalt": "viewloom",
    "text.color": INK,
    **dict.fromkeys(("axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), QUIET),
}


def sheet(
    draw: Callable[[Any, Any], None],
    kind: str,
    *,
    title: str = "",
    caption: str = "",
    width_mm: float = 120,
    height_mm: float = 90,
    box: tuple[float, float, float, float] = (0.02, 0.02, 0.96, 0.96),
) -> bytes:
    """The bytes of a file.

    Args:
        draw: given the axes and the Matplotlib figure, draws.
        kind: svg | pdf | png.
        box: left, bottom, width and height of the axes within the space between title and caption.

    Raises:
        SpecError: another kind, or Matplotlib is not installed.
    """
    if kind not in KINDS:
        raise SpecError.at("Figure", "kind", f"one of {', '.join(KINDS)}", kind)
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError:
        remedy = "Run: pip install matplotlib."
        raise SpecError.at("Figure", "kind", "drawn by Matplotlib", kind, remedy) from None
    with rc_context(_LOOK):
        lines = textwrap.wrap(escape_mathtext(caption), int(width_mm * 0.76))
        heads = textwrap.wrap(escape_mathtext(title), int(width_mm * 0.5))
        below, above = _LINE_MM * len(lines) + 2, 3.0 + _HEAD_MM * len(heads) if heads else 1.0
        tall = height_mm + below + above
        page = Figure(figsize=(width_mm / 25.4, tall / 25.4), dpi=DPI)
        left, bottom, width, height = box
        axes = page.add_axes((left, (below + bottom * height_mm) / tall, width, height * height_mm / tall))
        draw(axes, page)
        if heads:
            page.text(0.02, 1 - 2 / tall, "\n".join(heads), fontsize=9, fontweight="bold", va="top")
        page.text(0.02, 1.5 / tall, "\n".join(lines), fontsize=6.5, color=QUIET, va="bottom")
        out = io.BytesIO()
        metadata: dict[str, Any] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {}}[kind]
        page.savefig(out, format=kind, metadata=metadata, facecolor="white")
    return out.getvalue()


def escape_mathtext(text: str) -> str:
    """With nothing that Matplotlib would take for mathematics."""
    return text.replace("$", r"\$")


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
            bar.set_label(escape_mathtext(what))
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
    dots = [Line2D([], [], ls="", marker="o", ms=4, color=colours[c], label=escape_mathtext(names[c])) for c in shown]
    columns = 1 if len(dots) <= 20 else 2
    place = {"loc": "upper left", "bbox_to_anchor": (1.0, 1.0), "frameon": False, "fontsize": 6.5, "handletextpad": 0.2}
    axes.legend(handles=dots, title=escape_mathtext(what), title_fontsize=7, ncols=columns, columnspacing=0.6, **place)


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
            axes.text(*at, escape_mathtext(name), fontsize=7, ha="center", va="center", color=INK, path_effects=halo)


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
        axes.set_xticks(
            range(len(columns)), [escape_mathtext(c) for c in columns], rotation=90 if len(columns) > 12 else 0
        )
        axes.set_yticks(range(len(rows)), [escape_mathtext(r) for r in rows])
        axes.tick_params(length=0, labelsize=6.5)
        axes.set_xlabel(escape_mathtext(column_title))
        axes.set_ylabel(escape_mathtext(row_title))
        axes.spines[:].set_visible(False)
        if max(counts.shape) <= _MOST_NUMBERS:
            for (r, c), n in np.ndenumerate(counts):
                if n:
                    colour = "white" if shares[r, c] > 0.55 else INK
                    axes.text(c, r, str(n), ha="center", va="center", fontsize=6, color=colour)

    return sheet(draw, kind, title=title, caption=caption, box=(0.16, 0.16, 0.8, 0.8))


MOST_BARS = 20
_BAR_MM, _LONGEST = 5.0, 28


def counts_file(
    counts: pd.DataFrame, kind: str, *, colours: Mapping[str, str], title: str = "", caption: str = ""
) -> bytes:
    """The bytes of a file (`sheets.sheet`): bars with their 95 % intervals, a tick at the share of all images.

    Args:
        counts: of `analysis.selection.counts_of_codes`; the 20 commonest values are drawn.
        colours: of values; the others are drawn in the accent.
    """
    shown = counts[counts["selected"] > 0].head(MOST_BARS)

    def draw(axes: Any, page: Any) -> None:
        for at, row in enumerate(shown.itertuples()):
            name = "no value" if row.value is None else str(row.value)
            axes.barh(at, 100 * row.share, height=0.62, color=colours.get(name, ACCENT))
            error = [[100 * (row.share - row.low)], [100 * (row.high - row.share)]]
            axes.errorbar(100 * row.share, at, xerr=error, fmt="none", ecolor=INK, elinewidth=0.8, capsize=1.5)
            axes.plot([100 * row.share_all] * 2, [at - 0.42, at + 0.42], color=INK, lw=1.4)
            axes.text(
                100 * max(row.high, row.share_all) + 1.5,
                at,
                f"{row.selected} of {row.all}",
                va="center",
                fontsize=6,
                color=QUIET,
            )
        axes.set_yticks(
            range(len(shown)), [_short("no value" if v is None else str(v)) for v in shown["value"]], color=INK
        )
        axes.set_ylim(max(len(shown), 1) - 0.5, -0.5)
        axes.set_xlim(0, None)
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel("share of the selected images, %")
        axes.spines[["top", "right", "left"]].set_visible(False)

    tall = max(20.0, _BAR_MM * len(shown) + 12)
    return sheet(draw, kind, title=title, caption=caption, height_mm=tall, box=(0.34, 12 / tall, 0.56, 1 - 14 / tall))


def _short(name: str) -> str:
    return escape_mathtext(name if len(name) <= _LONGEST else name[: _LONGEST - 1] + "…")


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
    axes.text(0.4, at + 0.36, escape_mathtext(name), fontsize=7, color=INK, va="center", clip_on=True)
    axes.text(0.4, at + 0.68, escape_mathtext(told), fontsize=5.5, color=QUIET, va="center", clip_on=True)


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
