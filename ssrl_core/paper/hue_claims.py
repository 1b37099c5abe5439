"""What the figures and tables of section 3.1 claim of sweeps, as contrasts over a classes table."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from ssrl_core.analysis import bias
from ssrl_core.analysis.bias.columns import Floats
from ssrl_core.analysis.intervals import false_discovery
from ssrl_core.analysis.scores import welch
from ssrl_core.paper.item import Contrast, Row, mean_above, plain_claim

DRAWS, MORE = 200, 5
"""Draws of each floor of chance, and how many times as many where so few cannot tell whether p lies below `_LEVEL`."""
_LEVEL = 0.05
_FLOORS = {"permuted": "values permuted", "trend_kept": "common trend kept"}


def linear(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of linear evaluation."""
    return table[table["probe"] == "linear"] if not table.empty else table


def parameter(table: pd.DataFrame) -> str:
    """The column that varies."""
    return str(bias.parameters(table)[0])


MOVES = "class accuracies move more than the overall accuracy"
OPPOSED = "some classes gain and others lose from the first to the last value (false discoveries 5 %)"
NO_PAIR = "no pair could be tested"
_LEAST_SEEDS, _RATE = 3, 0.05


def classes_move_more(table: pd.DataFrame) -> list[Contrast]:
    """Figure 1: class accuracies move more than the overall one, and some in opposite directions."""
    if table.empty:
        return [plain_claim(MOVES, None), plain_claim(OPPOSED, None)]
    found = bias.grids(table, parameter(table))
    if all(len(grid.axis.labels) < 2 for grid in found):
        return [plain_claim(MOVES, False, reason="one value"), plain_claim(OPPOSED, False, reason="one value")]
    if min(len(grid.seeds) for grid in found) < _LEAST_SEEDS:
        told = f"at least {_LEAST_SEEDS} seeds are needed"
        return [plain_claim(MOVES, False, reason=told), plain_claim(OPPOSED, False, reason=told)]
    curves = [_whole(grid.accuracy) for grid in found]
    if any(not np.isfinite(curve).all() for curve in curves):
        return [
            plain_claim(MOVES, None, reason="runs are missing"),
            plain_claim(OPPOSED, None, reason="runs are missing"),
        ]
    return [_more_than_overall(curves), _opposite_ways(curves)]


def _whole(accuracy: Floats) -> Floats:
    """(C, S, V) of the classes that have an accuracy anywhere."""
    there = np.isfinite(accuracy).any(axis=(1, 2))
    return np.asarray(np.swapaxes(accuracy[there], 1, 2))


def _more_than_overall(curves: Sequence[Floats]) -> Contrast:
    """Variance over the values that seeds have in common: mean of the classes minus that of the overall accuracy.

    Never below 0 in truth: it is 0 where all curves are parallel. The interval is a jackknife over seeds (Arvesen
    1969), since all pairs of seeds enter.
    """
    seeds = min(curve.shape[1] for curve in curves)
    whole = np.mean([shared_variance(c[:, :seeds].mean(axis=0, keepdims=True))[0] for c in curves], axis=0)
    classes = np.mean([shared_variance(c[:, :seeds]).mean(axis=0) for c in curves], axis=0)
    spread = [100 * float(np.sqrt(max(0.0, off_diagonal(part)))) for part in (classes, whole)]
    told = f"sd over the values, noise of the seeds removed: {spread[0]:.2f} points a class, {spread[1]:.2f} overall"
    return replace(mean_above(MOVES, 1e4 * pseudo_values(classes - whole), 0.0, "points²"), reason=told)


def _opposite_ways(curves: Sequence[Floats]) -> Contrast:
    """Classes whose first and last value differ, Welch's test over seeds, adjusted over all classes."""
    first, last = (np.concatenate([c[:, :, end] for c in curves]) for end in (0, -1))
    change, sure = (last - first).mean(axis=1), false_discovery(welch_p(first, last)) < _RATE
    up, down = int((sure & (change > 0)).sum()), int((sure & (change < 0)).sum())
    told = f"{up} classes gain and {down} lose, of {len(change)}"
    return plain_claim(OPPOSED, up > 0 and down > 0, first.shape[1], reason=told)


def welch_p(a: Floats, b: Floats) -> Floats:
    """(C,) two-sided p of Welch's test between the rows of two (C, S); 0 where rows without spread differ."""
    difference, error, dof = welch(a, b)
    with np.errstate(divide="ignore", invalid="ignore"):
        p = 2 * special.stdtr(dof, -np.abs(difference) / error)
    return np.asarray(np.where(error > 0, p, np.where(difference == 0, 1.0, 0.0)))


