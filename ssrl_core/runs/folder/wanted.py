"""What is wanted of a run, kept in its folder: its spec, that it shall stop, its place in the queue, what it waits for.

    spec.yaml    what the run is, and what `evaluate` asks for
    STOP         there while the run shall stop, or stay stopped; the child looks for it
    queue.json   {version, priority, after: [ids], attempt}; not there where all of it is as usual

`attempt` is the number of the attempt that somebody asks for (a stopped or failed run that is to go on, a done one of
which more is asked): while `state.json` is at an earlier one, the run waits. Older folders have `priority.json` and
`after.json` instead; the next change puts them together.

`queue.json` is changed while the registry is held for writing, so that no change is lost, and not synced: a power cut
may cost a place in the queue, and ten thousand syncs would cost a minute.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ssrl_core import stores
from ssrl_core.errors import SSRLError

SPEC, STOP, QUEUE = "spec.yaml", "STOP", "queue.json"
_OLDER = ("priority.json", "after.json")
OVER = ("done", "failed", "stopped")


@dataclass(frozen=True)
class Wanted:
    """What is wanted of a run.

    Attributes:
        stop: it shall stop, or stay stopped.
        priority: higher goes first.
        after: ids of the runs that must be done before it starts.
        attempt: the attempt that is asked for; 0 is whichever is next.
    """

    stop: bool = False
    priority: int = 0
    after: tuple[str, ...] = ()
    attempt: int = 0


USUAL = Wanted()


def read(folder: Path) -> Wanted:
    """What a folder says; as usual where it says nothing, or what it says is damaged or of a newer version."""
    said: dict[str, Any] = {}
    for name in (*_OLDER, QUEUE):
        said |= _read(folder / name)
    after = said.get("after")
    return Wanted(
        (folder / STOP).exists(),
        whole(said.get("priority")),
        tuple(name for name in after if isinstance(name, str)) if isinstance(after, list) else (),
        whole(said.get("attempt")),
    )


def change(folder: Path, **wanted: Any) -> None:
    """Change what `queue.json` says; nothing where there is no folder.

    Args:
        wanted: some of priority, after, attempt.

    Raises:
        OSError: a full disk; what was said before stays.
    """
    before = read(folder)
    now = dataclasses.replace(before, **wanted)
    if now == before or not folder.is_dir():
        return
    text = _queue_text(now)
    if text:
        stores.replace(folder / QUEUE, text, synced=False)
    for name in _OLDER if text else (*_OLDER, QUEUE):
        (folder / name).unlink(missing_ok=True)


def ask_to_stop(folder: Path) -> None:
    """Let a run stop, and stay stopped; nothing where there is no folder."""
    if folder.is_dir():
        os.close(os.open(folder / STOP, os.O_WRONLY | os.O_CREAT, 0o666))


def ask_to_go_on(folder: Path) -> None:
    """It need no longer stop."""
    (folder / STOP).unlink(missing_ok=True)


def state_of(state: Mapping[str, Any], wanted: Wanted) -> str:
    """The state of a run: queued | running | done | failed | stopped.

    Args:
        state: fields of `state.json`: what the child did.
    """
    found = str(state["state"])
    if found in OVER and wanted.attempt > int(state["attempt"] or 0):
        found = "queued"
    return "stopped" if found == "queued" and wanted.stop else found


def create(folder: str, spec: str, wanted: Wanted = USUAL) -> None:
    """Write the folder of a new run, fast and unsynced: the caller has written down elsewhere that it belongs here.

    Args:
        folder: its path as text, for ten thousand of them shall take a second.
        spec: text of its `spec.yaml`.

    Raises:
        OSError: a full disk, a missing right.
    """
    with suppress(FileExistsError):
        os.mkdir(folder)
    if queue := _queue_text(wanted):
        _put(f"{folder}/{QUEUE}", queue)
    if wanted.stop:
        _put(f"{folder}/{STOP}", "")
    _put(f"{folder}/{SPEC}", spec)  # last: a folder without a spec is no run yet


def _put(path: str, text: str) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    try:
        os.write(handle, text.encode())
    finally:
        os.close(handle)


def _queue_text(wanted: Wanted) -> str:
    """Content of `queue.json`; "" where all is as usual."""
    if wanted is USUAL:
        return ""
    said: dict[str, Any] = {"priority": wanted.priority, "after": list(wanted.after), "attempt": wanted.attempt}
    kept = {name: value for name, value in said.items() if value}
    return json.dumps({"version": 1, **kept}, ensure_ascii=False) + "\n" if kept else ""


def _read(path: Path) -> dict[str, Any]:
    try:
        return stores.read_json(path) if path.is_file() else {}
    except SSRLError:
        return {}


def whole(found: Any) -> int:
    """A whole number that SQLite takes; 0 for anything else."""
    return found if isinstance(found, int) and not isinstance(found, bool) and abs(found) < 2**63 else 0
