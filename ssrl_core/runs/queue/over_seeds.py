"""How far two runs agree over their seeds: every pair compared, a job whose results are kept pair by pair.

A pair's numbers follow from its two embeddings, so they are kept under the content of both in `models/comparisons/`: a
stopped job goes on where it was, one more seed costs its own pairs alone.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import combinations, product
from pathlib import Path
from typing import Any

import numpy as np

from ssrl_core import stores
from ssrl_core.analysis.scores import mean_sd
from ssrl_core.errors import DataError, SpecError, SSRLError
from ssrl_core.runs.folder.results import clean
from ssrl_core.runs.folder.run_folder import RunFolder
from ssrl_core.runs.queue import registry
from ssrl_core.specs.run import NOT_HASHED

_APART = (*NOT_HASHED, "seed")
_LOOKED_INTO = 100  # specs that are read whole: some milliseconds each
_SPECS = "SELECT id, spec FROM runs WHERE dataset = ? AND method = ? AND state = 'done'"
MOST_SEEDS = 5


def common(ids: np.ndarray, others: np.ndarray, first: str, second: str) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the images that two runs share.

    Args:
        ids, others: (n,), (m,) image ids, ascending.

    Returns:
        (c,), (c,) row numbers in the first and in the second.

    Raises:
        SpecError: they share fewer than two.
    """
    both, rows, other_rows = np.intersect1d(ids, others, assume_unique=True, return_indices=True)
    if len(both) < 2:
        raise SpecError.at(
            f"{first} beside {second}",
            "images",
            "shared, at least two of them",
            len(both),
            "Compare runs that were evaluated on the same image set and split.",
        )
    return rows, other_rows


def recipe(run: RunFolder) -> str:
    """What a run is but for its seed and its name, as text to compare.

    Raises:
        SSRLError: no such run, or its spec cannot be read.
    """
    try:
        stamp = (run.require().path / "spec.yaml").stat().st_mtime_ns
    except OSError:
        stamp = 0  # gone this very moment: reading it says so
    return _recipe(RunFolder(run.id, run.path), stamp)


@lru_cache(maxsize=512)
def _recipe(run: RunFolder, stamp: int) -> str:
    spec = run.spec().to_mapping()
    for key in _APART:
        spec.pop(key, None)
    for term in spec["terms"]:
        term["composition"].pop("name", None)
    return json.dumps(spec, sort_keys=True)


def seeds_of(run: RunFolder, most: int = MOST_SEEDS) -> list[RunFolder]:
    """The run and those that differ from it by their seed alone, done, by seed; at most so many.

    Of thousands alike, those whose spec reads the same but for seed and names are looked into first, of the others the
    newest `_LOOKED_INTO`: a spec that an older version wrote may say the same in other words.
    """
    candidates = _alike(run.id)
    own, found = recipe(run), []
    for seed, folder in candidates:
        try:
            if folder.id == run.id or ((folder.path / "embedding.npy").is_file() and recipe(folder) == own):
                found.append((seed, folder))
        except SSRLError:
            continue  # a folder that cannot be read is no sibling
    found.sort(key=lambda pair: (pair[1].id != run.id, pair[0]))
    return [folder for _, folder in found[:most]] or [run]


def _alike(run_id: str) -> list[tuple[int, RunFolder]]:
    """Seeds and folders of the runs that may be siblings, itself among them."""
    rows = registry.list_runs()
    own = next((row for row in rows if row["id"] == run_id), None)
    if own is None:
        return []
    done = [row for row in rows if row.get("state") == "done" or row is own]
    alike = [row for row in done if all(row.get(key) == own.get(key) for key in ("dataset", "method", "backbone"))]
    if len(alike) > _LOOKED_INTO:
        texts = {row["id"]: _bare(str(row["spec"])) for row in registry.query(_SPECS, [own["dataset"], own["method"]])}
        same = [row for row in alike if row is own or texts.get(row["id"]) == texts.get(run_id)]
        chosen = {row["id"] for row in same}
        alike = [*same[:_LOOKED_INTO], *[row for row in alike if row["id"] not in chosen][:_LOOKED_INTO]]
    return [(int(row.get("seed") or 0), RunFolder(str(row["id"]))) for row in alike]


