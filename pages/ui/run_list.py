"""All runs as a table: which of them a search means, and what is shown of each (no drawing here)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import pandas as pd

from pages.ui.frame import run_words

Row = dict[str, Any]

# the state of the registry -> what the list calls it, in the order of its filter
STATES = {
    "running": "Runs",
    "lost": "Lost",
    "queued": "Waits",
    "done": "Done",
    "failed": "Failed",
    "stopped": "Stopped",
}
_SEARCHED = ("id", "name", "dataset", "method", "backbone", "values", "sweep_id", "reason", "waits_for", "tags")


def state_of(row: Row) -> str:
    """A key of `STATES`: one that starts runs, one without a sign of life is lost."""
    if row.get("lost"):
        return "lost"
    return "running" if row["state"] == "submitted" else str(row["state"])


def counted(rows: Sequence[Row]) -> dict[str, int]:
    """Runs in each state, those that there are, in the order of `STATES`."""
    found = Counter(map(state_of, rows))
    return {state: found[state] for state in STATES if found[state]}


def with_values(rows: Sequence[Row], values: Mapping[str, str]) -> list[Row]:
    """Rows that say as `values` what makes a run of a sweep different from its siblings.

    Args:
        values: run id -> its values in words.
    """
    return [row | {"values": values.get(str(row["id"]))} for row in rows]


def chosen(rows: Sequence[Row], text: str = "", states: Collection[str] = ()) -> list[Row]:
    """Runs in one of these states (none named: in any) that hold every word of a text, whatever its case.

    Args:
        text: words are sought in id, names, values, sweep, tags and reasons; `seed:5` means that very seed.
    """
    words = text.casefold().split()
    kept = [row for row in rows if state_of(row) in states] if states else list(rows)
    if not words:
        return kept
    return [row for row in kept if _holds(_text(row), words)]


def table(rows: Sequence[Row]) -> pd.DataFrame:
    """One row a run: State, Run, Values, Seed, kNN, AMI, Progress, Sweep, Queued (local time), Took (s), Why.

    Columns that would be empty are left out.
    """
    frame = pd.DataFrame(
        {
            "State": [STATES[state_of(row)] for row in rows],
            "Run": [run_words(row) for row in rows],
            "Values": [row.get("values") or "" for row in rows],
            "Seed": pd.array([row.get("seed") for row in rows], dtype="Int64"),
            "kNN": _numbers(rows, "knn_top1"),
            "AMI": _numbers(rows, "ami"),
            "Progress": _numbers(rows, "progress"),
            "Sweep": [row.get("sweep_id") or "" for row in rows],
            "Queued": _times(rows, "queued_at"),
            "Took": (_times(rows, "finished_at") - _times(rows, "started_at")).dt.total_seconds(),
            "Why": [row.get("reason") or row.get("waits_for") or "" for row in rows],
        }
    )
    empty = [name for name, column in frame.items() if not (column.notna() & (column != "")).any()]
    return frame.drop(columns=empty)


def _holds(text: str, words: Sequence[str]) -> bool:
    return all(word in text for word in words)


def _text(row: Row) -> str:
    said = [str(row[name]) for name in _SEARCHED if row.get(name)]
    return " ".join([*said, f"seed:{row.get('seed')} "]).casefold()


def _numbers(rows: Sequence[Row], name: str) -> pd.Series:
    return pd.Series([row.get(name) for row in rows], dtype="float64")


def _times(rows: Sequence[Row], name: str) -> pd.Series:
    moments = pd.Series([row.get(name) for row in rows], dtype="object")
    return pd.to_datetime(moments, utc=True, format="ISO8601").dt.tz_convert(datetime.now().astimezone().tzinfo)
