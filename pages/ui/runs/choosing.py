"""Choosing a run, of ten thousand too (the newest in a list, others by a search), and how a sweep of them stands."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import islice
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from pages.ui.kit import cache, choices, frame
from ssrl_core import stores
from ssrl_core.datasets.kinds import of_cells
from ssrl_core.datasets.store import torn_words
from ssrl_core.errors import SpecError, SSRLError
from ssrl_core.runs import example
from ssrl_core.runs.folder.run_folder import RunFolder
from ssrl_core.runs.queue import run_names
from ssrl_core.runs.queue.registry import RunRow, number_of
from ssrl_core.specs import parts
from ssrl_core.specs.parts import columns

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


def shown_columns(table: pd.DataFrame) -> list[str]:
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


Row = RunRow

MOST = 50  # in the list that unfolds
_FOUND = 8  # of a search


def has_embedding(row: Row) -> bool:
    """Whether a run can be looked at: its embedding was kept."""
    run_id = str(row["id"])
    folder = RunFolder(run_id).path if row.get("demo") else stores.runs_root() / run_id
    return (folder / "embedding.npy").is_file()


def trained(state: str | None = "done") -> list[Row]:
    """Runs that were trained, newest first, in this state; None takes every state."""
    runs = [run for run in frame.known_runs() if run.get("kind", "train") == "train"]
    return [run for run in runs if state is None or run.get("state") == state]


def need_a_run() -> None:
    """Where no run is done, the empty state in the middle of the page, which then stops; before columns are made."""
    if not trained():
        _say_none()


def _say_none() -> None:
    _until_one_is_there()
    frame.empty(
        "No finished runs yet.", drawing="loom", button="Train one", page="pages/3_Train.py", icon="model_training"
    )


def choose_run(
    label: str = "Run",
    *,
    default: str | None = None,
    usable: Callable[[Row], bool] | None = None,
    doubts: bool = True,
    **where: str,
) -> str:
    """Id of the chosen run.

    Args:
        usable: only runs that this says yes to are offered; an address may name another, and the page says what lacks.
        doubts: whether what makes its scores doubtful is said here; if not, the page says it.
        where: only runs with these columns, e.g. `dataset="mnist"`.

    Without such a run the page shows an empty state and stops.
    """
    rows = [run for run in trained() if all(run.get(column) == value for column, value in where.items())]
    if not rows:
        _say_none()
    chosen = one_of(label, rows, key="run", default=default, usable=usable)
    if doubts:
        say_torn(str(row["dataset"]) for row in rows if row["id"] == chosen)
    return chosen


def of_cells_embedded() -> Callable[[Row], bool]:
    """Says of a run whether it can be looked at and learnt from images of cells; an image set is asked once."""
    known = lru_cache(None)(of_cells)  # thousands of runs learn from few image sets
    return lambda row: known(str(row.get("dataset"))) and has_embedding(row)


def newest_of_cells() -> str | None:
    """The run on cells that pages open with: the user's newest, else the example's that sees what compounds do."""
    own = next(filter(of_cells_embedded(), trained()), None)
    if own is None or not own.get("demo"):
        return own and str(own["id"])
    return example.run_id("right") or str(own["id"])


def say_torn(datasets: Iterable[str]) -> None:
    """Which image sets make scores doubtful, because their splits tear wells."""
    names = list(dict.fromkeys(datasets))
    told = {name: said for name in names if (said := torn_words(name))}
    for name, said in told.items():
        frame.quiet(f"{name}: {said}" if len(names) > 1 else said)


@st.fragment(run_every=2.0)
def _until_one_is_there() -> None:
    """Draw the page anew as soon as a run can be chosen; say what is under way meanwhile."""
    if trained():
        st.rerun()
    under_way = [run for run in trained(None) if run.get("state") in frame.ACTIVE]
    if under_way:
        frame.quiet(f"{frame.count(len(under_way), 'run')} under way; this page opens by itself when one is done.")


def one_of(
    label: str,
    rows: Sequence[Row],
    *,
    key: str,
    before: Mapping[str, str] | None = None,
    after: Mapping[str, str] | None = None,
    default: str | None = None,
    usable: Callable[[Row], bool] | None = None,
    help: str | None = None,
) -> str:
    """Id of one of these runs; in the address as `key`.

    The list holds the newest that can be used and the chosen one; where there are more, a search beside it finds them.

    Args:
        rows: in the order in which they are offered.
        before, after: what can be chosen besides, name -> words, at the head and the end of the list.
    """
    fitting = _Fitting(rows, usable)
    listed = list(islice(fitting, MOST + 1))
    more, listed = len(listed) > MOST, listed[:MOST]
    wanted = choices.asked(key) or default
    listed += [row for row in rows if row["id"] == wanted and all(row["id"] != other["id"] for other in listed)]
    listed = listed or list(rows[:1])  # none can be used: the page says of the newest why
    words = {**(before or {}), **run_names.words_of(listed), **(after or {})}
    draw = partial(
        choices.from_address, label, list(words), key=key, default=default, shown=words.__getitem__, help=help
    )
    if not more:
        return draw()
    with st.container(horizontal=True, vertical_alignment="bottom", gap="xsmall"):
        chosen = draw()
        _search(label, fitting, key)
    return chosen


def titles_of(*run_ids: str) -> dict[str, str]:
    """{id: words} of a few runs, told apart where they read the same."""
    known = {str(row["id"]): row for row in frame.known_runs()}
    return run_names.words_of([known.get(run_id, RunRow(id=run_id)) for run_id in dict.fromkeys(run_ids)])


class _Fitting:
    """The rows that can be used, asked one by one, so that ten thousand folders are not looked into for fifty."""

    def __init__(self, rows: Sequence[Row], usable: Callable[[Row], bool] | None) -> None:
        self.rows, self._usable = rows, usable

    def __iter__(self) -> Any:
        return (row for row in self.rows if self._usable is None or self._usable(row))

    def found(self, text: str) -> Iterable[Row]:
        """Those that hold every word of a text."""
        values = values_by_run()
        told = [row | {"values": values.get(str(row["id"]))} for row in self.rows] if values else self.rows
        return (row for row in run_names.chosen(told, text) if self._usable is None or self._usable(row))


def _search(label: str, fitting: _Fitting, key: str) -> None:
    """What is found is looked for only while the search is open."""
    place = st.popover(
        "Search",
        icon=":material/search:",
        key=f"search-{key}",
        on_change="rerun",
        help=f"Searches all {len(fitting.rows):,} runs",
    )
    if not place.open:
        return
    with place:
        text = st.text_input(
            f"Search {label}",
            key=f"find-{key}",
            placeholder="byol mnist-first-set seed:3",
            label_visibility="collapsed",
            width=380,
            help="Every word must be in a run's id, name, image set, composition, method, network, sweep or tags",
        )
        found = list(islice(fitting.found(text), _FOUND + 1))
        if not found:
            frame.quiet("No run that can be used here matches. Search for fewer words.")
        elif len(found) > _FOUND:
            frame.quiet(f"These are the newest {_FOUND}. More words find others.")
        with st.container(gap="xxsmall"):
            for row, words in zip(found, run_names.words_of(found[:_FOUND]).values(), strict=False):
                name = f"take-{key}-{row['id']}"
                take, label, told = (key, str(row["id"])), frame.plain(words), frame.plain(_told(row))
                st.button(label, key=name, type="tertiary", help=told, on_click=_take, args=take)


def _told(row: Row) -> str:
    """What else is known of a run, below its words."""
    tags = json.loads(row.get("tags") or "{}")
    numbers = {one.title: number_of(row, one.name) for _, one in columns(listed=True)}
    scores = [f"{title} {value:.3f}" for title, value in numbers.items() if value]
    return " · ".join([str(row["id"]), *scores, *(f"{name}: {value}" for name, value in tags.items())])


def _take(key: str, run_id: str) -> None:
    st.session_state[f"choose-{key}"] = run_id
    st.session_state[f"choose-{key}-address"] = st.query_params.get(key)  # what stands there now is not asked for anew
    st.session_state[f"search-{key}"] = False
