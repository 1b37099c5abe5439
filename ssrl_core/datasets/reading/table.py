"""A table (CSV, TSV, Parquet, text of other programs) as it was written.

Values stay text unless a whole column is numbers, and then only where nothing is lost: `0101`, 17-digit ids, and `1E5`
as the name of a plate stay as they are.
"""

from __future__ import annotations

import csv
import io
import re
import warnings
from collections.abc import Sequence
from itertools import islice
from typing import Any, BinaryIO

import pandas as pd

from ssrl_core.datasets.columns import renamed
from ssrl_core.datasets.reading import image
from ssrl_core.datasets.reading.code_pages import code_page_of_text
from ssrl_core.datasets.reading.source import Tree
from ssrl_core.errors import DataError

TABLES = (".csv", ".tsv", ".parquet")
TEXTS = (".txt",)  # may be tables, too
USUAL = (  # columns of file names, without case, blanks and marks
    *(
        "file",
        "filename",
        "path",
        "filepath",
        "image",
        "imagepath",
        "imagefile",
        "imagename",
        "imageid",
        "img",
        "imgname",
    ),
    *("id", "name", "datei", "dateiname", "fichier", "archivo"),
)
SPREADSHEETS = (".xlsx", ".xls", ".ods")
_NAMES = {"plate", "well", "compound", "label", "class", "barcode"}  # columns of names, whatever they look like
_GAPS = {"", "?", "na", "n/a", "nan", "none", "null", "<na>", "-", "--", "\u2013", "."}  # among numbers, beside #N/A
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(?:[.\s\u00a0\u202f']\d{3})+(?:,\d+)?")
_LOOKED_AT = 50  # lines that tell what parts the cells
_TOLD_BY = 100_000  # bytes that tell the code page
_MOST_BYTES, _MOST_VALUES = 250_000_000, 15_000_000  # a gigabyte of memory
_MOST_COLUMNS = 20_000  # a minute of pandas' time at 100,000; profiles of cells have some thousands


class UnreadableTable(DataError):
    """What should be a table is none; `reason` says why, without the place."""

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(f"{where}: {reason}. Save it as CSV in UTF-8.")
        self.reason = reason


def read(tree: Tree, path: str, *, headless: bool = False) -> pd.DataFrame:
    """A table of a tree; the ending of its name says which kind. `attrs["notes"]` says what was not as usual.

    Args:
        headless: the first line is a row like the others; else that is told from names of images in it.

    Raises:
        UnreadableTable: it cannot be read.
    """
    try:
        with tree.open(path) as file:
            data = _bytes_of(file)
        if path.lower().endswith(".parquet"):
            return _of_parquet(data)
        text, page = _text(data)
        table = _of_text(text, tab=path.lower().endswith(".tsv"), headless=headless)
        if page not in ("", "cp1252"):
            table.attrs["notes"].append(f"the table does not say how it is written; read as {page}")
        return table
    except (OSError, ValueError, KeyError, csv.Error, pd.errors.ParserError) as error:
        where = f"{tree.where}/{path}"
        raise UnreadableTable(where, f"this is not a table that can be read ({error})") from error


def _bytes_of(file: BinaryIO) -> bytes:
    """All of a file, after a look at its size.

    Raises:
        ValueError: it is larger than a table that is read.
    """
    size = file.seek(0, io.SEEK_END)
    if size > _MOST_BYTES:
        most = f"at most {_MOST_BYTES // 10**6} MB are read: keep the columns that you need"
        raise ValueError(f"it has {size / 1e6:,.0f} MB, and {most}")
    file.seek(0)
    return file.read()


def _of_parquet(data: bytes) -> pd.DataFrame:
    """A Parquet file, after a look at what its foot says: a value that is repeated a million times takes no room there.

    Raises:
        ValueError: no Parquet, or more values than a table that is read has.
    """
    import pyarrow.parquet as parquet

    said = parquet.ParquetFile(io.BytesIO(data)).metadata
    if said.num_rows * said.num_columns > _MOST_VALUES:
        found = f"{said.num_rows:,} rows of {said.num_columns:,} columns"
        raise ValueError(f"it has {found}, and at most {_MOST_VALUES:,} values are read: keep those you need")
    return pd.read_parquet(io.BytesIO(data))


def _text(data: bytes) -> tuple[str, str]:
    """A text, and the code page that was guessed for it ("" where it is Unicode)."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16"), ""
    if b"\0" in data[:64]:  # UTF-16 that does not say so
        return data.decode("utf-16-le" if data[1:2] == b"\0" else "utf-16-be"), ""
    try:
        return data.decode("utf-8-sig"), ""
    except UnicodeDecodeError:
        page = code_page_of_text(data[:_TOLD_BY])  # what Excel writes, where it runs
        return data.decode(page, "replace"), page


def _of_text(text: str, *, tab: bool, headless: bool = False) -> pd.DataFrame:
    lines = text.lstrip("\r\n").splitlines(keepends=True)
    told = re.fullmatch(r"sep=(.)\s*", lines[0], re.IGNORECASE) if lines else None
    lines = lines[1:] if told else lines
    while len(lines) > 1 and lines[0].startswith("#"):
        lines = lines[1:]
    above = _lines_above(lines)
    lines = lines[above:]
    mark = told[1] if told else "\t" if tab else _mark(lines)
    if lines and (wide := len(next(csv.reader(lines[:1], delimiter=mark), ()))) > _MOST_COLUMNS:
        raise ValueError(f"it has {wide:,} columns, and at most {_MOST_COLUMNS:,} are read: keep those you need")
    lines, two_heads = _one_head(lines, mark)
    rows = list(islice(csv.reader(lines, delimiter=mark, skipinitialspace=True), _LOOKED_AT))
    head, more = (rows[0], [row for row in rows[1:] if row]) if rows else ([], [])
    bare = headless or any(image.is_image(cell.strip()) for cell in head)
    longer = not bare and bool(more) and all(len(row) == len(head) + 1 for row in more) and any(r[-1] for r in more)
    rows_named = longer and _rows_are_named(head, more)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", pd.errors.ParserWarning)  # a comma after the last cell of each row
        table = pd.read_csv(
            io.StringIO("".join(lines)),
            sep=mark,
            header=None if bare else 0,
            names=["row name", *head] if rows_named else None,
            dtype=str,
            keep_default_na=False,
            skipinitialspace=True,
            index_col=False,
        )
    table.columns = [f"column {name + 1}" if bare else str(name).strip() for name in table.columns]
    empty = [name for name in table.columns if name.startswith("Unnamed: ") and table[name].fillna("").eq("").all()]
    table = table.drop(columns=empty).rename(columns={"Unnamed: 0": "row name"})
    table = table[table.fillna("").ne("").any(axis=1)].reset_index(drop=True)
    typed = table.apply(_typed, comma=mark != ",")
    notes = ["the table has no head: its columns are called column 1, column 2 …"] if bare else []
    notes += [f"{above} line{'s' * (above > 1)} above the head of the table left out"] if above else []
    notes += ["the two lines of the table's head were joined: names such as " + two_heads] if two_heads else []
    notes += ["the head of the table has no name for the first column: row name"] if rows_named else []
    notes += ["rows have one cell more than the head: the last was left out"] if longer and not rows_named else []
    typed.attrs["notes"] = notes
    return typed


def _one_head(lines: list[str], mark: str) -> tuple[list[str], str]:
    """Lines whose head of two (`Image,Image,Nuclei` over `FileName,Well,Area`) was made one, and a name of it."""
    reader = csv.reader(lines, delimiter=mark, skipinitialspace=True)
    rows, end = [], 0
    for row in islice(reader, _LOOKED_AT):
        rows.append([cell.strip() for cell in row])
        end = reader.line_num if len(rows) == 2 else end
    if len(rows) < 3 or len(rows[0]) != len(rows[1]):
        return lines, ""
    above, below = rows[0], rows[1]
    groups = [cell for cell in above if cell]
    told = len(set(groups)) < len(above) and not any(_NUMBER.fullmatch(cell) for cell in above + below)
    values = [[row[i] for row in rows[2:] if len(row) > i and row[i]] for i in range(len(below))]
    values_below = any(v and all(map(_is_value, v)) and not _is_value(below[i]) for i, v in enumerate(values))
    if not (told and groups and all(below) and values_below and not any(map(_is_value, below))):
        return lines, ""
    if len(set(below)) == len(below) and len(groups) == len(above) == len(set(groups)):
        return lines, ""  # a head and a first row of text
    names, group = [], ""
    for over, name in zip(above, below, strict=True):
        group = over or group
        names.append(f"{group}_{name}" if group else name)
    head = io.StringIO()
    csv.writer(head, delimiter=mark).writerow(names)
    return [head.getvalue(), *lines[end:]], names[-1]


def _is_value(cell: str) -> bool:
    """Whether a cell is a number or names an image, as heads of columns do not."""
    return _NUMBER.fullmatch(cell.replace(",", ".")) is not None or image.is_image(cell)


def _lines_above(lines: Sequence[str]) -> int:
    """Lines before the head of a table: those up to `[Data]` (Harmony, Columbus), or a title of few cells."""
    for number, line in enumerate(lines[:_LOOKED_AT]):
        if line.strip().strip('"').lower() == "[data]":
            return number + 1
    if any(_cells(lines, mark)[1] for mark in ",;\t|"):
        return 0
    best = (0, 0)
    for mark in ",;\t|":
        reader = csv.reader(lines[:_LOOKED_AT], delimiter=mark, skipinitialspace=True)
        try:
            rows = [(row, reader.line_num) for row in reader if any(cell.strip() for cell in row)]
        except csv.Error:
            continue
        count = len(rows[-1][0]) if rows else 0
        start = next((i for i in range(len(rows)) if all(len(row) == count for row, _ in rows[i:])), 0)
        short = all(len([cell for cell in row if cell.strip()]) < max(2, count - 1) for row, _ in rows[:start])
        if count > 1 and 0 < start < len(rows) - 1 and short and _is_head(rows[start][0]):
            best = max(best, (count, rows[start - 1][1]))
    return best[1]


def _is_head(row: Sequence[str]) -> bool:
    """Whether cells are names of columns: none is empty, a number or an image."""
    return all(
        cell.strip() and not image.is_image(cell.strip()) and not _NUMBER.fullmatch(cell.strip()) for cell in row
    )


def bare_name(column: str) -> str:
    """A name without case, blanks and marks."""
    return re.sub(r"[\W_]", "", column).lower()


def _rows_are_named(head: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Whether the cell that rows have beyond the head is the first (as R writes row names), not the last."""
    named = [place for place, name in enumerate(head) if bare_name(name) in USUAL]
    if any(image.is_image(rows[0][place].strip()) for place in named):
        return False
    first = [row[0] for row in rows]
    return any(image.is_image(rows[0][place + 1].strip()) for place in named) or len(set(first)) == len(first)


def _mark(lines: Sequence[str]) -> str:
    """What parts the cells: the mark by which all lines have as many, and most."""

    best = max(",;\t|", key=lambda mark: _cells(lines, mark))
    return best if _cells(lines, best)[1] else " " if _cells(lines, " ")[0] else ","


def _cells(lines: Sequence[str], mark: str) -> tuple[bool, int]:
    """Whether lines have as many cells by a mark, and how many the first has; (False, 0) where it parts nothing."""
    rows = csv.reader(lines[:_LOOKED_AT], delimiter=mark, skipinitialspace=True)
    try:
        counts = [len(row) for row in rows if row]
    except csv.Error:
        return False, 0
    if not counts or counts[0] == 1:
        return False, 0
    return len(set(counts[1:])) <= 1 and abs(counts[0] - counts[-1]) <= 1, counts[0]


def _typed(written: pd.Series[Any], *, comma: bool) -> pd.Series[Any]:
    """A column of text as numbers or truths where all of it is and nothing is lost; gaps are missing.

    Args:
        comma: a comma may stand for the point (it does not part the cells).
    """
    text = written.fillna("").str.strip()
    if text.str.fullmatch(r'(?:="[^"]*")?').all():  # how others tell Excel that digits are text
        return text.str.slice(2, -1).where(text != "", None).astype(object)
    known = text[~text.str.lower().isin(_GAPS) & ~text.str.fullmatch(r"#[A-Za-z/0-9]+[!?]?")]  # #N/A, #DIV/0!, #WERT!
    plain = _with_points(known) if comma else known
    if known.empty or not plain.map(lambda value: _NUMBER.fullmatch(value) is not None).all():
        lowered = text.str.lower()
        if len(text) and lowered.isin(("true", "false")).all():
            return lowered == "true"
        return text.where(text != "", None).astype(object)
    digits = plain.str.replace(r"[eE].*|\D", "", regex=True).str.lstrip("0").str.len()
    zeros = plain.str.match(r"[+-]?0\d").any()
    named = _is_name(str(written.name)) and (zeros or plain.str.contains("[eE.+]").any())
    if named or zeros or digits.max() > 15:
        return text.where(text != "", None).astype(object)
    return pd.to_numeric(plain).reindex(text.index)


def _with_points(known: pd.Series[Any]) -> pd.Series[Any]:
    """Numbers with a decimal comma as others write them; beside one, points and blanks part thousands."""
    if known.str.contains(r"\d,\d", regex=True).any():
        apart = known.map(lambda value: _THOUSANDS.fullmatch(value) is not None)
        known = known.where(~apart, known.str.replace(r"[.\s\u00a0\u202f']", "", regex=True))
    return known.str.replace(",", ".", regex=False)


def _is_name(column: str) -> bool:
    ours = renamed([column]).get(column, column).strip().lower()
    return ours in _NAMES or ours.endswith(("id", "barcode"))
