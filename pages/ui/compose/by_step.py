"""LPIPS step by step: how much it falls when one step is left out, all else drawn as before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import streamlit as st

from pages.ui.compose import lpips_rows
from pages.ui.compose.lpips import Answer
from pages.ui.kit import frame
from ssrl_core.compositions.lpips import LeftOut, Mean, summary

_ABOUT = (
    "How much lower LPIPS is without the step, all else drawn as before, with its 95 % interval over the images. "
    "What a step adds depends on the others: the numbers do not add up."
)


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
    frame.quiet(_ABOUT if left else "No step is on.")
    several = len({one.group for one in left}) > 1
    said = []
    for one, answer in zip(left, without, strict=True):
        sentence = f"{one.group}: {one.step.sentence()}" if several else one.step.sentence()
        said.append(lpips_rows.step_row(sentence, drop(own, answer), own.mean, error=answer.error))
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
