"""One item of the paper: its claim, published beside ours, the specs that make it, the cost, and the two buttons."""

from __future__ import annotations

import html
import subprocess
import sys
from typing import Any

import pandas as pd
import streamlit as st

from pages.ui import class_table, frame, paper_list
from pages.ui.theme import PANEL, QUIET
from ssrl_core.errors import SSRLError
from ssrl_core.paper import cost, running
from ssrl_core.paper.item import Scale
from ssrl_core.specs.yaml_files import dump_yaml

SCALES = {"small": "Rehearsal", "full": "Full"}
_ERROR = "paper-error"
CSS = f"""
.paper-claim {{ font-size: 1.06rem; line-height: 1.5; max-width: 100ch; margin: 0; }}
.paper-contrast {{ background: {PANEL}; border-radius: 6px; padding: .5rem .8rem;
  margin: 0 0 .4rem; line-height: 1.45; }}
.paper-contrast span.more {{ color: {QUIET}; font-size: .88rem; }}
"""


def show(name: str) -> None:
    """Everything about one item."""
    item = running.item(name)
    frame.section(f"{paper_list.spoken(name)}: {item.title}")
    st.html(f'<p class="paper-claim">The paper: {html.escape(item.claim)}</p>')
    if not item.plans:
        frame.link("pages/1_Data.py", "See images on the Data page", icon="photo_library")
        return
    scale = _scale(list(item.plans))
    data = paper_list.compared(name, scale)
    _buttons(name)
    _progress(data)
    _missing(data)
    _verdicts(data)
    _numbers(data)
    for text in (data["says"], data["note"], data["conflicts"] and f"In conflict: {data['conflicts']}"):
        if text:
            frame.quiet(str(text))
    _specs(name, scale)


def _scale(scales: list[str]) -> Scale:
    chosen = st.segmented_control(
        "Scale", scales, key="paper-scale", default=scales[-1] if "small" not in scales else "small",
        format_func=SCALES.__getitem__, required=True, label_visibility="collapsed", persist_state="session",
    )  # fmt: skip
    return "full" if chosen == "full" else "small"


def _buttons(name: str) -> None:
    """Run the rehearsal, run it in full; each with its cost."""
    columns = st.columns(2)
    for column, scale in zip(columns, ("small", "full"), strict=True):
        with column:
            price = _price(name, scale)
            label = "Run the rehearsal" if scale == "small" else "Run it in full"
            st.button(
                label, icon=":material/play_arrow:", key=f"paper-run-{scale}", on_click=_run, args=(name, scale),
                type="primary" if scale == "small" else "secondary", width="stretch",
            )  # fmt: skip
            frame.quiet(price)
    error: Any = st.session_state.get(_ERROR)
    if isinstance(error, SSRLError):
        frame.show_error(error)


def _price(name: str, scale: str) -> str:
    return _said(running.evidence(name, scale))  # type: ignore[arg-type]


def _said(evidence: Any) -> str:
    found = cost.cost(evidence)
    if not found.runs:
        return f"No training; {len(evidence.plan.measures)} measurements."
    here = frame.duration(3600 * found.hours)
    card = f"{found.gpu_hours:.3g} GPU hours" + (", guessed" if found.gpu_guessed else "")
    return f"{found.runs} runs; about {here} on this machine ({card})."


def _run(name: str, scale: Scale) -> None:
    """Queue the runs, and measure what needs no training in a process of its own."""
    st.session_state.pop(_ERROR, None)
    st.session_state["paper-turn"] = st.session_state.get("paper-turn", 0) + 1
    try:
        evidence = running.evidence(name, scale)
        running.require(evidence, name)
        running.queue(evidence)
    except SSRLError as error:
        st.session_state[_ERROR] = error
        return
    if evidence.plan.measures:
        words = [sys.executable, "-m", "ssrl_core", "paper", "run", name, "--scale", scale, "--measures-only"]
        subprocess.Popen(
            words, cwd=frame.ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip


def _progress(data: dict[str, Any]) -> None:
    """How far the runs are."""
    counts: dict[str, int] = {}
    for states in data["progress"].values():
        for state, n in states.items():
            counts[state] = counts.get(state, 0) + n
    total, done = sum(counts.values()), counts.get("done", 0)
    if not total or counts.get("not queued", 0) == total:
        return
    rest = ", ".join(f"{n} {state}" for state, n in counts.items())
    st.html(f"{frame.progress_bar(done / total)}")
    frame.quiet(f"{done} of {total} runs are done ({rest}).")


def _missing(data: dict[str, Any]) -> None:
    """Data that is not here, and how to obtain it."""
    for row in data["missing"]:
        st.info(f"**{row['title']}**: {row['problem']} {row['how']}", icon=":material/download:")


def _verdicts(data: dict[str, Any]) -> None:
    """Each claim with its difference and verdict."""
    for c in data["contrasts"]:
        more = html.escape(_told(c))
        st.html(
            f'<div class="paper-contrast">{paper_list.verdict_html(c["verdict"])} · {html.escape(c["claim"])}<br>'
            f'<span class="more">{more}</span></div>'
        )


def _told(c: dict[str, Any]) -> str:
    if c["difference"] is None:
        return str(c["reason"])
    span = "" if c["low"] is None else f", 95 %: {c['low']:+.3f} to {c['high']:+.3f}"
    n = " and ".join(str(n) for n in c["n"] if n)
    return f"difference {c['difference']:+.3f} {c['unit']}{span}; n = {n} seeds. {c['reason']}".replace("-", "−")


def _numbers(data: dict[str, Any]) -> None:
    """Published and ours side by side."""
    if not data["rows"]:
        frame.quiet("The paper gives no numbers here, only a picture.")
        return
    class_table.show(pd.DataFrame(data["rows"])[["row", "column", "published", "ours", "sd", "n"]])


def _specs(name: str, scale: Scale) -> None:
    """The sweeps that make it, as files, and the measurements."""
    evidence = running.evidence(name, scale)
    with st.expander("The specs that make it", icon=":material/description:"):
        sweeps = evidence.plan.sweeps()
        if not sweeps:
            frame.quiet(f"No training: {', '.join(evidence.plan.measures)}.")
            return
        chosen = st.selectbox("Sweep", list(sweeps), key="paper-sweep", label_visibility="collapsed")
        st.code(dump_yaml({**sweeps[chosen], "name": chosen}), language="yaml")
    with st.expander("On the command line", icon=":material/terminal:"):
        words = f"{name} --scale {scale}"
        st.code(f"python -m ssrl_core paper run {words}\npython -m ssrl_core paper compare {words}")
