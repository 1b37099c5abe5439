"""The queue: what runs now and how far it is, what waits and why, what ended last; and where runs are trained."""

from __future__ import annotations

import html
import time
from datetime import UTC, datetime
from typing import Any

import streamlit as st

from pages.ui.kit import frame
from pages.ui.kit.frame import ACCENT, DANGER, LINE, QUIET, WARNING
from pages.ui.runs import choosing
from pages.ui.train import actions
from pages.ui.train.draft import DRAFT
from ssrl_core.errors import SSRLError, shortened
from ssrl_core.figures.style import whole_percent
from ssrl_core.runs.queue import ordering, run_names
from ssrl_core.runs.queue.registry import RunRow, number_of
from ssrl_core.runs.worker.engines.settings import EngineSettings, load_settings, save_settings
from ssrl_core.specs.parts import columns

_ENGINES = {
    "local": "this machine",
    "dask": "this machine, by Dask",
    "slurm": "SLURM jobs",
    "address": "a Dask scheduler",
}
_SLURM = ("partition", "account", "walltime", "memory")
LIVE_S = 2.0
_ENDED_SHOWN = 8
_MOST_WAITING = 8
_MOST_SWEEPS = 5
_UP_AFTER_S = 15.0  # a worker that was just started takes a moment
_DOTS = {"running": ACCENT, "done": ACCENT, "failed": DANGER, "lost": WARNING}

CSS = f"""
[class*="st-key-train-item-"] {{ border-bottom: 1px solid {LINE}; padding: .35rem 0 .45rem; gap: .1rem; }}
[class*="st-key-train-item-"] button p {{ overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }}
[class*="st-key-train-item-"] [data-testid="stBaseButton-tertiary"] {{ min-height: 1.6rem; padding: 0; }}
.train-under {{ color: {QUIET}; font-size: .84rem; line-height: 1.4; }}
.train-under i {{ display: inline-block; width: 8px; height: 8px; border-radius: 50%; margin-right: .45rem; }}
"""


@st.fragment(run_every=LIVE_S)
def queue() -> None:
    """Everything under way, then what ended last; follows by itself."""
    actions.redraw_if_moved()
    rows = [row for row in frame.known_runs() if not row.get("demo")]
    active = [row for row in rows if row["state"] in ("running", "submitted")]
    waiting = sorted((row for row in rows if row["state"] == "queued"), key=_turn)
    ended = [row for row in rows if row["state"] in ("done", "failed", "stopped")][:_ENDED_SHOWN]
    if not rows:
        frame.quiet("Nothing was trained here yet. What you queue shows up here, and goes on when this page is closed.")
        return
    _nobody_works(active + waiting)
    engine()
    _note()
    for row in active:
        _item(row)
    if waiting:
        _waiting(rows, waiting)
    _sweeps(rows)
    if ended:
        frame.group("Ended")
        for row in ended:
            _item(row)
    _all_runs(len(rows))


def _all_runs(count: int) -> None:
    """The way to the list of them all."""
    words = f"All runs ({count:,})"
    icon = ":material/list:"
    st.button(words, icon=icon, type="tertiary", key="train-all-runs", on_click=actions.open_list)


def _waiting(rows: list[RunRow], waiting: list[RunRow]) -> None:
    """The next ones, how many more and for how long, and the switch that pauses them all."""
    paused = ordering.is_paused()
    left = choosing.time_left_s(rows)
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center", gap="small"):
        frame.group(f"{'Paused' if paused else 'Waiting'} ({len(waiting):,})")
        st.button(
            "Go on" if paused else "Pause",
            icon=":material/play_arrow:" if paused else ":material/pause:",
            type="tertiary",
            key="train-pause",
            help="Start waiting runs again" if paused else "Start no more runs; what runs goes on",
            on_click=actions.go if paused else actions.pause,
        )
    if left:
        frame.quiet(f"About {frame.duration(left)} until all are done.")
    for row in waiting[:_MOST_WAITING]:
        _item(row)
    if len(waiting) > _MOST_WAITING:
        frame.quiet(f"and {len(waiting) - _MOST_WAITING:,} more")


