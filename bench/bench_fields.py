"""From microscope fields to cells: whole imports and single fields, beside plain scikit-image, step after step.

The fields are generated at BBBC021's size (1280 × 1024, three channels, 16 bit), so that the truth about every nucleus
is known: speed stands beside F1 at IoU 0.5. Memory is the largest resident size of a fresh process that imports them
all. Lighting is measured and divided out by ours only; scikit-image has no step for it.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from itertools import count
from pathlib import Path

from bench.support import fields
from bench.support.fields import Drawn, drawn_fields, table_of
from bench.support.measuring import Item, Options, installed, item, side_by_side
from ssrl_core.datasets.cells import CellSettings, NucleusSettings, agreement, cut, detect, import_fields
from ssrl_core.datasets.cells.fields import read_field
from ssrl_core.datasets.cells.settings import CellOptions
from ssrl_core.datasets.store import delete

TITLE = "Cells out of microscope fields, beside plain scikit-image."
NAME = "fields"
IMPORT, FIELD, MEMORY, QUALITY = (
    f"fields-1280-{what}" for what in ("import", "find-and-cut", "import-memory", "nuclei-f1")
)
PEER = "scikit-image"
FIELDS, DRAWN = 48, 12
_SIZE = 196
_SLOWEST_ROUNDS = 3


def measure(options: Options) -> Iterator[Item]:
    """Every case that was asked for."""
    wanted = [case for case in (IMPORT, FIELD, MEMORY, QUALITY) if options.wanted(case)]
    if not wanted:
        return
    with drawn_fields(DRAWN) as drawn:
        table = table_of(drawn, FIELDS)
        if IMPORT in wanted:
            yield _import(table, drawn, options)
        if FIELD in wanted:
            yield _one_field(drawn, options)
        if MEMORY in wanted and find_spec("resource") is None:
            print(f"{MEMORY} is left out: this system does not tell it", file=sys.stderr)
        elif MEMORY in wanted:
            yield _memory(table, drawn)
        if QUALITY in wanted:
            yield _quality(drawn)


def _import(table: Path, drawn: Drawn, options: Options) -> Item:
    """A whole import with all cores, and the peer's loop over the same files on one."""
    number, rows = count(), [drawn.row(i % DRAWN) for i in range(FIELDS)]

    def ours() -> int:
        name = f"bench-{next(number)}"
        import_fields(table, name, CellOptions(settings=CellSettings(size=_SIZE)))
        delete(name)
        return FIELDS

    def peer() -> int:
        fields.import_all(rows, drawn.folder / "peer.npy", _SIZE)
        return FIELDS

    rounds = min(options.rounds, _SLOWEST_ROUNDS)
    found = side_by_side(ours, {PEER: peer}, rounds=rounds, seconds=options.seconds)[PEER]
    return _item(IMPORT, "speed", "fields/s", found.ours, drawn, found.peer, found.ratio, threads=os.cpu_count() or 1)


def _one_field(drawn: Drawn, options: Options) -> Item:
    """Finding and cutting in memory, on one thread each."""
    some = [read_field(drawn.row(i)) for i in range(4)]
    diameter = drawn.diameter_px

    def ours() -> int:
        for image in some:
            cut(image, detect(image[0], NucleusSettings(diameter_px=diameter)), CellSettings(size=_SIZE))
        return len(some)

    def peer() -> int:
        for image in some:
            fields.cut(image, fields.detect(image[0]), _SIZE)
        return len(some)

    found = side_by_side(ours, {PEER: peer}, rounds=options.rounds, seconds=options.seconds)[PEER]
    return _item(FIELD, "speed", "fields/s", found.ours, drawn, found.peer, found.ratio)


def _memory(table: Path, drawn: Drawn) -> Item:
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        most = pool.apply(_peak_mb, (str(table),))
    return _item(MEMORY, "largest resident size", "MB", most, drawn, threads=os.cpu_count() or 1)


def _peak_mb(table: str) -> float:
    """What this process held at most while it imported."""
    import resource  # not on Windows

    import_fields(table, "bench-memory", CellOptions(settings=CellSettings(size=_SIZE)))
    delete("bench-memory")
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, kilobytes elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def _quality(drawn: Drawn) -> Item:
    scores = []
    for find in (lambda dna: detect(dna, NucleusSettings(diameter_px=drawn.diameter_px)), fields.detect):
        pairs = ((truth, find(read_field(drawn.row(i))[0])) for i, truth in enumerate(drawn.truth))
        every = [agreement(truth, found, smallest=40) for truth, found in pairs]
        scores.append(sum(every[1:], start=every[0]).f1)
    return _item(QUALITY, "F1 at IoU 0.5", "share", scores[0], drawn, scores[1], scores[0] / scores[1])


def _item(
    case: str,
    metric: str,
    unit: str,
    ours: float,
    drawn: Drawn,
    peer: float | None = None,
    ratio: float | None = None,
    *,
    threads: int = 1,
) -> Item:
    named = {"peer_name": PEER, "peer_version": installed(PEER)} if peer is not None else {}
    return item(NAME, case, metric, unit, ours, peer=peer, ratio=ratio, threads=threads, images=drawn.what, **named)


if __name__ == "__main__":
    from bench.support.measuring import main

    raise SystemExit(main(NAME))
