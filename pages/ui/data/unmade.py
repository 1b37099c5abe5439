"""A built-in image set that is not on disk yet: what it will be, and the button that makes or fetches it."""

from __future__ import annotations

import html

import streamlit as st

from pages.ui.kit import frame
from pages.ui.data.samples import number
from ssrl_core import stores
from ssrl_core.datasets import store as image_sets
from ssrl_core.datasets.builtin import BUILT_IN
from ssrl_core.errors import SSRLError


def offer(name: str) -> None:
    """The empty state of a set that is made on first use."""
    row = BUILT_IN[name]
    frame.empty(f"{row.title} is not here yet. {row.sentence}", stop=False)
    with st.container(horizontal=True, horizontal_alignment="center"):
        words, icon = ("Fetch", "download") if row.fetched else ("Make", "draw")
        asked = st.button(f"{words} {row.title}", icon=f":material/{icon}:", type="primary", key=f"data-make-{name}")
    told = f"{number(row.count)} images of {row.shape[2]} × {row.shape[1]} px, " + (
        f"fetched once. Without a network, lay the official files in {stores.downloads_root()}."
        if row.fetched
        else f"made in {'a few seconds' if row.seconds < 20 else 'about a minute'}."
    )
    st.html(f'<p class="vl-quiet" style="text-align:center">{html.escape(told)}</p>')
    if asked:
        _make(name)


def _make(name: str) -> None:
    bar = st.progress(0.0, "Starting")
    try:
        image_sets.load(
            name, report=lambda done, total, what: bar.progress(done / total if total else 0.0, f"{what} …")
        )
    except SSRLError as error:
        bar.empty()
        frame.show_error(error)
        return
    st.rerun()
