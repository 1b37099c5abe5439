"""The Classes page for a sweep: which classes win and lose as one parameter moves, and what chance would give."""

from __future__ import annotations

import html
from collections.abc import Callable
from typing import Any

import streamlit as st

from pages.ui.classes import behaviours, curves, highest, methods, opposites, properties, reasons, shared, trade
from pages.ui.classes import look as class_look
from pages.ui.classes.numbers import Scene
from pages.ui.kit import frame
from pages.ui.kit.theme import QUIET

VIEWS: dict[str, tuple[str, Callable[[Scene], None]]] = {
    "curves": ("Curves", curves.view),
    "opposites": ("Opposites", opposites.view),
    "behaviours": ("Behaviours", behaviours.view),
    "highest": ("Superclasses", highest.view),
    "shared": ("Shared", shared.view),
    "methods": ("Methods", methods.view),
    "trade-off": ("Trade-off", trade.view),
    "properties": ("Properties", properties.view),
}
CSS = f"""
.vl-progress {{ color: {QUIET}; font-size: .86rem; }}
.vl-finding {{ font-size: 1.06rem; line-height: 1.5; margin: 0; max-width: 120ch; }}
.vl-finding span {{ color: {QUIET}; font-size: .86rem; }}
"""


def page(place: Any, look: str) -> None:
    """Everything under the heading, for a sweep of this store or a table that was brought."""
    with frame.guard():
        source = _source(look)
        if source is None:
            frame.empty("Bring a table of class accuracies: one row for each class of every run.", stop=False)
            return
        _progress(source)
        if source.table.empty:
            frame.empty("No run of this sweep has results yet. They appear here as they come.", stop=False)
            return
        scene = _scene(source)
        view = _choose_view()
        curves.sentence(scene)
        VIEWS[view][1](scene)
        reasons.of_scene(scene)
        with place:
            st.download_button(
                "Table",
                lambda: source.table.to_csv(index=False).encode(),  # made when asked for: a fifth of a second
                f"{source.name}-classes.csv",
                "text/csv",
                icon=":material/download:",
                type="primary",
                on_click="ignore",
            )


def _source(look: str) -> class_look.Source | None:
    if look == "file":
        return class_look.bring_file()
    return class_look.choose_sweep()


def _scene(source: class_look.Source) -> Scene:
    left, right = st.columns(2, vertical_alignment="bottom")
    with left:
        x = class_look.choose_parameter(source)
    with right:
        probe = class_look.choose_probe(source.table)
    whole = source.table
    rows = whole[whole["probe"].fillna("linear").astype(str) == probe] if "probe" in whole else whole
    return Scene(rows, whole, x, f"{source.key} {x} {probe}", source.name, source.sweep)


def _choose_view() -> str:
    asked = st.query_params.get("view")
    if "classes-view" not in st.session_state:
        st.session_state["classes-view"] = asked if asked in VIEWS else "curves"
    chosen = st.segmented_control(
        "View",
        list(VIEWS),
        key="classes-view",
        format_func=lambda name: VIEWS[name][0],
        required=True,
        label_visibility="collapsed",
        persist_state="session",
    )
    view = str(chosen or "curves")
    if st.query_params.get("view") != view:
        st.query_params["view"] = view
    return view


def _progress(source: class_look.Source) -> None:
    """How many runs are there, where not all are."""
    states = dict(source.progress)
    total = sum(states.values())
    if not total or states.get("done") == total:
        return
    rest = ", ".join(f"{n} {state}" for state, n in states.items() if state != "done")
    done = states.get("done", 0)
    words = html.escape(f"{done} of {total} runs are done ({rest}); what follows rests on these.")
    st.html(f'<div class="vl-progress">{frame.progress_bar(done / total)}{words}</div>')
    if source.sweep is not None:
        _follow(source.sweep, states)


@st.fragment(run_every=5.0)
def _follow(sweep: str, shown: dict[str, int]) -> None:
    """Draw the page again as soon as a run of the sweep has ended or started."""
    from ssrl_core.runs.queue import tables

    if tables.sweep_progress(sweep) != shown:
        st.rerun()
