"""What a click does: change the draft, open another view, stop, resume or delete runs, start a worker.

What goes wrong with the draft is said where it was made, what goes wrong with runs on the sheet.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import streamlit as st

from pages.ui.kit import choices, frame
from pages.ui.train import draft as drafts
from pages.ui.train.draft import DRAFT, Draft
from ssrl_core.errors import RunError, SSRLError, not_written
from ssrl_core.specs.recipes import RECIPES

_ARRIVED, _MOVED = "train-arrived", "train-moved"
CHOSEN = "train-list-chosen"  # ids of the runs that are ticked in the list
_VIEWS = ("run", "sweep", "list", "compare", "find")


def current() -> Draft:
    """The draft of this session; the first one is `drafts.first()`, with what the address asks for."""
    if DRAFT.get() is None:
        DRAFT.put(drafts.fresh(drafts.STARTS[drafts.first()].spec))
    _arrive()
    draft = DRAFT.get()
    assert draft is not None  # it was just put there
    return draft


def take(path: str, key: str) -> None:
    """Callback of a widget: its value goes into the draft."""
    value = st.session_state[key]
    DRAFT.edit(path, drafts.put, path, list(value) if isinstance(value, list | tuple) else value)
    if path == "dataset.name":
        choices.travels("dataset", value)


def take_seeds(key: str) -> None:
    """Callback of the seeds' text field."""
    DRAFT.edit("seeds", lambda draft: draft | {"seeds": drafts.read_seeds(st.session_state[key])})


def take_composition(term: int, key: str) -> None:
    """Callback of a composition's select box."""
    DRAFT.edit("terms", drafts.set_composition, term, st.session_state[key])
    if term == 0:
        choices.travels("composition", st.session_state[key])


def take_recipe(key: str) -> None:
    """Callback of the recipes' select box."""
    if st.session_state[key] in RECIPES:
        DRAFT.edit("recipe", drafts.apply_recipe, st.session_state[key])


def moved() -> None:
    """Note that the address means another view now."""
    st.session_state[_MOVED] = True


def redraw_if_moved() -> None:
    """For what is drawn by itself (a fragment): draw the whole page anew if a click in it led to another view."""
    if st.session_state.get(_MOVED):
        st.rerun()


def page_drawn() -> None:
    """For the page: it is being drawn as a whole."""
    st.session_state[_MOVED] = False


def _arrive() -> None:
    """Take image set and composition from the address, or as they were chosen on other pages since; a draft that was
    not saved and what is shown of images from the address."""
    asked = {name: choices.asked(name) for name in ("dataset", "composition")}
    asked |= {name: st.query_params.get(name) for name in ("draft", "input")}
    before = st.session_state.get(_ARRIVED, {})
    st.session_state[_ARRIVED] = asked
    new = {name: value for name, value in asked.items() if value and value != before.get(name)}
    for name in ("dataset", "composition"):
        if name in new and choices.linked(name):
            choices.travels(name, new[name])
    if "dataset" in new and (choices.linked("dataset") or is_at_hand(new["dataset"])):
        DRAFT.edit("address", drafts.put, "dataset.name", new["dataset"])
    if "composition" in new:
        DRAFT.edit("address", drafts.set_composition, 0, new["composition"])
    if "draft" in new:
        DRAFT.edit("address", drafts.set_draft, 0, new["draft"])
    if "input" in new:
        DRAFT.edit("address", drafts.put, "evaluate.input", new["input"])


def is_at_hand(name: str) -> bool:
    """Whether an image set is here, or made here without a network."""
    from ssrl_core.datasets import store as image_sets
    from ssrl_core.datasets.builtin import BUILT_IN

    return image_sets.is_ready(name) or (name in BUILT_IN and not BUILT_IN[name].fetched)


def open_run(run_id: str) -> None:
    """Show the sheet of a run; it is in the address then."""
    _open("run", run_id)


def close_run() -> None:
    """Back to the sentence."""
    _show({})


def _open(name: str, value: str) -> None:
    _show({name: value})


def _show(view: dict[str, str]) -> None:
    """One change of the address: the browser must not ask for a view half-way between two."""
    kept = {name: value for name, value in st.query_params.to_dict().items() if name not in _VIEWS}
    st.query_params.from_dict(kept | view)
    moved()


def open_list() -> None:
    """Show the list of all runs, none of them chosen yet."""
    st.session_state[CHOSEN] = []
    _open("list", "all")


