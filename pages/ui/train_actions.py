"""Callbacks: open, stop, resume, delete a run, start a worker. What goes wrong is said on the sheet."""

from __future__ import annotations

import time

import streamlit as st

from pages.ui import train_state
from ssrl_core.errors import SSRLError


def open_run(run_id: str) -> None:
    """Show the sheet of a run; it is in the address then."""
    st.query_params["run"] = run_id


def close_run() -> None:
    """Back to the sentence."""
    st.query_params.pop("run", None)


def stop(run_id: str) -> None:
    """Stop a run after a checkpoint, or take it out of the queue."""
    from ssrl_core.runs import queue

    try:
        queue.stop(run_id)
    except SSRLError as error:
        train_state.say("sheet", error)


def resume(run_id: str) -> None:
    """Queue a run again and see that a worker is alive."""
    from ssrl_core.runs import queue

    start_worker()
    try:
        queue.resume(run_id, start=False)
    except SSRLError as error:
        train_state.say("sheet", error)


def delete(run_id: str) -> None:
    """Delete a run, stopping it first."""
    from ssrl_core.runs import queue

    try:
        queue.delete(run_id)
    except (SSRLError, OSError) as error:
        train_state.say("sheet", error if isinstance(error, SSRLError) else f"It could not be deleted: {error}.")
        return
    close_run()


def start_worker() -> None:
    """Start a coordinator that outlives the app, unless one is alive; it is up after a second or two."""
    from ssrl_core.runs import coordinator

    st.session_state["train-worker-started"] = time.monotonic()
    try:
        coordinator.start_detached(wait_s=0.0)
    except (SSRLError, OSError) as error:
        train_state.say("sheet", error if isinstance(error, SSRLError) else f"No worker could be started: {error}.")
