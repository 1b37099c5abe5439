"""Work cut into pieces: bounded memory, and on the CPU one piece a core.

A piece runs on one thread. Many small operations that each wait for all cores are slow as soon as another process uses
one of them; whole pieces side by side are not.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import torch

_CPU_VALUES = 1 << 18
_DEVICE_VALUES = 1 << 26
_lock = threading.Lock()
_pools: dict[int, ThreadPoolExecutor] = {}


def pieces(count: int, values_each: int, device: torch.device) -> Iterator[range]:
    """0..count-1 cut so that a piece holds about as many values as the device's cache (or memory) likes.

    On the CPU every thread gets as many pieces of one size, so that none waits for the last one.

    Args:
        values_each: values of one item at its largest.
    """
    limit = _CPU_VALUES if device.type == "cpu" else _DEVICE_VALUES
    size = max(1, limit // max(1, values_each))
    if device.type == "cpu" and count > size:
        threads = torch.get_num_threads()
        turns = -(-count // (size * threads))
        size = -(-count // (turns * threads))
    for start in range(0, count, size):
        yield range(start, min(count, start + size))


def each(work: Callable[[range], None], parts: list[range], device: torch.device) -> None:
    """Do the work for every piece; on the CPU on as many threads as torch was given."""
    threads = min(torch.get_num_threads(), len(parts)) if device.type == "cpu" else 1
    if threads <= 1:
        for part in parts:
            work(part)
        return
    for _ in _pool(torch.get_num_threads()).map(torch.no_grad()(work), parts):
        pass


def _pool(threads: int) -> ThreadPoolExecutor:
    with _lock:
        if threads not in _pools:
            ready = threading.Barrier(threads + 1)

            def alone() -> None:
                torch.set_num_threads(1)  # of this thread; it also becomes the default of threads to come
                ready.wait()

            pool = ThreadPoolExecutor(threads, thread_name_prefix="views", initializer=alone)
            for _ in range(threads):
                pool.submit(lambda: None)
            ready.wait()
            torch.set_num_threads(threads)  # the default as it was
            _pools[threads] = pool
        return _pools[threads]


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pools.clear)  # threads do not survive a fork
