"""A sweep as data: a run spec, seeds, and what varies (docs/contracts.md C5)."""

from __future__ import annotations

import copy
import dataclasses
import itertools
import math
import random
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ssrl_core.errors import SpecError
from ssrl_core.specs.methods import method_row
from ssrl_core.specs.parameters import refuse_unknown
from ssrl_core.specs.run import RUN_SETTINGS, RunSpec, read_mapping
from ssrl_core.specs.run_reading import READERS, check_together, read_run

DIRECTIONS = ("maximize", "minimize")


MAX_RUNS = 100_000
_LARGEST = 1e300  # twice that would be infinite
_SEED = next(row for row in RUN_SETTINGS if row.name == "seed")


@dataclass(frozen=True)
class Varied:
    """One run of a sweep and what makes it different from its siblings."""

    spec: RunSpec
    values: dict[str, Any]


@dataclass(frozen=True)
class SweepSpec:
    """A run spec with seeds and values that vary.

    Attributes:
        base: the run spec as plain data, compositions inlined.
        vary: path -> values, in file order; `"*"` holds values that vary together. With a sampler that draws, a range
            {from, to, log} may take the place of values.
        sampler: {name: grid}, {name: random, count, seed} or {name: optuna, count, goal, direction, seed}.
    """

    base: Mapping[str, Any]
    seeds: tuple[int, ...]
    vary: Mapping[str, Any]
    sampler: Mapping[str, Any]
    name: str | None = None
    where: str = "Sweep"

    @classmethod
    def from_mapping(cls, data: Any, where: str = "Sweep", *, base: Path | None = None) -> SweepSpec:
        """A sweep from plain data.

        Raises:
            SpecError: an unknown path, values that are no list, no seeds, an unknown sampler, too many runs.
        """
        if not isinstance(data, Mapping):
            raise SpecError.at(where, "sweep", "a mapping", data, "Start from a run spec and add seeds and vary.")
        plain = {key: value for key, value in data.items() if key not in ("seeds", "vary", "sampler")}
        plain.setdefault("keep", {"embedding": "test"})
        spec = RunSpec.from_mapping(plain, where, base=base)
        vary = data.get("vary", {})
        if not isinstance(vary, Mapping):
            raise SpecError.at(where, "vary", "a mapping of path to values", vary, "Write vary: {epochs: [1, 2]}.")
        sampler = read_sampler(data.get("sampler", {"name": "grid"}), where)
        sweep = cls(
            spec.to_mapping(),
            _seeds(data.get("seeds", [spec.seed]), where),
            {path: read_values(v, path, where, draws=sampler["name"] != "grid") for path, v in vary.items()},
            sampler,
            spec.name,
            where,
        )
        if sweep.count > MAX_RUNS:
            raise SpecError.at(where, "vary", f"at most {MAX_RUNS} runs", sweep.count, "Vary less.")
        return sweep

    @property
    def count(self) -> int:
        """Number of runs."""
        return len(self.seeds) * _count(self)

    def to_mapping(self) -> dict[str, Any]:
        """Plain data."""
        return {**self.base, "seeds": list(self.seeds), "vary": dict(self.vary), "sampler": dict(self.sampler)}

    def runs(self) -> list[Varied]:
        """Every run, in file order, seeds innermost; none with optuna, whose points follow from results.

        Raises:
            SpecError: if a value makes a spec that is not valid.
        """
        points = [] if self.sampler["name"] == "optuna" else self._points()
        return [run for values in points for run in self.at(values)]

    def at(self, values: dict[str, Any]) -> list[Varied]:
        """The runs of one point, one a seed.

        Args:
            values: path -> value.
        """
        data = dict(self._plain)
        for path, value in values.items():
            data = _assigned(data, path, value, self.where)
        data["seed"] = self.seeds[0]
        spec = read_changed(self._first, self._plain, data, _place(self.where, values))
        return [Varied(dataclasses.replace(spec, seed=seed), values) for seed in self.seeds]  # seeds were checked

    @cached_property
    def _plain(self) -> dict[str, Any]:
        """The spec of the first seed, nothing varied, as plain data."""
        return {**self.base, "seed": self.seeds[0]}

    @cached_property
    def _first(self) -> RunSpec:
        return RunSpec.from_mapping(self._plain, self.where)

    def _points(self) -> list[dict[str, Any]]:
        if any(isinstance(values, Mapping) for values in self.vary.values()):
            return drawn_points(self.vary, self.sampler["count"], self.sampler["seed"])
        axes = [[value if path == "*" else {path: value} for value in values] for path, values in self.vary.items()]
        points = [
            dict(itertools.chain.from_iterable(part.items() for part in combo)) for combo in itertools.product(*axes)
        ]
        if self.sampler["name"] == "random":
            chosen = random.Random(self.sampler["seed"]).sample(
                range(len(points)), min(self.sampler["count"], len(points))
            )
            points = [points[i] for i in sorted(chosen)]
        return points


