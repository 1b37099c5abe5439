"""Where runs are trained: the worker that is alive, and the settings of the next one."""

from __future__ import annotations

from typing import Any

import streamlit as st

from pages.ui.kit import frame
from pages.ui.train import actions
from pages.ui.train import state as train_state
from ssrl_core.errors import SSRLError
from ssrl_core.runs.worker.engines.settings import EngineSettings, load_settings, save_settings

_ENGINES = {
    "local": "this machine",
    "dask": "this machine, by Dask",
    "slurm": "jobs of SLURM",
    "address": "a Dask scheduler",
}
_SLURM = ("partition", "account", "walltime", "memory")


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
    chosen = st.selectbox(
        "Train on",
        list(_ENGINES),
        index=list(_ENGINES).index(kind),
        format_func=_ENGINES.__getitem__,
        key="train-where-engine",
    )
    if chosen == "address":
        st.text_input(
            "Address",
            value=now.engine if kind == "address" else "",
            placeholder="tcp://host:8786",
            key="train-where-address",
        )
    else:
        what = "Jobs at a time" if chosen == "slurm" else "Runs at a time"
        st.number_input(what, min_value=1, value=now.slots, placeholder="one a GPU", key="train-where-slots")
    if chosen == "slurm":
        _slurm(now)
    st.toggle(
        "A process takes several runs",
        value=now.warm,
        key="train-where-warm",
        help="Small runs start at once this way. Switched off, every run has a process of its own.",
    )
    frame.quiet("The worker that is alive writes checkpoints and ends; the next one goes on with its runs.")
    st.button("Save", type="primary", key="train-where-save", on_click=_save)
    words = train_state.said("where")
    if isinstance(words, SSRLError):
        frame.show_error(words)
    elif words:
        st.info(words, icon=":material/info:")


def _slurm(now: EngineSettings) -> None:
    left, right = st.columns(2)
    for number, name in enumerate(_SLURM):
        column = (left, right)[number % 2]
        column.text_input(name.capitalize(), value=getattr(now.slurm, name) or "", key=f"train-where-{name}")
    left.number_input("GPUs", min_value=0, value=now.slurm.gpus, key="train-where-gpus")
    right.number_input("Cores", min_value=1, value=now.slurm.cores, key="train-where-cores")
    st.text_area(
        "Before it starts",
        value="\n".join(now.slurm.prologue),
        key="train-where-prologue",
        placeholder="module load cuda",
    )


def _save() -> None:
    """Callback: keep the settings; a worker that is alive is asked to end, and the next one is started."""
    from ssrl_core.runs.queue import processes

    try:
        save_settings(load_settings(chosen_settings(st.session_state)))
        ended = processes.ask_to_end()
    except (SSRLError, OSError) as error:
        train_state.say("where", error if isinstance(error, SSRLError) else f"It could not be kept: {error}.")
        return
    actions.start_worker()
    train_state.say("where", "Kept. The worker starts anew." if ended else "Kept.")


def chosen_settings(state: Any) -> dict[str, Any]:
    """The form as changes of the settings' file."""
    kind = state["train-where-engine"]
    changes: dict[str, Any] = {
        "engine": state.get("train-where-address", "") if kind == "address" else kind,
        "warm": bool(state.get("train-where-warm", True)),
    }
    if kind != "address":
        changes["slots"] = state.get("train-where-slots")
    if kind == "slurm":
        plain = {name: state.get(f"train-where-{name}") or None for name in _SLURM}
        lines = str(state.get("train-where-prologue") or "").splitlines()
        changes["slurm"] = plain | {
            "gpus": int(state.get("train-where-gpus") or 0),
            "cores": int(state.get("train-where-cores") or 1),
            "prologue": [line for line in lines if line.strip()],
        }
    return changes
