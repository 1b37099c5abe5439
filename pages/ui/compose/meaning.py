"""The third column: what a composition keeps, then how far two views of one image are apart (LPIPS).

LPIPS stands beside that of other compositions, by class, by step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import streamlit as st

from pages.ui.compose import keep, lpips, preview
from pages.ui.compose.lpips import Answer, Question, lpips_worker
from pages.ui.kit import choices, frame, jobs
from ssrl_core.compositions.lpips import NETWORKS, left_out
from ssrl_core.errors import SSRLError
from ssrl_core.specs.composition import Composition, load

COUNTS = (16, 64, 256)
SIDES_PX, USUAL_SIDE_PX = (32, 64, 128, 224), 64
DEFAULT_BESIDE = ["identity"]
_POLL_S = 0.5
_MBIT_S = 50  # of a usual connection
_BESIDE_KEY, _SPLIT_KEY, _COUNT_KEY = "compose-beside", "compose-split", "compose-lpips-n"
_NET_KEY, _SIZE_KEY = "compose-lpips-net", "compose-lpips-size"
_ABOUT = (
    "LPIPS says how different two pictures look to a network trained on photographs: 0 is the same picture. "
    "Here it is taken between the views of one image: the more a composition changes, the higher it is."
)
_ABOUT_SIZE = "The networks were made for larger pictures; what is larger than this is compared as it is."

CSS = keep.CSS + lpips.CSS


def meaning(shown: Composition, imageset: Any, *, seed: int) -> None:
    """The column.

    Args:
        shown: the draft without the steps that these images refuse.
    """
    keep.keep(shown, imageset, beside_in_grid())
    _lpips(shown, imageset, seed)


def _lpips(shown: Composition, imageset: Any, seed: int) -> None:
    st.subheader("LPIPS between views", anchor=False, help=_ABOUT)
    nets = _networks()
    if not nets:
        _choices(nets)
        return
    own = _question(shown, imageset, nets, seed)
    asked = {"this draft": own} | {name: replace(own, composition=one) for name, one in _beside().items()}
    numbers, fold = st.container(), lpips.fold()
    left = left_out(shown) if fold.open else []
    questions = [*asked.values(), *(replace(own, composition=one.composition) for one in left)]
    ask = partial(lpips_worker().ask, choices.visitor(), questions, imageset)
    answers = ask()
    with numbers:
        polling = not all(answer.done for answer in answers[: len(asked)])
        jobs.live(_numbers, ask, list(asked), own, imageset, polling=polling, every_s=_POLL_S)
    if fold.open:
        with fold:
            polling = not all(answer.done for answer in (answers[0], *answers[len(asked) :]))
            jobs.live(lpips.rows, ask, left, polling=polling, every_s=_POLL_S)
    _choices(nets)
    _charts(dict(zip(asked, answers, strict=False)), _labels(own, imageset), left, answers[len(asked) :])


def _question(shown: Composition, imageset: Any, nets: Sequence[str], seed: int) -> Question:
    """What is asked of the draft, with the choices of the column."""
    ids = preview.sample_for_lpips(imageset, int(st.session_state.get(_COUNT_KEY) or COUNTS[1]), seed=0)
    net, size = st.session_state.get(_NET_KEY), int(st.session_state.get(_SIZE_KEY) or USUAL_SIDE_PX)
    net = str(net) if net in nets else nets[0]
    return Question(shown, imageset.name, imageset.fingerprint, ids, seed, net, size)


def beside_in_grid() -> Composition | None:
    """The composition that the grid shows as rows B, if any."""
    name = st.session_state.get(_SPLIT_KEY)
    if not name:
        return None
    try:
        return load(name)
    except SSRLError:
        return None


def _networks() -> list[str]:
    """Networks whose weights are here; where none is, the page says what to lay where."""
    from ssrl_core.compositions import perceptual

    found = [net for net in NETWORKS if perceptual.missing(net) is None]
    if not found:
        _offer_weights()
    return found


def _offer_weights() -> None:
    """The weights that LPIPS needs, in one press; where there is no network, what to lay where."""
    from ssrl_core.compositions import perceptual

    row = NETWORKS["alex"]
    frame.quiet(
        f"It needs the weights of {row.title}: {row.megabytes} MB, fetched once from PyTorch's own address, about "
        f"{frame.duration(8 * row.megabytes / _MBIT_S)} at {_MBIT_S} Mbit/s. All else on this page works without."
    )
    jobs.job("fetch-alexnet", ("fetch", "alexnet"), button=f"Fetch {row.title}", icon="download")
    with st.expander("No network here?"):
        st.markdown(frame.plain(perceptual.missing() or ""))


def _choices(nets: Sequence[str]) -> None:
    """What stands beside the draft, what splits the grid, and how LPIPS is measured."""
    names = choices.composition_names()
    with st.expander("Compare"):
        if nets:
            st.multiselect(
                "Compared with",
                names,
                default=DEFAULT_BESIDE,
                key=_BESIDE_KEY,
                format_func=choices.composition_words,
                persist_state="session",
            )
        st.selectbox(
            "A second composition, in the grid and beside the bars",
            [None, *names],
            key=_SPLIT_KEY,
            format_func=lambda name: "none" if name is None else f"B: {name}",
            persist_state="session",
        )
    if nets:
        with st.expander("How it is measured"):
            _pick("Images", COUNTS, COUNTS[1], _COUNT_KEY, str)
            _pick(
                "Smaller views are enlarged to",
                SIDES_PX,
                USUAL_SIDE_PX,
                _SIZE_KEY,
                lambda side: f"{side} px",
                _ABOUT_SIZE,
            )
            _pick("Network", nets, nets[0], _NET_KEY, lambda net: NETWORKS[net].title)


def _pick(
    label: str, options: Sequence[Any], first: Any, key: str, shown: Callable[[Any], str], about: str | None = None
) -> None:
    st.segmented_control(
        label, options, default=first, key=key, format_func=shown, help=about, required=True, persist_state="session"
    )


def _beside() -> dict[str, Composition]:
    """The compositions to compare with, by name."""
    found = {}
    for name in st.session_state.get(_BESIDE_KEY, DEFAULT_BESIDE):
        with frame.guard():
            found[name] = load(name)
    return found


def _numbers(
    ask: Callable[[], list[Answer]], names: Sequence[str], question: Question, imageset: Any, *, polling: bool
) -> None:
    """What is known so far; while something is missing this part asks again, by itself."""
    answers = ask()[: len(names)]
    own = answers[0]
    if own.error:
        frame.warn(own.error)
    else:
        side = question.composition.views[0].size or imageset.shape[-1]
        st.html(lpips.number(own, question, side) + lpips.histogram(own, answers[1:]))
    said = [lpips.row(name, one, own=at == 0) for at, (name, one) in enumerate(zip(names, answers, strict=True))]
    st.html(f'<div class="vl-rows">{"".join(said)}</div>')
    labels = _labels(question, imageset)
    if labels and not own.error:
        classes = _by_class(own, labels)
        st.html(f'<div class="vl-group" style="margin-left:0">By class</div><div class="vl-rows">{classes}</div>')
    if polling and all(answer.done for answer in answers):
        st.rerun()


def _labels(question: Question, imageset: Any) -> list[str]:
    """The class of each image of a question; [] for a set without labels."""
    labels = np.asarray(imageset.label_ids)[list(question.image_ids)]
    return [imageset.classes[label] if label >= 0 else "no label" for label in labels] if imageset.classes else []


def _by_class(answer: Answer, labels: Sequence[str]) -> str:
    """A row for each class; the most changed comes first once all are measured, so that nothing moves before."""
    found, names = np.asarray(answer.values), np.asarray(labels[: len(answer.values)])
    parts = []
    for name in sorted(set(labels), key=lpips.natural):
        own = found[names == name].tolist()
        parts.append((name, Answer(len(own) if answer.done else len(own) + 1, own)))
    if answer.done:
        parts.sort(key=lambda part: -part[1].mean)
    return "".join(lpips.row(name, part) for name, part in parts)


def _charts(answers: Mapping[str, Answer], labels: list[str], left: Sequence[Any], without: Sequence[Answer]) -> None:
    """The same as charts to look at closely, and to take home."""
    fold = st.expander("Charts", key="compose-charts", on_change="rerun")
    if not fold.open:
        return
    from ssrl_core.figures.lpips import lpips_by_class, lpips_by_step, lpips_histogram

    with fold:
        if not all(answer.done for answer in (*answers.values(), *without)):
            frame.quiet("They are drawn when all images are measured.")
            return
        values = {name: answer.values for name, answer in answers.items()}
        st.plotly_chart(lpips_histogram(values), key="compose-histogram")
        own = next(iter(answers.values()))
        if labels and own.values:
            st.plotly_chart(lpips_by_class(own.values, labels, title="By class"), key="compose-classes")
        if drops := lpips.drops(left, own, without):
            st.plotly_chart(lpips_by_step(drops), key="compose-steps")
