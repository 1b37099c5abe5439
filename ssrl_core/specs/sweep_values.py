"""Values that a sweep goes through, and how it goes through them: lists, ranges, samplers (CONTRACTS C5)."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from typing import Any

from ssrl_core.errors import SpecError
from ssrl_core.specs.parameters import refuse_unknown

DIRECTIONS = ("maximize", "minimize")


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
        raise SpecError(
            where=place, field="values", rule="a list, or {from, to, count}", value=value, remedy="Write [0.1, 0.2]."
        )
    if path == "*" and not all(isinstance(item, Mapping) for item in value):
        raise SpecError(
            where=place, field="values", rule="a list of {path: value}", value=value, remedy="Name each path."
        )
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
    counted = _is_whole(count) and count >= 1 and _is_whole(seed)  # type: ignore[operator]
    if name == "random" and counted and set(given) <= {"name", "count", "seed"}:
        return {"name": "random", "count": count, "seed": seed}
    if name == "optuna" and counted and set(given) <= {"name", "count", "goal", "direction", "seed"}:
        goal, direction = given.get("goal", "knn.top1"), given.get("direction", "maximize")
        if isinstance(goal, str) and direction in DIRECTIONS:
            return {"name": "optuna", "count": count, "goal": goal, "direction": direction, "seed": seed}
    raise SpecError(
        where=where,
        field="sampler",
        rule="{name: grid}, {name: random, count, seed} or {name: optuna, count, goal, direction, seed}",
        value=value,
        remedy="Leave it out for grid.",
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
        raise SpecError(
            where=where, field="from", rule="below to", value=[value["from"], value["to"]], remedy="Swap them."
        )
    return {"from": float(value["from"]), "to": float(value["to"]), "log": bool(value.get("log", False))}


def _spread(value: Mapping[str, Any], where: str) -> list[float]:
    refuse_unknown(value, {"from", "to", "count", "log"}, where, "a key of a range")
    first: Any = value.get("from")
    last: Any = value.get("to")
    count, log = value.get("count"), value.get("log", False)
    numbers = all(isinstance(x, int | float) and not isinstance(x, bool) and math.isfinite(x) for x in (first, last))
    if not numbers or not _is_whole(count) or count < 1 or not isinstance(log, bool):  # type: ignore[operator]
        raise SpecError(
            where=where,
            field="range",
            rule="{from: number, to: number, count: whole number}",
            value=dict(value),
            remedy="Give all three.",
        )
    if log and (first <= 0 or last <= 0):
        raise SpecError(
            where=where, field="from, to", rule="above 0 with log", value=[first, last], remedy="Leave log out."
        )
    if count == 1:
        return [float(first)]
    steps = [i / (count - 1) for i in range(count)]  # type: ignore[operator, arg-type]
    inner = [first * (last / first) ** t if log else first + (last - first) * t for t in steps]
    return [float(first), *(round(x, 12) for x in inner[1:-1]), float(last)]


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
