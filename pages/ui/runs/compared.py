"""Several runs beside each other, read from the core: their curves, their scores, what differs in their specs."""

from __future__ import annotations

import string
from dataclasses import dataclass
from typing import Any

import pandas as pd

from pages.ui.kit import frame
from ssrl_core.errors import SSRLError


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
    from ssrl_core.runs.folder.results import Results
    from ssrl_core.runs.folder.run_folder import RunFolder
    from ssrl_core.specs.parts import columns

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
