"""One item of the paper: its claim, the two buttons, what shows, published beside ours, and how it is made."""

from __future__ import annotations

import html
from typing import Any

import streamlit as st

from pages.ui.kit import choices, frame
from pages.ui.paper import figures, items, results, runs
from ssrl_core import stores
from ssrl_core.paper import authors, report, running, solved, words
from ssrl_core.paper.evidence import Evidence
from ssrl_core.paper.item import SCALES, Item, Scale
from ssrl_core.specs.yaml_files import dump_yaml

_MOST_LINKED = 12
_READINGS = {"paper": "As the paper's text", "authors": "As the authors' earlier code"}
"""How the paper is read where it is silent."""
CSS = (
    """
.paper-claim { font-size: 1.06rem; line-height: 1.5; max-width: 100ch; margin: 0; }
"""
    + results.CSS
    + runs.CSS
    + figures.CSS
)


def show(name: str) -> None:
    """Everything about one item."""
    item = running.item(name)
    frame.section(f"{words.item(name)}: {item.title}")
    st.html(f'<p class="paper-claim">The paper: {html.escape(item.claim)}</p>')
    if not item.plans:
        frame.quiet("This figure shows example images and measures nothing, and so does this page.")
        figures.show_conditions()
        return
    runs.buttons(name)
    scale = _scale(item)
    data = items.compared(name, scale)
    with st.container(gap="xxsmall"):
        runs.act(name, scale)
        runs.standing(name, scale)
        if "made_with" not in data:
            runs.show_images_needed(item.plans[scale].needs)
    _results(name, scale, data)
    _notes(data)
    if "made_with" in data:  # the results that ship stand first; what it takes to see them here comes after
        frame.section("See it on this machine")
        runs.show_images_needed(item.plans[scale].needs)
    results.show_readings(running.evidence(name, scale))
    show_links(name, running.evidence(name, scale))
    show_specs(name, scale)


def _scale(item: Item) -> Scale:
    """instant | small | full; in the address, else the first that has results."""
    options = [scale for scale in SCALES if scale in item.plans]
    there = (scale for scale in options if running.began(items.compared(item.id, scale)))
    with_results = next(there, options[0])
    chosen = choices.from_address(
        "Scale", options, key="scale", shown=lambda scale: f"{runs.NAMES[scale]} results",  # type: ignore[index]
        default=with_results, label_visibility="collapsed", flat=True,
    )  # fmt: skip
    return _read_as(item, next(scale for scale in SCALES if scale == chosen))


def _read_as(item: Item, scale: Scale) -> Scale:
    """The scale in the paper's reading, or in that of the authors' earlier code; in the address as `reading`."""
    if item.id not in authors.READ:
        return scale
    chosen = choices.from_address(
        "Read as", list(_READINGS), key="reading", shown=_READINGS.__getitem__, default="paper",
        label_visibility="collapsed", flat=True,
    )  # fmt: skip
    other = authors.authors_of(scale)
    told = (f"{_READINGS[name]}: {items.verdicts(item.id, s)}" for name, s in (("paper", scale), ("authors", other)))
    st.html(f'<div class="vl-quiet">Where the paper is silent it can be read in two ways. {". ".join(told)}.</div>')
    return other if chosen == "authors" else scale


def _results(name: str, scale: Scale, data: dict[str, Any]) -> None:
    """The verdicts, then what the paper has there (a table or a picture), then the other."""
    if authors.base_of(scale) == "instant":
        frame.quiet(f"These results are {solved.IS_SOLVED}.")
    if data.get("made_with"):
        frame.quiet(str(data["made_with"]))
    results.show_claims(data["contrasts"])
    if name.startswith("table"):
        results.show_numbers(data)
    with frame.guard():
        figures.show_galleries(name, scale)
    with frame.guard():
        figures.show_charts(name, scale)
    if not name.startswith("table"):
        results.show_numbers(data)


def _notes(data: dict[str, Any]) -> None:
    """How the paper was read, what was found besides, and where the paper disagrees with itself."""
    for text in (data["says"], *data["note"].split("\n"), data.get("unsolved")):
        if text:
            frame.quiet(str(text))
    if data["conflicts"]:
        frame.quiet(f"Where the paper disagrees with itself, or leaves something open: {data['conflicts']}")


def show_links(name: str, evidence: Evidence) -> None:
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
    if name in items.OF_CLASSES:
        frame.link("pages/5_Classes.py", "Classes that win and lose", icon="bar_chart", sweep=sweep)
    else:
        frame.link("pages/4_Clusters.py", "Clusters of its first run", icon="bubble_chart", run=first)


def show_specs(name: str, scale: Scale) -> None:
    """The sweeps that make an item, as files, and the commands."""
    evidence = running.evidence(name, scale)
    with st.expander("The specs that make it", icon=":material/description:"):
        _measures(evidence)
        _sweep(name, evidence)
    with st.expander("On the command line", icon=":material/terminal:"):
        options = f"{name} {report.options(scale)}"
        st.code(
            f"python -m ssrl_core paper run {options}\npython -m ssrl_core paper compare {options}", language="bash"
        )
        does = (
            "solves what is not solved yet"
            if evidence.is_solved
            else "queues what is not there yet and starts a worker"
        )
        frame.quiet(f"`run` {does}; `compare` reads what there is.")


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
        if not evidence.is_solved:
            st.code(f"python -m ssrl_core sweep {file}", language="bash")
    st.code(text, language="yaml", height=360)
