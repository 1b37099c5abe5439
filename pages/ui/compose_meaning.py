"""The third column: how far two views of one image are apart (LPIPS), beside other compositions, and by class."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import streamlit as st

from pages.ui import choose, compose_scene, frame, theme
from pages.ui.compose_lpips import Answer, Question, desk
from ssrl_core.errors import SSRLError
from ssrl_core.specs.composition import Composition, load, preset_names, saved_names

COUNTS = (16, 64, 256)
DEFAULT_BESIDE = ["identity"]
BINS = 32
WIDEST = 1.0
_POLL_S = 0.5
_BESIDE_KEY, _SPLIT_KEY, _COUNT_KEY = "compose-beside", "compose-split", "compose-lpips-n"
_ABOUT = (
    "LPIPS says how different two pictures look to a network trained on photographs: 0 is the same picture. "
    "Here it is taken between the views of one image: the more a composition changes, the higher it is."
)

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
.vl-row i {{ display: block; height: 5px; border-radius: 2px; background: {theme.QUIET}; opacity: .55; }}
.vl-row.own i {{ background: {theme.ACCENT}; opacity: 1; }}
.vl-rows {{ max-height: 15rem; overflow-y: auto; }}
"""


def meaning(shown: Composition, imageset: Any, *, seed: int) -> None:
    """The column.

    Args:
        shown: the draft without the steps that these images refuse.
    """
    st.subheader("LPIPS between views", anchor=False, help=_ABOUT)
    if not _weights_there():
        _choices(measured=False)
        return
    others = _beside()
    ids = compose_scene.sample_for_lpips(imageset, int(st.session_state.get(_COUNT_KEY) or COUNTS[1]), seed=0)
    questions = [_question(composition, imageset, ids, seed) for composition in (shown, *others.values())]
    answers = desk().ask(_session(), questions, imageset)
    poll = None if all(answer.done for answer in answers) else _POLL_S
    st.fragment(run_every=poll)(_numbers)(["this draft", *others], questions, imageset, polling=poll is not None)
    _choices()
    _charts(dict(zip(["this draft", *others], answers, strict=True)), _labels(questions[0], imageset))


def beside_in_grid() -> Composition | None:
    """The composition that the grid shows as rows B, if any."""
    name = st.session_state.get(_SPLIT_KEY)
    if not name:
        return None
    try:
        return load(name)
    except SSRLError:
        return None


def _weights_there() -> bool:
    from ssrl_core.compositions import perceptual

    missing = perceptual.missing("alex")
    if missing:
        st.info(missing, icon=":material/download:")
        frame.quiet("All else on this page works without it.")
    return not missing


def _choices(*, measured: bool = True) -> None:
    """What stands beside the draft, what splits the grid, and how many images are measured."""
    names = [*saved_names(), *preset_names()]
    with st.expander("Compare"):
        if measured:
            st.multiselect(
                "Beside it",
                names,
                default=DEFAULT_BESIDE,
                key=_BESIDE_KEY,
                format_func=choose.composition_words,
                persist_state="session",
            )
        st.selectbox(
            "Rows A and B in the grid",
            [None, *names],
            key=_SPLIT_KEY,
            format_func=lambda name: "this draft only" if name is None else f"B: {name}",
            persist_state="session",
        )
        if measured:
            st.segmented_control(
                "Images measured", COUNTS, default=COUNTS[1], key=_COUNT_KEY, required=True, persist_state="session"
            )


def _beside() -> dict[str, Composition]:
    """The compositions to compare with, by name."""
    found = {}
    for name in st.session_state.get(_BESIDE_KEY, DEFAULT_BESIDE):
        with frame.guard():
            found[name] = load(name)
    return found


def _question(composition: Composition, imageset: Any, ids: tuple[int, ...], seed: int) -> Question:
    return Question(composition, imageset.name, imageset.fingerprint, ids, seed)


def _numbers(names: Sequence[str], questions: Sequence[Question], imageset: Any, *, polling: bool) -> None:
    """What is known so far; while something is missing this part asks again, by itself."""
    answers = desk().ask(_session(), questions, imageset)
    own = answers[0]
    if own.error:
        st.warning(own.error, icon=":material/info:")
    else:
        st.html(_big(own, imageset, questions[0]) + _histogram(own, answers[1:]))
    rows = [_row(name, answer, own=at == 0) for at, (name, answer) in enumerate(zip(names, answers, strict=True))]
    st.html(f'<div class="vl-rows">{"".join(rows)}</div>')
    labels = _labels(questions[0], imageset)
    if labels and not own.error:
        classes = _by_class(own, labels)
        st.html(f'<div class="vl-group" style="margin-left:0">By class</div><div class="vl-rows">{classes}</div>')
    if polling and all(answer.done for answer in answers):
        st.rerun()


