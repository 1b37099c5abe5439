"""LPIPS beside the editor: how it is answered, a few images at a time in one thread, and how the answers look.

The newest question of a session replaces its older ones; between two chunks the thread lets a waiting preview go first.
Answers are kept by what they depend on: composition, images, seed, network, size.
"""

from __future__ import annotations

import html
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import streamlit as st

from pages.ui.kit import cache, frame
from pages.ui.kit.jobs import REST, turns
from ssrl_core.compositions.lpips import NETWORKS, LeftOut, Mean, summary
from ssrl_core.errors import SSRLError
from ssrl_core.specs.composition import Composition

_LEAST = 4
_CHUNK_S = 0.1
BINS = 32
WIDEST = 1.0
_ABOUT = (
    "How much lower LPIPS is without the step, all else drawn as before, with its 95 % interval over the images. "
    "What a step adds depends on the others: the numbers do not add up."
)

CSS = f"""
.vl-big {{ font-size: 1.6rem; font-weight: 600; line-height: 1.2; }}
.vl-big small {{ font-size: 1rem; font-weight: 400; color: {frame.QUIET}; }}
.vl-hist {{ position: relative; display: flex; align-items: flex-end; gap: 1px; height: 84px; margin-top: .4rem;
  border-bottom: 1px solid {frame.LINE}; }}
.vl-hist i {{ flex: 1; background: {frame.ACCENT}; min-height: 0; border-radius: 1px 1px 0 0; }}
.vl-hist b {{ position: absolute; bottom: 0; top: 0; width: 0; border-left: 1.5px dashed {frame.QUIET}; }}
.vl-axis {{ display: flex; justify-content: space-between; font-size: .76rem; color: {frame.QUIET}; }}
.vl-row {{ display: grid; grid-template-columns: minmax(0, 1fr) 72px 92px; gap: .5rem; align-items: center;
  font-size: .84rem; line-height: 1.6; }}
.vl-row span:first-child {{ overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }}
.vl-row span:last-child {{ text-align: right; }}
.vl-row .bar {{ position: relative; height: 9px; }}
.vl-row i {{ position: absolute; left: 0; top: 2px; height: 5px; border-radius: 2px; background: {frame.QUIET};
  opacity: .55; }}
.vl-row u {{ position: absolute; top: 4px; height: 1px; min-width: 1px; background: {frame.INK}; }}
.vl-row.own i {{ background: {frame.ACCENT}; opacity: 1; }}
.vl-row.step {{ grid-template-columns: minmax(0, 1fr) 142px; row-gap: 0; padding-bottom: .25rem; }}
.vl-row.step span:first-child {{ grid-column: 1 / -1; white-space: normal; line-height: 1.35; }}
.vl-row.less i {{ background: {frame.WARNING}; opacity: .8; }}
.vl-rows {{ max-height: 15rem; overflow-y: auto; }}
"""


@dataclass(frozen=True)
class Question:
    """What an answer depends on."""

    composition: Composition
    dataset: str
    fingerprint: str
    image_ids: tuple[int, ...]
    seed: int
    net: str = "alex"
    smallest_px: int = 64

    @property
    def cache_key(self) -> Question:
        """The same for compositions that differ in nothing but their name."""
        return replace(self, composition=self.composition.renamed("any"))


@dataclass
class Answer:
    """LPIPS of the first images, more with time.

    Attributes:
        values: distances so far, in the order of the question's images.
        size_px: side at which the network sees the views.
        error: why it cannot be answered.
    """

    wanted: int
    values: list[float] = field(default_factory=list)
    size_px: int | None = None
    error: str = ""

    @property
    def done(self) -> bool:
        """Nothing more will come."""
        return bool(self.error) or len(self.values) >= self.wanted

    @property
    def mean(self) -> float:
        """Mean so far; NaN before the first image."""
        return float(np.mean(self.values)) if self.values else float("nan")

    @property
    def sd(self) -> float:
        """Standard deviation over images so far (n - 1); NaN for fewer than two."""
        return float(np.std(self.values, ddof=1)) if len(self.values) > 1 else float("nan")


