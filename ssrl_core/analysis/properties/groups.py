"""Do classes that rise, fall or do neither under a transformation differ in what their images are like (table 1)?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from ssrl_core.analysis.properties.class_table import FAMILIES
from ssrl_core.analysis.properties.images import Floats
from ssrl_core.errors import DataError


@dataclass(frozen=True)
class Anova:
    """One-way analysis of variance.

    Args:
        f, p: NaN where undefined; f is infinite (p = 0) where nothing varies within the groups.
        df_between, df_within: degrees of freedom.
        eta2: share of the variance that lies between the groups, 0..1. omega2: the same less what chance gives; it
            can be negative.
        groups: name -> (n, mean, sd); sd NaN for n = 1.
        reason: why f is NaN; None otherwise.
    """

    f: float
    p: float
    df_between: int
    df_within: int
    eta2: float
    omega2: float
    groups: dict[str, tuple[int, float, float]]
    reason: str | None = None


@dataclass(frozen=True)
class Manova:
    """One-way multivariate analysis of variance.

    Args:
        pillai, wilks: trace of H (H + E)^-1; det E / det (H + E), 1 is no difference.
        pillai_f, pillai_p, wilks_f, wilks_p: F approximations (exact for Wilks with at most 3 groups) with pillai_df
            and wilks_df degrees of freedom.
        eta2: partial eta² of Pillai's trace, trace / min(properties, groups - 1). eta2_wilks: 1 - wilks^(1/s).
        n, groups: observations used; name -> n.
        dropped: properties left out, since they are constant or follow from the others.
        reason: why the numbers are NaN; None otherwise.
    """

    pillai: float
    pillai_f: float
    pillai_df: tuple[float, float]
    pillai_p: float
    wilks: float
    wilks_f: float
    wilks_df: tuple[float, float]
    wilks_p: float
    eta2: float
    eta2_wilks: float
    n: int
    groups: dict[str, int]
    dropped: tuple[str, ...] = ()
    reason: str | None = None


def anova(values: ArrayLike, groups: Sequence[str | None]) -> Anova:
    """Does one property differ between groups?

    Args:
        values: (n,) the property of each class; NaN are left out.
        groups: (n,) the group of each; None are left out.

    Source:
        Fisher's one-way analysis; eta² and omega² as in Olejnik and Algina, Psychological Methods 8 (2003). F and p
        by SciPy.
    """
    x = np.asarray(values, dtype=np.float64)
    names, ids, kept = _groups(groups, np.isfinite(x))
    x = x[kept]
    counts = np.bincount(ids, minlength=len(names))
    described = {name: _describe(x[ids == k]) for k, name in enumerate(names)}
    between_df, within_df = len(names) - 1, len(x) - len(names)
    if between_df < 1 or within_df < 1:
        text = (
            f"{len(names)} groups and {len(x)} classes: at least two groups, and more classes than groups, are needed"
        )
        return _no_anova(between_df, within_df, described, text)
    total = float(((x - x.mean()) ** 2).sum())
    within = float(((x - (np.bincount(ids, weights=x) / counts)[ids]) ** 2).sum())
    if total <= 1e-20 * max(float((x**2).sum()), 1e-300):
        return _no_anova(between_df, within_df, described, "the property is the same for every class")
    if within <= 1e-20 * total:
        return Anova(np.inf, 0.0, between_df, within_df, 1.0, 1.0, described)
    f, p = map(float, stats.f_oneway(*(x[ids == k] for k in range(len(names)))))
    mean_within = within / within_df
    omega2 = (total - within - between_df * mean_within) / (total + mean_within)
    return Anova(f, p, between_df, within_df, 1 - within / total, omega2, described)


def manova(values: pd.DataFrame | ArrayLike, groups: Sequence[str | None]) -> Manova:
    """Do several properties taken together differ between groups?

    Args:
        values: (n, q) properties of each class; rows with a NaN are left out.
        groups: (n,) the group of each; None are left out.

    With H the sums of squares and products between the groups and E those within, the eigenvalues l of E^-1 H give
    Pillai's trace Σ l / (1 + l) (the one to trust: it withstands unequal covariances best) and Wilks' lambda
    Π 1 / (1 + l). A property is scaled by its sd first, which changes neither.

    Source:
        Rencher and Christensen, Methods of Multivariate Analysis, 3rd edition (2012), 6.1: F approximations of Pillai
        and of Rao for Wilks; by statsmodels. Partial eta²: Pillai's trace / s (Cohen 1988).
    """
    frame = values if isinstance(values, pd.DataFrame) else pd.DataFrame(np.asarray(values, dtype=np.float64))
    x = frame.to_numpy(dtype=np.float64)
    names, ids, kept = _groups(groups, np.isfinite(x).all(axis=1))
    counts = np.bincount(ids, minlength=len(names))
    sizes = {name: int(count) for name, count in zip(names, counts, strict=True)}
    x, columns = _independent(x[kept])
    dropped = tuple(str(frame.columns[c]) for c in range(frame.shape[1]) if c not in columns)
    h, e = len(names) - 1, len(x) - len(names)
    if h < 1 or not columns or e < len(columns):
        text = (
            f"{len(names)} groups, {len(x)} classes and {len(columns)} properties that differ: at least two groups, "
            "one property, and as many classes more than groups as there are properties, are needed"
        )
        return _no_manova(sizes, dropped, len(x), text)
    means = np.stack([x[ids == k].mean(axis=0) for k in range(len(names))])
    within = x - means[ids]
    if np.linalg.cond(within.T @ within) > 1e12:
        return _no_manova(sizes, dropped, len(x), "within the groups a property does not vary, or follows from others")
    return _tests(x, ids, sizes, dropped)


def _tests(x: Floats, ids: NDArray[np.int64], sizes: dict[str, int], dropped: tuple[str, ...]) -> Manova:
    from statsmodels.multivariate.manova import MANOVA

    k = len(sizes)
    if x.shape[1] == 1:  # statsmodels asks for two or more; of one, both tests are the F test
        one = anova(x[:, 0], [str(i) for i in ids])
        df, eta2 = (float(one.df_between), float(one.df_within)), one.eta2
        return Manova(eta2, one.f, df, one.p, 1 - eta2, one.f, df, one.p, eta2, eta2, len(x), sizes, dropped)
    design = np.column_stack([np.ones(len(x)), ids[:, None] == np.arange(1, k)])
    found = MANOVA(x, design.astype(float)).mv_test([("groups", np.eye(k)[1:])]).results["groups"]["stat"]
    pillai, wilks = (found.loc[name].to_numpy(float) for name in ("Pillai's trace", "Wilks' lambda"))
    s = min(x.shape[1], k - 1)
    return Manova(
        pillai[0],
        pillai[3],
        (pillai[1], pillai[2]),
        pillai[4],
        wilks[0],
        wilks[3],
        (wilks[1], wilks[2]),
        wilks[4],
        pillai[0] / s,
        1 - wilks[0] ** (1 / s),
        len(x),
        sizes,
        dropped,
    )


def _groups(
    groups: Sequence[str | None], finite: NDArray[np.bool_]
) -> tuple[list[str], NDArray[np.int64], NDArray[np.bool_]]:
    """Names in alphabetical order, (kept,) ids, and (n,) which rows are kept."""
    known = np.array([g is not None and g == g for g in groups], dtype=bool)
    kept = known & finite
    names, ids = np.unique([str(g) for g, stays in zip(groups, kept, strict=True) if stays], return_inverse=True)
    return [str(name) for name in names], ids.astype(np.int64).reshape(-1), kept


def _describe(x: Floats) -> tuple[int, float, float]:
    return len(x), float(x.mean()), float(x.std(ddof=1)) if len(x) > 1 else float("nan")


def _independent(x: Floats) -> tuple[Floats, list[int]]:
    """The columns, scaled, that do not follow from those before them, and which they are."""
    centred = x - x.mean(axis=0) if len(x) else x
    kept: list[int] = []
    basis = np.zeros((len(x), 0))
    for column in range(x.shape[1]):
        own = centred[:, column]
        length = float(np.linalg.norm(own))
        if length <= 1e-10 * max(float(np.linalg.norm(x[:, column])), 1e-300):
            continue
        unit = own / length
        rest = unit - basis @ (basis.T @ unit)
        if np.linalg.norm(rest) > 1e-6:
            kept.append(column)
            basis = np.column_stack([basis, rest / np.linalg.norm(rest)])
    scale = centred[:, kept].std(axis=0) if kept else 1.0
    return centred[:, kept] / scale, kept


def _no_anova(between: int, within: int, groups: dict[str, tuple[int, float, float]], reason: str) -> Anova:
    nan = float("nan")
    return Anova(nan, nan, between, within, nan, nan, groups, reason)


def _no_manova(groups: dict[str, int], dropped: tuple[str, ...], n: int, reason: str) -> Manova:
    nan = float("nan")
    return Manova(nan, nan, (nan, nan), nan, nan, nan, (nan, nan), nan, nan, nan, n, groups, dropped, reason)


def against_behaviour(
    properties: pd.DataFrame, behaviours: pd.DataFrame, families: Mapping[str, tuple[str, ...]] | None = None
) -> pd.DataFrame:
    """Each property against the behaviour of the classes, for each setting.

    A class is one observation. The paper pools the classes of several methods; here each setting has its own rows, as
    the same class under another method is not a new observation of its properties: use `most_shared_behaviour` for one
    group a class over methods.

    Args:
        properties: of `class_properties`.
        behaviours: of `behaviours` or `most_shared_behaviour`: the setting's columns, class, behaviour.
        families: name -> columns of `properties`; FAMILIES by default (those that are there).

    Returns:
        the setting's columns, property (name of the family), column (None for the family as a whole), test
        (anova | manova), statistic (F; for manova Pillai's), df1, df2, p, effect (eta², partial for manova), wilks,
        wilks_p (manova), n (classes), groups (`ascending 20, descending 11, random 69`), reason.

    Raises:
        DataError: no class has both a property and a behaviour.
    """
    chosen = families or FAMILIES
    settings = list(behaviours.columns[: behaviours.columns.get_loc("class")])
    wanted = {name: [c for c in columns if c in properties] for name, columns in chosen.items()}
    if not set(properties["class"]) & set(behaviours["class"]):
        raise DataError.at(
            "Class properties",
            "class",
            "named as in the table of behaviours",
            list(properties["class"][:3]),
            f"The behaviours are of {', '.join(map(str, behaviours['class'][:3]))} …",
        )
    rows: list[dict[str, Any]] = []
    for key, part in behaviours.groupby(settings, sort=False, dropna=False):
        place = dict(zip(settings, key, strict=True))
        both = part[["class", "behaviour"]].merge(properties, on="class", how="inner", validate="one_to_one")
        groups = [None if pd.isna(b) else str(b) for b in both["behaviour"]]
        for name, columns in wanted.items():
            rows += [place | row for row in _family(name, both[columns], groups)]
    return pd.DataFrame(rows)


def _family(name: str, values: pd.DataFrame, groups: list[str | None]) -> list[dict[str, Any]]:
    rows = [_anova_row(name, column, values[column], groups) for column in values]
    return [_manova_row(name, values, groups), *rows] if len(rows) > 1 else rows


def _anova_row(name: str, column: Any, values: pd.Series, groups: list[str | None]) -> dict[str, Any]:
    found = anova(values.to_numpy(dtype=np.float64), groups)
    counts = {group: n for group, (n, _, _) in found.groups.items()}
    return {
        "property": name,
        "column": str(column),
        "test": "anova",
        "statistic": found.f,
        "df1": found.df_between,
        "df2": found.df_within,
        "p": found.p,
        "effect": found.eta2,
        "wilks": np.nan,
        "wilks_p": np.nan,
        "n": sum(counts.values()),
        "groups": _group_counts(counts),
        "reason": found.reason,
    }


def _manova_row(name: str, values: pd.DataFrame, groups: list[str | None]) -> dict[str, Any]:
    found = manova(values, groups)
    dropped = f"left out, as they follow from the others: {', '.join(found.dropped)}" if found.dropped else None
    return {
        "property": name,
        "column": None,
        "test": "manova",
        "statistic": found.pillai_f,
        "df1": found.pillai_df[0],
        "df2": found.pillai_df[1],
        "p": found.pillai_p,
        "effect": found.eta2,
        "wilks": found.wilks,
        "wilks_p": found.wilks_p,
        "n": found.n,
        "groups": _group_counts(found.groups),
        "reason": found.reason or dropped,
    }


def _group_counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())
