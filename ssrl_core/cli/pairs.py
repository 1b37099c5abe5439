"""What is written as COLUMN=VALUE on the command line."""

from __future__ import annotations

from collections.abc import Sequence

from ssrl_core.cli.name_lists import names_in
from ssrl_core.errors import SpecError


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