def load_sweep(source: str | Path) -> SweepSpec:
    """A sweep from a file."""
    data, path = read_mapping(source, "sweep")
    return SweepSpec.from_mapping(data, str(path), base=path.parent)


def _place(where: str, values: Mapping[str, Any]) -> str:
    return f"{where} ({', '.join(f'{k}={v}' for k, v in values.items())})" if values else where


def _count(sweep: SweepSpec) -> int:
    if sweep.sampler["name"] == "optuna" or any(isinstance(values, Mapping) for values in sweep.vary.values()):
        return int(sweep.sampler["count"])
    grid = math.prod(len(values) for values in sweep.vary.values())
    return min(grid, sweep.sampler["count"]) if sweep.sampler["name"] == "random" else grid


def _seeds(value: Any, where: str) -> tuple[int, ...]:
    if not isinstance(value, list | tuple) or not value:
        raise SpecError.at(where, "seeds", "a list of whole numbers", value, "Write seeds: [5, 6, 7].")
    seeds = tuple(int(_SEED.check(seed, where)) for seed in value)
    if len(set(seeds)) < len(seeds):
        raise SpecError.at(where, "seeds", "different from each other", list(seeds), "Name each once.")
    return seeds


def _assigned(data: dict[str, Any], path: str, value: Any, where: str) -> dict[str, Any]:
    """Plain spec data with one value changed; only what lies on the way to it is copied.

    List items go by index, steps also by the name of their transform if that is unique.
    """
    changed = dict(data)
    node: Any = changed
    keys = path.split(".")
    for depth, key in enumerate(keys):
        last = depth == len(keys) - 1
        place: int | str = key
        if isinstance(node, list):
            place = _index(node, key, path, where)
        elif not isinstance(node, dict) or (key not in node and not (last and depth)):
            raise SpecError.at(where, "vary", "a path in the spec", path, f"There is no {key!r} there.")
        if last:
            node[place] = value
        else:
            node[place] = copy.copy(node[place])
            node = node[place]
    return changed


def _index(items: list[Any], key: str, path: str, where: str) -> int:
    if key.isdecimal() and int(key) < len(items):
        return int(key)
    matches = [i for i, item in enumerate(items) if isinstance(item, dict) and item.get("transform") == key]
    if len(matches) != 1:
        found = "stands there several times: use its index, from 0" if matches else "is not there"
        raise SpecError.at(where, "vary", "a path in the spec", path, f"{key!r} {found}.")
    return matches[0]


def read_values(value: Any, path: str, where: str, *, draws: bool) -> Any:
    """Values of one path: a list, `{from, to, count, log}` as a list, or with a sampler that draws a range without
    count as {from, to, log}.

    Raises:
        SpecError: none of these.
    """
    place = f"{where}, vary {path!r}"
    if isinstance(value, Mapping):
        return _range(value, place) if draws and value.get("count") is None else _spread(value, place)
    if not isinstance(value, list | tuple) or not value:
        raise SpecError.at(place, "values", "a list, or {from, to, count}", value, "Write [0.1, 0.2].")
    if path == "*" and not all(isinstance(item, Mapping) for item in value):
        raise SpecError.at(place, "values", "a list of {path: value}", value, "Name each path.")
    return list(value)


