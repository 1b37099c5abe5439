"""A classes table from a file that somebody brings: CSV, TSV or Parquet, with the columns of CONTRACTS C10."""

from __future__ import annotations

import io
from pathlib import Path

import pandas as pd

from ssrl_core.analysis.bias.columns import BASE, checked, moves_within, vary_columns
from ssrl_core.errors import DataError

SUFFIXES = (".csv", ".tsv", ".parquet")
_NO_PARAMETER = {*BASE, "run", "sweep", "seed", "class", "superclass", "n", "correct", "accuracy", "low", "high"}


def read_table(content: bytes, name: str) -> pd.DataFrame:
    """A table from the bytes of a file; the name's ending says which kind.

    Raises:
        DataError: another ending, an empty file, or one that cannot be read.
    """
    suffix = Path(name).suffix.lower()
    if suffix not in SUFFIXES:
        raise DataError(where=name, field="ending", rule=f"one of {', '.join(SUFFIXES)}", value=suffix or name)
    if not content:
        raise DataError(where=name, field="file", rule="a table", value="0 bytes", remedy="Save it again.")
    try:
        if suffix == ".parquet":
            return pd.read_parquet(io.BytesIO(content))
        text = content.decode("utf-8-sig")
        first = text.split("\n", 1)[0]
        return pd.read_csv(io.StringIO(text), sep="\t" if suffix == ".tsv" else max(",;\t", key=first.count))
    except (ValueError, OSError, pd.errors.ParserError) as error:
        raise DataError(
            f"{name}: this is not a table that can be read ({error}). Save it as CSV in UTF-8, or as Parquet.",
            where=name,
        ) from error


def read_classes(content: bytes, name: str) -> pd.DataFrame:
    """A classes table (CONTRACTS C10) from the bytes of a file.

    Raises:
        DataError: as `read_table`; columns that lack, no rows, an accuracy outside 0..1, nothing that varies.
    """
    table = read_table(content, name)
    checked(table)
    if not parameters(table):
        raise DataError(
            where=name,
            field="columns",
            rule="one at least that varies, named vary.PATH",
            value=list(map(str, table.columns)),
            remedy="Add the parameter's values as a column, e.g. vary.hue.",
        )
    return table


def parameters(table: pd.DataFrame) -> list[str]:
    """The columns that may be the parameter: `vary.…`, or where there is none, whatever else is no known column.

    One that only repeats the method, the backbone or the data set moves nothing within a setting: it is left out where
    another one moves something, and comes last where none does.
    """
    named = vary_columns(table) or [name for name in map(str, table.columns) if name not in _NO_PARAMETER]
    if len(named) < 2:
        return named
    settings = [name for name in BASE if name in table]
    moving = [name for name in named if moves_within(table, name, settings)]
    return moving or sorted(named, key=lambda name: name.removeprefix("vary.").split(".")[0] in BASE)
