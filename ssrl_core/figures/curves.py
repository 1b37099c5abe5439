"""How a training goes: loss, the kNN accuracy on the way, and whether the representation collapses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ssrl_core.figures.colours import ACCENT, NEUTRAL, palette
from ssrl_core.figures.style import percent, style, three

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

CURVE_HEIGHT = 240
_MOST_POINTS = 800
_MARKED = ("collapse", "diverged", "resume", "stop")


def training_curves(metrics: pd.DataFrame, *, height: int = CURVE_HEIGHT) -> dict[str, Figure]:
    """The curves of one run.

    Args:
        metrics: the lines of `metrics.jsonl` (CONTRACTS C7), one a row; columns that are not there are taken as empty.

    Returns:
        `loss`, and where there is something to show `knn` and `spread`, for one row of charts of equal height. Without
        a single step the dictionary is empty.
    """
    steps, evals, events = (_of_kind(metrics, kind) for kind in ("step", "eval", "event"))
    if steps.empty:
        return {}
    figures = {"loss": loss_curve(steps, height=height)}
    if not evals.empty and "knn_top1" in evals:
        figures["knn"] = knn_curve(evals, height=height)
    if "z_std" in steps and steps["z_std"].notna().any():
        figures["spread"] = spread_curve(steps, height=height)
    for figure in figures.values():
        _mark(figure, events, steps)
    return figures


def loss_curve(steps: pd.DataFrame, *, height: int = CURVE_HEIGHT) -> Figure:
    """The loss over epochs; with several terms each of them too, labelled at its end."""
    import plotly.graph_objects as go

    fig = go.Figure()
    terms = steps["terms"].dropna() if "terms" in steps else pd.Series(dtype=object)
    count = max((len(row) for row in terms), default=0)
    for i, colour in enumerate(palette(count) if count > 1 else []):
        values = [row[i] if isinstance(row, list) and i < len(row) else None for row in steps["terms"]]
        _line(fig, steps["epoch"], pd.Series(values, dtype=float), colour, f"term {i + 1}", width=1.2)
    _line(fig, steps["epoch"], steps["loss"], ACCENT, "loss" if count > 1 else "")
    last = steps["loss"].dropna()
    title = f"Loss {three(float(last.iloc[-1]))}" if len(last) else "No loss yet"
    return style(fig, title=title, x="epoch", height=height)


def knn_curve(evals: pd.DataFrame, *, height: int = CURVE_HEIGHT) -> Figure:
    """Accuracy of the nearest neighbours on the validation images over epochs."""
    import plotly.graph_objects as go

    known = evals.dropna(subset=["knn_top1"])
    fig = go.Figure()
    fig.add_scatter(
        x=known["epoch"],
        y=known["knn_top1"],
        mode="lines+markers",
        line={"color": ACCENT, "width": 2},
        marker={"size": 5},
        hovertemplate="epoch %{x}<br>kNN %{y:.1%}<extra></extra>",
    )
    title = f"kNN {percent(float(known['knn_top1'].iloc[-1]))} of validation images" if len(known) else "No kNN yet"
    style(fig, title=title, x="epoch", height=height)
    return fig.update_yaxes(tickformat=".0%", rangemode="tozero")


def spread_curve(steps: pd.DataFrame, *, height: int = CURVE_HEIGHT) -> Figure:
    """How far the projections fill their sphere: 1 spread, 0 collapsed to one point."""
    import plotly.graph_objects as go

    fig = go.Figure()
    _line(fig, steps["epoch"], steps["z_std"], ACCENT, "")
    last = float(steps["z_std"].dropna().iloc[-1])
    state = "collapsed" if last < 0.05 else "spread out" if last > 0.5 else "partly spread"
    style(fig, title=f"Projections {state} ({three(last)})", x="epoch", height=height)
    return fig.update_yaxes(range=[0, max(1.05, float(steps["z_std"].max()) * 1.05)])


def _of_kind(metrics: pd.DataFrame, kind: str) -> pd.DataFrame:
    if metrics.empty or "kind" not in metrics:
        return pd.DataFrame()
    return metrics[metrics["kind"] == kind]


def _line(fig: Figure, x: pd.Series, y: pd.Series, colour: str, name: str, *, width: float = 2) -> None:
    thin = np.unique(np.linspace(0, len(x) - 1, min(len(x), _MOST_POINTS)).astype(int))
    shown_x, shown_y = x.to_numpy()[thin], y.to_numpy(dtype=float)[thin]
    hover = "epoch %{x:.1f}<br>" + (name or "value") + " %{y:.3g}<extra></extra>"
    fig.add_scatter(x=shown_x, y=shown_y, mode="lines", line={"color": colour, "width": width}, hovertemplate=hover)
    finite = np.flatnonzero(np.isfinite(shown_y))
    if name and len(finite):
        at = finite[-1]
        fig.add_annotation(
            x=shown_x[at], y=shown_y[at], text=name, showarrow=False, xanchor="left", xshift=4, font={"color": colour}
        )


def _mark(fig: Figure, events: pd.DataFrame, steps: pd.DataFrame) -> None:
    """A thin line where something happened: a resume, a stop, a collapse."""
    if events.empty or "name" not in events:
        return
    for _, event in events[events["name"].isin(_MARKED)].iterrows():
        epoch = float(np.interp(event["step"], steps["step"], steps["epoch"]))
        fig.add_vline(x=epoch, line={"color": NEUTRAL, "width": 1, "dash": "dot"})
        fig.add_annotation(
            x=epoch,
            y=1,
            yref="paper",
            text=str(event["name"]),
            showarrow=False,
            textangle=-90,
            xanchor="right",
            yanchor="top",
            font={"size": 10, "color": NEUTRAL},
            hovertext=str(event.get("message") or ""),
        )
