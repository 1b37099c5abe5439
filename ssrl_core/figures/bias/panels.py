"""Small multiples: which panel a row belongs to, what it is called, and labels at line ends that do not overlap."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ssrl_core.errors import DataError
from ssrl_core.figures.style import MISSING, style

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

PANEL_PX, TOP_PX, BELOW_PX, COLUMN_GAP_PX, ROW_GAP_PX = 230, 52, 84, 90, 70
_TITLE_LETTERS, _TITLE_LINE_PX = 110, 20
_SETTING = ("transformation", "dataset", "backbone", "method", "probe")


def setting_columns(table: pd.DataFrame) -> list[str]:
    """The columns that say which runs a row is about."""
    return [c for c in map(str, table.columns) if c in _SETTING or c.startswith("vary.")]


def panels(table: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """(label, rows) of each setting; the label names what differs between them.

    Raises:
        DataError: the table has no rows.
    """
    if table.empty:
        raise DataError.at("Figure", "table", "with at least one row", 0)
    columns = setting_columns(table)
    if not columns:
        return [("", table)]
    differing = [c for c in columns if table[c].nunique(dropna=False) > 1]
    groups = table.groupby(columns, sort=False, dropna=False)
    return [(setting_label(part.iloc[0], differing), part) for _, part in groups]


def setting_label(row: pd.Series, columns: Sequence[str]) -> str:
    """`simclr, resnet18` of the columns that differ."""
    return ", ".join(parameter_name(str(row[c])) if c == "transformation" else _value(c, row[c]) for c in columns)


def parameter_name(path: str) -> str:
    """`terms.0.composition.steps.color_jitter.hue` as `color jitter hue`."""
    parts = [part for part in path.removeprefix("vary.").split(".") if not part.isdigit()]
    return " ".join(parts[-2:]).replace("_", " ")


def axis_name(table: pd.DataFrame) -> str:
    """What the x axis is called: the parameter, or nothing where several are shown."""
    if "transformation" not in table or table["transformation"].nunique() != 1:
        return ""
    return parameter_name(str(table["transformation"].iloc[0]))


def grid_of_panels(labels: Sequence[str], columns: int, *, shared_y: bool = True, gap: int = ROW_GAP_PX) -> Figure:
    """An empty grid with a small heading over each panel; `gap` px between the rows."""
    from plotly.subplots import make_subplots

    across = max(1, min(columns, len(labels)))
    down = -(-len(labels) // across)
    height = down * PANEL_PX + (down - 1) * gap
    fig = make_subplots(
        rows=down,
        cols=across,
        shared_yaxes="all" if shared_y else False,
        subplot_titles=[*labels],
        horizontal_spacing=min(0.12, 1 / across),
        vertical_spacing=gap / height if down > 1 else 0.0,
    )
    fig.update_annotations(font={"size": 13}, yshift=2)
    return fig


def finish(
    fig: Figure, count: int, columns: int, *, title: str, x: str, y: str, note: str = "", gap: int = ROW_GAP_PX
) -> Figure:
    """The common look, with room for the title and headings above and for labels right of the panels."""
    down = -(-count // max(1, min(columns, count)))
    top = TOP_PX + _TITLE_LINE_PX * len(_lines(title))
    style(fig, title=wrapped(title), height=down * PANEL_PX + (down - 1) * gap + top + BELOW_PX)
    fig.update_layout(margin={"t": top, "r": COLUMN_GAP_PX, "b": BELOW_PX, "l": 56})
    if x:
        fig.add_annotation(text=x, xref="paper", yref="paper", x=0.5, y=0, yshift=-34, yanchor="top", showarrow=False)
    if y:
        fig.update_yaxes(title_text=y, col=1)
    if note:
        fig.add_annotation(
            text=note,
            xref="paper",
            yref="paper",
            x=0,
            y=0,
            yshift=-52,
            xanchor="left",
            yanchor="top",
            align="left",
            showarrow=False,
            font={"size": 11, "color": MISSING},
        )
    return fig


def wrapped(title: str) -> str:
    """A long title on several lines."""
    return "<br>".join(_lines(title))


def _lines(title: str) -> list[str]:
    return textwrap.wrap(title, _TITLE_LETTERS)


def place(number: int, count: int, columns: int) -> dict[str, int]:
    """`row` and `col` of a panel, from 0."""
    across = max(1, min(columns, count))
    return {"row": number // across + 1, "col": number % across + 1}


def spread_heights(heights: Sequence[float], gap: float) -> list[float]:
    """Heights of labels moved as little as possible so that neighbours are at least `gap` apart, in the same order.

    Pools of labels that would overlap are spread around their mean, as in isotonic regression.
    """
    order = np.argsort(np.asarray(heights, dtype=float), kind="stable")
    pools: list[list[float]] = []  # sum of (height - rank * gap), members
    for rank, at in enumerate(order):
        pools.append([float(heights[at]) - rank * gap, 1.0])
        while len(pools) > 1 and pools[-2][0] / pools[-2][1] > pools[-1][0] / pools[-1][1]:
            total, members = pools.pop()
            pools[-1][0] += total
            pools[-1][1] += members
    moved = [total / members for total, members in pools for _ in range(int(members))]
    out = [0.0] * len(order)
    for rank, at in enumerate(order):
        out[at] = moved[rank] + rank * gap
    return out


def runs_note(table: pd.DataFrame) -> str:
    """`mean ± sd of 5 seeds` from a column of seeds."""
    seeds = table["seeds"][table["seeds"] > 0] if "seeds" in table else pd.Series(dtype=int)
    if seeds.empty:
        return "no results yet"
    low, high = int(seeds.min()), int(seeds.max())
    if high == 1:
        return "one seed: no sd"
    return f"mean ± sd, n = {high if low == high else f'{low} to {high}'} seeds"


def _value(column: str, value: Any) -> str:
    return f"{parameter_name(column)} {value}" if column.startswith("vary.") else str(value)
