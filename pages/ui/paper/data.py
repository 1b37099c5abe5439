"""The images that an item needs: whether they are here and as they should be, and how to obtain them."""

from __future__ import annotations

from typing import Any

import streamlit as st

from pages.ui.kit import frame
from ssrl_core.paper import cost


def show(needed: tuple[str, ...]) -> None:
    """One line for what is here; for the rest how to obtain it.

    Args:
        needed: of the item's plan.
    """
    states = [cost.check(name) for name in needed]
    here = [f"{row['title']} ({row['has'] or 'made on first use'})" for row in states if row["ready"]]
    if here:
        frame.quiet(f"Images, checked: {'; '.join(here)}.")
    lacking = [row for row in states if not row["ready"]]
    for words in dict.fromkeys(row["words"] for row in lacking):
        _obtain([row for row in lacking if row["words"] == words])
    if lacking:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            frame.link("pages/1_Data.py", "Bring images in", icon="photo_library")
            st.button("Check again", icon=":material/refresh:", key="paper-check", type="tertiary")


def prepare(needed: tuple[str, ...]) -> None:
    """Make or fetch what is made or fetched on first use, with its progress.

    Raises:
        SSRLError: it cannot be fetched, or its files are damaged.
    """
    from ssrl_core.datasets import store as image_sets

    for name in needed:
        if image_sets.is_ready(name):
            continue
        title = cost.NEEDED[name].title
        bar = st.progress(0.0, f"Preparing {title}, once")

        def told(done: int, total: int, what: str, bar: Any = bar, title: str = title) -> None:
            bar.progress(min(1.0, done / total) if total else 0.0, f"Preparing {title}, once: {what}")

        image_sets.load(name, report=told)


def _obtain(rows: list[dict[str, Any]]) -> None:
    """Image sets that are obtained in the same way."""
    commands = list(dict.fromkeys(command for row in rows for command in row["commands"]))
    with st.container(border=True, gap="xsmall"):
        for row in rows:
            st.markdown(f":material/download: **{row['title']}** · {row['problem']}")
        end = ":" if commands and not rows[0]["fetched"] else "."
        frame.quiet(f"{rows[0]['words'].rstrip('.')}{end}")
        if commands:
            st.code("\n".join(commands), language="bash", wrap_lines=True)