def read_sampler(value: Any, where: str) -> dict[str, Any]:
    """How points are chosen, with every setting.

    Raises:
        SpecError: an unknown sampler, or a setting that it has not.
    """
    given = {"name": value} if isinstance(value, str) else dict(value) if isinstance(value, Mapping) else {}
    name = given.get("name")
    if name == "grid" and set(given) == {"name"}:
        return {"name": "grid"}
    count, seed = given.get("count"), given.get("seed", 0)
    counted = _is_whole(count) and 1 <= count <= MAX_RUNS and _is_whole(seed)  # type: ignore[operator]
    if name == "random" and counted and set(given) <= {"name", "count", "seed"}:
        return {"name": "random", "count": count, "seed": seed}
    if name == "optuna" and counted and set(given) <= {"name", "count", "goal", "direction", "seed"}:
        goal, direction = given.get("goal", "knn.top1"), given.get("direction", "maximize")
        if isinstance(goal, str) and direction in DIRECTIONS:
            return {"name": "optuna", "count": count, "goal": goal, "direction": direction, "seed": seed}
    raise SpecError.at(
        where,
        "sampler",
        "{name: grid}, {name: random, count, seed} or {name: optuna, count, goal, direction, seed}",
        value,
        "Leave it out for grid.",
    )


def drawn_points(vary: Mapping[str, Any], count: int, seed: int) -> list[dict[str, Any]]:
    """Points drawn one by one, uniformly (in the logarithm where `log`)."""
    chance = random.Random(seed)
    points = []
    for _ in range(count):
        point: dict[str, Any] = {}
        for path, values in vary.items():
            value: Any = _drawn(values, chance) if isinstance(values, Mapping) else chance.choice(values)
            point |= dict(value) if path == "*" else {path: value}
        points.append(point)
    return points


def _drawn(values: Mapping[str, Any], chance: random.Random) -> float:
    first, last = values["from"], values["to"]
    if values["log"]:
        return float(math.exp(chance.uniform(math.log(first), math.log(last))))
    return chance.uniform(first, last)


def _range(value: Mapping[str, Any], where: str) -> dict[str, Any]:
    """{from, to, log} without a count."""
    _spread({**{key: item for key, item in value.items() if key != "count"}, "count": 2}, where)
    if value["from"] >= value["to"]:
        raise SpecError.at(where, "from", "below to", [value["from"], value["to"]], "Swap them.")
    return {"from": float(value["from"]), "to": float(value["to"]), "log": bool(value.get("log", False))}


def _spread(value: Mapping[str, Any], where: str) -> list[float]:
    refuse_unknown(value, {"from", "to", "count", "log"}, where, "a key of a range")
    first: Any = value.get("from")
    last: Any = value.get("to")
    count, log = value.get("count"), value.get("log", False)
    numbers = all(isinstance(x, int | float) and not isinstance(x, bool) and abs(x) <= _LARGEST for x in (first, last))
    if not numbers or not _is_whole(count) or not 1 <= count <= MAX_RUNS or not isinstance(log, bool):  # type: ignore[operator]
        rule = f"{{from: number, to: number, count: whole number up to {MAX_RUNS}}}"
        raise SpecError.at(where, "range", rule, dict(value), "Give all three.")
    if log and (first <= 0 or last <= 0):
        raise SpecError.at(where, "from, to", "above 0 with log", [first, last], "Leave log out.")
    if count == 1:
        return [float(first)]
    steps = [i / (count - 1) for i in range(count)]  # type: ignore[operator, arg-type]
    inner = [first * (last / first) ** t if log else first + (last - first) * t for t in steps]
    return [float(first), *(round(x, 12) for x in inner[1:-1]), float(last)]


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


_SHAPES_OTHERS = {"method"}  # the defaults of other parts follow from it


def read_changed(spec: RunSpec, before: Mapping[str, Any], data: Mapping[str, Any], where: str) -> RunSpec:
    """What `RunSpec.from_mapping(data, where)` gives, given that `before` gave `spec`.

    Args:
        data: `before` with other objects in the place of those that changed; what is the same object is the same part.

    Raises:
        SpecError: as `RunSpec.from_mapping`.
    """
    changed = {key for key in data if key not in before or data[key] is not before[key]}
    if changed & _SHAPES_OTHERS or not changed <= READERS.keys() or not spec.is_trained or before.keys() - data.keys():
        return read_run(data, where, None)
    row = method_row(spec.method.name)
    parts = {key: read(data, row, where, None) for key, read in READERS.items() if key in changed}
    made = RunSpec(**{**vars(spec), **parts})
    check_together(made, row, where)
    return made
