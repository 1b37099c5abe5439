"""Several runs beside each other, read from the core: their curves, their scores, what differs in their specs."""

from __future__ import annotations

import string
from dataclasses import dataclass
from typing import Any

import pandas as pd

from pages.ui.kit import frame
from ssrl_core.errors import SSRLError

_SCORES = (
    ("kNN", ("knn", "top1")),
    ("linear", ("linear", "top1")),
    ("kNN of views", ("view", "knn")),
    ("AMI of views", ("view", "ami")),
    ("training, s", ("seconds", "train")),
)


@dataclass(frozen=True)
class Compared:
    """Runs to compare.

    Attributes:
        rows: of the registry, in the order asked for; letters A, B, C … stand for them.
        gone: ids that no run has.
    """

    rows: list[dict[str, Any]]
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
    from ssrl_core.runs.folder.run_folder import RunFolder

    results = []
    for run_id in found.ids:
        try:
            results.append(RunFolder(run_id).results() or {})
        except SSRLError:
            results.append({})  # a damaged file: its sheet says so
    table = {name: [_at(one, path) for one in results] for name, path in _SCORES}
    for k in dict.fromkeys(k for one in results for k in one.get("clusters") or {}):
        table[f"AMI, K = {k}"] = [_at(one, ("clusters", k, "ami")) for one in results]
    return {name: values for name, values in table.items() if any(value is not None for value in values)}


def _at(node: Any, path: tuple[str, ...]) -> float | None:
    for key in path:
        node = node.get(key) if isinstance(node, dict) else None
    return float(node) if isinstance(node, int | float) else None
