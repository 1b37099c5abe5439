"""Locks of the operating system: held by a process, gone with it, whatever ended it."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

from ssrl_core.errors import RunError, not_written


class Lock:
    """One lock file. Never a soft lock: that would survive `kill -9` and block the run for ever.

    Args:
        path: the lock file; its folder must exist. The file stays when the lock is given back.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = FileLock(path, thread_local=False, fallback_to_soft=False)
        self._identity: tuple[int, int] | None = None

    def take(self, *, timeout_s: float = 0.0) -> bool:
        """Take the lock; False if another process holds it for the whole time.

        Raises:
            RunError: the file system has no working locks, or the file cannot be made.
        """
        try:
            self._lock.acquire(timeout=timeout_s, poll_interval=0.05)
        except Timeout:
            return False
        except (OSError, NotImplementedError) as error:
            told = not_written(error) if isinstance(error, OSError) else None
            raise told or _no_locks(self.path, str(error)) from error
        self._identity = _identity(self.path)
        return True

    def give_back(self) -> None:
        """Give the lock back; nothing happens if it is not held."""
        self._lock.release(force=True)
        self._identity = None

    def still_ours(self) -> bool:
        """Whether the file at the path is still the one that was locked (a store may be moved or deleted)."""
        return self._identity is not None and _identity(self.path) == self._identity


def is_held(path: Path) -> bool:
    """Whether some process holds this lock now (asks by taking it for a moment)."""
    if not path.is_file():
        return False
    lock = Lock(path)
    if not lock.take():
        return True
    lock.give_back()
    return False


def require_working_locks(folder: Path) -> None:
    """Refuse a file system whose locks keep nobody out (some network and FUSE mounts).

    Raises:
        RunError: with the reason.
    """
    path = folder / f".lock-trial-{os.getpid()}"
    first, second = Lock(path), Lock(path)
    try:
        if not first.take():
            raise _no_locks(path, "a lock that nobody holds could not be taken")
        if second.take():
            raise _no_locks(path, "two holders got the same lock")
    finally:
        second.give_back()
        first.give_back()
        with suppress(OSError):
            path.unlink(missing_ok=True)


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _no_locks(path: Path, reason: str) -> RunError:
    return RunError(
        f"{path}: the file system of this store has no working locks ({reason}). "
        "Move the store (SSRL_MODELS) to a local disk, or mount this one with locks.",
        where=str(path),
        remedy="Move the store (SSRL_MODELS) to a local disk.",
    )
