"""The list of the paper's items: one row each, with the verdict of the rehearsal and how far it is."""

from __future__ import annotations

import html
import json
from typing import Any

import streamlit as st

from pages.ui.theme import ACCENT, DANGER, LINE, QUIET, WARNING
from ssrl_core.paper import running
from ssrl_core.paper.items import ITEMS
from ssrl_core.runs import registry

_COLOURS = {"shown": ACCENT, "reversed": DANGER, "not shown": WARNING, "not run": QUIET}
CSS = f"""
[class*="st-key-paper-row-"] {{ border-bottom: 1px solid {LINE}; padding: .3rem 0 .4rem; gap: .05rem; }}
[class*="st-key-paper-row-"] button {{ min-height: 1.5rem; padding: 0; text-align: left; }}
[class*="st-key-paper-row-"] button p {{ text-align: left; }}
.st-key-paper-row-open button p {{ font-weight: 600; color: {ACCENT}; }}
.paper-under {{ color: {QUIET}; font-size: .84rem; line-height: 1.4; }}
.paper-verdict {{ font-weight: 600; }}
"""


def choose() -> str:
    """The id of the item that is open; in the address as `item`."""
    chosen = st.query_params.get("item")
    if chosen not in ITEMS:
        chosen = "table-2"
        st.query_params["item"] = chosen
    for name, item in ITEMS.items():
        with st.container(key="paper-row-open" if name == chosen else f"paper-row-{name}"):
            st.button(
                f"{spoken(name)} · {item.title}", key=f"paper-go-{name}", type="tertiary", on_click=_open, args=(name,)
            )
            st.html(f'<div class="paper-under">{_under(name)}</div>')
    return chosen


def spoken(name: str) -> str:
    """`table-2` as `Table 2`."""
    return name.replace("-", " ").capitalize()


def verdict_html(verdict: str) -> str:
    """A verdict in its colour and in words."""
    return f'<span class="paper-verdict" style="color:{_COLOURS[verdict]}">{html.escape(verdict)}</span>'


def compared(name: str, scale: str) -> dict[str, Any]:
    """`running.compare`, kept while no run changes."""
    return _compared(name, scale, now())


@st.fragment(run_every=5.0)
def follow(shown: str) -> None:
    """Draw the page again when a run has ended or a measurement was made."""
    if now() != shown:
        st.rerun()


def export() -> None:
    """All comparisons as one document to take home."""
    st.download_button(
        "Results",
        lambda: json.dumps([running.compare(name) for name in ITEMS], indent=1, ensure_ascii=False),
        "viewloom-paper-small.json",
        "application/json",
        icon=":material/download:",
        type="primary",
        on_click="ignore",
    )


def _under(name: str) -> str:
    if not ITEMS[name].plans:
        return "example images; nothing to measure"
    return f"rehearsal: {verdict_html(compared(name, 'small')['verdict'])}"


@st.cache_data(max_entries=128, show_spinner=False)
def _compared(name: str, scale: str, now: str) -> dict[str, Any]:
    return running.compare(name, scale)  # type: ignore[arg-type]


def now() -> str:
    """A text that changes when a run ends or is queued, or a measurement is made."""
    from ssrl_core import stores

    made = len(list((stores.models_root() / "paper").glob("*.json")))
    return f"{stores.models_root()} {sorted(registry.counts().items())} {made} {st.session_state.get('paper-turn', 0)}"


def _open(name: str) -> None:
    st.query_params["item"] = name
