"""What the colours of a map mean: a group for each point, or a value on a scale."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ssrl_core.figures.colours import palette

Array = np.ndarray[Any, Any]

MOST_CATEGORIES = 200
_FEW_NUMBERS = 12  # a column of numbers with more different values is a scale, not a set of groups


@dataclass(frozen=True)
class Facet:
    """What each point is in one respect: a group, or a value on a scale.

    Attributes:
        title: the respect, e.g. "cluster".
        codes: (n,) int32 place in `names`, -1 for none; None for a scale.
        names, colours: of the groups.
        values: (n,) float32, NaN for none; None for groups.
    """

    title: str
    codes: Array | None = None
    names: tuple[str, ...] = ()
    colours: tuple[str, ...] = ()
    values: Array | None = None


def groups(title: str, codes: Array, names: list[str], colours: list[str] | None = None) -> Facet:
    """A facet of groups that are numbered already."""
    return Facet(title, np.asarray(codes, np.int32), tuple(names), tuple(colours or palette(len(names))))


def facet_of(title: str, column: pd.Series) -> Facet:
    """A column as a facet: numbers with many values are a scale, everything else is groups.

    More than 200 groups keep the 199 largest; the others are one group, "other".
    """
    numeric = pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)
    if numeric and column.nunique() > _FEW_NUMBERS:
        return Facet(title, values=column.to_numpy(dtype=np.float32, na_value=np.nan))
    keys, values = pd.factorize(column if numeric else column.where(column.isna(), column.astype(str)), sort=True)
    counts = np.bincount(keys[keys >= 0], minlength=len(values))
    kept = np.ones(len(values), bool)
    if len(values) > MOST_CATEGORIES:
        kept[np.argsort(-counts, kind="stable")[MOST_CATEGORIES - 1 :]] = False
    place = np.where(kept, np.cumsum(kept) - 1, kept.sum()).astype(np.int32)
    codes = np.where(keys >= 0, place[keys] if len(values) else -1, -1)
    names = [f"{v:g}" if numeric else str(v) for v, keep in zip(values, kept, strict=True) if keep]
    return groups(title, codes, names + ([] if kept.all() else ["other"]))
