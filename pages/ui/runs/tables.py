"""Runs in tables: all of them as a list, several beside each other (no drawing here)."""

from __future__ import annotations

import string
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import pandas as pd

from pages.ui.kit import frame
from ssrl_core.errors import SSRLError
from ssrl_core.runs.queue import run_names
from ssrl_core.runs.queue.finding import shown_state
from ssrl_core.runs.queue.registry import RunRow, verdict_of
from ssrl_core.specs.parts import columns

Row = RunRow

# the state as people see it -> what the list calls it, in the order of its filter
STATES = {
    "running": "Running",
    "lost": "Lost",
    "queued": "Waiting",
    "done": "Done",
    "failed": "Failed",
    "stopped": "Stopped",
}
_SCORES = (
    ("kNN", ("knn", "top1")),
    ("linear", ("linear", "top1")),
    ("kNN of views", ("view", "knn")),
    ("AMI of views", ("view", "ami")),
    ("training, s", ("seconds", "train")),
)


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
    """One row a run: State, Run, Values, Seed, kNN, AMI, Verdict, Progress, Sweep, Queued (local time), Took (s), Why.

    Columns that would be empty are left out.
    """
    frame = pd.DataFrame(
        {
            "State": [STATES[shown_state(row)] for row in rows],
            "Run": [run_names.words(row) for row in rows],
            "Values": [row.get("values") or "" for row in rows],
            "Seed": pd.array([row.get("seed") for row in rows], dtype="Int64"),
            **{column.title: _numbers(rows, column.name) for _, column in columns(listed=True)},
            "Verdict": [verdict_of(row) for row in rows],
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


@dataclass(frozen=True)
class Compared:
    """Runs to compare.

    Attributes:
        rows: of the registry, in the order asked for; letters A, B, C … stand for them.
        gone: ids that no run has.
    """

    rows: list[RunRow]
    gone: list[str]

    @property
    def letters(self) -> str:
        """One letter a run."""
        return string.ascii_uppercase[: len(self.rows)]

    @property
    def ids(self) -> list[str]:
        """Their ids."""
        return [str(row["id"]) for row in self.rows]

    @property
    def is_live(self) -> bool:
        """Whether one of them waits or runs."""
        return any(row["state"] in frame.ACTIVE for row in self.rows)


def compared(ids: list[str], most: int) -> Compared:
    """The runs of these ids, each once, at most so many."""
    known = {str(row["id"]): row for row in frame.known_runs()}
    wanted = list(dict.fromkeys(ids))
    return Compared([known[name] for name in wanted if name in known][:most], [n for n in wanted if n not in known])


def curves(found: Compared) -> pd.DataFrame:
    """Loss and kNN of each: columns run, group (its letter), epoch, loss, knn_top1."""
    from ssrl_core.runs.folder.run_folder import RunFolder

    frames = []
    for letter, run_id in zip(found.letters, found.ids, strict=True):
        metrics = RunFolder(run_id).metrics()
        if not metrics.empty:
            frames.append(metrics[["epoch", "loss", "knn_top1"]].assign(run=run_id, group=letter))
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def scores(found: Compared) -> dict[str, list[float | None]]:
    """What was measured -> its value for each run; only what one of them has."""
    from ssrl_core.runs.folder.results import Results
    from ssrl_core.runs.folder.run_folder import RunFolder

    results = []
    for run_id in found.ids:
        try:
            results.append(RunFolder(run_id).results())
        except SSRLError:
            results.append(Results())  # a damaged file: its sheet says so
    numbers = [one.columns() for one in results]
    table = {c.title: [one[c.name] for one in numbers] for part, c in columns() if part.takes != "list"}
    table["kNN of views"] = [one.view.knn for one in results]
    table["AMI of views"] = [one.view.ami for one in results]
    table["training, s"] = [one.seconds.get("train") for one in results]
    for k in dict.fromkeys(k for one in results for k in one.counts):
        table[f"AMI, K = {k}"] = [one.clusters[k].ami if k in one.clusters else None for one in results]
    return {name: values for name, values in table.items() if any(value is not None for value in values)}
