"""Which classes rise, fall or do neither over the values of a parameter, and whether two probes say the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from ssrl_core.analysis.bias.columns import Floats, Ints
from ssrl_core.analysis.bias.correlation import POINTS, Rule
from ssrl_core.analysis.bias.grid import Grid, XNames, grids
from ssrl_core.analysis.bias.opposite_pairs import opposition
from ssrl_core.analysis.bias.reading import checked
from ssrl_core.analysis.intervals import false_discovery
from ssrl_core.errors import SpecError


@dataclass(frozen=True)
class Lines:
    """Least-squares lines, one a class, each field (C,).

    Args:
        slope, intercept: NaN without two different values of x.
        se, low, high: standard error and 95 % interval of the slope; NaN with fewer than three points.
        p: two-sided, of a slope of 0; NaN with fewer than three points or a constant class.
        r2: share of the variance that the line explains; NaN as p.
        n: points.
    """

    slope: Floats
    intercept: Floats
    se: Floats
    low: Floats
    high: Floats
    p: Floats
    r2: Floats
    n: Ints


def lines(x: Floats, y: Floats) -> Lines:
    """A line for each row of y over the points that it has.

    Args:
        x: (P,) finite. y: (C, P), NaN where missing.

    Source:
        Ordinary least squares; t = slope / se with n - 2 degrees of freedom. Equal to scipy.stats.linregress, but for
        a constant row, where linregress says p = 1 and nothing can be tested.
    """
    there = np.isfinite(y)
    n = there.sum(axis=1)
    count = np.maximum(n, 1)
    filled = np.where(there, y, 0.0)
    mean_x = (there * x).sum(axis=1) / count
    mean_y = filled.sum(axis=1) / count
    dx = np.where(there, x - mean_x[:, None], 0.0)
    dy = np.where(there, y - mean_y[:, None], 0.0)
    sxx, sxy, syy = (dx * dx).sum(axis=1), (dx * dy).sum(axis=1), (dy * dy).sum(axis=1)
    lowest = np.where(there, y, np.inf).min(axis=1, initial=np.inf)
    highest = np.where(there, y, -np.inf).max(axis=1, initial=-np.inf)
    constant = lowest >= highest
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = np.where(sxx > 0, np.where(constant, 0.0, sxy / sxx), np.nan)
        rest = np.where(constant, 0.0, np.maximum(syy - slope * sxy, 0.0))
        rest = np.where(rest < 1e-14 * syy, 0.0, rest)
        se = np.where(n > 2, np.sqrt(rest / np.maximum(n - 2, 1) / sxx), np.nan)
        p = np.where((n > 2) & ~constant, 2 * special.stdtr(np.maximum(n - 2, 1), -np.abs(slope / se)), np.nan)
        r2 = np.where((n > 2) & ~constant, 1 - rest / syy, np.nan)
    half = special.stdtrit(np.maximum(n - 2, 1), 0.975) * se
    p = np.where(np.isfinite(slope), p, np.nan)
    return Lines(slope, mean_y - slope * mean_x, se, slope - half, slope + half, p, r2, n)


BEHAVIOURS = ("ascending", "descending", "random")


def behaviours(table: pd.DataFrame, x: XNames, *, points: str = "means", alpha: float = 0.05) -> pd.DataFrame:
    """The behaviour of each class, from the slope of the line through its accuracies.

    Ascending: slope above 0 with p < alpha; descending: below 0; random: neither, which is "no trend was shown", not
    "no effect": a class that rises and falls again is random too. A constant accuracy has slope 0 and no test: random.

    Args:
        table, x: as for `grids`.
        points: `means` over the seeds of each value, or `runs`.
        alpha: level of the two-sided test of each class.

    Returns:
        the setting's columns, class, superclass, n (points), slope (accuracy per unit of the parameter), low, high
        (95 %), change (slope × the range of the parameter), intercept, r2, p, q (p adjusted over the classes of the
        setting), behaviour (None where it cannot be told), alpha, points, reason.

    Source:
        Section 3.1 of the paper, which does not give the test or its level.
    """
    if points not in POINTS:
        raise SpecError.at("Behaviours", "points", f"one of {', '.join(POINTS)}", points)
    if not 0 < alpha < 1:
        raise SpecError.at("Behaviours", "alpha", "between 0 and 1", alpha)
    return pd.concat([_rows(grid, points, alpha) for grid in grids(table, x)], ignore_index=True)


def most_shared_behaviour(found: pd.DataFrame, over: str = "method") -> pd.DataFrame:
    """One behaviour a class over several methods (or backbones): the one that more than half of them share.

    Args:
        found: of `behaviours`. over: the column to look across.

    Returns:
        the other setting columns, class, behaviour (`mixed` without a majority, None where none is known), share,
        of (how many knew one).
    """
    settings = [c for c in found.columns[: found.columns.get_loc("class")] if c != over]
    rows = []
    for key, part in found.groupby([*settings, "class"], sort=False, dropna=False):
        known = part["behaviour"].dropna()
        counts = known.value_counts()
        top = str(counts.index[0]) if len(counts) else None
        share = float(counts.iloc[0] / len(known)) if len(counts) else np.nan
        behaviour = top if share > 0.5 else ("mixed" if len(counts) else None)
        place = dict(zip([*settings, "class"], key, strict=True))
        rows.append({**place, "behaviour": behaviour, "share": share, "of": len(known)})
    return pd.DataFrame(rows)


def label(found: Lines, alpha: float) -> NDArray[np.object_]:
    """(C,) ascending | descending | random | None of each line."""
    clear = found.p < alpha
    names = np.where(clear & (found.slope > 0), "ascending", np.where(clear, "descending", "random")).astype(object)
    unknown = (found.n < 3) | ~np.isfinite(found.slope)
    names[unknown] = None
    return names


def _rows(grid: Grid, points: str, alpha: float) -> pd.DataFrame:
    size = len(grid.classes)
    x = grid.point_values(points)
    if grid.axis.numeric:
        found = lines(x, grid.points(points))
    else:
        found = lines(np.zeros(len(x)), np.full((size, len(x)), np.nan))
    return pd.DataFrame(
        {
            **grid.setting,
            "class": list(grid.classes),
            "superclass": list(grid.superclasses),
            "n": found.n,
            "slope": found.slope,
            "low": found.low,
            "high": found.high,
            "change": found.slope * np.ptp(grid.axis.values),
            "intercept": found.intercept,
            "r2": found.r2,
            "p": found.p,
            "q": false_discovery(found.p),
            "behaviour": label(found, alpha),
            "alpha": alpha,
            "points": points,
            "reason": list(_reasons(grid, found)),
        },
        index=range(size),
    )


def _reasons(grid: Grid, found: Lines) -> Iterator[Any]:
    for n, slope, p in zip(found.n, found.slope, found.p, strict=True):
        if not grid.axis.numeric:
            yield grid.axis.note
        elif n < 3:
            yield f"{n} points, at least 3 are needed"
        elif np.isnan(slope):
            yield "one value of the parameter only"
        elif np.isnan(p):
            yield "the accuracy is the same at every point: slope 0, nothing to test"
        else:
            yield None


def compare_probes(
    table: pd.DataFrame,
    x: XNames,
    *,
    first: str = "linear",
    second: str | None = None,
    rule: Rule | None = None,
    behaviour_alpha: float = 0.05,
) -> pd.DataFrame:
    """The counts of both probes, and how many classes behave alike in both.

    Args:
        table, x: as for `grids`; the table holds rows of both probes.
        first, second: names in the column probe; the second is by default the only one that starts with `finetune`.
        rule: when two classes are opposite. behaviour_alpha: level of the test of a slope.

    Returns:
        the setting's columns without probe, first, second, classes_first, classes_second (tested), opposite_first,
        opposite_second, opposite_both (numbers of classes with an opposite partner), the three again with _corrected,
        compared (classes whose behaviour both know), same (how many behave alike), match (share), match_by_chance
        (the same had one probe nothing to do with the other), reason (why a match is NaN: only one probe was run).

    Raises:
        SpecError: a probe that the table does not have.
    """
    names = list(checked(table)["probe"].astype(str).unique())
    second = _second(names, second)
    for probe in (first, second):
        if probe not in names:
            raise _unknown(probe, names)
    rows = table if "probe" in table else table.assign(probe="linear")
    rows = rows[rows["probe"].fillna("linear").isin([first, second])]
    found = opposition(rows, x, rule)
    slopes = behaviours(rows, x, points=(rule or Rule()).points, alpha=behaviour_alpha)
    settings = [c for c in found.ratios.columns[: found.ratios.columns.get_loc("points")] if c != "probe"]
    merged = found.classes.merge(slopes[[*settings, "probe", "class", "behaviour"]], on=[*settings, "probe", "class"])
    out = []
    for key, part in merged.groupby(settings, sort=False, dropna=False):
        place = dict(zip(settings, key, strict=True)) | {"first": first, "second": second}
        one, two = (part[part["probe"] == probe].set_index("class") for probe in (first, second))
        out.append(place | _row(one, two, first, second))
    return pd.DataFrame(out)


def _second(names: list[str], second: str | None) -> str:
    if second is not None:
        return second
    tuned = [name for name in names if name.startswith("finetune")]
    if len(tuned) != 1:
        raise SpecError.at(
            "Probes",
            "second",
            "named where the table does not have exactly one fine-tuning",
            tuned,
            f"The table has the probes {', '.join(names)}.",
        )
    return tuned[0]


def _unknown(probe: str, names: list[str]) -> SpecError:
    return SpecError.at(
        "Probes",
        "probe",
        f"one of {', '.join(names)}",
        probe,
        "Ask for it in the sweep's evaluate and run what is missing.",
    )


def _row(one: pd.DataFrame, two: pd.DataFrame, first: str, second: str) -> dict[str, Any]:
    row: dict[str, Any] = {}
    both = one.index.intersection(two.index)
    for name, part in (("first", one), ("second", two)):
        row[f"classes_{name}"] = int(part["tested"].sum())
    for end in ("", "_corrected"):
        for name, part in (("first", one), ("second", two)):
            row[f"opposite_{name}{end}"] = int(part[f"opposite{end}"].sum()) if len(part) else np.nan
        shared = one.loc[both, f"opposite{end}"] & two.loc[both, f"opposite{end}"]
        row[f"opposite_both{end}"] = int(shared.sum()) if len(both) else np.nan
    return row | _match(one["behaviour"], two["behaviour"], first, second)


def _match(one: pd.Series, two: pd.Series, first: str, second: str) -> dict[str, Any]:
    pairs = pd.concat([one, two], axis=1, join="inner", keys=["first", "second"]).dropna()
    if pairs.empty:
        missing = first if one.empty else second
        lacking = f"no results of {missing}" if one.empty or two.empty else "no class whose behaviour both know"
        return {"compared": 0, "same": np.nan, "match": np.nan, "match_by_chance": np.nan, "reason": lacking}
    same = int((pairs["first"] == pairs["second"]).sum())
    chance = sum(float((pairs["first"] == b).mean() * (pairs["second"] == b).mean()) for b in BEHAVIOURS)
    return {
        "compared": len(pairs),
        "same": same,
        "match": same / len(pairs),
        "match_by_chance": chance,
        "reason": None,
    }