def _bare(text: str) -> str:
    """A canonical YAML spec without the parts in which siblings differ, as text."""
    kept, skipped = [], False
    for line in text.splitlines():
        if line[:1].strip() and line[0] not in "-#":
            skipped = line.partition(":")[0] in _APART
        if not skipped:
            kept.append(line)
    return "\n".join(kept)


MEASURES = ("ami", "cka", "neighbour_overlap")
_HELD = 5  # embeddings in memory at once: the seeds of one side
_PIECES, _PIECE = 64, 4096
_IDS = "embedding_ids.npy"


@dataclass(frozen=True)
class RunPair:
    """Two runs to compare, each under a number of clusters."""

    a: RunFolder
    b: RunFolder
    k: int
    k2: int

    @cached_property
    def path(self) -> Path:
        """Where its numbers are kept."""
        told = json.dumps([content_of(self.a), content_of(self.b), self.k, self.k2])
        return stores.models_root() / "comparisons" / f"{hashlib.sha256(told.encode()).hexdigest()[:24]}.json"

    def read(self) -> Mapping[str, Any] | None:
        """{ami, cka, neighbour_overlap, …}; None while it was not made."""
        try:
            return stores.read_json(self.path) if self.path.is_file() else None
        except SSRLError:
            return None  # a damaged file, or one of a newer version, is made again


@dataclass(frozen=True)
class Group:
    """Pairs that say one thing: `what` is "A beside B", "two seeds of A" or "two seeds of B"."""

    what: str
    pairs: tuple[RunPair, ...]


@dataclass(frozen=True)
class PairsOverSeeds:
    """All pairs of two runs over their seeds: `seeds_a` and `seeds_b` of them."""

    groups: tuple[Group, ...]
    seeds_a: int
    seeds_b: int

    @property
    def pairs(self) -> list[RunPair]:
        """Every pair."""
        return [pair for group in self.groups for pair in group.pairs]

    @property
    def name(self) -> str:
        """A name that only these pairs have, for their job."""
        told = "".join(pair.path.stem for pair in self.pairs)
        return f"seeds-{hashlib.sha256(told.encode()).hexdigest()[:16]}"


def ask(first: RunFolder, second: RunFolder | None, k: int, k2: int) -> PairsOverSeeds:
    """What there is to compare over the seeds of two runs.

    Args:
        second: None beside a baseline, which has no seeds.
        k, k2: number of clusters of the first and of the second.

    Returns:
        groups without those that have no pair; none at all while there are no seeds. Two seeds of one recipe are one
        side: only pairs of its seeds.
    """
    a = seeds_of(first)
    b = seeds_of(second) if second is not None else []
    sets = {"two seeds of A": [RunPair(x, y, k, k) for x, y in combinations(a, 2)]}
    if second is not None and len(a) + len(b) > 2 and recipe(first) != recipe(second):
        across = [RunPair(x, y, k, k2) for x, y in product(a, b)]
        within = [RunPair(x, y, k2, k2) for x, y in combinations(b, 2)]
        sets = {"A beside B": across, **sets, "two seeds of B": within}
    return PairsOverSeeds(tuple(Group(what, tuple(pairs)) for what, pairs in sets.items() if pairs), len(a), len(b))


def read(asked: PairsOverSeeds, made: Mapping[Path, Mapping[str, Any]] | None = None) -> list[dict[str, Any]]:
    """Mean and sd of each measure over the pairs of each group, as far as they were made.

    Args:
        made: numbers of pairs that are at hand, by their file, for a disk that keeps none.

    Returns:
        [{what, pairs (compared), of (pairs in all), ami, cka, neighbour_overlap: {mean, sd, n} or None}]; `sd` is None
        for one pair.
    """
    rows = []
    for group in asked.groups:
        read = [(made or {}).get(pair.path) or pair.read() for pair in group.pairs]
        found = [numbers for numbers in read if numbers is not None]
        spread = {name: _spread([numbers.get(name) for numbers in found]) for name in MEASURES}
        rows.append({"what": group.what, "pairs": len(found), "of": len(group.pairs), **spread})
    return rows


