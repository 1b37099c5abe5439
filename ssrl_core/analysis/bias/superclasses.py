"""Classes put together into superclasses: their own, or those of a table that a user brings."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ssrl_core.analysis.bias.columns import combined_codes, text_codes, vary_columns
from ssrl_core.analysis.bias.grid import XNames
from ssrl_core.analysis.bias.reading import checked
from ssrl_core.analysis.bias.sentences import reason, reason_table
from ssrl_core.errors import DataError, SpecError, some_of

C10_HEAD = ("run", "dataset", "backbone", "method", "seed", "probe", "superclass")


def read_superclasses(table: pd.DataFrame) -> dict[str, str]:
    """class -> superclass of an uploaded table with these two columns (or, with other names, its first two).

    Raises:
        DataError: fewer than two columns, an empty table, or a class in two superclasses.
    """
    where = "Table of superclasses"
    if table.shape[1] < 2 or table.empty:
        raise DataError.at(
            where, "columns", "class and superclass, with at least one row", (len(table), list(map(str, table.columns)))
        )
    named = {str(c).strip().lower(): c for c in table.columns}
    both = [named[n] for n in ("class", "superclass")] if {"class", "superclass"} <= set(named) else table.columns[:2]
    rows = table[list(both)].dropna().astype(str).apply(lambda c: c.str.strip()).drop_duplicates()
    rows.columns = ["class", "superclass"]
    twice = rows.loc[rows["class"].duplicated(), "class"]
    if len(twice):
        raise DataError.at(where, "class", "in one superclass", str(twice.iloc[0]))
    return dict(zip(rows["class"], rows["superclass"], strict=True))


def by_superclass(table: pd.DataFrame, superclasses: Mapping[str, str] | None = None, x: XNames = ()) -> pd.DataFrame:
    """The classes table with superclasses in place of classes: everything that takes classes takes them too.

    The accuracy of a superclass is that of its images, right when the class is right (as in the paper: the mean over
    its classes, which here have as many images). Without numbers of images each class counts the same. A run that
    lacks one of the classes (its row, or its images though other runs have some) has no accuracy for the superclass,
    since that would compare different classes.

    Args:
        table: docs/contracts.md C10.
        superclasses: class -> superclass; None takes the table's own column. Classes without one are left out: see
            `no_superclass`.
        x: columns to keep whose names do not start with `vary.`.

    Returns:
        columns as the table, `class` is the superclass, `superclass` is None, one row a superclass, probe and run.

    Raises:
        SpecError: no class has a superclass.
        DataError: the table has a class in two superclasses.
    """
    rows = checked(table)
    given = _given(rows, superclasses)
    if not given.notna().any():
        raise SpecError.at(
            "Superclasses",
            "superclasses",
            "given for at least one class",
            None if superclasses is None else sorted(superclasses)[:5],
            "Bring a table with the columns class and superclass that uses the names of these classes.",
        )
    rows = rows.assign(superclass=given)[given.notna().to_numpy()]
    names = [x] if isinstance(x, str) else x
    keys = [c for c in dict.fromkeys([*C10_HEAD, *vary_columns(rows), *names]) if c in rows.columns]
    rows = rows.assign(place=_places(rows, keys))
    known = rows[rows["accuracy"].notna()]
    parts = known.groupby(["dataset", "superclass"])["class"].nunique()
    weight = known["n"] if (known["n"] > 0).all() else pd.Series(1.0, index=known.index)
    sums = (
        known.assign(weight=weight, hits=weight * known["accuracy"])
        .groupby("place")
        .agg(weight=("weight", "sum"), hits=("hits", "sum"), found=("class", "nunique"))
    )
    out = rows.drop_duplicates("place").set_index("place").join(sums)
    of = parts.reindex(pd.MultiIndex.from_frame(out[["dataset", "superclass"]])).to_numpy()
    whole = of == out["found"].to_numpy()
    counted = bool((known["n"] > 0).all())
    out = out.assign(
        accuracy=(out["hits"] / out["weight"]).where(whole),
        correct=(out["hits"].round() if counted else np.nan),
        n=(out["weight"] if counted else np.nan),
        **{"class": out["superclass"].astype(str)},
    )
    out = out.assign(n=out["n"].where(whole), correct=out["correct"].where(whole), superclass=None)
    return out[[*keys, "class", "n", "correct", "accuracy"]].reset_index(drop=True)


def no_superclass(table: pd.DataFrame, superclasses: Mapping[str, str] | None = None) -> pd.DataFrame:
    """The table of reasons of `by_superclass`: which classes it leaves out."""
    rows = checked(table)
    names = sorted(set(rows.loc[_given(rows, superclasses).isna(), "class"]))
    text = f"{some_of(names)} {'have' if len(names) > 1 else 'has'} no superclass: left out of the superclasses."
    return reason_table([reason({}, "no_superclass", text)] if names else [])


def _given(rows: pd.DataFrame, superclasses: Mapping[str, str] | None) -> pd.Series:
    """(n,) superclass of each row's class. The table's own is that of the class, wherever a row names it."""
    if superclasses is not None:
        return rows["class"].map(dict(superclasses))
    columns = ["dataset", "class", "superclass"]
    known = rows.loc[rows["superclass"].notna(), columns].drop_duplicates()
    twice = known.duplicated(columns[:2])
    if twice.any():
        name = str(known.loc[twice, "class"].iloc[0])
        found = sorted(known.loc[known["class"] == name, "superclass"].astype(str))
        raise DataError.at(
            f"Classes table, class {name}", "superclass", "one and the same", found, "Put the class in one of them."
        )
    return rows[columns[:2]].merge(known, on=columns[:2], how="left")["superclass"]


def _places(rows: pd.DataFrame, keys: list[str]) -> NDArray[np.intp]:
    """(n,) number of each row's run, probe and superclass."""
    return combined_codes([text_codes(rows[key])[0] for key in keys])
