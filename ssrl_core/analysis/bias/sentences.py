"""The words beside the numbers: winners and losers, definitions, and why a number is missing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from ssrl_core.errors import value_words


def winners_and_losers(moved: pd.DataFrame, count: int = 2) -> str:
    """`From 0.2 to 1: caterpillar +9.1 ± 1.2, crocodile −7.4 ± 1.8 points.`

    Args:
        moved: of `movers`, all classes of one setting.
        count: of each side, at most.

    Returns:
        the classes with the largest changes whose 95 % interval leaves out 0, ± half that interval; or that none is
        told apart from 0; or why nothing can be said.
    """
    known = moved[moved["change"].notna()]
    if known.empty:
        return "No class has an accuracy at two values."
    ends = known.iloc[0]
    place = f"From {value_words(ends['first'])} to {value_words(ends['last'])}"
    told = known[known["low"].notna()]
    if told.empty:
        return f"{place}: one seed and no numbers of images, so no change can be told from chance."
    gain = told[told["low"] > 0].sort_values("change", ascending=False, kind="stable").head(count)
    loss = told[told["high"] < 0].sort_values("change", kind="stable").head(count)
    named = [_change_words(row) for _, row in pd.concat([gain, loss]).iterrows()]
    if not named:
        return f"{place}: no class changes by more than its 95 % interval."
    rest = "" if set(told["basis"]) == {"seeds"} else " (one seed: sampling of the images only)"
    return f"{place}: {', '.join(named)} points{rest}."


def _change_words(row: pd.Series) -> str:
    half = (row["high"] - row["low"]) / 2
    return f"{row['class']} {100 * row['change']:+.1f} ± {100 * half:.1f}".replace("-", "−")


DEFINITIONS = {
    "means": "A point is the mean over seeds of the accuracy of a class at one value of the parameter; with points = "
    "runs every run is a point. n counts the points that both classes of a pair have. Means are rounded to 1e-12.",
    "sd": "Over seeds, with n - 1.",
    "overall": "Right images of all classes over all images; without numbers of images every class counts the same.",
    "p": "Two-sided. Pearson and Spearman: t with n - 2 degrees of freedom. Kendall is tau-b; its p is exact without "
    "ties up to 33 points, else normal with the variance corrected for ties (kendall_method says which).",
    "undefined": "Fewer than 3 common points, or one accuracy throughout: no coefficient, no p, and the reason.",
    "opposite": "At least one of the three coefficients is below -0.3 and its own p below 0.05.",
    "opposite_corrected": "The same with q in place of p: Benjamini and Hochberg over all pairs and coefficients of a "
    "setting, where a coefficient of 0 or more enters with p = 1.",
    "opposite_bh": "The same with Benjamini and Hochberg over those p as they are.",
    "ratio": "Classes with an opposite partner over the classes that have a defined pair; ratio_of_all: over all.",
    "floors": "Ratios after permuting the points of each class (permuted), or what each class adds to the mean curve "
    "of all classes (trend_kept). ratio_p = (1 + draws at least as high) / (1 + draws).",
    "behaviour": "Slope of the least-squares line through the points: ascending or descending where its two-sided p is "
    "below 0.05, else random. q: p adjusted (Benjamini and Hochberg) over the classes of the setting.",
    "methods": "Mean and sd (n - 1) over the values of the parameter, of the overall means over seeds.",
    "shared": "Classes with an opposite partner under at least so many methods. tested: those that every method could "
    "test; expected: how many, were the methods independent.",
    "match": "Share of the classes with the same behaviour under both probes, of those whose behaviour both know.",
    "superclasses": "Accuracy of the images of its classes. x: where its mean is highest. Price: change of another at "
    "that x from the reference, the x with the highest overall accuracy; from_own_highest: from its own highest.",
    "trade_off": "On the front: no other value is as good for every chosen class and better for one.",
}
"""Name of a table or column -> sentence."""


COLUMNS = ("kind", "class", "value", "reason")


def reason(
    setting: Mapping[str, Any], kind: str, text: str, *, name: str | None = None, value: Any = None
) -> dict[str, Any]:
    """One row of the table of reasons.

    Args:
        setting: what the row speaks of (transformation, dataset, backbone, method, probe …).
        kind: a short name that code can ask for, e.g. `constant`.
        text: the sentence that people read.
        name: the class it is about; None means all of them.
        value: the value of the parameter it is about; None means all of them.
    """
    return {**setting, "kind": kind, "class": name, "value": value, "reason": text}


def reason_table(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """The rows as a table that always has its columns, even without a row.

    Returns:
        columns: those of the settings, then kind, class, value, reason.
    """
    table = pd.DataFrame(list(rows))
    for column in COLUMNS:
        if column not in table.columns:
            table[column] = pd.Series(dtype=object)
    settings = [column for column in table.columns if column not in COLUMNS]
    return table[[*settings, *COLUMNS]].astype(object)  # else tables with empty columns do not go together
