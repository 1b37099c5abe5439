"""What pages keep between two looks: one cache for all sessions, bounded by its memory, safe with threads.

    @cache.kept
    def picture(imageset: ImageSet, composition: Composition, seed: int) -> bytes: ...

    @cache.kept(by=lambda scene, k: (scene.run_id, scene.stamp, k), spinner="Finding clusters")
    def clusters(scene: Scene, k: int) -> Clustering: ...

A value is kept by its function and its arguments, taken as values: what is frozen and hashable (a composition, a
tuple, a name) is its own key, an array is known by its content, an image set by what its pictures depend on, and an
object with a property `cache_key` by that. `by` names the key where arguments are more than it: what the value depends
on must be in it (a run's results: its id and when they were written). Two sessions that ask for the same thing at once
wait for one answer; what raises is not kept.

Values are shared, not copied: give back bytes, tuples, frozen data, or what nobody changes. When memory is short the
values that were not used for longest go first; the newest `least` of each function stay, so that a page which needs
much is not made anew with every click. `function.clear()` forgets what one function made.
"""

from __future__ import annotations

import hashlib
import sys
import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable, Mapping
from contextlib import nullcontext
from dataclasses import fields, is_dataclass
from functools import wraps
from typing import Any, NamedTuple, ParamSpec, Protocol, TypeVar, cast, overload

import numpy as np
import pandas as pd
import streamlit as st

MOST_BYTES = 512 << 20
P = ParamSpec("P")
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
Key = tuple[str, Hashable]


class Kept(Protocol[P, T_co]):
    """A function whose values are kept."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T_co:
        """The value, made when it is not there yet."""
        ...

    def clear(self) -> None:
        """Forget what it made."""
        ...


class _Entry(NamedTuple):
    value: Any
    size: int
    least: int


class Cache:
    """Values by key, least recently used first, `most_bytes` at most beside the newest of each owner."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self.most_bytes = most_bytes
        self._lock = threading.Lock()
        self._entries: OrderedDict[Key, _Entry] = OrderedDict()
        self._turns: dict[Key, threading.RLock] = {}
        self._bytes = 0

    def get(self, owner: str, key: Hashable, make: Callable[[], T], *, least: int = 1) -> T:
        """The value of a key, made once however many ask for it.

        Args:
            owner: whose value it is; the newest `least` of an owner always stay.
        """
        whole = (owner, key)
        with self._lock:
            if (entry := self._used(whole)) is not None:
                return cast(T, entry.value)
            turn = self._turns.setdefault(whole, threading.RLock())
        with turn:
            with self._lock:
                if (entry := self._used(whole)) is not None:
                    return cast(T, entry.value)
            try:
                value = make()
                self._put(whole, _Entry(value, size_of(value), least))
            finally:
                with self._lock:
                    self._turns.pop(whole, None)
        return value

    def clear(self, owner: str | None = None) -> None:
        """Forget what one owner has, or everything."""
        with self._lock:
            for key in [key for key in self._entries if owner in (None, key[0])]:
                self._drop(key)

    def __len__(self) -> int:
        return len(self._entries)

    def _used(self, key: Key) -> _Entry | None:
        entry = self._entries.get(key)
        if entry is not None:
            self._entries.move_to_end(key)
        return entry

    def _put(self, key: Key, entry: _Entry) -> None:
        with self._lock:
            if key in self._entries:
                self._drop(key)
            self._entries[key] = entry
            self._bytes += entry.size
            if self._bytes <= self.most_bytes:
                return
            left = Counter(owner for owner, _ in self._entries)
            for old in list(self._entries):
                if self._bytes <= self.most_bytes:
                    return
                if left[old[0]] > self._entries[old].least:
                    left[old[0]] -= 1
                    self._drop(old)

    def _drop(self, key: Key) -> None:
        self._bytes -= self._entries.pop(key).size


SHARED = Cache()


@overload
def kept(function: Callable[P, T]) -> Kept[P, T]: ...


@overload
def kept(
    *, by: Callable[..., Hashable] | None = None, spinner: str = "", least: int = 1
) -> Callable[[Callable[P, T]], Kept[P, T]]: ...


def kept(
    function: Callable[P, T] | None = None,
    *,
    by: Callable[..., Hashable] | None = None,
    spinner: str = "",
    least: int = 1,
) -> Any:
    """Keep what a function gives back, as the module says.

    Args:
        by: gives the key from the arguments; left out, all arguments are the key.
        spinner: what the page says while a value is made.
        least: how many of its values stay however full the cache is.
    """
    if function is None:
        return lambda function: _kept(function, by, spinner, least)
    return _kept(function, by, spinner, least)


def _kept(function: Callable[P, T], by: Callable[..., Hashable] | None, spinner: str, least: int) -> Kept[P, T]:
    owner = f"{function.__module__}.{function.__qualname__}"

    @wraps(function)
    def asked(*args: P.args, **kwargs: P.kwargs) -> T:
        key = as_key(by(*args, **kwargs)) if by else (as_key(args), as_key(kwargs))

        def make() -> T:
            with st.spinner(spinner) if spinner else nullcontext():
                return function(*args, **kwargs)

        return SHARED.get(owner, key, make, least=least)

    kept_function = cast(Kept[P, T], asked)
    kept_function.clear = lambda: SHARED.clear(owner)  # type: ignore[method-assign]
    return kept_function


def as_key(value: Any) -> Hashable:
    """An argument as part of a key.

    Raises:
        TypeError: something that can change and has no `cache_key`.
    """
    if hasattr(value, "cache_key"):
        return cast(Hashable, value.cache_key)
    if hasattr(value, "fingerprint") and hasattr(value, "channels"):
        return look_of(value)
    if isinstance(value, np.ndarray):
        digest = hashlib.blake2b(np.ascontiguousarray(value).data, digest_size=16).hexdigest()
        return (value.shape, value.dtype.str, digest)
    if isinstance(value, list | tuple) and not hasattr(value, "_fields"):
        return tuple(as_key(item) for item in value)
    if isinstance(value, Mapping) and getattr(value, "__hash__", None) is None:
        return tuple((key, as_key(item)) for key, item in value.items())
    hash(value)
    return (type(value), value)  # 1, 1.0 and True are equal, and not the same


def look_of(imageset: Any) -> Hashable:
    """What pictures of an image set depend on: its name, its content, how its channels are shown."""
    return (imageset.name, imageset.fingerprint, imageset.channels)


def size_of(value: Any) -> int:
    """Bytes that a value holds, about; a memory-mapped array holds none."""
    return _size(value, set())


def _size(value: Any, seen: set[int]) -> int:
    if id(value) in seen:
        return 0
    seen.add(id(value))
    if isinstance(value, np.ndarray):
        return 0 if isinstance(value, np.memmap) else int(value.nbytes)
    if isinstance(value, pd.DataFrame | pd.Series):
        return int(np.sum(value.memory_usage(deep=True)))
    own = sys.getsizeof(value, 64)
    if isinstance(value, str | bytes | int | float | type(None)):
        return own
    return own + sum(_size(part, seen) for part in _parts(value))


def _parts(value: Any) -> list[Any]:
    if isinstance(value, Mapping):
        return [*value.keys(), *value.values()]
    if isinstance(value, list | tuple | set | frozenset):
        return list(value)
    if is_dataclass(value) and not isinstance(value, type):
        return [getattr(value, field.name) for field in fields(value)]
    return []
