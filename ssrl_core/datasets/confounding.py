"""Whether class and plate go together: then a network that reads the plate seems to know the class."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

Array = np.ndarray[Any, Any]
CLEAR = 0.3  # Cramér's V from which one is warned


def cramers_v(first: pd.Series[Any], second: pd.Series[Any]) -> float:
    """How closely two columns go together: 0 = not at all, 1 = one tells the other. NaN where one has one value only.

    Source:
        Cramér 1946; with Bergsma's correction of 2013, without which few cells look confounded by chance.
    """
    counts = pd.crosstab(first, second).to_numpy(float)
    n, (rows, columns) = counts.sum(), counts.shape
    if min(rows, columns) < 2:
        return float("nan")
    expected = counts.sum(1, keepdims=True) * counts.sum(0) / n
    phi2 = max(0.0, float(((counts - expected) ** 2 / expected).sum() / n - (rows - 1) * (columns - 1) / (n - 1)))
    smaller = min(rows - (rows - 1) ** 2 / (n - 1), columns - (columns - 1) ** 2 / (n - 1)) - 1
    return float(np.sqrt(min(1.0, phi2 / smaller))) if smaller > 0 else float("nan")


def confounded_words(table: pd.DataFrame, label: str = "compound", by: str = "plate") -> list[str]:
    """What to warn of, in sentences; none where class and plate are mixed, or one of them is not known."""
    if label not in table or by not in table:
        return []
    v = cramers_v(table[label].astype(str), table[by].astype(str))
    if not v >= CLEAR:
        return []
    kinds = table.groupby(table[by].astype(str))[label].nunique()
    alone = int((kinds == 1).sum())
    said = f", {alone} of {len(kinds)} {by}s have one {label} only" if alone else ""
    return [
        f"{label} and {by} are confounded (Cramér's V {v:.2f}{said}): what looks like a {label} may be a {by}; split "
        f"by {by}, and look at how well the {by} can be read"
    ]
