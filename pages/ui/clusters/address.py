"""The selection in the address: what is selected is read from a link once, and written into it as it changes.

?sel=3-7.12 &focus=5   images 3 to 7 and 12 are selected, image 5 is in focus
?sel=@9f2c41d07ab3     a selection too long for an address, kept in the store
"""

from __future__ import annotations

import re

import streamlit as st

from pages.ui.clusters import state
from pages.ui.clusters.scene import Scene
from pages.ui.kit import frame
from ssrl_core.errors import SpecError, SSRLError
from ssrl_core.runs.folder import selections

_SELECTED, _FOCUS = "sel", "focus"
_WRITTEN = "clusters-address"


def restore(scene: Scene) -> None:
    """Select what a link names; our own writing in the address is passed over, and what it names wrongly is said."""
    here = _here()
    if here == st.session_state.get(_WRITTEN, ("", "")):
        return
    st.session_state[_WRITTEN] = here
    if here == ("", ""):
        return
    count = len(scene.imageset.table)
    try:
        chosen = selections.read(here[0], count) if here[0] else state.nothing()
        focus = _image(here[1], count)
    except SSRLError as error:
        frame.show_error(error)
        return
    state.take(scene.images, chosen, "from the address", focus)


def keep(scene: Scene) -> None:
    """Write what is selected now into the address."""
    now = state.selected(scene.images)
    told = (selections.name_of(now.image_ids), "" if now.focus is None else str(now.focus))
    st.session_state[_WRITTEN] = told
    for key, value in zip((_SELECTED, _FOCUS), told, strict=True):
        if value and st.query_params.get(key) != value:
            st.query_params[key] = value
        elif not value and key in st.query_params:
            del st.query_params[key]


def _here() -> tuple[str, str]:
    return st.query_params.get(_SELECTED, ""), st.query_params.get(_FOCUS, "")


def _image(text: str, count: int) -> int | None:
    if not text:
        return None
    if not re.fullmatch(r"\d{1,12}", text, re.ASCII) or int(text) >= count:
        raise SpecError(where="Address", field=_FOCUS, rule=f"an image, 0..{count - 1}", value=text[:40])
    return int(text)
