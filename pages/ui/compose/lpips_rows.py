"""LPIPS as small pieces of a column: the number, the histogram, and rows of a name, a bar and a mean."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence

import numpy as np

from pages.ui.compose.lpips import Answer, Question
from pages.ui.kit import frame, theme
from ssrl_core.compositions.lpips import NETWORKS, Mean, summary

BINS = 32
WIDEST = 1.0

CSS = f"""
.vl-big {{ font-size: 1.6rem; font-weight: 600; line-height: 1.2; }}
.vl-big small {{ font-size: 1rem; font-weight: 400; color: {theme.QUIET}; }}
.vl-hist {{ position: relative; display: flex; align-items: flex-end; gap: 1px; height: 84px; margin-top: .4rem;
  border-bottom: 1px solid {theme.LINE}; }}
.vl-hist i {{ flex: 1; background: {theme.ACCENT}; min-height: 0; border-radius: 1px 1px 0 0; }}
.vl-hist b {{ position: absolute; bottom: 0; top: 0; width: 0; border-left: 1.5px dashed {theme.QUIET}; }}
.vl-axis {{ display: flex; justify-content: space-between; font-size: .76rem; color: {theme.QUIET}; }}
.vl-row {{ display: grid; grid-template-columns: minmax(0, 1fr) 72px 92px; gap: .5rem; align-items: center;
  font-size: .84rem; line-height: 1.6; }}
.vl-row span:first-child {{ overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }}
.vl-row span:last-child {{ text-align: right; }}
.vl-row .bar {{ position: relative; height: 9px; }}
.vl-row i {{ position: absolute; left: 0; top: 2px; height: 5px; border-radius: 2px; background: {theme.QUIET};
  opacity: .55; }}
.vl-row u {{ position: absolute; top: 4px; height: 1px; min-width: 1px; background: {theme.INK}; }}
.vl-row.own i {{ background: {theme.ACCENT}; opacity: 1; }}
.vl-row.step {{ grid-template-columns: minmax(0, 1fr) 142px; row-gap: 0; padding-bottom: .25rem; }}
.vl-row.step span:first-child {{ grid-column: 1 / -1; white-space: normal; line-height: 1.35; }}
.vl-row.less i {{ background: {theme.WARNING}; opacity: .8; }}
.vl-rows {{ max-height: 15rem; overflow-y: auto; }}
"""


def number(answer: Answer, question: Question, side: int) -> str:
    """Mean ± sd, what it was measured with, and how far that is.

    Args:
        side: of the views in px, before the network's own enlarging.
    """
    net = NETWORKS[question.net].title
    words = f"n = {len(answer.values)} images · {net}" if answer.values else f"{net} is being made ready"
    if answer.size_px is not None:
        words += f" · seen at {answer.size_px} px"
        if answer.size_px > side:
            words += f" (enlarged from {side} px)"
    if answer.done and len(answer.values) > 1:
        words += f" · 95 % interval of the mean {interval(summary(np.asarray(answer.values)))}"
    said = "…" if math.isnan(answer.mean) else f"{answer.mean:.3f} <small>± {_short(answer.sd)}</small>"
    share = len(answer.values) / max(1, answer.wanted)
    bar = frame.progress_bar(share) if not answer.done else '<div class="vl-bar" style="visibility:hidden"></div>'
    return f'<div class="vl-big">{said}</div><div class="vl-quiet">{html.escape(words)}</div>{bar}'


def histogram(own: Answer, others: Sequence[Answer]) -> str:
    """Bars of the draft's images, dashed lines at the means of the others; the axis never moves."""
    counts, _ = np.histogram(np.clip(own.values, 0, WIDEST - 1e-9), bins=BINS, range=(0, WIDEST))
    tallest = max(1, int(counts.max()))
    bars = "".join(f'<i style="height:{100 * count / tallest:.0f}%" title="{count} images"></i>' for count in counts)
    lines = "".join(
        f'<b style="left:{100 * min(other.mean, WIDEST):.1f}%"></b>' for other in others if not math.isnan(other.mean)
    )
    axis = f'<div class="vl-axis"><span>0</span><span>LPIPS</span><span>{WIDEST:g}</span></div>'
    return f'<div class="vl-hist">{bars}{lines}</div>{axis}'


def row(name: str, answer: Answer, *, own: bool = False) -> str:
    """A name, a bar with the interval of the mean on it, and mean ± sd."""
    value, name = answer.mean, html.escape(name)
    text = "" if math.isnan(value) else f"{value:.3f}" + ("" if math.isnan(answer.sd) else f" ± {answer.sd:.3f}")
    found = summary(np.asarray(answer.values)) if answer.done and len(answer.values) > 1 else None
    within = f", 95 % interval of the mean {interval(found)}" if found else ""
    about = f"{name}: {text or html.escape(answer.error)}, n = {len(answer.values)}{within}"
    said = text or ("–" if answer.error else "…")
    kind = "vl-row own" if own else "vl-row"
    drawn = bar(0.0 if math.isnan(value) else value, WIDEST, found)
    return f'<div class="{kind}" title="{about}"><span>{name}</span>{drawn}<span>{said}</span></div>'


def step_row(sentence: str, drop: Mean | None, widest: float, *, error: str = "") -> str:
    """A step, and how much lower LPIPS is without it, with the 95 % interval.

    Args:
        drop: None while nothing is measured yet.
        widest: the drop that fills the bar.
        error: why it cannot be measured.
    """
    said = f"{_short(drop.mean)} ({_short(drop.low)} to {_short(drop.high)})" if drop else "–" if error else "…"
    about = f"{said}, n = {drop.n}" if drop else error or "not measured yet"
    kind = "vl-row step less" if drop and drop.mean < 0 else "vl-row step own"
    drawn = bar(drop.mean if drop else 0.0, widest, drop)
    sentence, about = html.escape(sentence), html.escape(about)
    return f'<div class="{kind}" title="{about}"><span>{sentence}</span>{drawn}<span>{said}</span></div>'


def bar(value: float, widest: float, found: Mean | None = None) -> str:
    """A bar as long as the value, whatever its sign, and on it the interval of the mean as a thin line."""

    def place(x: float) -> float:
        return 100 * min(max(math.copysign(1, value) * x / widest, 0.0), 1.0) if widest > 0 else 0.0

    low, high = sorted((place(found.low), place(found.high))) if found else (0.0, 0.0)
    line = f'<u style="left:{low:.1f}%;width:{high - low:.1f}%"></u>' if found else ""
    return f'<span class="bar"><i style="width:{place(value):.1f}%"></i>{line}</span>'


def interval(found: Mean) -> str:
    """`0.301 to 0.328`."""
    return f"{_short(found.low)} to {_short(found.high)}"


def natural(name: str) -> tuple[int, str]:
    """Sorts 2 before 10."""
    return (int(name) if name.isdigit() else 1 << 60, name)


def _short(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.3f}".replace("-", "−")