def shared_variance(accuracy: Floats) -> Floats:
    """How much accuracies move with the parameter, without what trainings add: a range of their noise is not 0.

    Args:
        accuracy: (C, S, V), V values.

    Returns:
        (C, S, S) covariance over the values between each two seeds. Off the diagonal its expectation is the variance of
        the curve over the values, as the noise of two trainings is independent. The test images are the same for all
        seeds: how these few images move is part of the curve.
    """
    around = accuracy - accuracy.mean(axis=2, keepdims=True)
    return np.asarray(around @ np.swapaxes(around, 1, 2) / (accuracy.shape[2] - 1))


def off_diagonal(pairs: Floats) -> float:
    """Mean of an (S, S) matrix off its diagonal."""
    size = len(pairs)
    return float((pairs.sum() - np.trace(pairs)) / (size * (size - 1)))


def pseudo_values(pairs: Floats) -> Floats:
    """(S,) jackknife pseudo-values of `off_diagonal`: their mean is that, their spread that of its estimate."""
    size, whole = len(pairs), off_diagonal(pairs)
    without = [off_diagonal(np.delete(np.delete(pairs, s, axis=0), s, axis=1)) for s in range(size)]
    return np.asarray(size * whole - (size - 1) * np.array(without))


def overall_rows(table: pd.DataFrame) -> list[Row]:
    """Mean and sd of every method over the sweep (table 5)."""
    if table.empty:
        return []
    found = bias.method_summary(table, parameter(table))
    return [
        Row(str(row["method"]), column, None, _known(row[name]), None, int(row["values"]))
        for _, row in found.iterrows()
        for column, name in (("mean", "mean"), ("std", "sd"))
    ]


def mover_rows(table: pd.DataFrame, count: int = 6) -> list[Row]:
    """The classes that move most: change from the first to the last value, with half its 95 % interval as sd."""
    if table.empty:
        return []
    found = bias.movers(table, parameter(table), count)
    told = found[found["change"].notna() & found["low"].notna()]
    return [
        Row(
            str(row["class"]),
            f"change, {row['method']}",
            None,
            float(row["change"]),
            float((row["high"] - row["low"]) / 2),
            int(row["n"]),
        )
        for _, row in told.iterrows()
    ]


def ratio_rows(table: pd.DataFrame) -> tuple[list[Row], list[Contrast]]:
    """Figure 2: the share of classes with an opposite partner, and whether it is more than both floors give."""
    claim = "more classes have an opposite partner than either floor of chance gives"
    if table.empty:
        return [], [plain_claim(claim, None)]
    x = parameter(table)
    found = bias.opposition(table, x)
    summary = chance(table, found.ratios)
    rows = [
        Row(str(row["method"]), name, None, _known(row[name]), None, int(row["n"]))
        for _, row in found.ratios.iterrows()
        for name in ("ratio", "ratio_corrected")
    ]
    rows += [
        Row(str(row["method"]), f"chance, {row['floor']}", None, _known(row["ratio_mean"]), None, int(row["draws"]))
        for _, row in summary.iterrows()
    ]
    known = summary[np.isfinite(summary["ratio_p"].to_numpy(dtype=float))]
    said = [f"p {row['ratio_p']:.3f} ({_FLOORS[row['floor']]}, {row['draws']:,} draws)" for _, row in known.iterrows()]
    told = f"as many by chance: {', '.join(said)}" if said else NO_PAIR
    holds = bool(said) and bool((known["ratio_p"] < _LEVEL).all())
    return rows, [plain_claim(claim, holds, int(found.ratios["n"].max()), reason=told)]


def chance(table: pd.DataFrame, ratios: pd.DataFrame) -> pd.DataFrame:
    """Both floors of a sweep beside what was found (`bias.floor_summary`), from as many draws as it takes to tell on
    which side of `_LEVEL` their p lie.

    Args:
        ratios: of `bias.opposition` of the table.
    """
    rows = []
    for kind in _FLOORS:
        found = _floor(table, ratios, kind, DRAWS)
        rows.append(_floor(table, ratios, kind, MORE * DRAWS) if _undecided(found) else found)
    return pd.concat(rows, ignore_index=True)


def _floor(table: pd.DataFrame, ratios: pd.DataFrame, kind: str, draws: int) -> pd.DataFrame:
    return bias.floor_summary(_drawn(_Table.of(table), kind, draws), ratios)


@dataclass(frozen=True)
class _Table:
    """A table that is known by what it holds, ranges of sizes among it."""

    key: str
    table: pd.DataFrame = field(compare=False)

    @classmethod
    def of(cls, table: pd.DataFrame) -> _Table:
        return cls(hashlib.sha256(table.to_json(orient="split").encode()).hexdigest(), table)


@lru_cache(maxsize=64)
def _drawn(given: _Table, kind: str, draws: int) -> pd.DataFrame:
    """Seconds of work, which a page asks for whenever any run ends."""
    return bias.floors(given.table, parameter(given.table), draws=draws, kinds=(kind,))


def _undecided(summary: pd.DataFrame) -> bool:
    """Whether other draws could put a p on the other side of `_LEVEL`: within two standard errors of its count."""
    p, draws = (summary[name].to_numpy(dtype=float) for name in ("ratio_p", "draws"))
    return bool((np.abs(p - _LEVEL) < 2 * np.sqrt(p * (1 - p) / draws)).any())


