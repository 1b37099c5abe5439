"""One item of the paper: its claim, the two buttons, what shows, published beside ours, and how it is made."""

from __future__ import annotations

import html
from typing import Any

import streamlit as st

from pages.ui.kit import choices, frame
from pages.ui.paper import claims, figures, images, list, numbers, readings, runs, specs
from pages.ui.paper import data as paper_data
from ssrl_core.paper import running
from ssrl_core.paper.item import SCALES, Item, Scale

CSS = (
    """
.paper-claim { font-size: 1.06rem; line-height: 1.5; max-width: 100ch; margin: 0; }
"""
    + claims.CSS
    + numbers.CSS
    + runs.CSS
    + images.CSS
)


def show(name: str) -> None:
    """Everything about one item."""
    item = running.item(name)
    frame.section(f"{list.spoken(name)}: {item.title}")
    st.html(f'<p class="paper-claim">The paper: {html.escape(item.claim)}</p>')
    if not item.plans:
        frame.quiet("The figure shows example images and measures nothing; so does this.")
        images.conditions()
        return
    runs.buttons(name)
    scale = _scale(item)
    data = list.compared(name, scale)
    with st.container(gap="xxsmall"):
        runs.act(name, scale)
        runs.standing(name, scale)
        paper_data.show(item.plans[scale].needs)
    _results(name, scale, data)
    _notes(data)
    readings.show(running.evidence(name, scale))
    specs.links(name, running.evidence(name, scale))
    specs.show(name, scale)


def _scale(item: Item) -> Scale:
    """small | full; in the address."""
    options = [scale for scale in SCALES if scale in item.plans]
    chosen = choices.from_address(
        "Scale", options, key="scale", shown=lambda scale: f"{runs.NAMES[scale]} results",  # type: ignore[index]
        default="small", label_visibility="collapsed", flat=True,
    )  # fmt: skip
    return "full" if chosen == "full" else "small"


def _results(name: str, scale: Scale, data: dict[str, Any]) -> None:
    """The verdicts, then what the paper has there (a table or a picture), then the other."""
    claims.show(data["contrasts"])
    if name.startswith("table"):
        numbers.show(data)
    with frame.guard():
        images.clusters(name, scale)
    with frame.guard():
        figures.show(name, scale)
    if not name.startswith("table"):
        numbers.show(data)


def _notes(data: dict[str, Any]) -> None:
    """How the paper was read, what was found besides, and where the paper disagrees with itself."""
    for text in (data["says"], data["note"]):
        if text:
            frame.quiet(str(text))
    if data["conflicts"]:
        frame.quiet(f"Where the paper disagrees with itself, or leaves something open: {data['conflicts']}")