def compare(ids: list[str]) -> None:
    """Show runs beside each other."""
    _open("compare", ",".join(ids))


def stop_all(ids: list[str]) -> None:
    """Stop many runs; those that wait at once, those that run after a checkpoint."""
    from ssrl_core.runs.queue import stopping

    _try(lambda: stopping.stop_all(ids))


def resume_all(ids: list[str]) -> None:
    """Queue again those of many runs that failed or were stopped, and see that a worker is alive."""
    from ssrl_core.runs.queue import stopping

    start_worker()
    _try(lambda: stopping.resume_all(ids, start=False))


def delete_all(ids: list[str]) -> None:
    """Delete many runs."""
    from ssrl_core.runs.queue import stopping

    def work() -> None:
        count, troubles = stopping.delete_all(ids)
        if troubles:
            raise RunError(f"Deleted {frame.count(count, 'run')}, but not {len(troubles):,}: {troubles[0]}")

    _try(work)


def stop(run_id: str) -> None:
    """Stop a run after a checkpoint, or take it out of the queue."""
    from ssrl_core.runs.queue import stopping

    _try(lambda: stopping.stop(run_id))


def resume(run_id: str) -> None:
    """Queue a run again and see that a worker is alive."""
    from ssrl_core.runs.queue import stopping

    start_worker()
    _try(lambda: stopping.resume(run_id, start=False))


def ask_to_read(run_id: str) -> None:
    """Ask a run for what can be read from it and for the forecast beside, and see that a worker is alive."""
    from ssrl_core.runs.queue import submitting

    start_worker()
    _try(lambda: submitting.ask_more(run_id, {"read": True, "forecast": True}))


def solve_it() -> None:
    """The draft as a run that is solved, not trained; the solved start's settings, the draft's images and terms."""
    DRAFT.edit("launch", drafts.solved)


def delete(run_id: str) -> None:
    """Delete a run, stopping it first."""
    from ssrl_core.runs.queue import stopping

    def work() -> None:
        stopping.delete(run_id)
        close_run()

    _try(work, "It could not be deleted")


def open_sweep(sweep_id: str) -> None:
    """Show the sheet of a sweep; it is in the address then."""
    _open("sweep", sweep_id)


def stop_sweep(sweep_id: str) -> None:
    """Stop all runs of a sweep."""
    from ssrl_core.runs.queue import stopping

    _try(lambda: stopping.stop_all(stopping.of_sweep(sweep_id)))


def resume_sweep(sweep_id: str) -> None:
    """Queue again what failed or was stopped, and see that a worker is alive."""
    from ssrl_core.runs.queue import stopping

    start_worker()
    _try(lambda: stopping.resume_all(stopping.of_sweep(sweep_id), start=False))


def delete_sweep(sweep_id: str) -> None:
    """Delete a sweep with its runs."""
    from ssrl_core.runs.queue import stopping

    def work() -> None:
        _, troubles = stopping.delete_sweep(sweep_id)
        if troubles:
            raise RunError(troubles[0])
        close_run()

    _try(work)


def begin_from_sweep(sweep_id: str) -> None:
    """Write a new sweep that starts from this one."""
    from ssrl_core.runs.queue import sweep_files

    DRAFT.edit("launch", lambda draft: drafts.fresh(sweep_files.spec_of(sweep_id).to_mapping()))
    close_run()


def first(ids: list[str]) -> None:
    """Put waiting runs before all others."""
    from ssrl_core.runs.queue import ordering

    _try(lambda: ordering.to_the_front(ids))


def pause() -> None:
    """Start no more runs."""
    from ssrl_core.runs.queue import ordering

    _try(ordering.pause)


def go() -> None:
    """Go on starting runs, and see that a worker is alive."""
    from ssrl_core.runs.queue import ordering

    _try(ordering.unpause)
    start_worker()


def _try(work: Callable[[], Any], failed: str = "That could not be done") -> None:
    """Do it; what goes wrong is said on the sheet, which is drawn anew: the button may stand in a fragment."""
    moved()
    try:
        work()
    except (SSRLError, OSError) as error:
        told = error if isinstance(error, SSRLError) else not_written(error)
        DRAFT.note("sheet", told or f"{failed}: {error}.")


def start_worker() -> None:
    """Start a coordinator that outlives the app, unless one is alive; it is up after a second or two."""
    from ssrl_core.runs.queue import processes

    st.session_state["train-worker-started"] = time.monotonic()
    _try(lambda: processes.start_coordinator(wait_s=0.0), "No worker could be started")
