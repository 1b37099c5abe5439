"""One maker at a time for each image set, over all processes that share the store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import filelock

from ssrl_core import stores


@contextmanager
def held(name: str) -> Iterator[None]:
    """Hold the lock of an image set's name; waits for whoever has it. May be entered again by its holder."""
    folder = stores.data_root() / ".locks"
    folder.mkdir(exist_ok=True)
    with filelock.FileLock(folder / f"{name}.lock", is_singleton=True):
        yield
