"""Where the run being written lives between reruns, and the callbacks that change it; errors stay at their place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from pages.ui.train import draft as drafts
from pages.ui.train.presets import FIRST, STARTS
from ssrl_core.errors import SSRLError
from ssrl_core.specs.recipes import RECIPES

_DRAFT, _ERRORS, _ARRIVED, _MOVED = "train-draft", "train-errors", "train-arrived", "train-moved"


def current() -> drafts.Draft:
    """The draft of this session; the first one is the quick look, with what the address asks for."""
    if _DRAFT not in st.session_state:
        st.session_state[_DRAFT] = drafts.fresh(STARTS[FIRST].spec)
    _arrive()
    draft: drafts.Draft = st.session_state[_DRAFT]
    return draft


def put(draft: drafts.Draft) -> None:
    """Make this the draft."""
    st.session_state[_DRAFT] = draft
    st.session_state[_ERRORS] = {}


def edit(at: str, change: Callable[..., drafts.Draft], *args: Any) -> None:
    """Apply `change(draft, *args)`; what it refuses is shown at `at`, and the draft stays as it was."""
    try:
        put(change(current(), *args))
    except SSRLError as error:
        say(at, error)


def take(path: str, key: str) -> None:
    """Callback of a widget: its value goes into the draft."""
    value = st.session_state[key]
    edit(path, drafts.put, path, list(value) if isinstance(value, list | tuple) else value)


def take_seeds(key: str) -> None:
    """Callback of the seeds' text field."""
    edit("seeds", lambda draft: draft | {"seeds": drafts.read_seeds(st.session_state[key])})


def take_composition(term: int, key: str) -> None:
    """Callback of a composition's select box."""
    edit("terms", drafts.set_composition, term, st.session_state[key])


def take_recipe(key: str) -> None:
    """Callback of the recipes' select box."""
    if st.session_state[key] in RECIPES:
        edit("recipe", drafts.apply_recipe, st.session_state[key])


def say(at: str, words: SSRLError | str) -> None:
    """Note an error, or what was done, for the place where it was asked."""
    st.session_state[_ERRORS] = st.session_state.get(_ERRORS, {}) | {at: words}


def said(at: str) -> SSRLError | str | None:
    """What is to be said there."""
    return st.session_state.get(_ERRORS, {}).get(at)


def move() -> None:
    """Note that the address means another view now."""
    st.session_state[_MOVED] = True


def follow() -> None:
    """For what is drawn by itself (a fragment): draw the whole page anew if a click in it led to another view."""
    if st.session_state.get(_MOVED):
        st.rerun()


def arrived() -> None:
    """For the page: it is being drawn as a whole."""
    st.session_state[_MOVED] = False


def show(key: str, value: Any) -> str:
    """Let the widget `key`, not yet drawn in this run, show the draft's value; the key comes back."""
    if st.session_state.get(key, ...) != value:
        st.session_state[key] = value
    return key


def _arrive() -> None:
    """Take image set and composition from the address, once for each address."""
    asked = {name: st.query_params.get(name) for name in ("dataset", "composition")}
    if asked == st.session_state.get(_ARRIVED):
        return
    st.session_state[_ARRIVED] = asked
    if asked["dataset"]:
        edit("address", drafts.put, "dataset.name", asked["dataset"])
    if asked["composition"]:
        edit("address", drafts.set_composition, 0, asked["composition"])
