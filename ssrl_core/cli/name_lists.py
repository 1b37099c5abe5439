"""Names that are written on the command line with commas between them."""

from __future__ import annotations

import csv

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