def _big(answer: Answer, imageset: Any, question: Question) -> str:
    words = f"n = {len(answer.values)} images · AlexNet" if answer.values else "AlexNet is being made ready"
    if answer.size_px is not None:
        side = question.composition.views[0].size or imageset.shape[-1]
        words += f" · seen at {answer.size_px} px"
        if answer.size_px > side:
            words += f" (enlarged from {side} px)"
    number = "…" if math.isnan(answer.mean) else f"{answer.mean:.3f} <small>± {_short(answer.sd)}</small>"
    share = len(answer.values) / max(1, answer.wanted)
    bar = frame.progress_bar(share) if not answer.done else '<div class="vl-bar" style="visibility:hidden"></div>'
    return f'<div class="vl-big">{number}</div><div class="vl-quiet">{html.escape(words)}</div>{bar}'


def _histogram(own: Answer, others: Sequence[Answer]) -> str:
    """Bars of the draft's images, dashed lines at the means of the others; the axis never moves."""
    counts, _ = np.histogram(np.clip(own.values, 0, WIDEST - 1e-9), bins=BINS, range=(0, WIDEST))
    tallest = max(1, int(counts.max()))
    bars = "".join(f'<i style="height:{100 * count / tallest:.0f}%" title="{count} images"></i>' for count in counts)
    lines = "".join(
        f'<b style="left:{100 * min(other.mean, WIDEST):.1f}%"></b>' for other in others if not math.isnan(other.mean)
    )
    axis = f'<div class="vl-axis"><span>0</span><span>LPIPS</span><span>{WIDEST:g}</span></div>'
    return f'<div class="vl-hist">{bars}{lines}</div>{axis}'


def _row(name: str, answer: Answer, *, own: bool = False) -> str:
    """A name, a bar and mean ± sd."""
    value, name = answer.mean, html.escape(name)
    text = "" if math.isnan(value) else f"{value:.3f}" + ("" if math.isnan(answer.sd) else f" ± {answer.sd:.3f}")
    width = 0.0 if math.isnan(value) else 100 * min(value / WIDEST, 1)
    about = f"{name}: {text or html.escape(answer.error)}, n = {len(answer.values)}"
    number = text or ("–" if answer.error else "…")
    bar = f'<span><i style="width:{width:.0f}%"></i></span>'
    kind = "vl-row own" if own else "vl-row"
    return f'<div class="{kind}" title="{about}"><span>{name}</span>{bar}<span>{number}</span></div>'


def _labels(question: Question, imageset: Any) -> list[str]:
    """The class of each image of a question; [] for a set without labels."""
    labels = np.asarray(imageset.label_ids)[list(question.image_ids)]
    return [imageset.classes[label] if label >= 0 else "no label" for label in labels] if imageset.classes else []


def _by_class(answer: Answer, labels: Sequence[str]) -> str:
    """A row for each class; the most changed comes first once all are measured, so that nothing moves before."""
    found, names = np.asarray(answer.values), np.asarray(labels[: len(answer.values)])
    parts = [(name, Answer(1, found[names == name].tolist())) for name in sorted(set(labels), key=_natural)]
    if answer.done:
        parts.sort(key=lambda part: -part[1].mean)
    return "".join(_row(name, part) for name, part in parts)


def _natural(name: str) -> tuple[int, str]:
    """Sorts 2 before 10."""
    return (int(name) if name.isdigit() else 1 << 60, name)


def _charts(answers: dict[str, Answer], labels: list[str]) -> None:
    """The same as charts to look at closely, and to take home."""
    fold = st.expander("Charts", key="compose-charts", on_change="rerun")
    if not fold.open:
        return
    from ssrl_core.figures.lpips import lpips_by_class, lpips_histogram

    with fold:
        if not all(answer.done for answer in answers.values()):
            frame.quiet("They are drawn when all images are measured.")
            return
        values = {name: answer.values for name, answer in answers.items()}
        st.plotly_chart(lpips_histogram(values), key="compose-histogram")
        own = next(iter(answers.values()))
        if labels and own.values:
            st.plotly_chart(lpips_by_class(own.values, labels, title="By class"), key="compose-classes")


def _short(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.3f}"


def _session() -> str:
    """Who asks: one name for each browser session."""
    return st.session_state.setdefault(
        "compose-session", f"{id(st.session_state)}-{np.random.default_rng().integers(1 << 60)}"
    )
