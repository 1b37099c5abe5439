"""How the runs of a sweep go: a thin line a run, and for every value the mean over its seeds with a band of one sd."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ssrl_core.figures.colours import palette
from ssrl_core.figures.style import style

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

HEIGHT = 280
_POINTS = 120
_LABELLED = 8
_NAMES = {"loss": "Loss", "knn_top1": "kNN of validation images"}


def sweep_curves(lines: pd.DataFrame, *, by: str = "value", height: int = HEIGHT) -> dict[str, Figure]:
    """The curves of a sweep, or of some runs beside each other.

    Args:
        lines: columns run, group (the value in words), epoch, loss, knn_top1; rows of all runs one after another.
        by: what tells the groups apart, for the title.

    Returns:
        `loss` and `knn_top1`, each where there is something to show.
    """
    if lines.empty:
        return {}
    figures = {}
    for name, title in _NAMES.items():
        known = lines.dropna(subset=["epoch", name])
        if not known.empty:
            figures[name] = _curves(known, name, f"{title} by {by}", height)
    return figures


def mean_band(runs: list[pd.DataFrame], name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean and sd over runs on common epochs.

    Args:
        runs: each with `epoch` (ascending) and the quantity; only the epochs that all of them reached are used.

    Returns:
        epochs (m,), mean (m,), sd (m,) (n - 1; 0 for a single run).
    """
    first, last = max(run["epoch"].min() for run in runs), min(run["epoch"].max() for run in runs)
    if last < first:
        return np.empty(0), np.empty(0), np.empty(0)
    epochs = np.linspace(first, last, _POINTS if last > first else 1)
    values = np.stack([np.interp(epochs, run["epoch"], run[name].astype(float)) for run in runs])
    sd = values.std(axis=0, ddof=1) if len(runs) > 1 else np.zeros(len(epochs))
    return epochs, values.mean(axis=0), sd


def _curves(lines: pd.DataFrame, name: str, title: str, height: int) -> Figure:
    import plotly.graph_objects as go

    fig = go.Figure()
    groups = list(dict.fromkeys(lines["group"]))
    for group, colour in zip(groups, palette(len(groups)), strict=True):
        runs = [run.sort_values("epoch") for _, run in lines[lines["group"] == group].groupby("run", sort=False)]
        for run in runs:
            fig.add_scatter(
                x=run["epoch"],
                y=run[name],
                mode="lines",
                line={"color": colour, "width": 0.7},
                opacity=0.45,
                hovertemplate=f"{group}<br>epoch %{{x:.1f}}<br>%{{y:.3g}}<extra></extra>",
            )
        _band(fig, mean_band(runs, name), colour, group, labelled=len(groups) <= _LABELLED)
    style(fig, title=title, x="epoch", height=height)
    return fig.update_yaxes(tickformat=".0%") if name == "knn_top1" else fig


def _band(
    fig: Figure, found: tuple[np.ndarray, np.ndarray, np.ndarray], colour: str, group: str, *, labelled: bool
) -> None:
    epochs, mean, sd = found
    if not len(epochs):
        return
    around = np.concatenate([mean + sd, (mean - sd)[::-1]])
    fig.add_scatter(
        x=np.concatenate([epochs, epochs[::-1]]),
        y=around,
        fill="toself",
        fillcolor=colour,
        opacity=0.15,
        line={"width": 0},
        hoverinfo="skip",
    )
    fig.add_scatter(x=epochs, y=mean, mode="lines", line={"color": colour, "width": 2}, hoverinfo="skip")
    if labelled:
        fig.add_annotation(
            x=epochs[-1], y=mean[-1], text=group, showarrow=False, xanchor="left", xshift=4, font={"color": colour}
        )
