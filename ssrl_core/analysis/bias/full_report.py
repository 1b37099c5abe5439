"""All statistics of section 3.1 of one table of class accuracies, and the same table by superclasses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ssrl_core.analysis.bias.accuracy_curves import curves, method_summary, movers
from ssrl_core.analysis.bias.behaviour import behaviours, compare_probes
from ssrl_core.analysis.bias.columns import combined_codes, text_codes, vary_columns
from ssrl_core.analysis.bias.correlation import Rule
from ssrl_core.analysis.bias.grid import XNames
from ssrl_core.analysis.bias.opposite_pairs import floor_summary, floors, most_opposed, opposition, shared_classes
from ssrl_core.analysis.bias.reading import checked
from ssrl_core.analysis.bias.sentences import reason, reason_table, winners_and_losers
from ssrl_core.analysis.bias.trade_off import own_highest, tradeoff
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


Document = dict[str, Any]


def statistics(
    table: pd.DataFrame,
    x: XNames,
    *,
    rule: Rule | None = None,
    draws: int = 200,
    seed: int = 0,
    superclasses: Mapping[str, str] | None = None,
    weights: Mapping[str, float] | None = None,
    report: Callable[[int, int], None] | None = None,
) -> Document:
    """All statistics of section 3.1 of one table.

    Args:
        table, x, rule: as for `opposition`.
        draws: permutations of each floor; 0 leaves the floors out.
        superclasses: class -> superclass; None takes the table's own column, if it has one.
        weights: class (or superclass) -> weight, for the trade-off; None leaves it out.

    Returns:
        tables: overall, curves, movers, pairs, opposed (the pairs that move most), classes, ratios, floors,
        behaviours, methods, shared, shared_corrected, probes, superclasses, prices, trade_off, trade_off_changes,
        trade_off_reference, reasons (a part that the table cannot give is empty, and its reason is among these);
        sentences (winners and losers of each setting, which is named where there are several, and of the trade-off).
    """
    chosen = rule or Rule()
    curve, found, moved = curves(table, x), opposition(table, x, chosen), movers(table, x)
    document: Document = {
        "overall": curve.overall,
        "curves": curve.classes,
        "movers": moved,
        "pairs": found.pairs,
        "opposed": most_opposed(found.pairs),
        "classes": found.classes,
        "ratios": found.ratios,
        "floors": _floors(table, x, chosen, found.ratios, draws, seed, report),
        "behaviours": behaviours(table, x, points=chosen.points),
        "methods": method_summary(table, x),
        "shared": shared_classes(found.classes),
        "shared_corrected": shared_classes(found.classes, corrected=True),
        "sentences": [_named(moved, rows) + winners_and_losers(rows) for _, rows in settings_of(moved)],
    }
    told = [curve.reasons, found.reasons]
    document["probes"] = _probes(table, x, chosen, told)
    document |= _superclasses(table, x, superclasses, told)
    document |= _trade_off(table, x, weights, superclasses, document["sentences"], told)
    return document | {"reasons": pd.concat(told, ignore_index=True).drop_duplicates(ignore_index=True)}


def settings_of(rows: pd.DataFrame, before: str = "class") -> list[tuple[Any, pd.DataFrame]]:
    """(setting, rows) of each setting: the columns before the one named say which."""
    return list(rows.groupby(list(rows.columns[: rows.columns.get_loc(before)]), sort=False, dropna=False))


def _named(whole: pd.DataFrame, rows: pd.DataFrame, before: str = "class") -> str:
    """`simclr, linear: ` where there are several settings: what tells this one from the others."""
    settings = whole.columns[: whole.columns.get_loc(before)]
    told = [str(rows[name].iloc[0]) for name in settings if whole[name].nunique(dropna=False) > 1]
    return f"{', '.join(told)}: " if told else ""


def _floors(
    table: pd.DataFrame, x: XNames, rule: Rule, ratios: pd.DataFrame, draws: int, seed: int, report: Any
) -> pd.DataFrame:
    if draws == 0:
        return pd.DataFrame()
    return floor_summary(floors(table, x, rule, draws=draws, seed=seed, report=report), ratios)


def _probes(table: pd.DataFrame, x: XNames, rule: Rule, told: list[pd.DataFrame]) -> pd.DataFrame:
    names = list(checked(table)["probe"].unique())
    tuned = [name for name in names if str(name).startswith("finetune")]
    if "linear" not in names or not tuned:
        text = f"No comparison of probes: the table has {', '.join(names)}; linear and a fine-tuning are needed."
        told.append(reason_table([{"kind": "one_probe", "class": None, "value": None, "reason": text}]))
        return pd.DataFrame()
    return pd.concat([compare_probes(table, x, second=name, rule=rule) for name in tuned], ignore_index=True)


def _superclasses(
    table: pd.DataFrame, x: XNames, superclasses: Mapping[str, str] | None, told: list[pd.DataFrame]
) -> Document:
    if superclasses is None and not ("superclass" in table and table["superclass"].notna().any()):
        text = "No superclasses: the table names none, and none were brought."
        told.append(reason_table([{"kind": "no_superclasses", "class": None, "value": None, "reason": text}]))
        return {"superclasses": pd.DataFrame(), "prices": pd.DataFrame()}
    found = own_highest(by_superclass(table, superclasses, x), x)
    told += [found.reasons, no_superclass(table, superclasses)]
    return {"superclasses": found.highest, "prices": found.prices}


def _trade_off(
    table: pd.DataFrame,
    x: XNames,
    weights: Mapping[str, float] | None,
    superclasses: Mapping[str, str] | None,
    sentences: list[str],
    told: list[pd.DataFrame],
) -> Document:
    if not weights:
        return {name: pd.DataFrame() for name in ("trade_off", "trade_off_changes", "trade_off_reference")}
    own = "superclass" in table and table["superclass"].notna().any()
    named = bool(set(weights) & set(checked(table)["class"]))
    rows = table if named or not (superclasses or own) else by_superclass(table, superclasses, x)
    found = tradeoff(rows, x, weights)
    parts = settings_of(found.values, "x")
    sentences += [
        _named(found.values, part, "x") + said for (_, part), said in zip(parts, found.sentences, strict=True)
    ]
    told.append(found.reasons)
    return {
        "trade_off": found.values,
        "trade_off_changes": found.changes,
        "trade_off_reference": found.reference,
    }
