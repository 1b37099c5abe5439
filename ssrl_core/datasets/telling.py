"""Which columns of an image set tell images apart, without naming each one."""

from __future__ import annotations

import pandas as pd

BOOKKEEPING = ("image_id", "source", "split", "order", "label_id")


def telling_columns(table: pd.DataFrame, label: str | None) -> list[str]:
    """The label first, then every column with more than one value that is no name of each single image."""
    others = [c for c in table.columns if c not in BOOKKEEPING and c != label and _tells(table[c])]
    return [*([label] if label else []), *others]


def _tells(column: pd.Series) -> bool:
    count = column.nunique(dropna=True)
    numeric = pd.api.types.is_numeric_dtype(column)
    return bool(count > 1 and (numeric or count <= max(2, len(column) // 2)))
