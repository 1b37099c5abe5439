"""The kinds of views: how many of each, how large, who sees them; one pipeline for all of them, or several."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import streamlit as st

from pages.ui.compose import draft as drafts
from pages.ui.compose import state
from pages.ui.compose.draft import Draft
from pages.ui.kit import frame
from ssrl_core.specs.composition import Step, ViewGroup

ROLES = {"global": "all networks", "local": "the student only"}
LOCAL_COUNT, LOCAL_SCALE = 6, (0.05, 0.25)
_ABOUT_ROLE = (
    "SwAV and DINO make many small views beside two large ones; the network that teaches sees the large ones only."
)


def views_popover(draft: Draft, group: int, side: int) -> None:
    """Name, number, size and role of one kind of views; another kind beside it.

    Args:
        side: of the images in px.
    """
    menu = st.popover("Views", icon=":material/burst_mode:", key=f"vl-views-of-{group}", on_change="rerun")
    if not menu.open:
        return
    view = draft.composition.views[group]
    with menu:
        if len(draft.composition.views) > 1:
            _field(st.text_input, "Name", group, "name", view.name, str.strip)
        _field(st.number_input, "Views of each image in training", group, "count", view.count, int, 1, 64)
        _field(
            st.number_input, "Side in px", group, "size", view.size or 0, _side, 0, 4096,
            help="0 leaves the views as large as the images.",
        )  # fmt: skip
        if len(draft.composition.views) > 1:
            _role(view, group)
        error = state.error_at(("group", group))
        if error is not None:
            frame.show_error(error)
        _more(draft, group, side)


def _field(
    widget: Callable[..., Any], label: str, group: int, name: str, value: Any, read: Callable[[Any], Any], *bounds: int,
    **more: Any,
) -> None:  # fmt: skip
    """One value of the group; what is refused is said in the popover."""
    key = f"vl-{name}-{group}"
    state.sync(key, value)

    def take() -> None:
        changes = {name: read(st.session_state[key])}
        state.edit(drafts.change_group, group, at=("group", group), **changes)

    widget(label, *bounds, key=key, on_change=take, **more)


def _side(value: int) -> int | None:
    return int(value) or None


def _role(view: ViewGroup, group: int) -> None:
    _field(
        st.segmented_control, "Seen by", group, "role", view.role, str, list(ROLES),
        format_func=ROLES.__getitem__, required=True, help=_ABOUT_ROLE,
    )  # fmt: skip


def _more(draft: Draft, group: int, side: int) -> None:
    """Other kinds of views."""
    view = draft.composition.views[group]
    st.button(
        "A pipeline for each view",
        icon=":material/call_split:",
        key=f"vl-split-{group}",
        disabled=view.count < 2,
        help="Parts these views in two kinds with the same steps, which can then be changed apart, as BYOL does.",
        on_click=_change,
        args=(drafts.split_group, group),
    )
    st.button(
        "Small local views beside these",
        icon=":material/grid_view:",
        key=f"vl-local-{group}",
        help=f"{LOCAL_COUNT} views of half the side from small crops, as SwAV and DINO take them.",
        on_click=_change,
        args=(_with_local, group, side),
    )
    if len(draft.composition.views) > 1:
        st.button(
            f"Remove {view.name}",
            icon=":material/delete:",
            key=f"vl-drop-{group}",
            on_click=_change,
            args=(drafts.remove_group, group),
        )


def _change(change: Callable[..., Draft], group: int, *args: Any) -> None:
    state.edit(change, group, *args, at=("group", group))


def _with_local(draft: Draft, group: int, side: int) -> Draft:
    """Local views that begin with the steps of a group, and with small crops."""
    view = draft.composition.views[group]
    steps = tuple(_small_crop(step) for step in view.steps)
    if not any(step.transform == "resized_crop" for step in steps):
        steps = (Step("resized_crop", settings={"scale": LOCAL_SCALE}), *steps)
    size = max(1, (view.size or side) // 2)
    return drafts.add_group(draft, group, name="local", count=LOCAL_COUNT, size=size, role="local", steps=steps)


def _small_crop(step: Step) -> Step:
    if step.transform != "resized_crop":
        return step
    return replace(step, settings={**step.settings, "scale": LOCAL_SCALE})
