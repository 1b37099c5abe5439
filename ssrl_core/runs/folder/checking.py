"""What is damaged in a run folder: each file read as whoever needs it reads it, and compared with its checksum.

Nothing is changed. `runs check` prints it; what is not damaged can be used all the same.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ssrl_core import stores
from ssrl_core.errors import SSRLError
from ssrl_core.runs.folder.annotations import path_of, read
from ssrl_core.runs.folder.run_folder import RunFolder
from ssrl_core.runs.folder.state import read_state
from ssrl_core.specs.run import HEADS_FILE

_ROWS = ("embedding.npy", "clusters_*.npy", "layout_*.npy")


@dataclass(frozen=True)
class Damage:
    """A file that cannot be used as it is.

    Attributes:
        file: its name in the run folder.
        what: a sentence: what is wrong with it, and what to do.
    """

    file: str
    what: str


def damages(run: RunFolder) -> list[Damage]:
    """Everything in a run folder that is damaged, in the order of the files' names; files that are missing are none."""
    return sorted((one for check in _CHECKS for one in check(run)), key=lambda one: one.file)


def _spec(run: RunFolder) -> Iterator[Damage]:
    yield from _tried("spec.yaml", run.spec)


def _documents(run: RunFolder) -> Iterator[Damage]:
    said = path_of(run)
    for path in sorted(run.path.glob("*.json")):
        if not path.name.startswith(".") and path != said:
            yield from _tried(path.name, partial(stores.read_json, path))
    told: dict[str, str] = {}
    with suppress(SSRLError):  # named above
        yield from (Damage("results.json", f"{name}: {why}") for name, why in run.results().damaged.items())
        read_state(run.path, told)
    yield from (Damage("state.json", f"{name}: {why}") for name, why in told.items())
    if said.is_file():
        yield from _tried("annotations.json", partial(read, run))


def _arrays(run: RunFolder) -> Iterator[Damage]:
    rows: dict[Path, int] = {}
    for path in run.path.glob("*.npy"):
        try:
            shape = stores.read_array(path).shape
            rows[path] = shape[0] if shape else 1
        except SSRLError as error:
            yield Damage(path.name, str(error))
    count = rows.get(run.path / "embedding_ids.npy")
    for path in (path for path in rows if any(path.match(pattern) for pattern in _ROWS)):
        if count not in (None, rows[path]):
            yield Damage(path.name, f"{rows[path]} rows where there are {count} images. Delete it and make it again.")


def _lines(run: RunFolder) -> Iterator[Damage]:
    try:
        lines = (run.path / "metrics.jsonl").read_bytes().splitlines()
    except OSError:
        return
    bad = [number for number, line in enumerate(lines, 1) if not _is_object(line)]
    if bad and (bad != [len(lines)] or len(lines) == 1):  # half a last line is what a kill leaves
        yield Damage("metrics.jsonl", f"{len(bad)} of {len(lines)} lines cannot be read, the first is line {bad[0]}.")


def _encoder(run: RunFolder) -> Iterator[Damage]:
    path = run.path / "encoder.safetensors"
    if path.is_file():
        from ssrl_core.learning.encoders import load_encoder

        yield from _tried(path.name, lambda: load_encoder(path))


def _heads(run: RunFolder) -> Iterator[Damage]:
    path = run.path / HEADS_FILE
    if path.is_file():
        from ssrl_core.learning.heads import read_heads

        yield from _tried(path.name, lambda: read_heads(path))


def _checkpoints(run: RunFolder) -> Iterator[Damage]:
    from ssrl_core.learning import checkpoint

    for name in (checkpoint.NAME, checkpoint.PREVIOUS):
        if (run.path / name).is_file() and not checkpoint.is_whole(run.path / name):
            yield Damage(name, "Its sha256 is not the one beside it. The run goes on from the one before, or anew.")


_CHECKS: tuple[Callable[[RunFolder], Iterator[Damage]], ...] = (
    *(_spec, _documents, _arrays),
    *(_lines, _encoder, _heads, _checkpoints),
)


def _tried(file: str, read: Callable[[], object]) -> Iterator[Damage]:
    try:
        read()
    except SSRLError as error:
        yield Damage(file, str(error))


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False
