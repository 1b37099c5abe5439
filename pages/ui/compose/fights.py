"""The steps that fight, in words: within one composition, or between the terms of a run."""

from __future__ import annotations

import html
from collections.abc import Sequence

import streamlit as st

from pages.ui.kit import theme
from ssrl_core.specs.composition import Composition
from ssrl_core.specs.conflicts import Fight, fights
from ssrl_core.specs.transforms import TRANSFORMS

CSS = f"""
.vl-fight {{ color: {theme.WARNING}; font-size: .9rem; line-height: 1.4; margin: .1rem 0; }}
"""


def show(compositions: Sequence[Composition]) -> None:
    """A line for each pair of steps that fight; nothing where none does."""
    if found := fights(compositions):
        st.html(fights_html(found, len(compositions)))


def fights_html(found: Sequence[Fight], terms: int) -> str:
    """A line for each pair, with the terms that the steps stand in where there are several."""
    return "".join(
        f'<p class="vl-fight">{html.escape(f"{_named(one.first, terms)} against {_named(one.second, terms)}: ")}'
        f"{html.escape(one.sentence)}</p>"
        for one in found
    )


def _named(place: tuple[int, str], terms: int) -> str:
    title = TRANSFORMS[place[1]].title
    return title if terms == 1 else f"{title} (term {place[0] + 1})"
