"""What the sheet of a sweep shows, read from the core (no drawing here)."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from pages.ui.kit import cache, frame
from ssrl_core import stores
from ssrl_core.errors import SpecError, SSRLError
from ssrl_core.runs.queue.registry import RunRow
from ssrl_core.specs import parts

_MOST_CURVES = 60


@dataclass(frozen=True)
class SweepStatus:
    """A sweep as it stands.

    Attributes:
        rows: of the runs that still exist, in the sweep's order, with `point` (its values in words) and `seed`.
        cells: (point, seed) -> row.
        missing: runs that failed or were stopped.
    """

    id: str
    title: str
    rows: list[RunRow]
    points: list[str]
    seeds: list[int]
    cells: dict[tuple[str, int], RunRow]
    progress: float
    standing: str
    missing: int

    @property
    def is_live(self) -> bool:
        """Whether any of its runs waits or runs."""
        return any(row["state"] in frame.ACTIVE for row in self.rows)


def status_of(sweep_id: str) -> SweepStatus:
    """A sweep as it stands.

    Raises:
        SpecError: there is no such sweep.
    """
    from ssrl_core.runs.queue import sweep_files

    data = sweep_files.read(sweep_id)
    known = {row["id"]: row for row in frame.known_runs() if not row.get("demo")}
    rows = [
        known[entry["id"]] | RunRow(id=entry["id"], point=words_of(entry["values"]), seed=entry["seed"])
        for entry in data["runs"]
        if entry["id"] in known
    ]
    points = list(dict.fromkeys(row["point"] for row in rows))
    seeds = sorted({row["seed"] or 0 for row in rows})
    share = sum(1.0 if row["state"] == "done" else float(row.get("progress") or 0.0) for row in rows)
    return SweepStatus(
        sweep_id,
        str(data.get("name") or sweep_id),
        rows,
        points,
        seeds,
        {(row["point"], row["seed"] or 0): row for row in rows},
        share / max(1, len(rows)),
        standing(rows),
        sum(row["state"] in ("failed", "stopped") for row in rows),
    )


def standing(rows: list[RunRow]) -> str:
    """`12 of 100 runs done, 2 run, 1 failed, 85 wait · 3 h left`."""
    counted = pd.Series([row["state"] for row in rows]).value_counts().to_dict() if rows else {}
    running = counted.get("running", 0) + counted.get("submitted", 0)
    words = [f"{counted.get('done', 0)} of {len(rows)} runs done"]
    named = ((running, "run"), (counted.get("failed", 0), "failed"), (counted.get("stopped", 0), "stopped"))
    words += [f"{count} {what}" for count, what in named if count]
    if counted.get("queued"):
        words.append(f"{counted['queued']} wait")
    left = time_left_s(rows)
    return ", ".join(words) + (f" · about {frame.duration(left)} left" if left else "")


def time_left_s(rows: list[RunRow]) -> float | None:
    """Seconds until all of these runs are done: from those that are done, and from those that run now."""
    from ssrl_core.runs.worker.estimate import slots

    took = [seconds for row in rows if row["state"] == "done" and (seconds := _took(row)) is not None]
    now = [left for row in rows if row["state"] == "running" and (left := row.get("eta_s")) is not None]
    waiting = sum(row["state"] == "queued" for row in rows)
    if not took and not now:
        return None
    each = float(pd.Series(took[-50:] or now).median())
    return (sum(now) + waiting * each) / slots() if now or waiting else None


def curves(status: SweepStatus) -> pd.DataFrame:
    """Loss and kNN of the newest runs: columns run, group, epoch, loss, knn_top1."""
    from ssrl_core.runs.folder.run_folder import RunFolder

    began = [row for row in status.rows if row.get("started_at")]
    chosen = sorted(began, key=lambda row: str(row["started_at"]))[-_MOST_CURVES:]
    frames = []
    for row in chosen:
        metrics = RunFolder.own(str(row["id"])).metrics()
        if not metrics.empty:
            frames.append(metrics[["epoch", "loss", "knn_top1"]].assign(run=row["id"], group=row["point"] or "all"))
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def columns(table: pd.DataFrame) -> list[str]:
    """Columns that rows can be grouped by."""
    left_out = ("run", "sweep", *(column.name for _, column in parts.columns()))
    return [str(name) for name in table.columns if name not in left_out]


def results(table: pd.DataFrame, text: str = "", *, every: bool = True, by: list[str] | None = None) -> pd.DataFrame:
    """The table of a sweep.

    Args:
        table: of all its runs (`tables.results_table`).
        text: `column=value, …`, only these rows.
        every: every run, else mean and sd over the seeds.
        by: with the mean, what tells the rows apart.

    Raises:
        SpecError: a filter that cannot be read, or no such column.
    """
    from ssrl_core.runs.queue import tables

    found = tables.chosen(table, filters(text))
    return tables.plain(found) if every else tables.mean_over_seeds(found, by or None)


def screened(status: SweepStatus, table: pd.DataFrame) -> tuple[pd.DataFrame, list[str], list[str]]:
    """Runs of a sweep that were scored as a screen, the values of each in words, and the scores that they have."""
    from ssrl_core.figures.profiles import SWEEP_AXES

    if "plate_read" not in table:
        return table.head(0), [], []
    known = table[table["plate_read"].notna()]
    words = {str(row["id"]): str(row["point"]) for row in status.rows}
    scores = [name for name in SWEEP_AXES if name in known and known[name].notna().any()]
    return known, [words.get(str(run), str(run)) for run in known["run"]], scores


def file_of(sweep_id: str, kind: str) -> bytes:
    """All results as a CSV or Parquet file."""
    from ssrl_core.runs.queue import tables

    return tables.content(tables.plain(tables.results_table(sweep_id)), f".{kind}")


def filters(text: str) -> dict[str, str]:
    """`lr=0.1, state=done` as a mapping.

    Raises:
        SpecError: a part without `=`.
    """
    found = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, sign, value = part.partition("=")
        if not sign or not name.strip():
            raise SpecError.at("Filter", "filter", "column=value", part, "Write lr=0.1, state=done.")
        found[name.strip()] = value.strip()
    return found


def column_label(name: str) -> str:
    """A column as one reads it: `vary.terms.0.composition.steps.resized_crop.scale` is `resized_crop scale`."""
    if not name.startswith("vary."):
        return name.replace("_sd", " ± sd").replace("_", " ")
    return words_of({name.removeprefix("vary."): ""}).strip()


def words_of(values: dict[str, Any]) -> str:
    """`color_jitter hue 0.2, lr 0.001`: the last two names of each path, with its value."""
    parts = []
    for path, value in values.items():
        names = [name for name in path.split(".") if not name.isdecimal()][-2:]
        skipped = ("terms", "composition", "steps", "views", "optimizer", "method", "schedule")
        shown = f"{value:g}" if isinstance(value, float) else str(value)
        parts.append(" ".join([*(name for name in names[:-1] if name not in skipped), names[-1], shown]))
    return ", ".join(parts)


def values_by_run() -> dict[str, str]:
    """For every run of every sweep what makes it different from its siblings, in words."""
    from ssrl_core.runs.queue import sweep_files

    files = sorted(sweep_files.path_of("any").parent.glob("*.json"))
    found: dict[str, str] = {}
    for file in files:
        with contextlib.suppress(FileNotFoundError):  # the sweep was deleted just now
            found |= _values_of(str(file), file.stat().st_mtime_ns)
    return found


@cache.kept
def _values_of(file: str, changed: int) -> dict[str, str]:
    try:
        runs = stores.read_json(Path(file)).get("runs", [])
    except SSRLError:
        return {}  # its sheet says what is wrong with it
    return {entry["id"]: words_of(entry["values"]) for entry in runs}


def _took(row: RunRow) -> float | None:
    from datetime import datetime

    if not row.get("started_at") or not row.get("finished_at"):
        return None
    begun, ended = (datetime.fromisoformat(str(row[name])) for name in ("started_at", "finished_at"))
    return (ended - begun).total_seconds() if begun <= ended else None  # else the clock was set back meanwhile
