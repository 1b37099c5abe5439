"""Reading an image set that outgrows memory, in a random order, beside a plain sequential read of the same file.

The page cache is dropped before each (as root; else the system is asked to forget the file). `bank` reads a batch while
the one before is worked on, as a training does; the work is left out here.
"""

from __future__ import annotations

import contextlib
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench.support.measuring import Item, Options, item
from ssrl_core.learning import devices

TITLE = "Megabytes a second of images read in a random order beside a plain sequential read."
NAME = "reading"
SIDE, BATCH, BYTES = 224, 256, 2_000_000_000


def measure(options: Options) -> Iterator[Item]:
    """Both in turn, in a temporary folder of two gigabytes (SSRL_MODELS' disk, else the system's)."""
    if not options.wanted("224-random-order"):
        return
    with tempfile.TemporaryDirectory(dir=os.environ.get("SSRL_MODELS")) as folder:
        file = Path(folder) / "pixels.npy"
        count = _written(file)
        pairs = [(_random(file, count, seed), _sequential(file)) for seed in range(options.rounds)]
    ours, plain = (statistics.median(side) for side in zip(*pairs, strict=True))
    ratio = statistics.median(one / other for one, other in pairs)
    more: dict[str, Any] = {"peer_name": "sequential read", "peer": plain, "ratio": ratio}
    yield item(NAME, "224-random-order", "speed", "MB/s", ours, threads=4, **more)
    yield item(NAME, "224-random-order-images", "speed", "images/s", ours * 1e6 / (3 * SIDE * SIDE))


def _written(file: Path) -> int:
    count = BYTES // (3 * SIDE * SIDE)
    made = np.lib.format.open_memmap(file, mode="w+", dtype=np.uint8, shape=(count, 3, SIDE, SIDE))
    noise = np.random.default_rng(0).integers(0, 256, (100, 3, SIDE, SIDE), dtype=np.uint8)
    for start in range(0, count, 100):
        made[start : start + 100] = noise[: count - start]
    made.flush()
    return count


def _forgotten(file: Path) -> None:
    os.sync()
    with contextlib.suppress(OSError):
        Path("/proc/sys/vm/drop_caches").write_text("3")
    with open(file, "rb") as opened:
        os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _random(file: Path, count: int, seed: int) -> float:
    """MB/s of an epoch's batches."""
    _forgotten(file)
    limit, devices._resident_limit = devices._resident_limit, lambda device: 0.0
    try:
        bank = devices.PixelBank(np.load(file, mmap_mode="r"), np.arange(count), torch.device("cpu"))
    finally:
        devices._resident_limit = limit
    order = devices.epoch_order(count, seed=seed, epoch=0)
    batches = [order[start : start + BATCH] for start in range(0, count - BATCH + 1, BATCH)]
    started, read = time.perf_counter(), 0
    for now, coming in zip(batches, [*batches[1:], None], strict=True):
        read += bank.batch(now).nbytes
        if coming is not None:
            bank.ahead(coming)
    return read / (time.perf_counter() - started) / 1e6


def _sequential(file: Path) -> float:
    _forgotten(file)
    started, read, into = time.perf_counter(), 0, bytearray(8 << 20)
    with open(file, "rb", buffering=0) as opened:
        while got := opened.readinto(into):
            read += got
    return read / (time.perf_counter() - started) / 1e6


if __name__ == "__main__":
    from bench.support.measuring import main

    raise SystemExit(main(NAME))
