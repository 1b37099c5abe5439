"""How much the overall accuracy of each method moves over a sweep: its mean and sd (table 5)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ssrl_core.analysis.bias.accuracy_curves import overall_accuracy
from ssrl_core.analysis.bias.grid import Grid, XNames, grids, mean_over_seeds, sd_over_seeds


def method_summary(table: pd.DataFrame, x: XNames) -> pd.DataFrame:
    """The mean and sd over the values of the parameter, of the means over the seeds of each value.

    Args:
        table, x: as for `grids`.

    Returns:
        the setting's columns, mean, sd (n - 1, over values; NaN for one value), lowest, highest, values (that have an
        accuracy), of (planned), seeds (fewest, most of a value as seeds_low, seeds_high), sd_seeds (what seeds alone
        do: root mean square of the sd within values; an sd of the means of about sd_seeds / sqrt(seeds) is noise),
        reason.
    """
    return pd.DataFrame([_row(grid) for grid in grids(table, x)])


def _row(grid: Grid) -> dict[str, Any]:
    runs, told = overall_accuracy(grid)
    means, within = mean_over_seeds(runs), sd_over_seeds(runs)
    there = means[np.isfinite(means)]
    spread = within[np.isfinite(within)]
    counts = np.isfinite(runs).sum(axis=1)
    counts = counts[counts > 0]
    reasons = [row["reason"] for row in (*grid.reasons, *told) if row["class"] is None]
    return {
        **grid.setting,
        "mean": float(there.mean()) if len(there) else np.nan,
        "sd": float(there.std(ddof=1)) if len(there) > 1 else np.nan,
        "lowest": float(there.min()) if len(there) else np.nan,
        "highest": float(there.max()) if len(there) else np.nan,
        "values": len(there),
        "of": len(means),
        "seeds_low": int(counts.min()) if len(counts) else 0,
        "seeds_high": int(counts.max()) if len(counts) else 0,
        "sd_seeds": float(np.sqrt((spread**2).mean())) if len(spread) else np.nan,
        "reason": " ".join(reasons) or None,
    }
