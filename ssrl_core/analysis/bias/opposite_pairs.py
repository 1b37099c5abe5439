"""Which classes win where others lose: all pairs of classes, and the share with an opposite partner (figure 2).

With 99 possible partners most classes have an opposite one by chance. Two floors say how many, each made many times
from the same accuracies:
- `permuted`: the values of each class permuted among its points. Nothing is left of the parameter.
- `trend_kept`: the mean curve of all classes stays (what every class does together), and what each class adds to it
  is permuted among its points. Only what the classes do on their own is left out. With few classes it lies too low:
  what classes add to their own mean sums to 0 at every point, so that two of them are opposite by construction, while
  the permuted ones are free (on average a correlation of -1 / (C - 1): 0.01 for 100 classes, 0.5 for 3).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from zlib import crc32

import numpy as np
import pandas as pd
from numpy.random import Generator
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from ssrl_core.analysis.bias.columns import DECIMALS, Bools, Floats
from ssrl_core.analysis.bias.correlation import (
    LEAST,
    NAMES,
    Coefficients,
    Rule,
    Verdict,
    coefficients,
    judge,
    judge_draws,
)
from ssrl_core.analysis.bias.grid import NOT_SET, Grid, XNames, grids
from ssrl_core.analysis.bias.sentences import reason, reason_table
from ssrl_core.datasets.progress import in_order
from ssrl_core.errors import SpecError, some_of


@dataclass(frozen=True)
class Opposition:
    """What `opposition` finds; every table starts with the columns of the setting.

    Args:
        pairs: first, second, n (points shared), pearson, pearson_p, pearson_q and so for kendall and spearman,
            kendall_method (exact | asymptotic), covariance, opposite, opposite_corrected, opposite_bh, reason. `_p`
            two-sided, `_q` adjusted (see `Rule`). Undefined: NaN and a reason.
        classes: class, superclass, tested (has a defined pair), partners, partners_corrected (numbers of opposite
            classes), opposite, opposite_corrected (has one), strongest (its most negative partner), coefficient
            (the lowest of the three with it).
        ratios: points, n (points of a pair: most), classes, tested, opposite, ratio (of the classes tested),
            ratio_of_all (of all classes, the paper's), opposite_corrected, ratio_corrected, opposite_bh, ratio_bh (with
            the other way to correct, see `Rule`), pairs (tested),
            pairs_opposite, pairs_opposite_corrected, threshold, alpha.
        reasons: what is missing or undefined.
    """

    pairs: pd.DataFrame
    classes: pd.DataFrame
    ratios: pd.DataFrame
    reasons: pd.DataFrame


def opposition(table: pd.DataFrame, x: XNames, rule: Rule | None = None) -> Opposition:
    """Correlations between the accuracies of all pairs of classes over the values of a parameter.

    Args:
        table: docs/contracts.md C10.
        x: the varied column, or several transformations.
        rule: when two classes are opposite; the paper's by default.

    Raises:
        DataError, SpecError: as `grids`.
    """
    chosen = rule or Rule()
    parts = [_part(grid, chosen) for grid in grids(table, x)]
    pairs, classes, ratios, reasons = zip(*parts, strict=True)
    return Opposition(
        pd.concat(pairs, ignore_index=True),
        pd.concat(classes, ignore_index=True),
        pd.DataFrame(list(ratios)),
        reason_table([row for rows in reasons for row in rows]),
    )


def most_opposed(pairs: pd.DataFrame, count: int = 6) -> pd.DataFrame:
    """The opposite pairs that move most against each other, of each setting.

    Args:
        pairs: of `Opposition`.

    Returns:
        rows of `pairs` that are opposite, most negative covariance first: it is large only where both classes move
        and in opposite directions, while a coefficient may be -1 for two that hardly move. None opposite: no rows.
    """
    settings = list(pairs.columns[: pairs.columns.get_loc("first")])
    ordered = pairs[pairs["opposite"]].sort_values([*settings, "covariance", "first", "second"], kind="stable")
    return ordered.groupby(settings, sort=False, dropna=False).head(count).reset_index(drop=True)


def _part(grid: Grid, rule: Rule) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, Any], list[dict[str, Any]]]:
    found = coefficients(grid.points(rule.points))
    verdict = judge(found, rule)
    pairs = _pairs(grid, found, verdict)
    classes = _classes(grid, verdict)
    told = [*grid.reasons, *_undefined(grid, found)]
    return pairs, classes, _ratio(grid, rule, found, verdict, classes), told


def _pairs(grid: Grid, found: Coefficients, verdict: Verdict) -> pd.DataFrame:
    i, j = np.triu_indices(len(grid.classes), 1)
    names = np.array(grid.classes, dtype=object)
    columns: dict[str, Any] = dict(grid.setting) | {"first": names[i], "second": names[j], "n": found.n[i, j]}
    for row, name in enumerate(NAMES):
        columns |= {name: verdict.r[row], f"{name}_p": verdict.p[row], f"{name}_q": verdict.q[row]}
    method = np.where(verdict.exact, "exact", "asymptotic").astype(object)
    method[np.isnan(verdict.r[1])] = None
    columns |= {
        "kendall_method": method,
        "covariance": found.covariance[i, j],
        "opposite": verdict.opposite,
        "opposite_corrected": verdict.corrected,
        "opposite_bh": verdict.bh,
        "reason": _pair_reasons(found, names, i, j),
    }
    return pd.DataFrame(columns, index=range(len(i)))


def _pair_reasons(
    found: Coefficients, names: NDArray[np.object_], i: NDArray[np.intp], j: NDArray[np.intp]
) -> NDArray[np.object_]:
    texts = np.full(len(i), None, dtype=object)
    for at in np.flatnonzero(np.isnan(found.pearson[i, j])):
        a, b = i[at], j[at]
        if found.n[a, b] < LEAST:
            texts[at] = f"{found.n[a, b]} points in common, at least {LEAST} are needed"
        else:
            flat = [names[k] for k, other in ((a, b), (b, a)) if found.constant[k, other]]
            texts[at] = f"the accuracy of {' and '.join(flat)} is the same at every point"
    return texts


def square(values: NDArray[Any], size: int, fill: Any) -> NDArray[Any]:
    """(C, C) symmetric matrix of values of the pairs i < j; `fill` on the diagonal."""
    out = np.full((size, size), fill, dtype=values.dtype)
    at = np.triu_indices(size, 1)
    out[at] = values
    out.T[at] = values
    return out


def _classes(grid: Grid, verdict: Verdict) -> pd.DataFrame:
    size = len(grid.classes)
    with np.errstate(invalid="ignore"):
        lowest = square(np.fmin(np.fmin(verdict.r[0], verdict.r[1]), verdict.r[2]), size, np.nan)
    tested = np.isfinite(lowest).any(axis=1)
    partners = square(verdict.opposite, size, False).sum(axis=1)
    corrected = square(verdict.corrected, size, False).sum(axis=1)
    strongest = np.where(np.isfinite(lowest), lowest, np.inf).argmin(axis=1) if size else np.zeros(0, dtype=np.intp)
    names = np.array(grid.classes, dtype=object)
    return pd.DataFrame(
        {
            **grid.setting,
            "class": names,
            "superclass": list(grid.superclasses),
            "tested": tested,
            "partners": partners,
            "partners_corrected": corrected,
            "opposite": partners > 0,
            "opposite_corrected": corrected > 0,
            "strongest": np.where(tested, names[strongest], None),
            "coefficient": np.where(tested, lowest[np.arange(size), strongest], np.nan),
        },
        index=range(size),
    )


def _ratio(grid: Grid, rule: Rule, found: Coefficients, verdict: Verdict, classes: pd.DataFrame) -> dict[str, Any]:
    tested, opposite = int(classes["tested"].sum()), int(classes["opposite"].sum())
    corrected = int(classes["opposite_corrected"].sum())
    bh = int(square(verdict.bh, len(classes), False).any(axis=1).sum())
    defined = np.isfinite(verdict.r[0])
    points = found.n[np.triu_indices(len(grid.classes), 1)][defined]
    return {
        **grid.setting,
        "points": rule.points,
        "n": int(points.max()) if len(points) else 0,
        "classes": len(classes),
        "tested": tested,
        "opposite": opposite,
        "ratio": opposite / tested if tested else np.nan,
        "ratio_of_all": opposite / len(classes) if tested else np.nan,
        "opposite_corrected": corrected,
        "ratio_corrected": corrected / tested if tested else np.nan,
        "opposite_bh": bh,
        "ratio_bh": bh / tested if tested else np.nan,
        "pairs": int(defined.sum()),
        "pairs_opposite": int(verdict.opposite.sum()),
        "pairs_opposite_corrected": int(verdict.corrected.sum()),
        "threshold": rule.threshold,
        "alpha": rule.alpha,
    }


def _undefined(grid: Grid, found: Coefficients) -> Iterator[dict[str, Any]]:
    own = found.n.diagonal()
    flat = found.constant.diagonal() & (own > 0)
    for c in np.flatnonzero(flat & (own >= LEAST)):
        text = f"The accuracy of {grid.classes[c]} is the same at every point: its correlations are undefined."
        yield reason(grid.setting, "constant", text, name=grid.classes[c])
    for c in np.flatnonzero(own < LEAST):
        text = f"{grid.classes[c]} has {own[c]} points, at least {LEAST} are needed: no correlations."
        yield reason(grid.setting, "few_points", text, name=grid.classes[c])
    tested = np.isfinite(found.pearson[np.triu_indices(len(grid.classes), 1)])
    if not tested.any():
        lone = [name for name, n in zip(grid.classes, own, strict=True) if n >= LEAST]
        text = f"No pair of classes could be tested; with enough points: {some_of(lone) or 'none'}."
        yield reason(grid.setting, "nothing_tested", text)


def shared_classes(classes: pd.DataFrame, *, over: str = "method", corrected: bool = False) -> pd.DataFrame:
    """How many classes have an opposite partner under at least 2, at least 3 … and under all methods.

    Args:
        classes: of `Opposition`.
        over: `method`, as in the paper, or another column of the setting (`backbone`, `dataset` …).
        corrected: count the partners that are left after the correction.

    A class that a method could not test (a constant accuracy, no images) has no partner there; it still counts where
    enough others call it.

    Returns:
        the other setting columns, at_least, of (methods; the last row has at_least = of: all of them), classes (how
        many), share (of all classes), all_classes, tested (classes that every method could test), expected (classes,
        had each method as many of those that it could test, but independently of the others), names (list). One
        method only: at_least = of = 1.

    Raises:
        SpecError: `over` is no column of the setting.
    """
    settings = list(classes.columns[: classes.columns.get_loc("class")])
    if over not in settings:
        raise SpecError.at("Shared classes", "over", f"one of {', '.join(settings)}", over)
    others = [name for name in settings if name != over]
    flag = "opposite_corrected" if corrected else "opposite"
    rows: list[dict[str, Any]] = []
    for key, part in classes.groupby(others, sort=False, dropna=False):
        wide = part.assign(tested=part["tested"].astype(bool)).pivot(index="class", columns=over)
        called, tested = (wide[name].eq(True).to_numpy(dtype=bool) for name in (flag, "tested"))
        place = dict(zip(others, key, strict=True))
        rows += [place | row for row in _levels(called, tested, [str(name) for name in wide.index])]
    return pd.DataFrame(rows)


def _levels(called: Bools, tested: Bools, names: list[str]) -> list[dict[str, Any]]:
    """One row for each number of methods; called, tested (C, M)."""
    methods = called.shape[1]
    times, chance = called.sum(axis=1), _by_chance(called, tested)
    rows = []
    for least in range(min(2, methods), methods + 1):
        shared = [name for name, count in zip(names, times, strict=True) if count >= least]
        rows.append(
            {
                "at_least": least,
                "of": methods,
                "classes": len(shared),
                "share": len(shared) / len(names) if tested.any() else np.nan,
                "all_classes": len(names),
                "tested": int(tested.all(axis=1).sum()),
                "expected": float(chance[least]) if tested.any() else np.nan,
                "names": shared,
            }
        )
    return rows


def _by_chance(called: Bools, tested: Bools) -> Floats:
    """(M + 1,) classes that at least 0, 1, … M methods would call, each class by the methods that could test it."""
    rates = called.sum(axis=0) / np.maximum(tested.sum(axis=0), 1)
    return np.asarray(np.sum([at_least(np.where(row, rates, 0.0)) for row in tested], axis=0))


def at_least(rates: Floats) -> Floats:
    """(M + 1,) probability that at least 0, 1, … M of independent events happen (Poisson binomial)."""
    exactly = np.ones(1)
    for rate in rates:
        exactly = np.convolve(exactly, [1 - rate, rate])
    return np.asarray(np.cumsum(exactly[::-1])[::-1])


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
    kinds: Sequence[str] = KINDS,
    seed: int = 0,
    report: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    """The ratios of classes with an opposite partner, without and with correction, in permuted accuracies.

    Each setting has a stream of its own, so that its floor is the same whatever else is in the table.

    Args:
        table, x, rule: as for `opposition`.
        draws: permutations of each kind, >= 1. kinds: of `KINDS`; each is the same whichever others are asked for.
        report: called with (draws done, draws in all).

    Returns:
        one row a draw: the setting's columns, floor (permuted | trend_kept), draw, ratio, ratio_corrected,
        pairs_opposite. The ratios are of the classes tested; NaN where none could be.
    """
    if draws < 1:
        raise SpecError.at("Floors", "draws", "at least 1", draws)
    chosen, found = rule or Rule(), grids(table, x)
    parts, done, total = [], 0, draws * len(kinds) * len(found)
    with threadpool_limits(1), ThreadPoolExecutor(min(THREADS, os.cpu_count() or 1)) as pool:
        drawn = _drawn(found, chosen, draws, kinds, seed)
        for grid, kind, ratios in in_order(pool, lambda one: (*one[:2], _ratios(one[2], chosen)), drawn):
            parts.append(_rows(grid, kind, *ratios))
            done += len(ratios[0])
            if report:
                report(done, total)
    rows = pd.concat(parts, ignore_index=True)
    rows["draw"] = np.tile(np.arange(draws), len(kinds) * len(found))
    return rows


def _drawn(
    found: list[Grid], rule: Rule, draws: int, kinds: Sequence[str], seed: int
) -> Iterator[tuple[Grid, str, Floats]]:
    """Some draws at a time; each floor of each setting has a stream of its own."""
    for grid in found:
        y = _testable(grid.points(rule.points))
        for kind in kinds:
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
