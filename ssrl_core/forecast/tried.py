"""What a search has tried: a file with one composition a line, one writer, taken up again by the next search.

Whoever watches a search reads it here, without writing: what was tried, and which searches there are.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ssrl_core import stores
from ssrl_core.errors import RunError, SSRLError
from ssrl_core.specs.steps import Step, read_steps
from ssrl_core.specs.wishes import Wishes, dump_wishes, load_wishes

_VERSION = 1
TRIED, WISHED = "tried.jsonl", "wishes.yaml"


@dataclass(frozen=True)
class Candidate:
    """One composition that was forecast.

    Attributes:
        origin: a preset's name, one transform alone, or found.
        goals: how far each wish is fulfilled; more is better.
        kept: name -> share kept of what these images tell without any steps.
        clusters: k, and AMI with the classes (None without labels).
    """

    number: int
    origin: str
    steps: tuple[Step, ...]
    goals: tuple[float, ...]
    kept: dict[str, float]
    clusters: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "number": self.number,
            "origin": self.origin,
            "steps": [step.to_mapping() for step in self.steps],
            "goals": list(self.goals),
            "kept": self.kept,
            "clusters": self.clusters,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Candidate:
        """What `to_json` wrote."""
        steps, goals = read_steps(data["steps"], "tried.jsonl"), tuple(data["goals"])
        return cls(data["number"], data["origin"], steps, goals, data["kept"], data["clusters"])


class Tried:
    """The file of one search, `tried.jsonl` in its folder, while it is written.

    Attributes:
        candidates: what is there already, cut to as many as are wanted.

    Raises:
        RunError: on entering, when another process writes it.
    """

    def __init__(self, folder: Path, wishes: Wishes, fingerprint: str) -> None:
        import filelock

        self.path, self._wishes = folder / TRIED, wishes
        self._head = _head(fingerprint)
        self._lock = filelock.FileLock(folder / ".lock", timeout=0)
        self.candidates: list[Candidate] = []

    def __enter__(self) -> Self:
        import filelock

        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._lock.acquire()
        except filelock.Timeout as error:
            raise RunError(f"Search {self.path.parent.name}: it runs already. Wait for it, or stop it.") from error
        lines = _lines(self.path)
        if not lines or lines[0] != self._head:
            lines = [self._head]  # other pixels or labels than those of last time
        stores.replace(self.path, "".join(json.dumps(line) + "\n" for line in lines))
        stores.replace(self.path.with_name(WISHED), dump_wishes(self._wishes))
        self.candidates = [Candidate.from_json(line) for line in lines[1 : 1 + self._wishes.candidates]]
        self._file = self.path.open("a", encoding="utf-8")
        return self

    def add(self, candidate: Candidate) -> None:
        """Keep one more."""
        self._file.write(json.dumps(candidate.to_json(), allow_nan=False) + "\n")
        self._file.flush()
        self.candidates.append(candidate)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        self._lock.release()


def folder_of(wishes: Wishes) -> Path:
    """`models/searches/<key>/`, where a search of these wishes keeps what it tries."""
    return stores.models_root() / "searches" / wishes.key


def read_tried(wishes: Wishes, fingerprint: str) -> list[Candidate]:
    """What was tried for these wishes until now, on images of this fingerprint; it may be written meanwhile."""
    lines = _lines(folder_of(wishes) / TRIED)
    if not lines or lines[0] != _head(fingerprint):
        return []
    return [Candidate.from_json(line) for line in lines[1:]]


def searched(dataset: str) -> list[Wishes]:
    """Wishes that were searched for on an image set, the newest first; a file that cannot be read is left out."""
    found = []
    for path in (stores.models_root() / "searches").glob(f"*/{WISHED}"):
        try:
            wishes = load_wishes(path)
        except (SSRLError, OSError):
            continue
        if wishes.dataset == dataset:
            found.append((path.stat().st_mtime, wishes))
    return [wishes for _, wishes in sorted(found, key=lambda row: -row[0])]


def _head(fingerprint: str) -> dict[str, Any]:
    return {"version": _VERSION, "fingerprint": fingerprint}


def _lines(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a file, up to the first that is not (a power cut may have torn the last one)."""
    found: list[dict[str, Any]] = []
    if not path.is_file():
        return found
    for number, text in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines()):
        try:
            line = json.loads(text)
            if number and Candidate.from_json(line).number != number - 1:
                break
        except (ValueError, KeyError, TypeError, SSRLError):
            break
        found.append(line)
    return found
