"""The list of the paper's items: one row each, with the verdict of the rehearsal and how far it is."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from pages.ui.kit import cache, frame
from pages.ui.kit.frame import ACCENT, LINE, QUIET
from pages.ui.paper import curves, results
from ssrl_core.errors import SSRLError
from ssrl_core.library.paper import charts
from ssrl_core.paper import printed, running, words
from ssrl_core.paper.authors import READ
from ssrl_core.paper.evidence import Evidence
from ssrl_core.paper.item import Scale
from ssrl_core.paper.items import ITEMS
from ssrl_core.runs.queue import registry

_MOST_PLANS = 100  # of all items and scales
OF_CLASSES = ("table-1", "table-5", "table-6", "table-7", "figure-1", "figure-2", "figure-3", "figure-11")
CSS = f"""
.st-key-paper-list {{ gap: 0; }}
[class*="st-key-paper-row-"] {{ border-bottom: 1px solid {LINE}; padding: .3rem 0 .35rem; gap: 0; }}
[class*="st-key-paper-row-"] button {{ min-height: 1.4rem; padding: 0; text-align: left; }}
[class*="st-key-paper-row-"] button p {{ text-align: left; }}
.st-key-paper-row-open button p {{ font-weight: 600; color: {ACCENT}; }}
.paper-under {{ color: {QUIET}; font-size: .84rem; line-height: 1.4; }}
.st-key-paper-narrow {{ display: none; }}
@media (max-width: 640px) {{
  .st-key-paper-list {{ display: none; }}
  .st-key-paper-narrow {{ display: flex; }}
}}
"""


Under = dict[str, DeltaGenerator]
"""The place below each item of the list."""


def choose() -> tuple[str, Under]:
    """The id of the item that is open, in the address as `item`, and where its verdicts come. A list, on a narrow
    screen one that unfolds."""
    asked = st.query_params.get("item")
    chosen = asked if asked is not None and asked in (*ITEMS, curves.ID) else "table-2"
    if asked != chosen:
        if asked is not None:
            st.caption(frame.plain(f"There is no item “{asked}” in the paper; this is table 2."))
        st.query_params["item"] = chosen
    with st.container(key="paper-narrow"):
        _choose_narrow(chosen)
    with st.container(key="paper-list"):
        under: Under = {}
        for name, item in ITEMS.items():
            with st.container(key="paper-row-open" if name == chosen else f"paper-row-{name}"):
                label = f"{words.item(name)} · {item.title}"
                st.button(label, key=f"paper-go-{name}", type="tertiary", on_click=_open, args=(name,))
                under[name] = st.container()
        with st.container(key="paper-row-open" if chosen == curves.ID else f"paper-row-{curves.ID}"):
            label = f"Beyond the paper · {curves.TITLE}"
            st.button(label, key=f"paper-go-{curves.ID}", type="tertiary", on_click=_open, args=(curves.ID,))
            st.html('<div class="paper-under">curves and a map, solved with seeds</div>')
    return chosen, under


def tell(under: Under) -> None:
    """The verdicts of every item, below its name: after the item that is open, as comparing all can take a minute."""
    for name, place in under.items():
        place.html(f'<div class="paper-under">{_under(name)}</div>')


def _choose_narrow(chosen: str) -> None:
    if st.session_state.get("paper-pick") != chosen:
        st.session_state["paper-pick"] = chosen
    st.selectbox(
        "Table or figure", [*ITEMS, curves.ID], key="paper-pick", format_func=_named,
        on_change=lambda: _open(st.session_state["paper-pick"]), label_visibility="collapsed",
    )  # fmt: skip


def _named(name: str) -> str:
    return f"Beyond the paper · {curves.TITLE}" if name == curves.ID else f"{words.item(name)} · {ITEMS[name].title}"


def compared(name: str, scale: Scale) -> dict[str, Any]:
    """`running.compare`, kept while no run changes; the results that ship (`made_with`) where none are here."""
    return _compared(name, scale, mark(name, scale))


def mark(name: str, scale: Scale) -> tuple[Any, ...]:
    """What changes when the evidence of an item does, so that the end of another run has nothing compared anew."""
    return _mark(name, scale, now())


@st.fragment(run_every=5.0)
def follow(shown: str) -> None:
    """Draw the page again when a run has ended or a measurement was made."""
    if now() != shown:
        st.rerun()


def export() -> None:
    """All comparisons to download: as one document for programs, and as one page to print."""
    st.download_button(
        "Report",
        lambda: printed.page(printed.everything(), charts),
        "viewloom-paper.html",
        "text/html",
        icon=":material/print:",
        on_click="ignore",
        help="Every claim with its interval and verdict, published numbers beside ours: one page to print",
    )
    st.download_button(
        "Download results",
        lambda: json.dumps([_exported(name) for name in ITEMS], indent=1, ensure_ascii=False),
        "viewloom-paper-small.json",
        "application/json",
        icon=":material/download:",
        on_click="ignore",
        help="Verdicts, differences and numbers of every rehearsal, as one JSON file",
    )


def evidence_of(name: str, scale: Scale) -> Evidence:
    """One's own evidence, or what ships of a solved item where nothing was solved here."""
    if compared(name, scale).get("made_with"):
        return running.shipped_evidence(name, scale) or running.evidence(name, scale)
    return running.evidence(name, scale)


