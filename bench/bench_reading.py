"""Reading an image set that outgrows memory, in a random order, beside a plain sequential read of the same file.

The page cache is dropped before each (as root; else the system is asked to forget the file). `bank` reads a batch while
the one before is worked on, as a training does; the work is left out here. Photographs that stay in their files (a
folder of JPEG, a tar) are decoded beside a plain DataLoader that opens, shrinks and cuts them with PIL.
"""

from __future__ import annotations

import contextlib
import os
import statistics
import tarfile
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench.support.made_stores import own_stores
from bench.support.measuring import Item, Options, item
from ssrl_core.datasets.importing import import_source
from ssrl_core.datasets.reading.understanding import ImportOptions
from ssrl_core.learning import devices

TITLE = "Images read in a random order beside a plain sequential read; JPEG decoded beside a DataLoader."
NAME = "reading"
SIDE, BATCH, BYTES = 224, 256, 2_000_000_000
_PHOTOS, _PHOTOS_BATCH = 512, 64


def measure(options: Options) -> Iterator[Item]:
    """Each beside its peer in turn, in a temporary folder of two gigabytes (SSRL_MODELS' disk, else the system's)."""
    for kind in ("folder", "tar"):
        if options.wanted(f"224-jpeg-{kind}"):
            yield from _decoding(kind, options)
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
    return _epoch(np.load(file, mmap_mode="r"), count, seed, BATCH) * 3 * SIDE * SIDE / 1e6


def _epoch(pixels: Any, count: int, seed: int, batch: int) -> float:
    """Images a second of an epoch's batches in a random order, each read while the one before is taken."""
    limit, devices._resident_limit = devices._resident_limit, lambda device: 0.0
    try:
        bank = devices.PixelBank(pixels, np.arange(count), torch.device("cpu"))
    finally:
        devices._resident_limit = limit
    order = devices.epoch_order(count, seed=seed, epoch=0)
    batches = [order[start : start + batch] for start in range(0, count - batch + 1, batch)]
    started, read = time.perf_counter(), 0
    for now, coming in zip(batches, [*batches[1:], None], strict=True):
        read += len(bank.batch(now))
        if coming is not None:
            bank.ahead(coming)
    return read / (time.perf_counter() - started)


def _decoding(kind: str, options: Options) -> Iterator[Item]:
    """Images a second of photographs that stay in a folder or a tar, beside a DataLoader's."""
    with own_stores() as store:
        photos = _photographs(store / "photos")
        source = photos if kind == "folder" else _packed(photos, store / "photos.tar")
        there = import_source(source, "there", ImportOptions(size=SIDE, in_place=True, class_level="none"))
        pairs = [
            (_epoch(there.pixels, there.count, seed, _PHOTOS_BATCH), _loader(photos)) for seed in range(options.rounds)
        ]
    ours, plain = (statistics.median(side) for side in zip(*pairs, strict=True))
    ratio = statistics.median(one / other for one, other in pairs)
    more: dict[str, Any] = {"peer_name": "a DataLoader with PIL", "peer": plain, "ratio": ratio}
    yield item(NAME, f"224-jpeg-{kind}", "speed", "images/s", ours, threads=os.cpu_count() or 1, **more)


def _photographs(folder: Path) -> Path:
    """JPEG of 320 × 240 px with structure at several scales, as a camera's."""
    from PIL import Image

    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(_PHOTOS):
        coarse = Image.fromarray(rng.integers(0, 256, (12, 16, 3), dtype=np.uint8)).resize((320, 240))
        grain = rng.normal(0, 6, (240, 320, 1))
        made = np.clip(np.asarray(coarse) + grain, 0, 255).astype(np.uint8)
        Image.fromarray(made).save(folder / f"{number:05}.jpg", quality=90)
    return folder


def _packed(folder: Path, into: Path) -> Path:
    with tarfile.open(into, "w") as tar:
        for file in sorted(folder.iterdir()):
            tar.add(file, file.name)
    return into


class _Files(torch.utils.data.Dataset[torch.Tensor]):
    """Photographs opened, shrunk and cut by torchvision on PIL images, as one writes it."""

    def __init__(self, folder: Path) -> None:
        from torchvision import transforms as T

        self._files = sorted(folder.iterdir())
        self._made = T.Compose([T.Resize(SIDE), T.CenterCrop(SIDE), T.PILToTensor()])

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, place: int) -> torch.Tensor:
        from PIL import Image

        with Image.open(self._files[place]) as image:
            made: torch.Tensor = self._made(image.convert("RGB"))
        return made


def _loader(folder: Path) -> float:
    """Images a second once its workers have started."""
    loader = torch.utils.data.DataLoader(
        _Files(folder), _PHOTOS_BATCH, shuffle=True, num_workers=os.cpu_count() or 1, persistent_workers=True
    )
    sum(len(batch) for batch in loader)
    started = time.perf_counter()
    read = sum(len(batch) for batch in loader)
    return read / (time.perf_counter() - started)


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
