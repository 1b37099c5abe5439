"""Small multiples, and the lines in them: accuracy along a parameter, change over its range, how methods move.

Which panel a row belongs to, what it is called, and labels at line ends that do not overlap.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ssrl_core.errors import DataError
from ssrl_core.figures.style import ACCENT, GAIN, LOSS, MISSING, NEUTRAL, palette, style, translucent, whiskers

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


PANEL_PX, TOP_PX, BELOW_PX, COLUMN_GAP_PX, ROW_GAP_PX = 230, 52, 84, 90, 70
_TITLE_LETTERS, _TITLE_LINE_PX = 110, 20
_LETTER_PX, _EDGE = 6.2, 0.03
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
    """`terms.0.composition.steps.color_jitter.hue` as `color jitter hue`, `… horizontal_flip.p` as its probability."""
    parts = [part for part in path.removeprefix("vary.").split(".") if not part.isdigit()]
    name = " ".join(parts[-2:]).replace("_", " ")
    return f"probability of {name.removesuffix(' p')}" if parts[-1] == "p" and len(parts) > 1 else name


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


OVERALL = "all classes"
_COLUMNS = 3
Floats = np.ndarray[Any, np.dtype[np.float64]]


def class_curves(
    overall: pd.DataFrame,
    classes: pd.DataFrame,
    chosen: Sequence[str],
    *,
    title: str = "",
) -> Figure:
    """Small multiples of the same height and scale: a line a class, its name at its end, a light band of ± sd.

    Args:
        overall, classes: of `analysis.bias.curves`.
        chosen: classes to show; those that a setting does not have are left out there.
        title: the finding.
    """
    named = dict(zip(chosen, palette(len(chosen)), strict=True))
    found = panels(overall)
    fig = grid_of_panels([label for label, _ in found], _COLUMNS)
    shown = classes[classes["class"].isin(list(chosen))]
    span = _span([overall, shown])
    labels: list[dict[str, Any]] = []
    for number, (_, rows) in enumerate(found):
        at = place(number, len(found), _COLUMNS)
        mine = _same_setting(shown, rows)
        lines = [(OVERALL, NEUTRAL, rows)]
        lines += [(name, named[name], mine[mine["class"] == name]) for name in chosen]
        for name, colour, line in lines:
            draw_line(fig, line, name, colour, at, dash="dot" if name == OVERALL else "solid")
        labels += end_labels(fig, lines, at, span)
    add_labels(fig, labels)
    note = runs_note(pd.concat([overall, shown]))
    finish(fig, len(found), _COLUMNS, title=title, x=axis_name(overall), y="accuracy", note=note)
    if len(found) == 1:
        _room_for_names(fig, overall["x"], [OVERALL, *chosen])
    return fig.update_yaxes(tickformat=".0%", range=[span[0], span[1]])


def _room_for_names(fig: Figure, x: pd.Series, names: Sequence[str]) -> None:
    """The axis ends with its values; the names right of the lines stand in the margin, and do not stretch it."""
    if not pd.api.types.is_numeric_dtype(x):
        return
    low, high = float(x.min()), float(x.max())
    fig.update_xaxes(range=[low - _EDGE * (high - low), high + _EDGE * (high - low)])
    fig.update_layout(margin_r=max(COLUMN_GAP_PX, 20 + _LETTER_PX * max(map(len, names))))


def draw_line(
    fig: Figure, rows: pd.DataFrame, name: str, colour: str, at: dict[str, int], *, dash: str = "solid"
) -> None:
    """A line with its points, and a band of ± sd behind it; a missing value leaves a gap."""
    if rows.empty:
        return
    accuracy, sd = rows["accuracy"].to_numpy(dtype=float), np.nan_to_num(rows["sd"].to_numpy(dtype=float))
    x, y = _band(rows["x"].to_list(), accuracy - sd, accuracy + sd)
    fig.add_scatter(
        x=x, y=y, mode="lines", line={"width": 0}, fill="toself", fillcolor=translucent(colour), hoverinfo="skip", **at
    )
    fig.add_scatter(
        x=rows["x"],
        y=accuracy,
        mode="lines+markers",
        name=name,
        line={"color": colour, "width": 2, "dash": dash},
        marker={"size": 4},
        customdata=np.stack([rows["sd"].to_numpy(dtype=float), rows["seeds"].to_numpy(dtype=float)], axis=1),
        hovertemplate=f"{name} at %{{x}}: %{{y:.1%}} ± %{{customdata[0]:.1%}} (n = %{{customdata[1]}})<extra></extra>",
        **at,
    )


def end_labels(
    fig: Figure, lines: Sequence[tuple[str, str, pd.DataFrame]], at: dict[str, int], span: tuple[float, float]
) -> list[dict[str, Any]]:
    """Annotations with the name of each line right of its last point, for `add_labels`."""
    ends: list[tuple[str, str, Any, float]] = []
    for name, colour, rows in lines:
        known = rows[rows["accuracy"].notna()]
        if not known.empty:
            ends.append((name, colour, known["x"].iloc[-1], float(known["accuracy"].iloc[-1])))
    heights = spread_heights([end[3] for end in ends], 0.065 * (span[1] - span[0]))
    axes = _axes(fig, at)
    return [
        {"x": x, "y": y, "text": name, "showarrow": False, "xanchor": "left", "xshift": 6}
        | {"font": {"color": colour, "size": 12}, **axes}
        for (name, colour, x, _), y in zip(ends, heights, strict=True)
    ]


def add_labels(fig: Figure, labels: Sequence[dict[str, Any]]) -> None:
    """All annotations at once: one by one Plotly copies those before, which takes seconds for a hundred."""
    fig.update_layout(annotations=[*fig.layout.annotations, *labels])


def _axes(fig: Figure, at: dict[str, int]) -> dict[str, str]:
    """`xref`, `yref` of a panel."""
    if not at:
        return {"xref": "x", "yref": "y"}
    panel = fig.get_subplot(at["row"], at["col"])
    return {"xref": panel.xaxis.plotly_name.replace("axis", ""), "yref": panel.yaxis.plotly_name.replace("axis", "")}


def _same_setting(table: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    columns = [c for c in setting_columns(rows) if c in table]
    if not columns:
        return table
    first = rows.iloc[0]
    return table[np.logical_and.reduce([(table[c] == first[c]).to_numpy(dtype=bool) for c in columns])]


def _band(x: list[Any], low: Floats, high: Floats) -> tuple[list[Any], list[Any]]:
    """Outlines of the band, one for each stretch without a gap, parted by None."""
    xs: list[Any] = []
    ys: list[Any] = []
    for part in _unbroken(low):
        xs += [*x[part], *x[part][::-1], None]
        ys += [*low[part].tolist(), *high[part][::-1].tolist(), None]
    return xs[:-1], ys[:-1]


def _unbroken(values: Floats) -> list[slice]:
    """The stretches without a gap."""
    there = np.concatenate([[False], np.isfinite(values), [False]])
    edges = np.flatnonzero(there[1:] != there[:-1])
    return [slice(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def _span(tables: Sequence[pd.DataFrame]) -> tuple[float, float]:
    """The range of all accuracies with their sd, and a little around."""
    ends = []
    for table in tables:
        accuracy, sd = table["accuracy"].to_numpy(dtype=float), np.nan_to_num(table["sd"].to_numpy(dtype=float))
        ends += [accuracy - sd, accuracy + sd]
    values = np.concatenate(ends)
    values = values[np.isfinite(values)]
    if not len(values):
        return 0.0, 1.0
    edge = max(0.01, 0.06 * float(np.ptp(values)))
    return float(values.min()) - edge, float(values.max()) + edge


_COLOURS = {"ascending": GAIN, "descending": LOSS, "random": NEUTRAL}
_ROW_PX, _THIN_ROW_PX, _MANY, _AROUND_PX, _TOP_PX = 22, 13, 40, 140, 38


def behaviour_slopes(behaviours: pd.DataFrame) -> Figure:
    """A row a class, the largest gain on top: the change of accuracy over the range of the parameter, with 95 %.

    Args:
        behaviours: of `analysis.bias.behaviours`, the rows of one setting. Classes without a slope are left out, and
            counted in the name of the axis.
    """
    import plotly.graph_objects as go

    known = behaviours[behaviours["change"].notna()].sort_values("change", ascending=False, kind="stable")
    width = _range_of_x(known)
    fig = go.Figure()
    for behaviour, colour in _COLOURS.items():
        rows = known[known["behaviour"] == behaviour]
        fig.add_scatter(
            x=rows["change"],
            y=rows["class"],
            mode="markers",
            name=f"{behaviour} ({len(rows)})",
            marker={"size": 7, "color": colour},
            error_x=whiskers(colour, np.nan_to_num((rows["high"] - rows["slope"]) * width)),
            customdata=rows[["p", "n"]],
            hovertemplate="%{y}: %{x:+.1%} over the range, p = %{customdata[0]:.3g}, n = %{customdata[1]}"
            "<extra></extra>",
        )
    fig.add_vline(x=0, line={"color": NEUTRAL, "width": 1})
    left = len(behaviours) - len(known)
    x = f"change of accuracy over the range of {axis_name(behaviours) or 'the parameter'}"
    rows_px = _ROW_PX if len(known) <= _MANY else _THIN_ROW_PX
    x += f" ({left} classes without a slope)" if left else ""
    style(fig, x=x, height=_AROUND_PX + rows_px * len(known))
    fig.update_layout(margin={"t": _TOP_PX})
    fig.update_layout(showlegend=True, legend={"orientation": "h", "x": 0, "y": 1, "yanchor": "bottom", "title": ""})
    fig.update_xaxes(tickformat="+.0%", showgrid=True)
    return fig.update_yaxes(
        type="category",
        categoryorder="array",
        categoryarray=list(known["class"])[::-1],
        showgrid=False,
        range=[-0.8, len(known) - 0.2],
        dtick=1,
        tickfont={"size": 12 if len(known) <= _MANY else 9},
    )


def _range_of_x(rows: pd.DataFrame) -> float:
    """The range of the parameter, as the tables have it: change over slope."""
    moved = rows[rows["slope"].abs() > 0]
    return float((moved["change"] / moved["slope"]).median()) if len(moved) else 1.0


def method_spread(summary: pd.DataFrame) -> Figure:
    """A row a method: its mean with ± sd over the values, and a thin line from its lowest to its highest.

    Args:
        summary: of `analysis.bias.method_summary`.
    """
    import plotly.graph_objects as go

    differing = [c for c in setting_columns(summary) if summary[c].nunique(dropna=False) > 1] or ["method"]
    rows = summary.assign(label=[setting_label(row, differing) for _, row in summary.iterrows()])
    rows = rows.sort_values("mean", kind="stable")
    fig = go.Figure()
    for _, row in rows[rows["mean"].notna()].iterrows():
        fig.add_shape(
            type="line",
            x0=row["lowest"],
            x1=row["highest"],
            y0=row["label"],
            y1=row["label"],
            line={"color": NEUTRAL, "width": 1},
            layer="below",
        )
    fig.add_scatter(
        x=rows["mean"],
        y=rows["label"],
        mode="markers",
        marker={"size": 9, "color": ACCENT},
        error_x=whiskers(ACCENT, np.nan_to_num(rows["sd"]), thickness=3),
        customdata=rows[["sd", "values", "sd_seeds", "seeds_low"]],
        hovertemplate="%{y}: %{x:.1%} ± %{customdata[0]:.2%} over %{customdata[1]} values<br>"
        "seeds alone: ± %{customdata[2]:.2%} (n ≥ %{customdata[3]})<extra></extra>",
    )
    values = int(summary["values"].max()) if len(summary) else 0
    style(fig, x=f"overall accuracy, mean ± sd over {values} values", height=110 + 26 * len(rows))
    fig.update_xaxes(tickformat=".1%", showgrid=True)
    return fig.update_yaxes(
        type="category",
        categoryorder="array",
        categoryarray=list(rows["label"]),
        showgrid=False,
        range=[-0.6, len(rows) - 0.4],
    )
