"""The statistics of class bias once more, slowly: pandas, scipy and loops over pairs, from the definitions alone."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

COEFFICIENTS = {"pearson": stats.pearsonr, "kendall": stats.kendalltau, "spearman": stats.spearmanr}


def points(rows: pd.DataFrame, x: str, kind: str) -> pd.DataFrame:
    """(classes, points): means over the seeds of each value, or every run."""
    if kind == "means":
        return rows.groupby(["class", x])["accuracy"].mean().unstack(x).round(12)
    return rows.set_index(["class", x, "seed"])["accuracy"].unstack([x, "seed"]).sort_index(axis=1)


def pairs(rows: pd.DataFrame, x: str, kind: str = "means") -> pd.DataFrame:
    """Every pair of classes with its coefficients, p, and the paper's rule: plain and both ways corrected."""
    y, found = points(rows, x, kind), []
    for first, second in combinations(y.index, 2):
        both = y.loc[[first, second]].dropna(axis=1).to_numpy()
        row: dict[str, Any] = {"first": first, "second": second, "n": both.shape[1]}
        for name, correlate in COEFFICIENTS.items():
            defined = both.shape[1] >= 3 and (np.ptp(both, axis=1) > 0).all()
            result = correlate(*both) if defined else None
            row |= {name: result.statistic if result else np.nan, f"{name}_p": result.pvalue if result else np.nan}
        found.append(row)
    table = pd.DataFrame(found)
    r, p = table[list(COEFFICIENTS)].to_numpy(), table[[f"{name}_p" for name in COEFFICIENTS]].to_numpy()
    for name, adjusted in (
        ("opposite", p),
        ("opposite_bh", _adjusted(p)),
        ("opposite_corrected", _adjusted(np.where(r >= 0, 1.0, p))),
    ):
        table[name] = ((r < -0.3) & (adjusted < 0.05)).any(axis=1)
    return table


def _adjusted(p: np.ndarray) -> np.ndarray:
    out, there = np.full(p.shape, np.nan), np.isfinite(p)
    out[there] = stats.false_discovery_control(p[there]) if there.any() else p[there]
    return out


def with_partner(found: pd.DataFrame, flag: str = "opposite") -> set[str]:
    """The classes of at least one pair that is opposite."""
    return set(found.loc[found[flag], ["first", "second"]].to_numpy().ravel())


def behaviours(rows: pd.DataFrame, x: str, kind: str = "means") -> dict[str, tuple[float, float, str]]:
    """class -> slope, its p, and what that is called."""
    y, found = points(rows, x, kind), {}
    place = np.array([column if kind == "means" else column[0] for column in y.columns], dtype=float)
    for name, values in y.iterrows():
        line = stats.linregress(place[values.notna()], values.dropna())
        called = "random" if line.pvalue >= 0.05 else "ascending" if line.slope > 0 else "descending"
        found[str(name)] = (line.slope, line.pvalue, called)
    return found


def overall(rows: pd.DataFrame, x: str) -> pd.Series:
    """Mean over seeds of the overall accuracy at each value."""
    runs = rows.groupby([x, "seed"])[["n", "correct"]].sum()
    return (runs["correct"] / runs["n"]).groupby(x).mean()


def shared(partners: Sequence[set[str]], least: int) -> list[str]:
    """The classes that are in at least so many of some sets."""
    names = sorted(set().union(*partners))
    return [name for name in names if sum(name in one for one in partners) >= least]
