"""Winners and losers in a sentence, for above a figure."""

from __future__ import annotations

import pandas as pd


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
    place = f"From {_value(ends['first'])} to {_value(ends['last'])}"
    told = known[known["low"].notna()]
    if told.empty:
        return f"{place}: one seed and no numbers of images, so no change can be told from chance."
    gain = told[told["low"] > 0].sort_values("change", ascending=False, kind="stable").head(count)
    loss = told[told["high"] < 0].sort_values("change", kind="stable").head(count)
    named = [_said(row) for _, row in pd.concat([gain, loss]).iterrows()]
    if not named:
        return f"{place}: no class changes by more than its 95 % interval."
    rest = "" if set(told["basis"]) == {"seeds"} else " (one seed: sampling of the images only)"
    return f"{place}: {', '.join(named)} points{rest}."


def _said(row: pd.Series) -> str:
    half = (row["high"] - row["low"]) / 2
    return f"{row['class']} {100 * row['change']:+.1f} ± {100 * half:.1f}".replace("-", "−")


def _value(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, int | float) else str(value)
