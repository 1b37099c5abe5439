"""The accuracy of each class with its 95 % interval, and what changed between two runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from ssrl_core.figures.style import ACCENT, GAIN, LOSS, NEUTRAL, VIRIDIS, dotted, even_steps, percent, style, whiskers

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


_ROW_PX, _AROUND_PX = 22, 92
_THIN_ROW_PX, _MANY = 15, 40
_FAINT = "rgba(13, 148, 136, 0.22)"


def class_bars(
    classes: Mapping[str, Mapping[str, Any]],
    *,
    order: Sequence[str] | None = None,
    mean: float | None = None,
    pixels: Mapping[str, Mapping[str, Any]] | None = None,
    title: str = "",
) -> Figure:
    """One row a class: a bar to its accuracy, a line over its interval, its number of images on hover.

    Args:
        classes: {name: {n, correct, accuracy, low, high}} (docs/contracts.md C8).
        order: class names from top to bottom; left out, highest accuracy first.
        mean: accuracy over all images, drawn as a thin line.
        pixels: the same of raw pixels, a grey stroke a class.
    """
    import plotly.graph_objects as go

    known = {name: row for name, row in classes.items() if row["n"]}
    names = (
        [n for n in order if n in known] if order is not None else sorted(known, key=lambda n: -known[n]["accuracy"])
    )
    rows = [known[name] for name in names]
    fig = go.Figure()
    fig.add_bar(
        y=names,
        x=[row["accuracy"] for row in rows],
        orientation="h",
        marker={"color": _FAINT, "line": {"width": 0}},
        error_x=_interval([row["accuracy"] for row in rows], rows, ACCENT),
        customdata=[[row["correct"], row["n"], percent(row["low"]), percent(row["high"])] for row in rows],
        hovertemplate="%{y}: %{x:.1%} (%{customdata[0]} of %{customdata[1]})<br>"
        "95 % interval %{customdata[2]} to %{customdata[3]}<extra></extra>",
    )
    values = [row["accuracy"] for row in rows]
    fig.add_scatter(y=names, x=values, mode="markers", marker={"size": 8, "color": ACCENT}, hoverinfo="skip")
    beside = {name: pixels[name]["accuracy"] for name in names if name in pixels} if pixels else {}
    if beside:
        fig.add_scatter(
            y=list(beside),
            x=list(beside.values()),
            mode="markers",
            marker={"symbol": "line-ns-open", "size": 14, "line": {"width": 2}, "color": NEUTRAL},
            hovertemplate="%{y}, raw pixels: %{x:.1%}<extra></extra>",
        )
    if mean is not None:
        fig.add_vline(x=mean, line=dotted(NEUTRAL))
    style(fig, title=title, x="accuracy", height=_height(len(names)))
    fig.update_xaxes(range=[0, 1.005], tickformat=".0%", showgrid=True)
    return _rows_downwards(fig, names)


def class_pairs(rows: Sequence[Mapping[str, Any]], first: str, second: str) -> Figure:
    """Two runs side by side: for each class a point a run, joined by a line.

    Args:
        rows: of `analysis.comparison.compare_classes`, drawn from top to bottom.
        first, second: the runs as hover names them; the first is drawn as an open circle.
    """
    import plotly.graph_objects as go

    names = [row["class"] for row in rows]
    fig = go.Figure()
    for colour in (NEUTRAL, GAIN, LOSS):
        own = [row for row in rows if _colour(row) == colour]
        fig.add_scatter(
            y=[name for row in own for name in (row["class"], row["class"], None)],
            x=[value for row in own for value in (row["first"], row["second"], None)],
            mode="lines",
            line={"color": colour, "width": 3},
            hoverinfo="skip",
        )
    for key, name, hollow in (("first", first, True), ("second", second, False)):
        fig.add_scatter(
            y=names,
            x=[row[key] for row in rows],
            mode="markers",
            name=name,
            marker={"size": 9, "color": ACCENT, "symbol": "circle-open" if hollow else "circle", "line": {"width": 2}},
            customdata=[row[f"n_{key}"] for row in rows],
            hovertemplate="%{y}, " + name + ": %{x:.1%} (n = %{customdata})<extra></extra>",
        )
    style(fig, x="accuracy", height=_height(len(names)))
    fig.update_xaxes(tickformat=".0%", showgrid=True, range=_within_shares(rows))
    return _rows_downwards(fig, names)


def _within_shares(rows: Sequence[Mapping[str, Any]]) -> list[float]:
    """Room for every accuracy of both runs; an axis that goes beyond 0 or 100 % would promise what there cannot be."""
    values = [float(row[key]) for row in rows for key in ("first", "second")]
    room = max(0.05, 0.08 * (max(values) - min(values)))
    return [max(-0.02, min(values) - room), min(1.02, max(values) + room)]


def class_differences(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """What each class wins (teal) or loses (brown) with its 95 % interval; grey where the interval holds 0.

    Args:
        rows: of `analysis.comparison.compare_classes`, drawn from top to bottom.
    """
    import plotly.graph_objects as go

    names = [row["class"] for row in rows]
    colours = [_colour(row) for row in rows]
    values = [row["difference"] for row in rows]
    fig = go.Figure()
    fig.add_bar(
        y=names,
        x=values,
        orientation="h",
        marker={"color": colours, "line": {"width": 0}},
        error_x=_interval(values, rows, NEUTRAL),
        customdata=[[percent(row["first"]), percent(row["second"])] for row in rows],
        hovertemplate="%{y}: %{customdata[0]} to %{customdata[1]}, %{x:+.1%}<extra></extra>",
    )
    fig.add_vline(x=0, line={"color": NEUTRAL, "width": 1})
    style(fig, x="difference of accuracy", height=_height(len(names)))
    fig.update_xaxes(tickformat="+.0%", showgrid=True)
    return _rows_downwards(fig, names)


def _colour(row: Mapping[str, Any]) -> str:
    return NEUTRAL if not row["clear"] else GAIN if row["difference"] > 0 else LOSS


def _interval(values: Sequence[float], rows: Sequence[Mapping[str, Any]], colour: str) -> dict[str, Any]:
    above = [row["high"] - value for value, row in zip(values, rows, strict=True)]
    below = [value - row["low"] for value, row in zip(values, rows, strict=True)]
    return whiskers(colour, above, below, thickness=1.6)


def _height(count: int) -> int:
    return _AROUND_PX + count * (_ROW_PX if count <= _MANY else _THIN_ROW_PX)


def _rows_downwards(fig: Figure, names: Sequence[str]) -> Figure:
    return fig.update_yaxes(
        type="category", categoryorder="array", categoryarray=list(reversed(names)), showgrid=False, dtick=1
    )


_WRITTEN = 12  # classes up to which every cell shows its number
_LEAST_PX, _MOST_PX = 340, 900


def confusion_matrix(confusion: ArrayLike, names: Sequence[str]) -> Figure:
    """A square of shares, each row summing to 1, the counts written in it or on hover.

    Args:
        confusion: (K, K) counts, rows = truth.
    """
    import plotly.graph_objects as go

    counts = np.asarray(confusion, dtype=np.int64)
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.zeros(counts.shape), where=totals > 0)
    fig = go.Figure()
    fig.add_heatmap(
        z=shares,
        x=list(names),
        y=list(names),
        text=counts,
        zmin=0,
        zmax=1,
        colorscale=even_steps(VIRIDIS),
        xgap=1,
        ygap=1,
        texttemplate="%{text}" if len(names) <= _WRITTEN else None,
        hovertemplate="%{y} taken for %{x}: %{text} (%{z:.1%} of %{y})<extra></extra>",
        colorbar={
            "orientation": "h",
            "x": 1,
            "xanchor": "right",
            "y": 1.01,
            "yanchor": "bottom",
            "len": 0.42,
            "thickness": 7,
            "outlinewidth": 0,
            "tickformat": ".0%",
            "tickvals": [0, 0.5, 1],
        },
    )
    side = int(np.clip(34 * len(names) + 90, _LEAST_PX, _MOST_PX))
    style(fig, x="predicted", y="true", height=side)
    fig.update_layout(margin_t=40)
    fig.update_xaxes(type="category", constrain="domain", tickangle=-45 if max(map(len, names), default=0) > 3 else 0)
    return fig.update_yaxes(type="category", autorange="reversed", showgrid=False, scaleanchor="x", constrain="domain")
