"""What the figures and tables of section 3.1 claim of sweeps, as contrasts over a classes table."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ssrl_core.analysis import bias
from ssrl_core.paper.item import Row
from ssrl_core.paper.verdict import Contrast, above, stated

DRAWS = 200


def linear(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of linear evaluation."""
    return table[table["probe"] == "linear"] if not table.empty else table


def parameter(table: pd.DataFrame) -> str:
    """The column that varies."""
    return str(bias.parameters(table)[0])


def classes_move_more(table: pd.DataFrame) -> list[Contrast]:
    """Figure 1: class accuracies move more than the overall one, and some in opposite directions."""
    claim = "class accuracies move more than the overall accuracy"
    opposed = "some classes move in opposite directions, beyond their 95 % intervals"
    if table.empty:
        return [stated(claim, None), stated(opposed, None)]
    x = parameter(table)
    moved = bias.movers(table, x)
    if moved["range"].isna().all():
        return [stated(claim, False, reason="one value"), stated(opposed, False, reason="one value")]
    up, down = int((moved["low"] > 0).sum()), int((moved["high"] < 0).sum())
    told = f"{up} classes gain and {down} lose from the first to the last value, of {len(moved)}"
    return [
        _more_than_overall(claim, table, x),
        stated(opposed, up > 0 and down > 0, int(moved["n"].max()), reason=told),
    ]


def _more_than_overall(claim: str, table: pd.DataFrame, x: str) -> Contrast:
    """Variance over the values that seeds have in common, mean of the classes minus that of the overall accuracy."""
    wide = table.pivot_table(index=["method", "class"], columns=["seed", x], values="accuracy").dropna()
    seeds, values = (wide.columns.get_level_values(level).nunique() for level in (0, 1))
    if seeds < 2 or wide.shape[1] != seeds * values:
        return stated(claim, False, reason="one seed, or missing runs")
    accuracy = wide.to_numpy().reshape(len(wide), seeds, values)
    classes, whole = shared_variance(accuracy), shared_variance(accuracy.mean(axis=0, keepdims=True))
    spread = [100 * float(np.sqrt(max(0.0, part.mean()))) for part in (classes, whole)]
    told = f"sd over the values, noise of the seeds removed: {spread[0]:.2f} points a class, {spread[1]:.2f} overall"
    return replace(above(claim, 1e4 * (classes.mean(axis=0) - whole.mean(axis=0)), 0.0, "points²"), reason=told)


def shared_variance(accuracy: NDArray[np.float64]) -> NDArray[np.float64]:
    """How much accuracies move with the parameter, without what seeds add: a range of noise alone is not 0.

    Args:
        accuracy: (classes, seeds, values).

    Returns:
        (classes, seeds) covariance over the values of each seed with the mean of the others. Its expectation is the
        variance of the true curve over the values, 0 where nothing moves, as the noise of two trainings is independent.
    """
    seeds, values = accuracy.shape[1:]
    around = accuracy - accuracy.mean(axis=2, keepdims=True)
    others = (around.sum(axis=1, keepdims=True) - around) / (seeds - 1)
    return np.asarray((around * others).sum(axis=2) / (values - 1))


def overall_rows(table: pd.DataFrame) -> list[Row]:
    """Mean and sd of every method over the sweep (table 5)."""
    if table.empty:
        return []
    found = bias.method_summary(table, parameter(table))
    return [
        Row(str(row["method"]), column, None, _known(row[name]), None, int(row["values"]))
        for _, row in found.iterrows()
        for column, name in (("mean", "mean"), ("std", "sd"))
    ]


def mover_rows(table: pd.DataFrame, count: int = 6) -> list[Row]:
    """The classes that move most: change from the first to the last value, with half its 95 % interval as sd."""
    if table.empty:
        return []
    found = bias.movers(table, parameter(table), count)
    told = found[found["change"].notna() & found["low"].notna()]
    return [
        Row(
            str(row["class"]),
            f"change, {row['method']}",
            None,
            float(row["change"]),
            float((row["high"] - row["low"]) / 2),
            int(row["n"]),
        )
        for _, row in told.iterrows()
    ]


def ratio_rows(table: pd.DataFrame, draws: int = DRAWS) -> tuple[list[Row], list[Contrast]]:
    """Figure 2: the share of classes with an opposite partner, and whether it is more than both floors give."""
    claim = "more classes have an opposite partner than either floor of chance gives"
    if table.empty:
        return [], [stated(claim, None)]
    x = parameter(table)
    found = bias.opposition(table, x)
    summary = bias.floor_summary(bias.floors(table, x, draws=draws), found.ratios)
    rows = [
        Row(str(row["method"]), name, None, _known(row[name]), None, int(row["n"]))
        for _, row in found.ratios.iterrows()
        for name in ("ratio", "ratio_corrected")
    ]
    rows += [
        Row(str(row["method"]), f"chance, {row['floor']}", None, _known(row["ratio_mean"]), None, int(row["draws"]))
        for _, row in summary.iterrows()
    ]
    p = summary["ratio_p"].to_numpy(dtype=float)
    known = p[np.isfinite(p)]
    told = f"p of the floors: {', '.join(f'{v:.3f}' for v in known)}" if len(known) else "no pair could be tested"
    holds = bool(len(known) and (known < 0.05).all())
    return rows, [stated(claim, holds, int(found.ratios["n"].max()), reason=told)]


def own_highest(table: pd.DataFrame, groups: dict[str, str] | None) -> tuple[list[Row], list[Contrast]]:
    """Figure 3: superclasses have different values of their own highest accuracy, and some lose by another's choice."""
    claim = "superclasses have their highest accuracy at different values, and one's choice costs another"
    if table.empty:
        return [], [stated(claim, None)]
    found = bias.own_highest(bias.by_superclass(table, groups), parameter(table))
    rows = [
        Row(str(row["for"]), f"highest at, {row['method']}", None, _number(row["x"]), None, int(row["seeds"]))
        for _, row in found.highest.iterrows()
    ]
    other = found.prices[found.prices["for"] != found.prices["class"]]
    costs = int((other["verdict"] == "loses").sum())
    values = found.highest["x"].nunique()
    different = f"{values} different value{'s' if values != 1 else ''}"
    told = f"{different}; {costs} of {len(other)} choices cost another superclass clearly"
    return rows, [stated(claim, values > 1 and costs > 0, int(found.highest["seeds"].max()), reason=told)]


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _known(value: Any) -> float | None:
    return float(value) if value == value else None
