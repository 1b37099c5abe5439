"""What varies: any field of the run, chosen from a list, with its values; a sweep is written this way."""

from __future__ import annotations

from typing import Any

import streamlit as st

from pages.ui.kit import frame
from pages.ui.runs.vary_values import read_values, values_text, vary_paths
from pages.ui.train import draft as train_draft
from pages.ui.train import state
from ssrl_core.errors import SSRLError

_MOST_CHECKED = 400


def vary(draft: train_draft.Draft) -> None:
    """What varies now, each with its values and a way to leave it out; one more field with a click."""
    chosen = dict(draft.get("vary") or {})
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="train-line-vary"):
        for number, (path, values) in enumerate(chosen.items()):
            label = vary_paths(draft).get(path, path)
            st.button(
                f"{label}: {values_text(values)}",
                icon=":material/close:",
                icon_position="right",
                key=f"train-unvary-{number}",
                help=f"{path} varies; click to leave it as it is",
                on_click=state.edit,
                args=("vary", _without, path),
            )
        _one_more(draft, chosen)
    _sampler(draft, chosen)
    words = state.said("vary")
    if isinstance(words, SSRLError):
        frame.show_error(words)


def _one_more(draft: train_draft.Draft, chosen: dict[str, Any]) -> None:
    """The popover that adds a field."""
    menu = st.popover("Vary", icon=":material/stacked_line_chart:", key="train-vary", on_change="rerun")
    if not menu.open:
        return
    names = {path: label for path, label in vary_paths(draft).items() if path not in chosen}
    with menu, st.container(width=420):
        path = st.selectbox("Field", list(names), format_func=names.__getitem__, key="train-vary-path")
        now = train_draft.value_at(draft, path)
        st.text_input(
            "Values",
            key="train-vary-values",
            placeholder=f"now {now.get('name') if isinstance(now, dict) else now}",
            help="0.1, 0.2, 0.4 · or 0 to 0.5 in 6 · or 1e-4 to 1e-2 in 5 log",
        )
        frame.quiet("A run for every combination of values, and for every seed.")
        st.button("Add", type="primary", key="train-vary-add", on_click=_add)


def _sampler(draft: train_draft.Draft, chosen: dict[str, Any]) -> None:
    """All combinations, or some of them drawn at random."""
    if len(chosen) < 2:
        return
    given = draft.get("sampler") or {"name": "grid"}
    with st.container(horizontal=True, vertical_alignment="center", key="train-line-sampler"):
        key = state.show("train-sampler", given["name"])
        st.selectbox(
            "Sampler",
            ["grid", "random"],
            key=key,
            width=220,
            label_visibility="collapsed",
            format_func={"grid": "all combinations", "random": "combinations at random"}.__getitem__,
            on_change=state.edit,
            args=("vary", _take_sampler),
        )
        if given["name"] == "random":
            key = state.show("train-sampler-count", given["count"])
            st.number_input(
                "Count",
                min_value=1,
                key=key,
                width=104,
                label_visibility="collapsed",
                on_change=state.edit,
                args=("vary", _take_sampler),
            )
            st.markdown("of them")


def _add() -> None:
    path = st.session_state["train-vary-path"]
    state.edit("vary", _with, path, st.session_state.get("train-vary-values") or "")


def _with(draft: train_draft.Draft, path: str, text: str) -> train_draft.Draft:
    new = {**draft, "vary": {**(draft.get("vary") or {}), path: read_values(text)}}
    return _checked(new)


def _without(draft: train_draft.Draft, path: str) -> train_draft.Draft:
    left = {name: values for name, values in (draft.get("vary") or {}).items() if name != path}
    return {**draft, "vary": left, "sampler": {"name": "grid"} if len(left) < 2 else draft.get("sampler")}


def _take_sampler(draft: train_draft.Draft) -> train_draft.Draft:
    name = st.session_state["train-sampler"]
    if name == "grid":
        return {**draft, "sampler": {"name": "grid"}}
    count = st.session_state.get("train-sampler-count") or 10
    return _checked({**draft, "sampler": {"name": "random", "count": int(count), "seed": 0}})


def _checked(draft: train_draft.Draft) -> train_draft.Draft:
    """The draft, if every value of it makes a valid run (of very large sweeps this is said when they are queued)."""
    from ssrl_core.specs.sweep import SweepSpec

    sweep = SweepSpec.from_mapping(train_draft.sweep_of(draft))
    if sweep.count <= _MOST_CHECKED:
        sweep.runs()
    return draft
