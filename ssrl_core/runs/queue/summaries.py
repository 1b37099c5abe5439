"""What people make of a sweep's results: rows chosen, mean ± sd over seeds, where runs differ, one file."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ssrl_core import stores
from ssrl_core.errors import SpecError
from ssrl_core.runs.folder.run_folder import RunFolder
from ssrl_core.specs import parts

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
        raise SpecError(where="runs diff", field="RUN", rule=rule, value=len(run_ids), remedy="Name other runs.")
    differ = spec_differences(run_ids)
    if len(run_ids) == 2:
        return [{"path": path, "first": one, "second": other} for path, (one, other) in differ.items()]
    return [{"path": path, "values": values} for path, values in differ.items()]


def spec_differences(run_ids: Sequence[str]) -> dict[str, list[Any]]:
    """Where the specs of runs differ: path -> its value in each, None where a spec has no such path; in their order.

    Raises:
        SpecError: there is no such run.
    """
    specs = [flat(RunFolder(run_id).spec().to_mapping()) for run_id in run_ids]
    paths = dict.fromkeys(path for spec in specs for path in spec)
    found = {path: [spec.get(path) for spec in specs] for path in paths}
    return {path: values for path, values in found.items() if any(value != values[0] for value in values[1:])}


def save(table: pd.DataFrame, out: Path) -> None:
    """Write a table as CSV or Parquet, by the name's ending; whole or not at all.

    Raises:
        SpecError: another ending, or the file cannot be written.
    """
    if out.suffix.lower() not in FORMATS:
        raise SpecError(
            where="table", field="out", rule=f"a name that ends with {' or '.join(FORMATS)}", value=str(out), remedy=""
        )
    try:
        stores.replace(out, content(table, out.suffix.lower()))
    except OSError as error:
        raise SpecError(
            where="table", field="out", rule="a file that can be written", value=str(out), remedy=str(error)
        ) from error


def plain(table: pd.DataFrame) -> pd.DataFrame:
    """The table with lists and mappings as text, so that every column has one type."""
    return table.map(_as_text)


def content(table: pd.DataFrame, ending: str) -> bytes:
    """A table as the bytes of a `.csv` or `.parquet` file."""
    typed = plain(table).convert_dtypes()
    if ending == ".csv":
        return str(typed.to_csv(index=False, lineterminator="\n")).encode()
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
    raise SpecError(
        where="table",
        field="column",
        rule="one of " + ", ".join(map(str, table.columns)),
        value=name,
        remedy=f"It may be {' or '.join(ends)}." if ends else "Choose one of these.",
    )


def flat(data: Any, prefix: str = "") -> dict[str, Any]:
    """Plain nested data as {dotted path: value}; empty lists and mappings are values."""
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    found: dict[str, Any] = {}
    for key, value in items:
        found |= flat(value, f"{prefix}{key}.")
    return found or ({prefix.removesuffix("."): data} if prefix else {})


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
