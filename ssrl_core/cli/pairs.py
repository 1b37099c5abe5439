"""Names with commas between them, and COLUMN=VALUE, as they are written on the command line."""

from __future__ import annotations

import csv
from collections.abc import Sequence

from ssrl_core.errors import SpecError


def names_in(text: str, *, where: str, field: str) -> list[str]:
    """`DNA, actin` -> [DNA, actin]; a name that has a comma itself stands in quotes: `"DAPI, 405",actin`.

    Raises:
        SpecError: a quote that is not closed, or with something behind it.
    """
    try:
        rows = list(csv.reader([text], skipinitialspace=True, strict=True))
    except csv.Error:
        rule = 'names with commas between them, in "quotes" where they have commas themselves'
        raise SpecError(where=where, field=field, rule=rule, value=text) from None
    return [name.strip() for row in rows for name in row] or [""]


def pair(text: str, *, where: str, rule: str = "COLUMN=VALUE", remedy: str = "") -> tuple[str, str]:
    """`seed=5` -> (seed, 5); the first `=` parts them.

    Raises:
        SpecError: no `=`, or nothing before it.
    """
    column, found, value = text.partition("=")
    if not found or not column.strip():
        raise SpecError(where=where, field="--where", rule=rule, value=text, remedy=remedy)
    return column.strip(), value.strip()


def several(texts: Sequence[str], *, where: str) -> dict[str, list[str]] | None:
    """`compound=DMSO,taxol` -> {compound: [DMSO, taxol]}; a column that is named again gets more values; None if none.

    A value with a comma of its own stands in quotes.

    Raises:
        SpecError: as `pair`, and for quotes that are not closed.
    """
    chosen: dict[str, list[str]] = {}
    for text in texts:
        column, values = pair(text, where=where, rule="COLUMN=VALUE,VALUE")
        chosen.setdefault(column, []).extend(names_in(values, where=where, field="--where"))
    return chosen or None
