"""Everything that the statistics say of one classes table, as one document of tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from ssrl_core.analysis.bias.accuracy_curves import curves, method_summary, movers
from ssrl_core.analysis.bias.behaviour import behaviours, compare_probes
from ssrl_core.analysis.bias.correlation import Rule
from ssrl_core.analysis.bias.grid import XNames
from ssrl_core.analysis.bias.opposite_pairs import floor_summary, floors, most_opposed, opposition, shared_classes
from ssrl_core.analysis.bias.reading import checked
from ssrl_core.analysis.bias.sentences import reason_table, winners_and_losers
from ssrl_core.analysis.bias.superclasses import by_superclass, no_superclass
from ssrl_core.analysis.bias.trade_off import own_highest, tradeoff

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