def own_highest(table: pd.DataFrame, groups: dict[str, str] | None) -> tuple[list[Row], list[Contrast]]:
    """Figure 3: superclasses have different values of their own highest accuracy, and some lose by another's choice."""
    claim = "superclasses have their highest accuracy at different values, and one's choice costs another"
    if table.empty:
        return [], [plain_claim(claim, None)]
    grouped, x = bias.by_superclass(table, groups), parameter(table)
    found = bias.own_highest(grouped, x)
    rows = [
        Row(str(row["for"]), f"highest at, {row['method']}", None, _number(row["x"]), None, int(row["seeds"]))
        for _, row in found.highest.iterrows()
    ]
    every = bias.grids(grouped, x)
    curves = [_whole(grid.accuracy) for grid in every]
    if any(not np.isfinite(c).all() or c.shape[1] < _LEAST_SEEDS for c in curves):
        return rows, [plain_claim(claim, None, reason=f"{_LEAST_SEEDS} seeds without a gap are needed")]
    prices = [choice_costs(c) for c in curves]
    sure = false_discovery(np.concatenate([p for _, p in prices])) < _RATE
    costs, values = int(sure.sum()), found.highest["x"].nunique()
    told = f"{values} different values; {costs} of {len(sure)} choices cost another superclass (false discoveries 5 %)"
    ends = np.cumsum([len(p) for _, p in prices])[:-1]
    for grid, (cost, p), mine in zip(every, prices, np.split(sure, ends), strict=True):
        rows += _dearest(grid, cost, p, mine)
    return rows, [plain_claim(claim, values > 1 and costs > 0, int(found.highest["seeds"].max()), reason=told)]


def _dearest(grid: Any, cost: Floats, p: Floats, sure: NDArray[np.bool_], count: int = 6) -> list[Row]:
    """The largest prices that are no chance: what a superclass loses where the value is chosen for another one; as sd
    half its 95 % interval."""
    there = np.flatnonzero(np.isfinite(grid.accuracy).any(axis=(1, 2)))
    names = [str(grid.classes[c]) for c in there]
    pairs = [(chosen, pays) for chosen in names for pays in names if chosen != pays]
    order = [i for i in np.argsort(-cost, kind="stable") if sure[i]][:count]
    seeds = grid.accuracy.shape[2]
    with np.errstate(divide="ignore", invalid="ignore"):
        half = special.stdtrit(seeds - 1, 0.975) * cost / -special.stdtrit(seeds - 1, p)
    return [
        Row(
            f"{pays}, where it is chosen for {chosen}",
            f"price, {grid.setting['method']}",
            None,
            -cost[i],
            half[i],
            seeds,
        )
        for i in order
        for chosen, pays in [pairs[i]]
    ]


def choice_costs(accuracy: Floats) -> tuple[Floats, Floats]:
    """What a class loses where the value is chosen for another one, for every ordered pair.

    The values are chosen without the seed that judges them, so that a value that only looks highest costs nothing.

    Args:
        accuracy: (C, S, V).

    Returns:
        (C (C - 1),) mean loss over seeds, and p, one-sided, of a t test over seeds that it is above 0; rows: chosen
        for, columns: who pays.
    """
    seeds = accuracy.shape[1]
    others = (accuracy.sum(axis=1, keepdims=True) - accuracy) / (seeds - 1)
    top = others.argmax(axis=2)  # (C, S)
    at = np.take_along_axis(accuracy[None], top[:, None, :, None], axis=3)[..., 0]  # (for, who, seed)
    loss = np.diagonal(at, axis1=0, axis2=1).T[None] - at
    cost, se = loss.mean(axis=2), loss.std(axis=2, ddof=1) / np.sqrt(seeds)
    with np.errstate(divide="ignore", invalid="ignore"):
        p = special.stdtr(seeds - 1, -cost / se)
    p = np.where(se > 0, p, np.where(cost > 0, 0.0, 1.0))
    apart = ~np.eye(len(p), dtype=bool)
    return np.asarray(cost[apart]), np.asarray(p[apart])


def shared_p(classes: pd.DataFrame, draws: int = 2000) -> float:
    """p that so many classes are called by all methods if each called as many, but independently of the others.

    Args:
        classes: of `Opposition`, one data set and backbone.
    """
    wide = classes.pivot_table(index="class", columns="method", values="opposite", aggfunc="first")
    called = wide.eq(True).to_numpy(dtype=bool)
    rng, found = np.random.default_rng(0), int(called.all(axis=1).sum())
    dealt = [np.column_stack([rng.permutation(column) for column in called.T]).all(axis=1).sum() for _ in range(draws)]
    return float((1 + np.sum(np.array(dealt) >= found)) / (1 + draws))


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _known(value: Any) -> float | None:
    return float(value) if value == value else None
