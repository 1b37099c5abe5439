"""A warm child: `python -m ssrl_core.runs.child.warm`.

It takes one run after another, so that thousands of small runs do not pay the imports (five seconds of a processor)
each.

Standard input brings a line for each run, `{"run": folder}`, and ends the process when it closes; standard output
brings one back for each, `{"code": exit code, "grown": bool}`, after the error if there was one. A run that is stopped,
pre-empted or crashes ends the process with it, and its starter takes a new one: nothing of such a run can reach the
next.
"""

from __future__ import annotations

import gc
import json
import os
import queue
import sys
import threading
from pathlib import Path
from typing import Any

from ssrl_core.runs.child import process, train
from ssrl_core.runs.folder.state import PRE_EMPTED

_TORCH_SEED = 67280421310721  # what torch starts with (c10::detail default_rng_seed_val)
_GROWTH_BYTES = 1_000_000_000


def main() -> int:
    """Take runs until standard input closes."""
    process.ignore_interrupts()
    process.give_way()
    train.prepare()
    orders: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(orders,), name="parent-watch", daemon=True).start()
    first = 0
    while True:
        folder = Path(orders.get()["run"])
        code = train.attempt(folder, by_hand=False)
        _tidy()
        held = _resident_bytes()
        if not first:
            first = held
            gc.freeze()  # a million objects of the libraries: looking through them costs a quarter of a second a run
        _answer({"code": code, "grown": grown(held, first)})


def grown(now_bytes: int, first_bytes: int) -> bool:
    """Whether a warm child holds so much more than after its first run that it is better replaced."""
    return now_bytes > 1.5 * first_bytes + _GROWTH_BYTES


def _listen(orders: queue.SimpleQueue[dict[str, Any]]) -> None:
    """Hand on every line; when standard input closes, end at once.

    A raw `os.read`: a buffered read in a daemon thread can hang the interpreter's own end.
    """
    read = b""
    try:
        while some := os.read(0, 65536):
            *lines, read = (read + some).split(b"\n")
            for line in lines:
                orders.put(json.loads(line))
    except (OSError, ValueError):
        pass
    os._exit(PRE_EMPTED)


def _tidy() -> None:
    """Leave the process as the next run would find a new one: free memory, torch's own generator at its start."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is None:
        return
    torch.manual_seed(_TORCH_SEED)
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        torch.cuda.empty_cache()


def _answer(message: dict[str, Any]) -> None:
    os.write(1, (json.dumps(message) + "\n").encode())


def _resident_bytes() -> int:
    import psutil

    return int(psutil.Process().memory_info().rss)


if __name__ == "__main__":
    sys.exit(main())
