"""A sheet for a paper: SVG, PDF or PNG (300 dpi), fonts embedded, a title above, a caption below; without a browser."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Callable
from typing import Any

from ssrl_core.errors import SpecError

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
        raise SpecError(where="Figure", field="kind", rule=f"one of {', '.join(KINDS)}", value=kind)
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError:
        remedy = "Run: pip install matplotlib."
        raise SpecError(where="Figure", field="kind", rule="drawn by Matplotlib", value=kind, remedy=remedy) from None
    with rc_context(_LOOK):
        lines = textwrap.wrap(plain(caption), int(width_mm * 0.76))
        heads = textwrap.wrap(plain(title), int(width_mm * 0.5))
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


def plain(text: str) -> str:
    """With nothing that Matplotlib would take for mathematics."""
    return text.replace("$", r"\$")
