"""A sweep as data: a run spec, seeds, and what varies (CONTRACTS C5)."""

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
from ssrl_core.specs.run import RUN_SETTINGS, RunSpec, read_mapping
from ssrl_core.specs.run_changing import read_changed
from ssrl_core.specs.sweep_values import drawn_points, read_sampler, read_values

MAX_RUNS = 100_000
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
            raise SpecError(
                where=where,
                field="sweep",
                rule="a mapping",
                value=data,
                remedy="Start from a run spec and add seeds and vary.",
            )
        plain = {key: value for key, value in data.items() if key not in ("seeds", "vary", "sampler")}
        plain.setdefault("keep", {"embedding": "test"})
        spec = RunSpec.from_mapping(plain, where, base=base)
        vary = data.get("vary", {})
        if not isinstance(vary, Mapping):
            raise SpecError(
                where=where,
                field="vary",
                rule="a mapping of path to values",
                value=vary,
                remedy="Write vary: {epochs: [1, 2]}.",
            )
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
            raise SpecError(
                where=where, field="vary", rule=f"at most {MAX_RUNS} runs", value=sweep.count, remedy="Vary less."
            )
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
        raise SpecError(
            where=where, field="seeds", rule="a list of whole numbers", value=value, remedy="Write seeds: [5, 6, 7]."
        )
    seeds = tuple(int(_SEED.check(seed, where)) for seed in value)
    if len(set(seeds)) < len(seeds):
        raise SpecError(
            where=where, field="seeds", rule="different from each other", value=list(seeds), remedy="Name each once."
        )
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
            raise SpecError(
                where=where, field="vary", rule="a path in the spec", value=path, remedy=f"There is no {key!r} there."
            )
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
        raise SpecError(where=where, field="vary", rule="a path in the spec", value=path, remedy=f"{key!r} {found}.")
    return matches[0]
