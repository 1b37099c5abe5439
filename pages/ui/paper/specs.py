"""How an item is made: its sweeps as files, the commands that run them, and where their results are looked at."""

from __future__ import annotations

import html

import streamlit as st

from pages.ui.kit import frame
from ssrl_core import stores
from ssrl_core.paper import running, words
from ssrl_core.paper.evidence import Evidence
from ssrl_core.paper.item import Scale
from ssrl_core.specs.yaml_files import dump_yaml

_OF_CLASSES = ("table-1", "table-5", "table-6", "table-7", "figure-1", "figure-2", "figure-3", "figure-11")
_MOST_LINKED = 12


def links(name: str, evidence: Evidence) -> None:
    """The pages on which the runs of an item are looked at."""
    there = evidence.sweep_ids()
    if not there:
        return
    done = {row["id"] for row in evidence.runs() if row["state"] == "done"}
    with st.expander("Look at the runs", icon=":material/visibility:", expanded=len(there) <= 2):
        for label, sweep in list(there.items())[:_MOST_LINKED]:
            with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                with st.container(width="content"):
                    st.html(f'<span class="vl-quiet">{html.escape(words.sweep(label))}</span>')
                frame.link("pages/3_Train.py", "Runs", icon="model_training", sweep=sweep)
                _look(name, sweep, done)
        if len(there) > _MOST_LINKED:
            frame.quiet(f"The first {_MOST_LINKED} of {len(there)} sweeps; the Train page has all.")


def _look(name: str, sweep: str, done: set[str]) -> None:
    from ssrl_core.runs.queue import sweeps

    first = next((member["id"] for member in sweeps.members(sweep) if member["id"] in done), None)
    if first is None:
        return
    if name in _OF_CLASSES:
        frame.link("pages/5_Classes.py", "Classes that win and lose", icon="bar_chart", sweep=sweep)
    else:
        frame.link("pages/4_Clusters.py", "Clusters of its first run", icon="bubble_chart", run=first)


def show(name: str, scale: Scale) -> None:
    """The sweeps that make an item, as files, and the commands."""
    evidence = running.evidence(name, scale)
    with st.expander("The specs that make it", icon=":material/description:"):
        _measures(evidence)
        _sweep(name, evidence)
    with st.expander("On the command line", icon=":material/terminal:"):
        options = f"{name} --scale {scale}"
        st.code(
            f"python -m ssrl_core paper run {options}\npython -m ssrl_core paper compare {options}", language="bash"
        )
        frame.quiet("`run` queues what is not there yet and starts a worker; `compare` reads what there is.")


def _measures(evidence: Evidence) -> None:
    measures = evidence.plan.measures
    if measures:
        frame.quiet(f"Measured without training: {', '.join(measures)}.")


def _sweep(name: str, evidence: Evidence) -> None:
    sweeps = evidence.plan.sweeps()
    if not sweeps:
        return
    chosen = next(iter(sweeps))
    if len(sweeps) > 1:
        chosen = st.selectbox(
            f"One of {len(sweeps)} sweeps",
            list(sweeps),
            key=f"paper-sweep-{name}-{evidence.scale}",
            format_func=words.sweep,
        )
    text = dump_yaml({**sweeps[chosen], "name": chosen})
    file = f"{stores.as_slug(chosen)}.yaml"
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.download_button(
            "Download", text, file, "application/yaml", icon=":material/download:", key="paper-spec", on_click="ignore"
        )
        st.code(f"python -m ssrl_core sweep {file}", language="bash")
    st.code(text, language="yaml", height=360)
