"""Where the draft lives between reruns: one frozen Draft in the session, errors beside the step that caused them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from pages.ui.compose.draft import Draft
from ssrl_core.errors import SSRLError

_DRAFT, _ERRORS, _OPEN = "compose-draft", "compose-errors", "compose-open"


def current() -> Draft | None:
    """The draft of this session, if there is one."""
    return st.session_state.get(_DRAFT)


def put(draft: Draft) -> None:
    """Make this the draft; old errors have lost their step or their reason."""
    st.session_state[_DRAFT] = draft
    st.session_state[_ERRORS] = {}


def edit(change: Callable[..., Draft], *args: Any, at: Any = "draft", **kwargs: Any) -> None:
    """Apply `change(draft, *args, **kwargs)`; what it refuses is shown at `at` and the draft stays as it was."""
    draft = current()
    if draft is None:
        return
    try:
        put(change(draft, *args, **kwargs))
    except SSRLError as error:
        st.session_state.setdefault(_ERRORS, {})[at] = error
    except KeyError:
        return  # a click on a card that an undo took away meanwhile


def error_at(at: Any) -> SSRLError | None:
    """What was refused there in the last edit."""
    return st.session_state.get(_ERRORS, {}).get(at)


def set_error(at: Any, error: SSRLError) -> None:
    """Note what was refused, for the place where it was made."""
    st.session_state.setdefault(_ERRORS, {})[at] = error


def is_open(uid: int) -> bool:
    """Whether a card shows its controls."""
    return uid in st.session_state.get(_OPEN, frozenset())


def toggle_open(uid: int) -> None:
    """Open a card, or close it."""
    st.session_state[_OPEN] = st.session_state.get(_OPEN, frozenset()) ^ {uid}


def open_only(uid: int) -> None:
    """Open this card and close the others."""
    st.session_state[_OPEN] = frozenset({uid})


def sync(key: str, value: Any) -> None:
    """Let the widget `key`, not yet drawn in this run, show `value`; undo and presets change it from outside."""
    if st.session_state.get(key) != value:
        st.session_state[key] = value


def menu_key(name: str) -> str:
    """Key of a popover that `close_menu` can close."""
    return f"{name}-{st.session_state.get(f'{name}-turn', 0)}"


def close_menu(name: str) -> None:
    """Close it by making it another one: a popover that is closed through its state opens again with the next click
    anywhere, because the browser still sends its old state (Streamlit 1.67)."""
    st.session_state[f"{name}-turn"] = st.session_state.get(f"{name}-turn", 0) + 1
