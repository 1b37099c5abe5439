"""Which of all runs somebody means: by state, and by words that must be in what is known of them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from ssrl_core.runs.queue import composed

Row = dict[str, Any]

_SEARCHED = (
    *("id", "name", "dataset", "method", "backbone"),
    *("values", "sweep_id", "reason", "waits_for", "tags", "compositions"),
)


def shown_state(row: Row) -> str:
    """The state as people see it: one that starts runs, one without a sign of life is lost."""
    if row.get("lost"):
        return "lost"
    return "running" if row["state"] == "submitted" else str(row["state"])


def chosen(rows: Sequence[Row], text: str = "", states: Collection[str] = ()) -> list[Row]:
    """Runs in one of these states (none named: in any) that hold every word of a text, whatever its case.

    Args:
        rows: of `registry.list_runs`; `values` may say what makes a run different from its siblings in a sweep.
        text: words are sought in id, names, values, sweep, compositions, tags and reasons; `seed:5` is that seed.
        states: as of `shown_state`.
    """
    words = text.casefold().split()
    kept = [row for row in rows if shown_state(row) in states] if states else list(rows)
    return [row for row in composed.with_names(kept) if _holds(row, words)] if words else kept


def _holds(row: Row, words: Sequence[str]) -> bool:
    text = " ".join(str(row[name]) for name in _SEARCHED if row.get(name)).casefold()
    seed = f"seed:{row.get('seed')}"
    return all(word == seed if word.startswith("seed:") else word in text for word in words)