def _sweeps(rows: list[RunRow]) -> None:
    """Sweeps with runs under way, then the newest; a click opens one."""
    of_sweep: dict[str, list[RunRow]] = {}
    for row in rows:
        if row.get("sweep_id"):
            of_sweep.setdefault(str(row["sweep_id"]), []).append(row)
    if not of_sweep:
        return
    frame.group("Sweeps")
    for sweep_id, members in list(of_sweep.items())[:_MOST_SWEEPS]:
        with st.container(key=f"train-item-sweep-{sweep_id}"):
            st.button(
                frame.plain(sweep_id),
                key=f"train-open-sweep-{sweep_id}",
                type="tertiary",
                on_click=actions.open_sweep,
                args=(sweep_id,),
            )
            share = sum(row["state"] == "done" for row in members) / len(members)
            words = html.escape(choosing.standing(members))
            st.html(f'{frame.progress_bar(share)}<div class="train-under">{words}</div>')


def under_html(row: RunRow, *, brief: bool = False) -> str:
    """The line under a run's name: how it stands, in words, with a dot.

    Args:
        brief: leave out why it failed (the sheet shows that at length).
    """
    state = "lost" if row.get("lost") else str(row["state"])
    dot = f'<i style="background:{_DOTS.get(state, QUIET)}"></i>'
    bar = frame.progress_bar(row.get("progress")) if state in ("running", "lost", "submitted") else ""
    words = "Failed" if brief and state == "failed" else _words(row, state)
    return f'{bar}<div class="train-under" title="{html.escape(str(row["id"]))}">{dot}{words}</div>'


def _words(row: RunRow, state: str) -> str:
    if state == "lost":
        return "Lost: no sign of life. A worker takes it up again from its checkpoint."
    if state == "submitted":
        return "Starts"
    if state == "queued":
        return html.escape(str(row.get("waits_for") or row.get("reason") or "Waits for its turn"))
    if state == "running":
        share = whole_percent(row.get("progress") or 0)
        wish = "stopping" if row.get("wanted") == "stop" else str(row.get("phase") or "")
        device = html.escape(str(row.get("device") or ""))
        return " · ".join(part for part in (wish, share, frame.time_left(row.get("eta_s")), device) if part)
    if state == "failed":
        return f"Failed: {html.escape(shortened(str(row.get('reason') or 'see its log')))}"
    if state == "stopped":
        return f"Stopped at {whole_percent(row.get('progress') or 0)}"
    numbers = {one.title: number_of(row, one.name) for _, one in columns(listed=True)}
    scores = [f"{title} {value:.3f}" for title, value in numbers.items() if value is not None]
    return "Done" + "".join(f" · {score}" for score in scores)


def _item(row: RunRow) -> None:
    run_id, state = str(row["id"]), row["state"]
    with st.container(key=f"train-item-{run_id}"):
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center", gap="small"):
            st.button(
                frame.plain(run_names.words(row)),
                key=f"train-open-{run_id}",
                type="tertiary",
                on_click=actions.open_run,
                args=(run_id,),
            )
            with st.container(horizontal=True, width="content", vertical_alignment="center", gap="small"):
                _item_buttons(row, run_id, str(state))
        opened = st.query_params.get("run") == run_id  # how it stands is said once, at its head
        st.html('<div class="train-under">Open here</div>' if opened else under_html(row))


def _item_buttons(row: RunRow, run_id: str, state: str) -> None:
    if state == "queued":
        frame.action(
            "",
            "vertical_align_top",
            actions.first,
            [run_id],
            key=f"train-first-{run_id}",
            type="tertiary",
            help="Put it first",
        )
    if state in ("queued", "running", "submitted"):
        frame.action(
            "",
            "stop_circle",
            actions.stop,
            run_id,
            key=f"train-stop-{run_id}",
            type="tertiary",
            help="Take it out of the queue" if state == "queued" else "Stop after a checkpoint",
            disabled=row.get("wanted") == "stop",
        )
    elif state in ("stopped", "failed"):
        frame.action(
            "",
            "resume",
            actions.resume,
            run_id,
            key=f"train-resume-{run_id}",
            type="tertiary",
            help="Go on from its checkpoint",
        )


def _nobody_works(pending: list[RunRow]) -> None:
    """Runs wait and no worker is alive: say so, with the button that starts one."""
    from ssrl_core.runs.queue import processes

    just_started = time.monotonic() - st.session_state.get("train-worker-started", -1e9) < _UP_AFTER_S
    if not pending or just_started or processes.is_alive():
        return
    with st.container(horizontal=True, vertical_alignment="center", key="train-nobody"):
        frame.quiet("No worker is running, so nothing goes on.")
        frame.action("Start a worker", "play_arrow", actions.start_worker, key="train-worker")


