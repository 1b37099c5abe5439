"""A sweep opened as a sheet: its matrix of runs, how far it is, its curves, its results with their spread."""

from __future__ import annotations

import html
from functools import partial
from typing import Any

import streamlit as st

from pages.ui.kit import frame
from pages.ui.kit.theme import ACCENT, DANGER, LINE, QUIET, WARNING
from pages.ui.runs import sweeps
from pages.ui.train import actions
from pages.ui.train import head as train_head
from ssrl_core.errors import SSRLError

LIVE_S = 4.0
_MOST_CELLS = 3000

CSS = f"""
.sweep-matrix {{ border-collapse: separate; border-spacing: 3px; margin: .3rem 0 .6rem; }}
.sweep-matrix th {{ font-weight: 500; font-size: .8rem; color: {QUIET}; text-align: right; padding-right: .5rem;
  white-space: nowrap; }}
.sweep-matrix thead th {{ text-align: center; padding: 0; min-width: 22px; }}
.sweep-matrix td {{ width: 22px; height: 18px; border-radius: 3px; padding: 0; background: {LINE}; }}
.sweep-matrix td a {{ display: block; width: 100%; height: 18px; }}
.sweep-done {{ background: {ACCENT} !important; }}
.sweep-running, .sweep-submitted {{ background: repeating-linear-gradient(45deg, {ACCENT} 0 4px, {LINE} 4px 8px)
  !important; }}
.sweep-failed {{ background: {DANGER} !important; }}
.sweep-lost {{ background: {WARNING} !important; }}
.sweep-stopped {{ background: transparent !important; box-shadow: inset 0 0 0 1.5px {QUIET}; }}
.sweep-key {{ display: flex; flex-wrap: wrap; gap: .2rem 1rem; color: {QUIET}; font-size: .84rem; }}
.sweep-key i {{ display: inline-block; width: 12px; height: 12px; border-radius: 3px; background: {LINE};
  margin-right: .35rem; vertical-align: -1px; }}
"""


def sheet(sweep_id: str) -> None:
    """The sheet of a sweep; follows it by itself while runs are under way."""
    try:
        scene = sweeps.scene(sweep_id)
    except SSRLError as error:
        frame.show_error(error)
        return
    every_s = LIVE_S if scene.is_live else None
    train_head.opened(scene.title, lambda: _buttons(scene), _body, sweep_id, scene.is_live, every_s=every_s)


def _body(sweep_id: str, live: bool) -> None:
    scene = sweeps.scene(sweep_id)
    if live and not scene.is_live:
        st.rerun()  # it ended: buttons and pace change with it
    st.html(frame.progress_bar(scene.progress) + f'<p class="vl-quiet">{html.escape(scene.standing)}</p>')
    if len(scene.rows) <= _MOST_CELLS:
        st.html(matrix_html(scene))
    _curves(sweep_id, scene)
    _table(sweep_id)


def matrix_html(scene: sweeps.Scene) -> str:
    """A table: a row for each combination of values, a column for each seed; a cell's colour is the run's state."""
    head = "".join(f"<th>{seed}</th>" for seed in scene.seeds)
    lines = []
    for point in scene.points:
        cells = "".join(_cell(scene.cells.get((point, seed))) for seed in scene.seeds)
        lines.append(f"<tr><th>{html.escape(point)}</th>{cells}</tr>")
    states = ("done", "running", "failed", "lost", "stopped", "to do")
    key = "".join(f'<span><i class="sweep-{state}"></i>{state}</span>' for state in states)
    table = f'<table class="sweep-matrix"><thead><tr><th>seed</th>{head}</tr></thead>{"".join(lines)}</table>'
    return f'<div style="overflow-x:auto;max-height:420px">{table}</div><div class="sweep-key">{key}</div>'


def _cell(row: dict[str, Any] | None) -> str:
    if row is None:
        return "<td></td>"
    state = "lost" if row.get("lost") else str(row["state"])
    words = html.escape(f"{row['id']}: {row.get('reason') or row.get('waits_for') or state}", quote=True)
    link = f'<a href="?run={html.escape(str(row["id"]))}" target="_self"></a>'
    return f'<td class="sweep-{state}" title="{words}">{link}</td>'


def _curves(sweep_id: str, scene: sweeps.Scene) -> None:
    from ssrl_core.figures.curves import sweep_curves

    lines = sweeps.curves(scene)
    figures = sweep_curves(lines)
    if not figures:
        return
    for column, (name, figure) in zip(st.columns(len(figures)), figures.items(), strict=True):
        column.plotly_chart(figure, key=f"sweep-curve-{sweep_id}-{name}", config={"displayModeBar": False})


def _table(sweep_id: str) -> None:
    """Mean ± sd over the seeds, or every run; filtered by text; as CSV or Parquet."""
    with st.expander("Results", icon=":material/table:", expanded=True), frame.guard():
        with st.container(horizontal=True, vertical_alignment="bottom"):
            every = st.toggle("Every run", key="sweep-every", help="Else mean ± sd over the seeds")
            text = st.text_input("Filter", key="sweep-filter", placeholder="lr=0.1, state=done", width=260)
            by = st.multiselect("Group by", sweeps.columns(sweep_id), key="sweep-by", disabled=every, width=320)
        table = sweeps.results(sweep_id, text, every=every, by=by)
        labels = {name: sweeps.column_label(name) for name in map(str, table.columns)}
        st.dataframe(table, hide_index=True, key=f"sweep-table-{sweep_id}", column_config=labels)
        with st.container(horizontal=True):
            for kind in ("csv", "parquet"):
                st.download_button(
                    f"Download {kind.upper() if kind == 'csv' else 'Parquet'}",
                    partial(sweeps.file_of, sweep_id, kind),
                    f"{sweep_id}.{kind}",
                    key=f"sweep-{kind}",
                    on_click="ignore",
                    icon=":material/download:",
                )


def _buttons(scene: sweeps.Scene) -> None:
    with st.container(horizontal=True, width="content", vertical_alignment="center", gap="small"):
        if scene.is_live:
            st.button(
                "Stop",
                icon=":material/stop_circle:",
                key="sweep-stop",
                on_click=actions.stop_sweep,
                args=(scene.id,),
            )
            st.button(
                "First",
                icon=":material/vertical_align_top:",
                key="sweep-first",
                help="Its waiting runs go before all others",
                on_click=actions.first,
                args=([row["id"] for row in scene.rows],),
            )
        if scene.missing:
            st.button(
                f"Run what is missing ({scene.missing})",
                icon=":material/resume:",
                key="sweep-resume",
                on_click=actions.resume_sweep,
                args=(scene.id,),
            )
        st.button(
            "Start from this",
            icon=":material/content_copy:",
            key="sweep-copy",
            help="Write a new sweep that begins with these settings; runs they share are not trained again",
            on_click=actions.begin_from_sweep,
            args=(scene.id,),
        )
        with st.popover("Delete", icon=":material/delete:", key="sweep-delete"):
            st.caption("Its runs are stopped first and go with their folders. Runs of other sweeps stay.")
            st.button(
                "Delete this sweep",
                type="primary",
                key="train-sheet-delete-yes",
                on_click=actions.delete_sweep,
                args=(scene.id,),
            )