class LpipsWorker:
    """Takes questions from pages and answers them in one thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asked: OrderedDict[str, tuple[list[Question], Any]] = OrderedDict()
        self._thread: threading.Thread | None = None

    def ask(self, session: str, questions: Sequence[Question], imageset: Any) -> list[Answer]:
        """The answers as far as they are; what is missing is worked on from now, in this order.

        Args:
            session: who asks; their earlier questions are dropped.
            imageset: the image set of the questions.
        """
        with self._lock:
            answers = [self._answer(question) for question in questions]
            self._asked[session] = (list(questions), imageset)
            self._asked.move_to_end(session)
            while len(self._asked) > 32:  # closed pages never say goodbye
                self._asked.popitem(last=False)
            if any(not answer.done for answer in answers):
                self._start()
            return answers

    def _answer(self, question: Question) -> Answer:
        return cache.SHARED.get("lpips", question.cache_key, lambda: Answer(len(question.image_ids)), least=256)

    def _start(self) -> None:
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._work, name="lpips", daemon=True)
            self._thread.start()

    def _next(self) -> tuple[Question, Answer, Any] | None:
        for questions, imageset in reversed(self._asked.values()):
            for question in questions:
                answer = self._answer(question)
                if not answer.done:
                    return question, answer, imageset
        return None

    def _work(self) -> None:
        chunk = _LEAST
        while True:
            turns().wait(REST)
            with self._lock:
                job = self._next()
                if job is None:
                    self._thread = None  # the next question starts a new one
                    return
            began = time.perf_counter()
            _work_on(*job, chunk)
            took = time.perf_counter() - began
            chunk = max(_LEAST, min(32, round(chunk * _CHUNK_S / max(took, 0.01)), 2 * chunk))


@cache.kept
def lpips_worker() -> LpipsWorker:
    """The one of this process."""
    return LpipsWorker()


def _work_on(question: Question, answer: Answer, imageset: Any, chunk: int) -> None:
    """Answer for the next few images; whatever goes wrong becomes the answer, so that the thread lives on."""
    from ssrl_core.compositions import perceptual

    start = len(answer.values)
    ids = np.asarray(question.image_ids[start : start + chunk], dtype=np.int64)
    try:
        part = perceptual.measure(
            imageset, question.composition, ids, seed=question.seed, net=question.net, smallest_px=question.smallest_px
        )
    except SSRLError as error:
        answer.error = error.message
    except Exception as error:  # noqa: BLE001 - a bug must show on the page, not die silently in a thread
        answer.error = f"{type(error).__name__}: {error}"
    else:
        answer.size_px = int(part.size_px)
        answer.values.extend(float(value) for value in part.values)


def number(answer: Answer, question: Question, side: int) -> str:
    """Mean ± sd, what it was measured with, and how far that is.

    Args:
        side: of the views in px, before the network's own enlarging.
    """
    net = NETWORKS[question.net].title
    words = f"n = {frame.count(len(answer.values), 'image')} · {net}" if answer.values else f"{net} is loading"
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
    bars = "".join(
        f'<i style="height:{100 * count / tallest:.0f}%" title="{frame.count(int(count), "image")}"></i>'
        for count in counts
    )
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


def fold() -> Any:
    """The folded part; its steps are measured while it is open."""
    return st.expander("By step", key="compose-by-step", on_change="rerun")


def rows(ask: Callable[[], list[Answer]], left: Sequence[LeftOut], *, polling: bool) -> None:
    """A row for each step that is on, filled as its images are measured; the order is the recipe's.

    Args:
        ask: all answers so far, the draft's first, those without a step last.
        left: the steps, in the order of the last answers.
    """
    answers = ask()
    own, without = answers[0], answers[len(answers) - len(left) :]
    frame.quiet(_ABOUT if left else "Every step is switched off.")
    several = len({one.group for one in left}) > 1
    said = []
    for one, answer in zip(left, without, strict=True):
        sentence = f"{one.group}: {one.step.sentence()}" if several else one.step.sentence()
        said.append(step_row(sentence, drop(own, answer), own.mean, error=answer.error))
    st.html(f"<div>{''.join(said)}</div>")
    missing = [answer for answer in (own, *without) if not answer.done]
    if missing:
        share = sum(len(answer.values) for answer in without) / max(1, sum(answer.wanted for answer in without))
        st.html(frame.progress_bar(share))
    if polling and not missing:
        st.rerun()


def drops(left: Sequence[LeftOut], own: Answer, without: Sequence[Answer]) -> list[tuple[str, float, float, float]]:
    """(sentence, drop, low, high) of every step that could be measured, for the chart."""
    found = ((one.step.sentence(), drop(own, answer)) for one, answer in zip(left, without, strict=True))
    return [(sentence, mean.mean, mean.low, mean.high) for sentence, mean in found if mean is not None]


def drop(own: Answer, without: Answer) -> Mean | None:
    """How much lower LPIPS is without a step, over the images that are measured both ways; None before the first."""
    both = min(len(own.values), len(without.values))
    return summary(np.asarray(own.values[:both]) - np.asarray(without.values[:both])) if both else None
