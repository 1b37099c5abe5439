"""How many classes would have an opposite partner by chance: with 99 possible partners, most of them.

Two floors, each made many times from the same accuracies:
- `permuted`: the values of each class permuted among its points. Nothing is left of the parameter.
- `trend_kept`: the mean curve of all classes stays (what every class does together), and what each class adds to it
  is permuted among its points. Only what the classes do on their own is left out. With few classes it lies too low:
  what classes add to their own mean sums to 0 at every point, so that two of them are opposite by construction, while
  the permuted ones are free (on average a correlation of -1 / (C - 1): 0.01 for 100 classes, 0.5 for 3).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from zlib import crc32

import numpy as np
import pandas as pd
from numpy.random import Generator
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from ssrl_core.analysis.bias.columns import DECIMALS, Floats
from ssrl_core.analysis.bias.correlation import Rule, coefficients, judge_draws
from ssrl_core.analysis.bias.grid import NOT_SET, Grid, XNames, grids
from ssrl_core.datasets.progress import in_order
from ssrl_core.errors import SpecError

KINDS = ("permuted", "trend_kept")
CHUNK_NUMBERS = 2_000_000
"""Differences between points that a thread holds at once; bounds its memory at some 50 MB."""
THREADS = 4
"""The products of matrices are small: several at once on a thread each is quicker than one on several."""


def floors(
    table: pd.DataFrame,
    x: XNames,
    rule: Rule | None = None,
    *,
    draws: int = 200,
    seed: int = 0,
    report: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    """The ratios of classes with an opposite partner, without and with correction, in permuted accuracies.

    Each setting has a stream of its own, so that its floor is the same whatever else is in the table.

    Args:
        table, x, rule: as for `opposition`.
        draws: permutations of each kind, >= 1.
        report: called with (draws done, draws in all).

    Returns:
        one row a draw: the setting's columns, floor (permuted | trend_kept), draw, ratio, ratio_corrected,
        pairs_opposite. The ratios are of the classes tested; NaN where none could be.
    """
    if draws < 1:
        raise SpecError.at("Floors", "draws", "at least 1", draws)
    chosen, found = rule or Rule(), grids(table, x)
    parts, done, total = [], 0, draws * len(KINDS) * len(found)
    with threadpool_limits(1), ThreadPoolExecutor(min(THREADS, os.cpu_count() or 1)) as pool:
        drawn = _drawn(found, chosen, draws, seed)
        for grid, kind, ratios in in_order(pool, lambda one: (*one[:2], _ratios(one[2], chosen)), drawn):
            parts.append(_rows(grid, kind, *ratios))
            done += len(ratios[0])
            if report:
                report(done, total)
    rows = pd.concat(parts, ignore_index=True)
    rows["draw"] = np.tile(np.arange(draws), len(KINDS) * len(found))
    return rows


def _drawn(found: list[Grid], rule: Rule, draws: int, seed: int) -> Iterator[tuple[Grid, str, Floats]]:
    """Some draws at a time; each floor of each setting has a stream of its own."""
    for grid in found:
        y = _testable(grid.points(rule.points))
        for kind in KINDS:
            own = {key: value for key, value in grid.setting.items() if value != NOT_SET}
            rng = np.random.default_rng([seed, crc32(repr((own, kind)).encode())])
            for size in _chunks(draws, y.shape):
                yield grid, kind, _draw(y, kind, size, rng)


def floor_summary(drawn: pd.DataFrame, ratios: pd.DataFrame) -> pd.DataFrame:
    """The floors beside what was found.

    Args:
        drawn: of `floors`. ratios: of `Opposition`, of the same table and rule.

    Returns:
        one row for each setting and floor: ratio and ratio_corrected found, and for each its floor's _mean, _sd, _low,
        _high (2.5 and 97.5 %) and _p, the share of draws at least as high, (1 + k) / (1 + draws), so never 0.
    """
    settings = list(drawn.columns[: drawn.columns.get_loc("floor")])
    rows = []
    for key, part in drawn.groupby([*settings, "floor"], sort=False, dropna=False):
        place = dict(zip([*settings, "floor"], key, strict=True))
        same = np.logical_and.reduce([ratios[name] == place[name] for name in settings])
        row: dict[str, Any] = {**place, "draws": len(part)}
        for name in ("ratio", "ratio_corrected"):
            row |= _against_chance(part[name].to_numpy(dtype=np.float64), float(ratios.loc[same, name].iloc[0]), name)
        rows.append(row)
    return pd.DataFrame(rows)


def _against_chance(drawn: Floats, found: float, name: str) -> dict[str, float]:
    if not np.isfinite(drawn).all():
        return {name: found} | {f"{name}_{end}": np.nan for end in ("mean", "sd", "low", "high", "p")}
    low, high = np.quantile(drawn, [0.025, 0.975])
    return {
        name: found,
        f"{name}_mean": float(drawn.mean()),
        f"{name}_sd": float(drawn.std(ddof=1)) if len(drawn) > 1 else np.nan,
        f"{name}_low": float(low),
        f"{name}_high": float(high),
        f"{name}_p": float((1 + (drawn >= found - 1e-9).sum()) / (1 + len(drawn))),
    }


def _testable(y: Floats) -> Floats:
    """The classes that have a defined pair; permuted values leave them so, but for gaps that differ."""
    kept = np.isfinite(coefficients(y).pearson)
    np.fill_diagonal(kept, False)
    return y[kept.any(axis=1)]


def _chunks(draws: int, shape: tuple[int, ...]) -> list[int]:
    size = max(1, min(draws, CHUNK_NUMBERS // max(1, shape[0] * shape[1] ** 2)))
    return [min(size, draws - start) for start in range(0, draws, size)]


def _draw(y: Floats, kind: str, draws: int, rng: Generator) -> Floats:
    """(draws, C, P) of one floor."""
    if kind == "permuted":
        return permuted(y, draws, rng)
    trend = common_trend(y)
    return np.round(permuted(y - trend, draws, rng) + trend, DECIMALS)


def common_trend(y: Floats) -> Floats:
    """(P,) mean over classes of what each does around its own mean; 0 at a point that no class has."""
    there = np.isfinite(y)
    own = np.where(there, y, 0.0).sum(axis=1) / np.maximum(there.sum(axis=1), 1)
    around = np.where(there, y - own[:, None], 0.0)
    return np.asarray(around.sum(axis=0) / np.maximum(there.sum(axis=0), 1))


def permuted(y: Floats, draws: int, rng: Generator) -> Floats:
    """(draws, C, P): each class's values among the points that it has; gaps stay where they are."""
    there = np.isfinite(y)
    keys = np.where(there, rng.random((draws, *y.shape)), 2.0)
    source = keys.argsort(axis=-1)  # the points that are there first, in random order
    target = np.broadcast_to((~there).argsort(axis=-1, kind="stable"), source.shape)
    out = np.empty(source.shape)
    np.put_along_axis(out, target, np.take_along_axis(np.broadcast_to(y, source.shape), source, axis=-1), axis=-1)
    return out


def _ratios(drawn: Floats, rule: Rule) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """(draws,) ratio, corrected ratio, opposite pairs."""
    size = drawn.shape[1]
    if size < 2:
        nothing = np.full(len(drawn), np.nan)
        return nothing, nothing, np.zeros(len(drawn), dtype=np.int64)
    plain, corrected = judge_draws(coefficients(drawn), rule)
    i, j = np.triu_indices(size, 1)
    shares = []
    for called in (plain, corrected):
        has = np.zeros((len(drawn), size), dtype=bool)
        draw, pair = np.nonzero(called)
        has[draw, i[pair]] = has[draw, j[pair]] = True
        shares.append(has.mean(axis=1))
    return shares[0], shares[1], plain.sum(axis=1)


def _rows(grid: Grid, kind: str, ratio: NDArray[Any], corrected: NDArray[Any], pairs: NDArray[Any]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            **grid.setting,
            "floor": kind,
            "draw": 0,
            "ratio": ratio,
            "ratio_corrected": corrected,
            "pairs_opposite": pairs,
        },
        index=range(len(ratio)),
    )