def make(asked: PairsOverSeeds, report: Callable[[float], None] | None = None) -> list[dict[str, Any]]:
    """Compare every pair that was not compared yet, and read them all.

    Args:
        report: told the share done, 0..1; may raise Stopped: what was compared is kept.

    Raises:
        SSRLError: a run without an embedding, or without images in common.
    """
    sides = lru_cache(maxsize=_HELD + 1)(_side)
    pairs, made = asked.pairs, dict[Path, Mapping[str, Any]]()
    for done, pair in enumerate(pairs):
        if report is not None:
            report(done / len(pairs))
        if pair.read() is None:
            made[pair.path] = _compared(pair, sides)
            with stores.kept_if_possible(pair.path):
                stores.write_json(pair.path, made[pair.path])
    if report is not None:
        report(1.0)
    return read(asked, made)


def _spread(values: Sequence[float | None]) -> dict[str, Any] | None:
    """{mean, sd, n} of the values that are there; None without any."""
    mean, sd, n = mean_sd(values)
    return {"mean": mean, "sd": sd, "n": n} if n else None


def content_of(run: RunFolder) -> str:
    """What the evaluated rows of an embedding are known by: the split, its size, its images, pieces of its numbers.

    Raises:
        DataError: it cannot be read.
        SpecError: its spec cannot be read.
    """
    path = run.path / "embedding.npy"
    try:
        stamps = [(file.stat().st_mtime_ns, file.stat().st_size) for file in (path, path.with_name(_IDS))]
        split = _split(RunFolder(run.id, run.path), (run.path / "spec.yaml").stat().st_mtime_ns)
        return f"{run.id} {split} {_content(path, *stamps)}"
    except OSError as error:
        raise DataError(f"{path}: it cannot be read ({error}). Resume the run.", where=str(path)) from error


@lru_cache(maxsize=512)
def _split(run: RunFolder, stamp: int) -> str:
    return run.spec().evaluate.split


@lru_cache(maxsize=64)
def _content(path: Path, stamp: tuple[int, int], ids_stamp: tuple[int, int]) -> str:
    told = hashlib.sha256(path.with_name(_IDS).read_bytes())
    size = stamp[1]
    told.update(str(size).encode())
    with path.open("rb") as file:
        for at in np.unique(np.linspace(0, max(0, size - _PIECE), _PIECES).astype(np.int64)):
            file.seek(int(at))
            told.update(file.read(_PIECE))
    return told.hexdigest()


def _compared(pair: RunPair, sides: Callable[[RunFolder], _Side]) -> dict[str, Any]:
    from ssrl_core.analysis.comparison import compare

    a, b = sides(pair.a), sides(pair.b)
    rows, others = common(a.ids, b.ids, pair.a.id, pair.b.id)
    found = compare(a.x[rows], b.x[others], a.clusters(pair.k)[rows], b.clusters(pair.k2)[others])
    kept = clean({name: found[name] for name in (*MEASURES, "n")})
    return {"version": 1, "first": pair.a.id, "second": pair.b.id, "k": pair.k, "k2": pair.k2, **kept}


@dataclass(frozen=True)
class _Side:
    """The evaluated images of a run: `ids` (n,), `x` (n, D); `rows` (n,) of the `total` rows of its arrays."""

    run: RunFolder
    ids: np.ndarray
    x: np.ndarray
    rows: np.ndarray
    total: int

    def clusters(self, k: int) -> np.ndarray:
        """(n,) cluster of each image, as everywhere: k-means, seed 0, read or made."""
        from ssrl_core.runs.evaluation.clustering import clusters_of_rows

        return clusters_of_rows(self.run, self.x, self.rows, self.total, min(k, len(self.x))).ids


def _side(run: RunFolder) -> _Side:
    x, ids = run.embedding()
    rows = np.flatnonzero(run.evaluated())
    return _Side(run, ids[rows], x[rows], rows, len(x))
