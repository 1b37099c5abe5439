"""The two tables of a sweep (C10): one row a run, and one row a class of a run."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ssrl_core import stores
from ssrl_core.datasets.columns import superclasses_of
from ssrl_core.errors import SpecError, SSRLError, not_written
from ssrl_core.runs.folder.results import Results
from ssrl_core.runs.folder.run_folder import RunFolder
from ssrl_core.runs.queue import folder_rows, registry, sweeps
from ssrl_core.runs.queue.registry import RunRow
from ssrl_core.specs import parts, yaml_files
from ssrl_core.specs.yaml_files import flat

_CONFUSION = '"confusion": [['  # most of the text, and none of these tables want it
Run = tuple[dict[str, Any], dict[str, Any], str, Results]


def results_table(sweep: str) -> pd.DataFrame:
    """One row a run of a sweep.

    Returns:
        columns run, sweep, dataset, backbone, method, seed, state, vary.<path>…, and the numbers of the parts
        (`specs.parts`): top1, knn_top1, ami, silhouette (None while there are no results; of clusters, the first K),
        and those of parts that are made on demand, where a run has them.

    Raises:
        SpecError: there is no such sweep.
    """
    rows = []
    for head, vary, state, results in _runs(sweep):
        rows.append({**head, "state": state, **vary, **results.columns()})
    table = pd.DataFrame(rows)
    on_demand = [column.name for part, column in parts.columns() if part.on_demand and column.name in table]
    return table.drop(columns=[name for name in on_demand if table[name].isna().all()])


def classes_table(sweep: str) -> pd.DataFrame:
    """One row for each class, probe and run of a sweep, of the runs that have results.

    Returns:
        columns run, dataset, backbone, method, seed, vary.<path>…, probe, class, superclass, n, correct, accuracy.

    Raises:
        SpecError: there is no such sweep.
    """
    return class_frame(
        ({name: value for name, value in head.items() if name != "sweep"} | vary, results)
        for head, vary, _, results in _runs(sweep)
    )


def class_frame(runs: Iterable[tuple[Mapping[str, Any], Results]]) -> pd.DataFrame:
    """One row for each class and probe of some runs.

    Args:
        runs: for each run what stands before `probe` in its rows (its `dataset` gives the superclasses), and its
            results. A fine-tuning on a share of the labels is the probe `finetune-SHARE`.

    Returns:
        The columns of `classes_table`; no columns where nothing was measured.
    """
    heads: list[dict[str, Any]] = []
    names: list[tuple[np.ndarray, np.ndarray]] = []
    numbers: dict[str, list[Any]] = {"n": [], "correct": [], "accuracy": []}
    names_of = cache(_names)  # once for all runs on the same images, and anew for every table: columns may be joined
    for head, results in runs:
        for probe, found in results.probes.items():
            heads.append({**head, "probe": probe})
            names.append(names_of(str(head["dataset"]), tuple(found.classes)))
            for key, column in numbers.items():
                column += [entry[key] for entry in found.classes.values()]
    if not numbers["n"]:
        return pd.DataFrame()
    rows = np.repeat(np.arange(len(heads)), [len(own) for own, _ in names])
    repeated = {name: column.array.take(rows) for name, column in pd.DataFrame(heads).items()}
    classes, groups = (np.concatenate([pair[side] for pair in names]) for side in (0, 1))
    types = {"n": np.int64, "correct": np.int64, "accuracy": float}
    measured = {name: np.array(values, dtype=types[name]) for name, values in numbers.items()}
    return pd.DataFrame({**repeated, "class": classes, "superclass": groups, **measured}, copy=False)


def _names(dataset: str, classes: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """(c,), (c,) object: classes and their superclasses, the same for every run on these images."""
    groups = superclasses_of(dataset)
    return np.array(classes, dtype=object), np.array([groups.get(name) for name in classes], dtype=object)


def known_sweeps() -> list[dict[str, Any]]:
    """The sweeps of this store, newest first: [{id, name, created_at}]."""
    rows = [{key: row[key] for key in ("id", "name", "created_at")} for row in folder_rows.sweep_rows()]
    return sorted(rows, key=lambda row: str(row["created_at"]), reverse=True)


def sweep_mapping(sweep: str) -> dict[str, Any]:
    """The sweep as plain data, as it was queued.

    Raises:
        SpecError: there is no such sweep.
    """
    sweeps.members(sweep)
    row = next(row for row in folder_rows.sweep_rows() if row["id"] == sweep)
    return dict(json.loads(row["spec"]))


def sweep_progress(sweep: str) -> dict[str, int]:
    """Runs of a sweep by state, and `gone` for those that were deleted.

    Raises:
        SpecError: there is no such sweep.
    """
    members = sweeps.members(sweep)
    states = {row["id"]: str(row["state"]) for row in _of_members(members, "id, state")}
    found = [states.get(member["id"], "gone") for member in members]
    return {state: found.count(state) for state in dict.fromkeys(found)}


def sweep_mark(sweep: str) -> int:
    """A number that changes, within this process, when a run of a sweep does: its state, its end, its results.

    Raises:
        SpecError: there is no such sweep.
    """
    rows = _of_members(sweeps.members(sweep), "id, state, finished_at, results")
    return hash(tuple(tuple(row.values()) for row in rows))


def _of_members(members: list[dict[str, Any]], columns: str) -> list[dict[str, Any]]:
    """Columns of the registry, of some runs of a sweep."""
    asked = json.dumps([member["id"] for member in members])
    which = "id IN (SELECT value FROM json_each(?)) ORDER BY id"
    return registry.query(f"SELECT {columns} FROM runs WHERE {which}", [asked])


def _runs(sweep: str) -> Iterator[Run]:
    """(head columns, vary columns, state, results) of each run of a sweep that still exists."""
    members = sweeps.members(sweep)
    results = {row["id"]: row["results"] for row in _of_members(members, "id, results")}
    known = {row["id"]: row for row in registry.list_runs(demo=False)}
    for member in members:
        row = known.get(member["id"])
        if row is not None:
            columns = ("dataset", "backbone", "method", "seed")
            head = {"run": row["id"], "sweep": sweep} | {name: row.get(name) for name in columns}
            vary = {f"vary.{path}": value for path, value in member["values"].items()}
            yield head, vary, row["state"], _results(row, results.get(row["id"]))


def _results(row: RunRow, text: str | None) -> Results:
    """Results of a run without its confusion table: as the registry has them, else what its folder has so far."""
    try:
        if text and row["state"] == "done":
            return Results(json.loads(_without_confusion(text)))
        return RunFolder.own(row["id"]).results()
    except (SSRLError, ValueError):
        return Results()


def _without_confusion(text: str) -> str:
    """Results as text with null in the place of the tables of numbers (a quotation mark in a name is escaped)."""
    parts, at = [], 0
    while (start := text.find(_CONFUSION, at)) >= 0 and (end := text.find("]]", start)) >= 0:
        parts += [text[at:start], '"confusion": null']
        at = end + 2
    return "".join([*parts, text[at:]])


FORMATS = (".csv", ".parquet")
MOST_COMPARED = 8  # runs whose specs are set beside each other


def chosen(table: pd.DataFrame, where: Mapping[str, str]) -> pd.DataFrame:
    """Rows whose columns have these values; `hue` is short for the one column that ends with it.

    Raises:
        SpecError: no such column, or several that end with it; names those there are.
    """
    for name, value in where.items():
        column = column_of(table, name)
        table = table[table[column].map(lambda found, value=value: _is(found, value))]
    return table


def mean_over_seeds(table: pd.DataFrame, by: list[str] | None = None) -> pd.DataFrame:
    """Mean and sd (n - 1) of the scores over the seeds.

    Args:
        table: of `results_table`.
        by: columns that tell the rows apart; left out: data set, backbone, method and all that varies.

    Returns:
        those columns, `n` (runs with results), and `<score>`, `<score>_sd` (None for a single run).
    """
    if table.empty:
        return table
    columns = [column_of(table, name) for name in by] if by else _told_apart(table)
    table = table.assign(**{name: table[name].map(_as_text) for name in columns})
    groups = table.groupby(columns, sort=False, dropna=False)
    scores = [column.name for _, column in parts.columns() if column.name in table]
    numbers = table.assign(**{name: pd.to_numeric(table[name]) for name in scores}).groupby(
        columns, sort=False, dropna=False
    )
    answer = groups.size().to_frame("runs")
    answer["n"] = numbers[scores].count().max(axis=1)
    for name in scores:
        answer[name], answer[f"{name}_sd"] = numbers[name].mean(), numbers[name].std(ddof=1)
    return answer.reset_index()


def differences(run_ids: Sequence[str]) -> list[dict[str, Any]]:
    """Where the specs of runs differ, in the spec's order.

    Args:
        run_ids: two to `MOST_COMPARED` of them, in the order in which values are told.

    Returns:
        [{path, first, second}] of two runs, [{path, values}] of more.

    Raises:
        SpecError: there is no such run, or they are too few or too many.
    """
    if not 2 <= len(run_ids) <= MOST_COMPARED:
        rule = f"two to {MOST_COMPARED} runs"
        raise SpecError.at("runs diff", "RUN", rule, len(run_ids), "Name other runs.")
    differ = spec_differences(run_ids)
    if len(run_ids) == 2:
        return [{"path": path, "first": one, "second": other} for path, (one, other) in differ.items()]
    return [{"path": path, "values": values} for path, values in differ.items()]


def spec_differences(run_ids: Sequence[str]) -> dict[str, list[Any]]:
    """Where the specs of runs differ: path -> its value in each, None where a spec has no such path; in their order.

    Raises:
        SpecError: there is no such run.
    """
    return yaml_files.differences([flat(RunFolder(run_id).spec().to_mapping()) for run_id in run_ids])


def save(table: pd.DataFrame, out: Path) -> None:
    """Write a table as CSV or Parquet, by the name's ending; whole or not at all.

    Raises:
        SpecError: another ending, or a place where no file can be.
        RunError: the disk takes nothing.
    """
    if out.suffix.lower() not in FORMATS:
        raise SpecError.at("table", "out", f"a name that ends with {' or '.join(FORMATS)}", str(out), "")
    try:
        stores.replace(out, content(table, out.suffix.lower()))
    except OSError as error:
        told = SpecError.at("table", "out", "a file that can be written", str(out), str(error))
        raise not_written(error) or told from error


def plain(table: pd.DataFrame) -> pd.DataFrame:
    """The table with lists and mappings as text, so that every column has one type."""
    return table.map(_as_text)


def content(table: pd.DataFrame, ending: str) -> bytes:
    """A table as the bytes of a `.csv` or `.parquet` file."""
    typed = plain(table).convert_dtypes()
    if ending == ".csv":
        return stores.csv_text(typed).encode()
    file = io.BytesIO()
    typed.to_parquet(file, index=False)
    return file.getvalue()


def column_of(table: pd.DataFrame, name: str) -> str:
    """The column of this name, or the only one whose name ends with `.name`.

    Raises:
        SpecError: none or several.
    """
    if name in table.columns:
        return name
    ends = [str(column) for column in table.columns if str(column).endswith(f".{name}")]
    if len(ends) == 1:
        return ends[0]
    raise SpecError.at(
        "table",
        "column",
        "one of " + ", ".join(map(str, table.columns)),
        name,
        f"It may be {' or '.join(ends)}." if ends else "Choose one of these.",
    )


def _told_apart(table: pd.DataFrame) -> list[str]:
    varied = [str(column) for column in table.columns if str(column).startswith("vary.")]
    return [*("dataset", "backbone", "method"), *varied]


def _as_text(value: Any) -> Any:
    """Lists and mappings (a range of scales, a composition) as text, so that rows can be grouped by them."""
    if isinstance(value, Mapping):
        return str(value.get("name") or dict(value))
    return str(list(value)) if isinstance(value, list | tuple) else value


def _is(found: Any, value: str) -> bool:
    if isinstance(found, bool | str) or found is None:
        return str(found).casefold() == value.casefold()
    try:
        return float(found) == float(value)
    except (TypeError, ValueError):
        return str(found) == value
