"""Processes that outlive the one which starts them; the coordinator as others see it: alive, started, asked to end."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any

from ssrl_core import access, stores
from ssrl_core.errors import SSRLError
from ssrl_core.runs.folder.locks import is_held

_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
_NO_CARD = ("", "-1", "NoDevFiles")  # the last is SLURM's word
_START_S, _END_S = 20.0, 40.0
_begun: dict[Path, subprocess.Popen[bytes]] = {}  # by store: the coordinator that this process started last


def lock_path() -> Path:
    """`models/coordinator.lock`: held by the coordinator as long as it lives."""
    return stores.models_root() / "coordinator.lock"


def is_alive() -> bool:
    """Whether a coordinator looks after this store now; asked by its lock, so a killed one does not count."""
    return is_held(lock_path())


def about() -> dict[str, Any] | None:
    """What the living coordinator says of itself: {pid, host, engine, slots, started_at}; None when none is alive."""
    path = stores.models_root() / "coordinator.json"
    if not is_alive() or not path.is_file():
        return None
    try:
        found = stores.read_json(path)
    except SSRLError:
        return None
    types = {"pid": int, "host": str, "engine": str, "slots": int, "started_at": str}
    return found if all(isinstance(found.get(key), kind) for key, kind in types.items()) else None


def ask_to_end() -> bool:
    """Ask the coordinator that is alive on this host to end in order: its children write checkpoints. True if asked."""
    access.require_editor("Ending the worker")
    known = about()
    if known is None or known["host"] != socket.gethostname() or known["pid"] == os.getpid():
        return False
    try:
        os.kill(int(known["pid"]), signal.SIGTERM)
    except ProcessLookupError:
        return False
    deadline = time.monotonic() + _END_S
    while is_alive() and time.monotonic() < deadline:
        time.sleep(0.05)
    return True


def start_coordinator(wait_s: float = _START_S) -> bool:
    """Start a coordinator that outlives this process, unless one is alive; True when one is alive afterwards.

    Args:
        wait_s: seconds to wait for it to be up; two that are started at once do no harm, the second one ends itself.

    Never call it from a page's body: from a callback or a command.
    """
    access.require_editor("Starting a worker")
    if is_alive():
        return True
    store = stores.models_root()
    process = _begun.get(store)
    if process is None or process.poll() is not None:  # on a busy machine the last one may still be on its way
        process = _begun[store] = start_detached(["worker"], _plain_environment())
    deadline = time.monotonic() + wait_s
    while not is_alive() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    return is_alive()


def start_detached(words: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start `python -m ssrl_core WORDS…` so that it outlives this process and its terminal."""
    detached: dict[str, Any] = {"start_new_session": True}
    if sys.platform == "win32":
        detached = {"creationflags": subprocess.DETACHED_PROCESS | subprocess.CREATE_NEW_PROCESS_GROUP}
    process = subprocess.Popen(
        [sys.executable, "-m", "ssrl_core", *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=source_folder(),
        env=dict(environment),
        **detached,
    )
    threading.Thread(target=process.wait, name=f"end of {words[0]}", daemon=True).start()  # leaves no zombie
    return process


def child_environment(slots: int = 1) -> dict[str, str]:
    """Environment of a child: the same stores by absolute path, and its share of the cores."""
    share = str(max(1, cores() // max(1, slots)))
    own = {name: os.environ.get(name, share) for name in _THREADS}
    roots = {"SSRL_DATA": str(stores.data_root()), "SSRL_MODELS": str(stores.models_root())}
    return {**access.inherited(os.environ), **own, **roots}


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def chosen_cards() -> tuple[str, ...] | None:
    """Numbers or ids of NVIDIA cards in CUDA_VISIBLE_DEVICES, up to the first that is none, as CUDA reads it.

    None where it is not set: all cards.
    """
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is None:
        return None
    return tuple(takewhile(lambda name: name not in _NO_CARD, (name.strip() for name in chosen.split(","))))


def source_folder() -> Path:
    """The folder that `python -m ssrl_core` is found from."""
    return Path(__file__).resolve().parents[3]


def _plain_environment() -> dict[str, str]:
    """The environment for a detached coordinator: the stores by absolute path, thread counts as the user set them."""
    child = child_environment()
    return {name: value for name, value in child.items() if name in os.environ or name.startswith("SSRL_")}
