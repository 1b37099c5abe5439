"""Compositions to try: those that ship, single steps, then children of what did well, and the front among them.

Steps are data with an order, so candidates are varied as such (add, drop, move, change, cross), and what is drawn next
follows from the seed and from what was tried before: a search that was stopped goes on as if it had not been. What was
tried is a file with one composition a line; whoever watches a search reads it, without writing.

Source:
    Ranks, crowding and survival: NSGA-II, Deb et al. 2002, doi:10.1109/4235.996017.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ssrl_core import stores
from ssrl_core.errors import RunError, SSRLError
from ssrl_core.specs.composition import Composition, conflicts, load, preset_names
from ssrl_core.specs.parameters import Parameter, Transform
from ssrl_core.specs.steps import Step, read_steps
from ssrl_core.specs.transforms import TRANSFORMS
from ssrl_core.specs.wishes import Wishes, dump_wishes, load_wishes

Array = NDArray[Any]
Chance = np.random.Generator
Steps = tuple[Step, ...]
Accepts = Callable[[Step], bool]

MOST_STEPS = 6
PX_OF = 64
"""Side of the view that bounds in px are given for."""
_P = (0.3, 0.5, 0.8, 1.0)
_POPULATION, _CHILDREN = 40, 20
_TRIES = 50
_SPAN = 0.25  # shares that differ by less than this are no extremes
_BALANCED = 0.15  # a front's compositions reach this share of what can be reached in every goal


@dataclass(frozen=True)
class Space:
    """The compositions that an image set can be asked about.

    Attributes:
        side: of its images, px.
        accepts: whether a step means something for its channels.
    """

    side: int
    accepts: Accepts

    def starts(self) -> Iterator[tuple[str, Steps]]:
        """(where it is from, steps) of what is tried first: presets that fit, then every transform alone."""
        seen: set[Steps] = set()
        for name in preset_names():
            steps = self._of_preset(name)
            if steps is not None and steps not in seen:
                seen.add(steps)
                yield name, steps
        chance = np.random.default_rng(0)
        for row in TRANSFORMS.values():
            step = self.step(row, chance) if row.searched else None
            if step is not None:
                yield f"{row.name} alone", (step,)

    def propose(self, chance: Chance, parents: Sequence[Steps], tried: set[Steps]) -> Steps:
        """Steps that were not tried, from one or two of the parents by chance."""
        steps: Steps = ()
        for _ in range(_TRIES):
            steps = _one_of(chance, parents)
            if chance.random() < 0.5:
                steps = _crossed(chance, steps, _one_of(chance, parents))
            for _ in range(1 + int(chance.integers(2))):
                steps = self._varied(chance, steps)
            if steps not in tried and self._agrees(steps):
                break
        return steps

    def step(self, row: Transform, chance: Chance) -> Step | None:
        """A step with settings by chance; None where the transform does nothing for these images."""
        searched = [parameter for parameter in row.parameters if parameter.search is not None]
        if row.channels is not None and not searched and not self.accepts(Step(row.name)):
            return None
        settings = {p.name: self._value(p, chance) for p in searched if len(searched) == 1 or chance.random() < 0.6}
        p = 1.0 if searched and chance.random() < 0.7 else float(chance.choice(_P[:3]))
        return self._fitted(Step(row.name, p, settings=settings))

    def _of_preset(self, name: str) -> Steps | None:
        composition = load(name)
        if len(composition.views) != 1 or any(step.transform == "choice" for step in composition.steps):
            return None
        fits = all(self._fitted(step) == step for step in composition.steps)
        return composition.steps if fits else None

    def _fitted(self, step: Step) -> Step | None:
        """The step with as many of its settings as mean something; the last ones are given up first."""
        given = dict(step.settings)
        for parameter in reversed(TRANSFORMS[step.transform].parameters):
            if self.accepts(step):
                return step
            given[parameter.name] = parameter.default
            step = replace(step, settings=given)
        return step if self.accepts(step) else None

    def _agrees(self, steps: Steps) -> bool:
        return not any(clash.within for clash in conflicts([Composition.simple("candidate", steps)]))

    def _varied(self, chance: Chance, steps: Steps) -> Steps:
        """One change: a step more, one less, one moved, or one of other strength."""
        what = chance.choice(4, p=(0.3, 0.15, 0.1, 0.45))
        if what == 0 or not steps:
            return self._added(chance, steps)
        place = int(chance.integers(len(steps)))
        rest = [*steps[:place], *steps[place + 1 :]]
        if what == 1:
            return tuple(rest)
        if what == 2:
            rest.insert(int(chance.integers(len(steps))), steps[place])
            return tuple(rest)
        changed = self._changed(chance, steps[place])
        return (*steps[:place], changed, *steps[place + 1 :])

    def _added(self, chance: Chance, steps: Steps) -> Steps:
        there = {step.transform for step in steps}
        rows = [row for name, row in TRANSFORMS.items() if name not in there and row.searched]
        made = None if len(steps) >= MOST_STEPS else self.step(rows[chance.integers(len(rows))], chance)
        if made is None:
            return steps
        place = int(chance.integers(len(steps) + 1))
        return (*steps[:place], made, *steps[place:])

    def _changed(self, chance: Chance, step: Step) -> Step:
        searched = [p for p in TRANSFORMS[step.transform].parameters if p.search is not None]
        if not searched or chance.random() < 0.2:
            return replace(step, p=float(chance.choice(_P)))
        parameter = searched[chance.integers(len(searched))]
        value = self._value(parameter, chance, step.settings[parameter.name])
        return self._fitted(replace(step, settings={**step.settings, parameter.name: value})) or step

    def _value(self, parameter: Parameter, chance: Chance, now: Any = None) -> Any:
        """A value by chance, near the one there is now if there is one."""
        if parameter.kind == "range":
            drawn = [self._number(parameter, chance, end) for end in now or (None, None)]
            one = chance.random()
            if now is not None and one < 0.5:  # one end moves, the other stays
                drawn[int(one < 0.25)] = now[int(one < 0.25)]
            return tuple(sorted(drawn))
        return self._number(parameter, chance, max(abs(v) for v in now) if isinstance(now, tuple) else now)

    def _number(self, parameter: Parameter, chance: Chance, now: float | None) -> float:
        low, high = self._bounds(parameter)
        to, back = (np.log, np.exp) if parameter.log else (float, float)
        a, b = float(to(low)), float(to(high))
        where = chance.uniform(a, b) if now is None else chance.normal(float(to(np.clip(now, low, high))), (b - a) / 5)
        drawn = float(back(float(np.clip(where, a, b))))
        whole = round(drawn / parameter.step) * parameter.step
        return float(np.clip(round(whole, 6), max(low, parameter.low), min(high, parameter.high)))

    def _bounds(self, parameter: Parameter) -> tuple[float, float]:
        scale = self.side / PX_OF if parameter.unit == "px" else 1.0
        ends = parameter.search or (parameter.low, parameter.high)
        low, high = (float(np.clip(bound * scale, parameter.low, parameter.high)) for bound in ends)
        return low, high


def _one_of(chance: Chance, parents: Sequence[Steps]) -> Steps:
    return parents[int(chance.integers(len(parents)))]


def _crossed(chance: Chance, one: Steps, other: Steps) -> Steps:
    """The beginning of one and the end of the other, no transform twice."""
    head = one[: int(chance.integers(len(one) + 1))]
    there = {step.transform for step in head}
    tail = other[int(chance.integers(len(other) + 1)) :]
    return (*head, *(step for step in tail if step.transform not in there))[:MOST_STEPS]


class Population:
    """What did well so far; a function of what was added, in its order."""

    def __init__(self) -> None:
        self.steps: list[Steps] = []
        self._goals: list[tuple[float, ...]] = []

    def add(self, steps: Steps, goals: tuple[float, ...]) -> None:
        """Take a candidate in; a generation later only the better ones stay."""
        self.steps.append(steps)
        self._goals.append(goals)
        if len(self.steps) >= _POPULATION + _CHILDREN:
            stay = sorted(survivors(np.array(self._goals), _POPULATION))
            self.steps = [self.steps[n] for n in stay]
            self._goals = [self._goals[n] for n in stay]

    def parents(self, chance: Chance, count: int = 6) -> list[Steps]:
        """Some of the better ones: winners of tournaments of two, by rank, then by their weakest goal."""
        goals = np.array(self._goals)
        ranks, balance = fronts(goals), _reached(goals).min(axis=1)
        pairs = chance.integers(len(goals), size=(count, 2))
        return [self.steps[min(pair, key=lambda n: (ranks[n], -balance[n]))] for pair in pairs]


def fronts(goals: Array) -> Array:
    """Rank of each candidate: 0 if none is better in one goal and no worse in the others, 1 without those, …

    Args:
        goals: (n,g), more is better.
    """
    at_least: Array = np.all(goals[:, None] >= goals[None], axis=2)
    beats: Array = at_least & np.any(goals[:, None] > goals[None], axis=2)
    ranks = np.full(len(goals), -1)
    rank = 0
    while (ranks < 0).any():
        left = ranks < 0
        ranks[left & ~beats[left].any(axis=0)] = rank
        rank += 1
    return ranks


def survivors(goals: Array, count: int) -> list[int]:
    """Numbers of the better candidates: by rank, within a rank those that lie apart from others first."""
    ranks = fronts(goals)
    apart = np.zeros(len(goals))
    for rank in range(ranks.max() + 1):
        apart[ranks == rank] = _crowding(goals[ranks == rank])
    return sorted(range(len(goals)), key=lambda n: (ranks[n], -apart[n], n))[:count]


def thinned(goals: Array, count: int) -> list[int]:
    """A handful of the front: the most balanced first, then always the one farthest from those there are.

    Those that reach next to nothing in a goal (the image as it is, views that share nothing) are left out while two
    others are there.
    """
    front = np.flatnonzero(fronts(goals) == 0)
    reached = _reached(goals[front])
    balance = reached.min(axis=1)
    useful = np.flatnonzero(balance >= _BALANCED)
    pool = useful if len(useful) > 1 else np.argsort(-balance, kind="stable")[:2]
    chosen = [int(pool[balance[pool].argmax()])]
    while len(chosen) < min(count, len(pool)):
        away = np.abs(reached[pool][:, None] - reached[chosen][None]).sum(axis=2).min(axis=1)
        if away.max() < 0.02:
            break
        chosen.append(int(pool[away.argmax()]))
    return [int(front[n]) for n in chosen]


def _reached(goals: Array) -> Array:
    """(n,g) goals from 0, the least of all, to 1, the most; differences that are small anyway stay small."""
    low, high = goals.min(axis=0), goals.max(axis=0)
    found: Array = 1 - (high - goals) / np.maximum(high - low, _SPAN)
    return found


def _crowding(goals: Array) -> Array:
    """(n,) how far the neighbours of each candidate are, goal by goal; infinite at the ends."""
    away = np.zeros(len(goals))
    for values in goals.T:
        order = np.argsort(values, kind="stable")
        away[order[[0, -1]]] = np.inf
        span = max(float(values.max() - values.min()), 1e-9)
        away[order[1:-1]] += (values[order[2:]] - values[order[:-2]]) / span
    return away


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
