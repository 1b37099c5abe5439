"""Sweeps: what varies, written with a run; and a sweep opened as a sheet, with its matrix, curves and results."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from pages.ui.kit import choices, frame
from pages.ui.kit.frame import ACCENT, DANGER, LINE, QUIET, WARNING
from pages.ui.runs import choosing
from pages.ui.train import actions
from pages.ui.train import draft as train_draft
from pages.ui.train.draft import DRAFT
from pages.ui.train.sheet import opened
from ssrl_core.errors import SpecError, SSRLError
from ssrl_core.runs.queue.registry import RunRow
from ssrl_core.specs.yaml_files import parse_yaml

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
_RANGE = re.compile(r"^\s*(\S+)\s+to\s+(\S+)\s+in\s+(\d{1,4})(\s+log)?\s*$", re.IGNORECASE)
_LEFT_OUT = (
    "version",
    "name",
    "notes",
    "tags",
    "seeds",
    "seed",
    "vary",
    "sampler",
    "keep",
    "device",
    "devices",
    "compile",
    "evaluate",
)
_ORDER = ("terms", "method", "optimizer", "schedule", "batch_size", "epochs", "limit_train", "backbone", "dataset")
_SHOWN = 4
_MOST_CHECKED = 400


def sheet(sweep_id: str) -> None:
    """The sheet of a sweep; follows it by itself while runs are under way."""
    try:
        status = choosing.status_of(sweep_id)
    except SSRLError as error:
        frame.show_error(error)
        return
    every_s = LIVE_S if status.is_live else None
    opened(status.title, lambda: _buttons(status), _body, sweep_id, status.is_live, every_s=every_s)


def _body(sweep_id: str, live: bool) -> None:
    from ssrl_core.runs.queue.tables import results_table

    status = choosing.status_of(sweep_id)
    if live and not status.is_live:
        st.rerun()  # it ended: buttons and pace change with it
    st.html(frame.progress_bar(status.progress) + f'<p class="vl-quiet">{html.escape(status.standing)}</p>')
    if len(status.rows) <= _MOST_CELLS:
        st.html(matrix_html(status))
    _curves(sweep_id, status)
    table = results_table(sweep_id)
    _screened(status, table)
    _table(sweep_id, table)


def matrix_html(status: choosing.SweepStatus) -> str:
    """A table: a row for each combination of values, a column for each seed; a cell's colour is the run's state."""
    head = "".join(f"<th>{seed}</th>" for seed in status.seeds)
    lines = []
    for point in status.points:
        cells = "".join(_cell(status.cells.get((point, seed))) for seed in status.seeds)
        lines.append(f"<tr><th>{html.escape(point)}</th>{cells}</tr>")
    states = ("done", "running", "failed", "lost", "stopped", "to do")
    key = "".join(f'<span><i class="sweep-{state}"></i>{state}</span>' for state in states)
    table = f'<table class="sweep-matrix"><thead><tr><th>seed</th>{head}</tr></thead>{"".join(lines)}</table>'
    return f'<div style="overflow-x:auto;max-height:420px">{table}</div><div class="sweep-key">{key}</div>'


def _cell(row: RunRow | None) -> str:
    if row is None:
        return "<td></td>"
    state = "lost" if row.get("lost") else str(row["state"])
    words = html.escape(f"{row['id']}: {row.get('reason') or row.get('waits_for') or state}", quote=True)
    link = f'<a href="?run={html.escape(str(row["id"]))}" target="_self"></a>'
    return f'<td class="sweep-{state}" title="{words}">{link}</td>'


def _curves(sweep_id: str, status: choosing.SweepStatus) -> None:
    from ssrl_core.figures.curves import sweep_curves

    lines = choosing.curves(status)
    figures = sweep_curves(lines)
    if not figures:
        return
    for column, (name, figure) in zip(st.columns(len(figures)), figures.items(), strict=True):
        with column:
            frame.chart(figure, f"sweep-curve-{sweep_id}-{name}")


def _screened(status: choosing.SweepStatus, table: pd.DataFrame) -> None:
    """Which of the choices keep mechanism and forget the plate, where the runs were scored as a screen."""
    from ssrl_core.figures.profiles import SWEEP_AXES, sweep_screen_figure

    known, words, scores = choosing.screened(status, table)
    if not scores:
        return
    frame.section(
        "Which choices keep mechanism and forget the plate?",
        "Each mark a choice, mean ± sd over its seeds, after correction. Good: high and to the left.",
    )
    with st.container(width=320):
        y = st.selectbox("Kept", scores, format_func=SWEEP_AXES.__getitem__, key="sweep-screen-axis")
    fig = sweep_screen_figure(known, words, y=y)
    frame.chart(fig, f"sweep-screen-{status.id}")


def _table(sweep_id: str, whole: pd.DataFrame) -> None:
    """Mean ± sd over the seeds, or every run; filtered by text; as CSV or Parquet."""
    with st.expander("Results", icon=":material/table:", expanded=True), frame.guard():
        with st.container(horizontal=True, vertical_alignment="bottom"):
            every = st.toggle("Every run", key="sweep-every", help="Off: mean ± sd over the seeds")
            text = st.text_input("Filter", key="sweep-filter", placeholder="lr=0.1, state=done", width=260)
            by = st.multiselect("Group by", choosing.shown_columns(whole), key="sweep-by", disabled=every, width=320)
        table = choosing.results(whole, text, every=every, by=by)
        labels = {name: choosing.column_label(name) for name in map(str, table.columns)}
        st.dataframe(table, hide_index=True, key=f"sweep-table-{sweep_id}", column_config=labels)
        with st.container(horizontal=True):
            for kind in ("csv", "parquet"):
                st.download_button(
                    f"Download {kind.upper() if kind == 'csv' else 'Parquet'}",
                    partial(choosing.file_of, sweep_id, kind),
                    f"{sweep_id}.{kind}",
                    key=f"sweep-{kind}",
                    on_click="ignore",
                    icon=":material/download:",
                )


def _buttons(status: choosing.SweepStatus) -> None:
    with st.container(horizontal=True, width="content", vertical_alignment="center", gap="small"):
        if status.is_live:
            frame.action("Stop", "stop_circle", actions.stop_sweep, status.id, key="sweep-stop")
            frame.action(
                "First",
                "vertical_align_top",
                actions.first,
                [row["id"] for row in status.rows],
                key="sweep-first",
                help="Its waiting runs go before all others",
            )
        if status.missing:
            frame.action(
                f"Run what is missing ({status.missing})", "resume", actions.resume_sweep, status.id, key="sweep-resume"
            )
        frame.action(
            "Start from this",
            "content_copy",
            actions.begin_from_sweep,
            status.id,
            key="sweep-copy",
            help="Write a new sweep that begins with these settings; runs they share are not trained again",
        )
        with st.popover("Delete", icon=":material/delete:", key="sweep-delete"):
            st.caption("Its runs are stopped first, and deleted with their folders. Runs of other sweeps stay.")
            st.button(
                "Delete this sweep",
                type="primary",
                key="train-sheet-delete-yes",
                on_click=actions.delete_sweep,
                args=(status.id,),
            )


def vary_paths(draft: dict[str, Any]) -> dict[str, str]:
    """Paths of the fields that may vary (docs/contracts.md C5), with a label each; compositions first."""
    keys = sorted(
        (key for key in draft if key not in _LEFT_OUT), key=lambda key: _ORDER.index(key) if key in _ORDER else 99
    )
    return {path: label for key in keys for path, label in _fields(draft[key], key, key)}


def read_values(text: str) -> Any:
    """`0.1, 0.2`, `adam, sgd`, `[0.2, 1], [0.5, 1]`, `0 to 0.5 in 6`, `1e-4 to 1e-2 in 5 log`.

    Returns:
        A list, or {from, to, count, log}.

    Raises:
        SpecError: nothing that can be read so.
    """
    found = _RANGE.match(text)
    try:
        if found:
            first, last = (parse_yaml(f"x: {part}", "values")["x"] for part in found.groups()[:2])
            return {"from": first, "to": last, "count": int(found[3]), "log": bool(found[4])}
        values = parse_yaml(f"x: [{text}]", "values")["x"]
    except (SpecError, TypeError, KeyError) as error:
        raise _bad(text) from error
    if not values:
        raise _bad(text)
    return list(values)


def values_text(values: Any) -> str:
    """Values as people read them, the first few."""
    if isinstance(values, dict):
        return f"{values['from']:g} to {values['to']:g}"
    shown = ", ".join(f"{value:g}" if isinstance(value, float) else str(value) for value in values[:_SHOWN])
    return f"{shown} … ({len(values)})" if len(values) > _SHOWN else shown


def _fields(value: Any, path: str, label: str) -> Iterator[tuple[str, str]]:
    if path == "method" or path.endswith(".composition"):
        yield path, path.rpartition(".")[2]  # as a whole, by name: another method has other settings
    if isinstance(value, dict):
        for key, item in value.items():
            inner = key in ("name", "transform", "role", "version", "enabled") and path.count(".")
            if inner or (path == "method" and key == "name"):
                continue
            yield from _fields(item, f"{path}.{key}", _joined(label, key))
    elif isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        for number, item in enumerate(value):
            own = str(item.get("transform") or (f"term {number + 1}" if path == "terms" and len(value) > 1 else ""))
            yield from _fields(item, f"{path}.{number}", own or label)
    else:
        yield path, label


def _joined(label: str, key: str) -> str:
    """`color_jitter hue`, `optimizer lr`; what only nests (terms, composition, steps) is left out."""
    skipped = ("composition", "steps", "views", "settings", "name")
    if key in skipped:
        return label
    return key if label in ("terms", "") else f"{label} {key}"


def _bad(text: str) -> SpecError:
    return SpecError.at(
        "Vary", "values", "such as 0.1, 0.2, 0.4 or 0 to 0.5 in 6", text, "Write the values with commas between them."
    )


def vary(draft: train_draft.Draft) -> None:
    """What varies now, each with its values and a way to leave it out; one more field with a click."""
    chosen = dict(draft.get("vary") or {})
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="train-line-vary"):
        for number, (path, values) in enumerate(chosen.items()):
            label = vary_paths(draft).get(path, path)
            frame.action(
                f"{label}: {values_text(values)}",
                "close",
                DRAFT.edit,
                "vary",
                _without,
                path,
                key=f"train-unvary-{number}",
                icon_position="right",
                help="Click to vary it no more",
            )
        _one_more(draft, chosen)
    _sampler(draft, chosen)
    DRAFT.show_note("vary")


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
        key = choices.show("train-sampler", given["name"])
        st.selectbox(
            "Sampler",
            ["grid", "random"],
            key=key,
            width=220,
            label_visibility="collapsed",
            format_func={"grid": "all combinations", "random": "combinations at random"}.__getitem__,
            on_change=DRAFT.edit,
            args=("vary", _take_sampler),
        )
        if given["name"] == "random":
            key = choices.show("train-sampler-count", given["count"])
            st.number_input(
                "Count",
                min_value=1,
                key=key,
                width=104,
                label_visibility="collapsed",
                on_change=DRAFT.edit,
                args=("vary", _take_sampler),
            )
            st.markdown("of them")


def _add() -> None:
    path = st.session_state["train-vary-path"]
    DRAFT.edit("vary", _with, path, st.session_state.get("train-vary-values") or "")


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
