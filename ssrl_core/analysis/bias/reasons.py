"""What is missing or undefined, and why: one table, so that nothing is left out in silence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

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
    listed = list(rows)
    table = pd.DataFrame(listed)
    missing = [column for column in COLUMNS if column not in table.columns]
    for column in missing:
        table[column] = pd.Series(dtype=object)
    settings = [column for column in table.columns if column not in COLUMNS]
    return table[[*settings, *COLUMNS]].astype(object)  # else tables with empty columns do not go together


def listed(items: Iterable[Any], limit: int = 6) -> str:
    """`a, b, c` or `a, b, c and 4 more`."""
    names = [str(item) for item in items]
    if len(names) <= limit:
        return ", ".join(names)
    return f"{', '.join(names[: limit - 1])} and {len(names) - limit + 1} more"
