"""A classes table from a file that somebody brings: CSV, TSV or Parquet, with the columns of CONTRACTS C10."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pandas as pd

from ssrl_core.analysis.bias.arrival import checked
from ssrl_core.analysis.bias.columns import BASE, moves_within, vary_columns
from ssrl_core.errors import DataError

SUFFIXES = (".csv", ".tsv", ".parquet")
_NO_PARAMETER = {*BASE, "run", "sweep", "seed", "class", "superclass", "n", "correct", "accuracy", "low", "high"}


def read_table(content: bytes, name: str) -> pd.DataFrame:
    """A table from the bytes of a file; the name's ending says which kind.

    Text is split at the commonest of comma, semicolon and tab of its first line. Names of classes (the column `class`,
    else the first one) stay as they are written (`007`, `NA`, `null`); numbers with a decimal comma are read where the
    semicolon parts the cells.

    Raises:
        DataError: another ending, an empty file, or one that cannot be read.
    """
    suffix = Path(name).suffix.lower()
    if suffix not in SUFFIXES:
        raise DataError(where=name, field="ending", rule=f"one of {', '.join(SUFFIXES)}", value=suffix or name)
    if not content:
        raise DataError(where=name, field="file", rule="a table", value="0 bytes", remedy="Save it again.")
    try:
        return _from_parquet(content) if suffix == ".parquet" else _from_text(content, suffix)
    except (ValueError, OSError, pd.errors.ParserError) as error:
        raise DataError(
            f"{name}: this is not a table that can be read ({error}). Save it as CSV in UTF-8, or as Parquet.",
            where=name,
        ) from error


def _from_parquet(content: bytes) -> pd.DataFrame:
    """The table; names that pandas had put into its index are columns again."""
    table = pd.read_parquet(io.BytesIO(content))
    named = [name for name in table.index.names if name is not None]
    return table.reset_index(named) if named else table


def _from_text(content: bytes, suffix: str) -> pd.DataFrame:
    text = content.decode("utf-8-sig")
    lines = text.split("\n", 2)
    mark = "\t" if suffix == ".tsv" else max(",;\t", key=lines[0].count)
    comma = mark == ";" and len(lines) > 1 and re.search(r"(^|;)-?\d+,\d+\s*(;|$)", lines[1]) is not None
    head = pd.read_csv(io.StringIO(lines[0]), sep=mark)
    named = [column for column in head.columns if str(column).strip().lower() == "class"] or list(head.columns[:1])
    as_written = dict.fromkeys(named, str)
    return pd.read_csv(io.StringIO(text), sep=mark, decimal="," if comma else ".", converters=as_written)


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
    another one moves something. The method as such (its settings may differ) comes last.
    """
    named = vary_columns(table) or [name for name in map(str, table.columns) if not _known(name)]
    if len(named) < 2:
        return named
    settings = [name for name in BASE if name in table]
    moving = [name for name in named if moves_within(table, name, settings)]
    return sorted(moving or named, key=lambda name: name.removeprefix("vary.") in BASE)


def _known(name: str) -> bool:
    """A column of CONTRACTS C10, or the number of the row, which pandas writes without a name."""
    return name in _NO_PARAMETER or name.startswith("Unnamed:")
