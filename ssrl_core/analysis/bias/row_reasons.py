"""What is odd in the rows of a classes table before they become a grid: no value given, counts that disagree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from ssrl_core.analysis.bias.arrival import counted
from ssrl_core.analysis.bias.axis import Axis
from ssrl_core.analysis.bias.columns import BASE, vary_columns
from ssrl_core.analysis.bias.reasons import reason

ROUNDED = 0.0051
"""An accuracy rounded to whole per cent may differ from its counts by half of one."""


def without_value(frame: pd.DataFrame, column: str) -> pd.Series:
    """(n,) bool: the rows that should have a value of a parameter and have none.

    Not those of another transformation: where two sweeps stand in one table, each column is given only where the other
    one is not.
    """
    given = frame[column].notna()
    explained = pd.Series(False, index=frame.index)
    if given.all():
        return explained
    for other in vary_columns(frame):
        there = frame[other].notna()
        if other != column and not (there & given).any():
            explained |= there
    return ~given & ~explained


def row_reasons(
    setting: Mapping[str, Any], axis: Axis, rows: pd.DataFrame, left_out: pd.DataFrame
) -> Iterator[dict[str, Any]]:
    """Rows of the table of reasons for one setting.

    Args:
        rows: of the setting. left_out: of all settings, those that have no value of the parameter.
    """
    mine = np.logical_and.reduce([left_out[name] == setting[name] for name in BASE]) if len(left_out) else np.zeros(0)
    lost = int(np.count_nonzero(mine))
    if lost:
        text = f"{lost} row{'s have' if lost > 1 else ' has'} no value of {axis.path}: left out of everything."
        yield reason(setting, "no_value", text)
    odd = int(((rows["accuracy"] - counted(rows["n"], rows["correct"])).abs() > ROUNDED).sum())
    if odd:
        text = f"In {odd} of {len(rows)} rows the accuracy is not correct / n: the accuracy is taken."
        yield reason(setting, "counts_differ", text)
