"""Do classes that rise, fall or do neither under a transformation differ in what their images are like (table 1)?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from ssrl_core.analysis.properties.class_table import FAMILIES
from ssrl_core.analysis.properties.variance import anova, manova
from ssrl_core.errors import DataError


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
        raise DataError(
            where="Class properties",
            field="class",
            rule="named as in the table of behaviours",
            value=list(properties["class"][:3]),
            remedy=f"The behaviours are of {', '.join(map(str, behaviours['class'][:3]))} …",
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
        "groups": _said(counts),
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
        "groups": _said(found.groups),
        "reason": found.reason or dropped,
    }


def _said(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())
