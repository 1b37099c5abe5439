"""The images that an item needs: whether they are here and as they should be, and how to obtain them."""

from __future__ import annotations

from typing import Any

import streamlit as st

from pages.ui import frame
from ssrl_core.paper import needs


def show(needed: tuple[str, ...]) -> None:
    """One line for what is here; for the rest how to obtain it.

    Args:
        needed: of the item's plan.
    """
    states = [needs.check(name) for name in needed]
    here = [f"{row['title']} ({row['has'] or 'made on first use'})" for row in states if row["ready"]]
    if here:
        frame.quiet(f"Images, checked: {'; '.join(here)}.")
    lacking = [row for row in states if not row["ready"]]
    for row in lacking:
        _obtain(row)
    if lacking:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            frame.link("pages/1_Data.py", "Bring images in", icon="photo_library")
            st.button("Check again", icon=":material/refresh:", key="paper-check", type="tertiary")


def _obtain(row: dict[str, Any]) -> None:
    with st.container(border=True, gap="xsmall"):
        st.markdown(f":material/download: **{row['title']}** · {row['problem']}")
        steps = ":" if row["commands"] and not row["fetched"] else "."
        frame.quiet(f"{row['words'].rstrip('.')}{steps}")
        if row["commands"]:
            st.code("\n".join(row["commands"]), language="bash", wrap_lines=True)
