"""What a user chose, wrote or was told stays until the user changes it: kept in the session, by id.

A page that edits one thing keeps it in a `Slot`; widgets that show part of it are told its value with `show`. Choices
that belong in the address are made with `choices.from_address`, which keeps them here, too.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from uuid import uuid4

import streamlit as st

from pages.ui.kit import frame
from ssrl_core.errors import RunError, SSRLError, not_written

T = TypeVar("T")
Words = SSRLError | OSError | str


@dataclass(frozen=True)
class Slot(Generic[T]):
    """One value that a page edits, never changed in place, and what was said of it since it last changed.

    Attributes:
        name: in the session state.
        dropped: what an edit raises when it comes too late (a click on something that an undo took away meanwhile).
    """

    name: str
    dropped: tuple[type[Exception], ...] = ()

    def get(self) -> T | None:
        """The value of this session, if there is one."""
        value: T | None = st.session_state.get(self.name)
        return value

    def put(self, value: T) -> None:
        """Make this the value; what was said of the one before has lost its reason."""
        st.session_state[self.name] = value
        st.session_state[self._notes] = {}

    def edit(self, at: Hashable, change: Callable[..., T], *args: Any, **kwargs: Any) -> None:
        """Put `change(value, *args, **kwargs)`; what it refuses is said at `at`, and the value stays. For callbacks."""
        value = self.get()
        if value is None:
            return
        try:
            self.put(change(value, *args, **kwargs))
        except SSRLError as error:
            self.note(at, error)
        except self.dropped:
            return

    def note(self, at: Hashable, words: Words) -> None:
        """Note an error, or what was done, for the place where it was asked."""
        st.session_state[self._notes] = st.session_state.get(self._notes, {}) | {at: words}

    def noted(self, at: Hashable) -> Words | None:
        """What is to be said there."""
        words: Words | None = st.session_state.get(self._notes, {}).get(at)
        return words

    def show_note(self, at: Hashable) -> None:
        """Say it there: an error in its own words, or what was done."""
        words = self.noted(at)
        if isinstance(words, SSRLError):
            frame.show_error(words)
        elif isinstance(words, OSError):
            frame.show_error(not_written(words) or RunError(f"It could not be written: {words.strerror or words}."))
        elif words:
            st.info(frame.plain(words), icon=":material/info:")

    @property
    def _notes(self) -> str:
        return f"{self.name}-notes"


def show(key: str, value: Any) -> str:
    """Let the widget `key`, not yet drawn in this run, show `value` (an undo changes it from outside); `key` again."""
    if st.session_state.get(key, ...) != value:
        st.session_state[key] = value
    return key


def menu_key(name: str) -> str:
    """Key of a popover that `close_menu` can close."""
    return f"{name}-{st.session_state.get(f'{name}-turn', 0)}"


def close_menu(name: str) -> None:
    """Close it by making it another one: a popover that is closed through its state opens again with the next click
    anywhere, because the browser still sends its old state (Streamlit 1.67)."""
    st.session_state[f"{name}-turn"] = st.session_state.get(f"{name}-turn", 0) + 1


def visitor() -> str:
    """A name for each browser session."""
    return str(st.session_state.setdefault("visitor", uuid4().hex))