def _exported(name: str) -> dict[str, Any]:
    try:
        return running.compare(name)
    except SSRLError as error:
        return {"id": name, "error": error.message}


def _under(name: str) -> str:
    """`rehearsal: 2 shown, 1 not shown`, and the full experiment where it was run."""
    if not ITEMS[name].plans:
        return "example images; nothing to measure"
    try:
        return _how_far(name)
    except SSRLError as error:  # one damaged file must not take the list away
        return html.escape(f"cannot be compared: {error.message}")


def _how_far(name: str) -> str:
    parts = [f"solved: {verdicts(name, 'instant')}"] if "instant" in ITEMS[name].plans else []
    if name in READ and running.began(compared(name, "instant-authors")):
        parts.append(f"read as the authors' code: {verdicts(name, 'instant-authors')}")
    parts.append(f"rehearsal: {verdicts(name, 'small')}{_under_way(name, 'small')}")
    if running.began(compared(name, "full")) or _under_way(name, "full"):
        parts.append(f"full: {verdicts(name, 'full')}{_under_way(name, 'full')}")
    return " · ".join(parts)


def _under_way(name: str, scale: Scale) -> str:
    """`, 3 of 10 runs done` while some wait or run."""
    counts = running.totals(compared(name, scale)["progress"])
    if not set(frame.ACTIVE) & set(counts):
        return ""
    return f", {counts.get('done', 0):,} of {sum(counts.values()):,} runs done"


def verdicts(name: str, scale: Scale) -> str:
    """`2 shown, 1 not shown` of an item at a scale."""
    return results.summary_html([c["verdict"] for c in compared(name, scale)["contrasts"]])


@cache.kept(least=_MOST_PLANS)
def _mark(name: str, scale: Scale, now: str) -> tuple[Any, ...]:
    return running.evidence(name, scale).mark() if scale in ITEMS[name].plans else ()


@cache.kept(least=_MOST_PLANS)
def _compared(name: str, scale: Scale, mark: tuple[Any, ...]) -> dict[str, Any]:
    return running.shown(name, scale)


def now() -> str:
    """A text that changes when a run ends or is queued, a measurement is made, or images come or go."""
    from ssrl_core import stores
    from ssrl_core.datasets import store as image_sets

    paper = stores.models_root() / "paper"
    made = [*_marks(paper.glob("*.json")), *_marks([paper / "solved"])]
    ready = [name for name in image_sets.names() if image_sets.is_ready(name)]
    images = _marks(stores.data_root() / name / "imageset.json" for name in ready)
    ended = registry.query("SELECT max(finished_at) AS last FROM runs")[0]["last"]
    turn = st.session_state.get("paper-turn", 0)
    return f"{stores.models_root()} {sorted(registry.counts().items())} {ended} {made} {images} {turn}"


def _marks(paths: Iterable[Path]) -> list[tuple[str, int]]:
    """Files with the time of their last change."""
    return sorted((str(path), path.stat().st_mtime_ns) for path in paths if path.exists())


def _open(name: str) -> None:
    st.query_params["item"] = name
