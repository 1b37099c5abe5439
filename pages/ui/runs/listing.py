"""All runs as a table: what is shown of each (no drawing here)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import pandas as pd

from pages.ui.kit.frame import run_words
from ssrl_core.runs.queue.finding import shown_state
from ssrl_core.specs.parts import columns

Row = dict[str, Any]

# the state as people see it -> what the list calls it, in the order of its filter
STATES = {
    "running": "Runs",
    "lost": "Lost",
    "queued": "Waits",
    "done": "Done",
    "failed": "Failed",
    "stopped": "Stopped",
}


def counted(rows: Sequence[Row]) -> dict[str, int]:
    """Runs in each state, those that there are, in the order of `STATES`."""
    found = Counter(map(shown_state, rows))
    return {state: found[state] for state in STATES if found[state]}


def with_values(rows: Sequence[Row], values: Mapping[str, str]) -> list[Row]:
    """Rows that say as `values` what makes a run of a sweep different from its siblings.

    Args:
        values: run id -> its values in words.
    """
    return [row | {"values": values.get(str(row["id"]))} for row in rows]


def table(rows: Sequence[Row]) -> pd.DataFrame:
    """One row a run: State, Run, Values, Seed, kNN, AMI, Progress, Sweep, Queued (local time), Took (s), Why.

    Columns that would be empty are left out.
    """
    frame = pd.DataFrame(
        {
            "State": [STATES[shown_state(row)] for row in rows],
            "Run": [run_words(row) for row in rows],
            "Values": [row.get("values") or "" for row in rows],
            "Seed": pd.array([row.get("seed") for row in rows], dtype="Int64"),
            **{column.title: _numbers(rows, column.name) for _, column in columns(listed=True)},
            "Progress": _numbers(rows, "progress"),
            "Sweep": [row.get("sweep_id") or "" for row in rows],
            "Queued": _times(rows, "queued_at"),
            "Took": (_times(rows, "finished_at") - _times(rows, "started_at")).dt.total_seconds(),
            "Why": [row.get("reason") or row.get("waits_for") or "" for row in rows],
        }
    )
    empty = [name for name, column in frame.items() if not (column.notna() & (column != "")).any()]
    return frame.drop(columns=empty)


def _numbers(rows: Sequence[Row], name: str) -> pd.Series:
    return pd.Series([row.get(name) for row in rows], dtype="float64")


def _times(rows: Sequence[Row], name: str) -> pd.Series:
    moments = pd.Series([row.get(name) for row in rows], dtype="object")
    return pd.to_datetime(moments, utc=True, format="ISO8601").dt.tz_convert(datetime.now().astimezone().tzinfo)
