"""Linear evaluation against fine-tuning: does the bias go away when the encoder may move (table 7)?"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ssrl_core.analysis.bias.arrival import checked
from ssrl_core.analysis.bias.behaviour import BEHAVIOURS, behaviours
from ssrl_core.analysis.bias.grid import XNames
from ssrl_core.analysis.bias.opposite_pairs import opposition
from ssrl_core.analysis.bias.rule import Rule
from ssrl_core.errors import SpecError


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
        raise SpecError(
            where="Probes",
            field="second",
            rule="named where the table does not have exactly one fine-tuning",
            value=tuned,
            remedy=f"The table has the probes {', '.join(names)}.",
        )
    return tuned[0]


def _unknown(probe: str, names: list[str]) -> SpecError:
    return SpecError(
        where="Probes",
        field="probe",
        rule=f"one of {', '.join(names)}",
        value=probe,
        remedy="Ask for it in the sweep's evaluate and run what is missing.",
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
