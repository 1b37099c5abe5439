"""Figures of a screen: the share of a group against the dose, and on the wells of a plate."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ssrl_core.figures.style import (
    ACCENT,
    NEUTRAL,
    VIRIDIS,
    clickable,
    dotted,
    even_steps,
    name_at_end,
    palette,
    style,
    whiskers,
)

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure


UNTREATED = "untreated"
_WIDE_PX = 530  # of the columns of a plate


def dose_figure(
    shares: pd.DataFrame,
    summary: pd.DataFrame,
    *,
    colour: str,
    title: str,
    unit: str = "µM",
    curve: Any = None,
    height: int = 300,
) -> Figure:
    """One group under one compound.

    Args:
        shares: dose, replicate, cells, count, share (rows of one group of `analysis.doses.dose_shares`).
        summary: dose, share, low, high (`dose_summary`).
        curve: what `fit_curve` found (an object with `at(dose)` and `ec50`); None or a text draws none.
    """
    import plotly.graph_objects as go

    tested = sorted(dose for dose in summary["dose"].unique() if dose > 0)
    nought = _nought(tested)
    fig = go.Figure()
    if hasattr(curve, "at"):
        dense = np.geomspace(tested[0] / 1.5, tested[-1] * 1.5, 120)
        fig.add_scatter(x=dense, y=curve.at(dense), mode="lines", line={"color": colour, "width": 2}, hoverinfo="skip")
        fig.add_vline(x=curve.ec50, line=dotted(NEUTRAL))
    at = summary["dose"].where(summary["dose"] > 0, nought)
    fig.add_scatter(
        x=at,
        y=summary["share"],
        mode="markers",
        marker={"color": colour, "size": 9, "symbol": "diamond"},
        error_y=whiskers(colour, summary["high"] - summary["share"], summary["share"] - summary["low"], width=4),
        hovertemplate="mean %{y:.0%}<extra></extra>",
    )
    fig.add_scatter(
        x=shares["dose"].where(shares["dose"] > 0, nought),
        y=shares["share"],
        mode="markers",
        marker={"color": NEUTRAL, "size": 6, "opacity": 0.75},
        text=[
            f"{r}: {c} of {n} cells"
            for r, c, n in zip(shares["replicate"], shares["count"], shares["cells"], strict=True)
        ],
        hovertemplate="%{text}<extra></extra>",
    )
    style(fig, title=title, x=f"dose ({unit}), logarithmic", y="share of cells", height=height)
    fig.update_layout(margin_t=64 if "<br>" in title else 44)
    labels = ["0", *(f"{dose:g}" for dose in tested)]
    fig.update_xaxes(type="log", tickvals=[nought, *tested], ticktext=labels)
    fig.update_yaxes(tickformat=".0%", rangemode="tozero")
    return fig


def _nought(tested: list[float]) -> float:
    """Where untreated cells stand on a logarithmic axis: a little left of the lowest dose."""
    if not tested:
        return 0.1
    step = (tested[-1] / tested[0]) ** (1 / max(1, len(tested) - 1)) if len(tested) > 1 else 3.0
    return float(tested[0] / max(2.0, step) ** 1.3)


def network_doses(rows: pd.DataFrame) -> Figure:
    """A line a network over a logarithmic dose, its name at its end; shuffled labels dotted.

    Args:
        rows: network, dose (> 0), ami, shuffled (AMI with shuffled labels).
    """
    import plotly.graph_objects as go

    names = list(dict.fromkeys(rows["network"]))
    fig = go.Figure()
    for name, colour in zip(names, palette(len(names)), strict=True):
        mine = rows[rows["network"] == name].sort_values("dose")
        _line(fig, mine, "ami", colour, name, "solid")
        _line(fig, mine, "shuffled", NEUTRAL, f"{name}, shuffled labels", "dot")
        name_at_end(fig, math.log10(mine["dose"].iloc[-1]), mine["ami"].iloc[-1], name, colour, away_px=6)
    style(fig, title=_finding(rows), x="dose, µM", y="AMI, two clusters")
    fig.update_layout(margin={"r": 90})
    doses = sorted(rows["dose"].unique())
    return fig.update_xaxes(type="log", tickvals=doses, ticktext=[f"{dose:g}" for dose in doses])


def _line(fig: Figure, rows: pd.DataFrame, column: str, colour: str, name: str, dash: str) -> None:
    fig.add_scatter(
        x=rows["dose"],
        y=rows[column],
        mode="lines+markers",
        line={"color": colour, "width": 2, "dash": dash},
        hovertemplate=f"{name}<br>%{{x:g}}: %{{y:.3f}}<extra></extra>",
    )


def _finding(rows: pd.DataFrame) -> str:
    top = rows.loc[rows["ami"].idxmax()]
    return f"Highest AMI: {top['network']} at {top['dose']:g} µM, {top['ami']:.3f} (dotted: shuffled labels)"


_ROW_PX, _AROUND_PX = 34, 60


def replicates(
    values: Mapping[str, Sequence[float]],
    *,
    x: str,
    title: str = "",
    published: Mapping[str, float] | None = None,
    percent: bool = False,
) -> Figure:
    """Rows from top to bottom.

    Args:
        values: setting -> one number a seed; a setting without numbers keeps its row.
        x: quantity and unit.
        published: setting -> number of the paper.
        percent: numbers are shares.
    """
    import plotly.graph_objects as go

    names, given = list(values), published or {}
    fig = go.Figure()
    shown = ".1%" if percent else ".3f"
    fig.add_scatter(
        y=[name for name in names for _ in values[name]],
        x=[value for name in names for value in values[name]],
        mode="markers",
        marker={"size": 7, "color": NEUTRAL, "opacity": 0.7},
        hovertemplate=f"%{{y}}: %{{x:{shown}}}, one seed<extra></extra>",
    )
    known = [name for name in names if len(values[name])]
    half = [half_interval(values[name]) for name in known]
    fig.add_scatter(
        y=known,
        x=[float(np.mean(values[name])) for name in known],
        mode="markers",
        marker={"size": 10, "color": ACCENT, "symbol": "diamond"},
        error_x=whiskers(ACCENT, half, thickness=1.6, width=4),
        customdata=[len(values[name]) for name in known],
        hovertemplate=f"%{{y}}: mean %{{x:{shown}}}, n = %{{customdata}}<extra></extra>",
    )
    ringed = [name for name in names if name in given]
    if ringed:
        fig.add_scatter(
            y=ringed,
            x=[given[name] for name in ringed],
            mode="markers",
            marker={"size": 11, "color": NEUTRAL, "symbol": "circle-open", "line": {"width": 2}},
            hovertemplate=f"%{{y}}: %{{x:{shown}}}, published<extra></extra>",
        )
    style(fig, title=title, x=x, height=_AROUND_PX + _ROW_PX * len(names))
    fig.update_xaxes(showgrid=True, tickformat=".0%" if percent else None)
    return fig.update_yaxes(type="category", categoryorder="array", categoryarray=names[::-1], showgrid=False)


def half_interval(values: Sequence[float]) -> float:
    """Half the 95 % interval of the mean (Student's t); 0 for one value, which has none."""
    n = len(values)
    if n < 2:
        return 0.0
    from scipy import special

    return float(special.stdtrit(n - 1, 0.975) * np.std(values, ddof=1) / np.sqrt(n))


def plate_figure(wells: pd.DataFrame, shape: tuple[int, int], *, title: str = "", picked: str | None = None) -> Figure:
    """Shares of wells where they lie on their plate; a click gives the point whose `customdata` begins with its name.

    Args:
        wells: well, row, column, cells, count, share, low, high, and `what` (what hovering says), if there.
        shape: rows and columns of the plate.
        picked: a well to mark.
    """
    what = wells["what"] if "what" in wells else [""] * len(wells)
    fig = plate(
        wells, wells["share"], shape, _WIDE_PX, size=18,
        customdata=[[w, n, k] for w, n, k in zip(wells["well"], wells["cells"], wells["count"], strict=True)],
        text=list(what), hover="%{customdata[0]}: %{customdata[2]} of %{customdata[1]} cells<br>%{text}",
        zmin=0, zmax=max(0.05, float(wells["share"].max()) if len(wells) else 0.05), colorscale=even_steps(VIRIDIS),
        colorbar={"title": {"text": "share"}, "tickformat": ".0%", "thickness": 10, "outlinewidth": 0},
    )  # fmt: skip
    for well in wells[wells["well"] == picked].to_dict("records"):
        x, y = well["column"], well["row"]
        ends = {"x0": x - 0.5, "x1": x + 0.5, "y0": y - 0.5, "y1": y + 0.5}
        fig.add_shape(type="rect", **ends, line={"color": "#d55e00", "width": 3})
    fig.update_layout(title_text=title, margin_t=76)
    fig.update_xaxes(side="top", fixedrange=True)
    return fig.update_yaxes(fixedrange=True)


def plate(
    wells: pd.DataFrame,
    values: pd.Series,
    shape: tuple[int, int],
    width: int,
    *,
    size: int,
    customdata: Any,
    text: Any,
    hover: str = "%{text}",
    **scale: Any,
) -> Figure:
    """Wells as squares in the colour of a value, under letters and numbers; each can be clicked.

    Args:
        wells: row, column.  values: one each.  shape: rows and columns of the plate.
        width: in px, that of all columns.
        size, customdata, text, hover: of what is clicked (`clickable`).
        scale: of the colours, as Plotly's heat map takes it.
    """
    import plotly.graph_objects as go

    rows, columns = shape
    grid: list[list[float | None]] = [[None] * columns for _ in range(rows)]
    for row, column, value in zip(wells["row"], wells["column"], values, strict=True):
        grid[int(row)][int(column)] = float(value)
    fig = go.Figure()
    fig.add_heatmap(z=grid, xgap=2, ygap=2, hoverinfo="skip", **scale)
    clickable(fig, wells["column"], wells["row"], size=size, customdata=customdata, text=text, hover=hover)
    style(fig, height=int(width / columns * rows + 110))
    letters = [chr(65 + r) if r < 26 else "A" + chr(65 + r - 26) for r in range(rows)]
    numbers = [str(c + 1) for c in range(columns)]
    fig.update_xaxes(tickvals=list(range(columns)), ticktext=numbers, range=[-0.6, columns - 0.4], showgrid=False)
    return fig.update_yaxes(tickvals=list(range(rows)), ticktext=letters, range=[rows - 0.4, -0.6], showgrid=False)