def _note() -> None:
    """That the registry was made again from the folders, for a day after."""
    from ssrl_core.runs.queue import registry

    note = registry.last_note()
    if note and (datetime.now(UTC) - datetime.fromisoformat(note["at"])).days < 1:
        frame.quiet(str(note["message"]))


def _turn(row: RunRow) -> tuple[int, str]:
    """Runs that were queued together keep their order."""
    return -int(row.get("priority") or 0), str(row.get("queued_at"))


def engine() -> None:
    """One line about the worker, with the settings behind it."""
    from ssrl_core.runs.queue import processes

    about = processes.about()
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center", gap="small"):
        if about:
            slots = int(about.get("slots") or 0)
            frame.quiet(f"Worker: {about['engine']}" + (f", {slots} at a time" if slots else ""))
        menu = st.popover("Where", icon=":material/dns:", key="train-where", type="tertiary", on_change="rerun")
    if menu.open:
        with menu, st.container(width=420), frame.guard():
            _settings(load_settings())


def _settings(now: EngineSettings) -> None:
    kind = now.engine if now.engine in _ENGINES else "address"
    offered = [one for one in _ENGINES if one in (kind, "local", "dask", "slurm")]  # addresses: on the server only
    chosen = st.selectbox(
        "Train on",
        offered,
        index=offered.index(kind),
        format_func=_ENGINES.__getitem__,
        key="train-where-engine",
    )
    if chosen == "address":
        frame.quiet(f"The scheduler {now.engine}, as the server was told.")
    else:
        what = "Jobs at a time" if chosen == "slurm" else "Runs at a time"
        st.number_input(what, min_value=1, value=now.slots, placeholder="one a GPU", key="train-where-slots")
    if chosen == "slurm":
        _slurm(now)
    st.toggle(
        "One process takes several runs",
        value=now.warm,
        key="train-where-warm",
        help="Small runs start at once this way. Off: every run has a process of its own.",
    )
    frame.quiet("On saving, the worker writes checkpoints and ends; the next one goes on with its runs.")
    st.button("Save", type="primary", key="train-where-save", on_click=_save)
    DRAFT.show_note("where")


def _slurm(now: EngineSettings) -> None:
    left, right = st.columns(2)
    for number, name in enumerate(_SLURM):
        column = (left, right)[number % 2]
        column.text_input(name.capitalize(), value=getattr(now.slurm, name) or "", key=f"train-where-{name}")
    left.number_input("GPUs of a node", min_value=0, value=now.slurm.gpus, key="train-where-gpus")
    right.number_input("Cores of a node", min_value=1, value=now.slurm.cores, key="train-where-cores")
    about = "Over several nodes a job trains one run, whose devices (All settings) lie on all of them."
    left.number_input("Nodes", min_value=1, value=now.slurm.nodes, key="train-where-nodes", help=about)
    told = f"Before it starts, a job runs: {'; '.join(now.slurm.prologue)}. " if now.slurm.prologue else ""
    frame.quiet(f"{told}What a job runs first is set on the server: viewloom worker --prologue LINE --keep.")


def _save() -> None:
    """Callback: keep the settings; a worker that is alive is asked to end, and the next one is started."""
    from ssrl_core.runs.queue import processes

    try:
        save_settings(load_settings(chosen_settings(st.session_state)))
        ended = processes.ask_to_end()
    except (SSRLError, OSError) as error:
        DRAFT.note("where", error if isinstance(error, SSRLError) else f"It could not be saved: {error}.")
        return
    actions.start_worker()
    DRAFT.note("where", "Saved. The worker is starting again." if ended else "Saved.")


def chosen_settings(state: Any) -> dict[str, Any]:
    """The form as changes of the settings' file."""
    kind = state["train-where-engine"]
    changes: dict[str, Any] = {
        **({} if kind == "address" else {"engine": kind}),
        "warm": bool(state.get("train-where-warm", True)),
    }
    if kind != "address":
        changes["slots"] = state.get("train-where-slots")
    if kind == "slurm":
        plain = {name: state.get(f"train-where-{name}") or None for name in _SLURM}
        changes["slurm"] = plain | {
            "gpus": int(state.get("train-where-gpus") or 0),
            "cores": int(state.get("train-where-cores") or 1),
            "nodes": int(state.get("train-where-nodes") or 1),
        }
    return changes
