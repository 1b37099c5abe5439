"""How a sheet of the Train page opens: its title with the buttons, what was said there, then a body that follows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from pages.ui.kit import frame
from pages.ui.train import state
from ssrl_core.errors import SSRLError


def opened(
    title: str,
    buttons: Callable[[], None],
    body: Callable[..., None],
    *args: Any,
    every_s: float | None,
) -> None:
    """Title and buttons on one line, what an action left to say, and the body.

    Args:
        body: drawn with `args`, as a fragment.
        every_s: seconds between two looks while something is under way, None where nothing changes by itself.
    """
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.subheader(title, anchor=False)
        buttons()
    words = state.said("sheet")
    if isinstance(words, SSRLError):
        frame.show_error(words)
    elif words:
        st.info(words, icon=":material/info:")
    st.fragment(run_every=every_s)(_followed)(body, *args)


def _followed(body: Callable[..., None], *args: Any) -> None:
    state.follow()
    body(*args)
