"""How the scores of the clusters change with their number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ssrl_core.figures.colours import ACCENT, NEUTRAL, palette
from ssrl_core.figures.style import score, style

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure


def score_over_k(scores: Mapping[int, Mapping[str, Any]], *, chosen: int | None = None, height: int = 260) -> Figure:
    """AMI with the labels and silhouette over the number of clusters, labelled at their ends.

    Args:
        scores: {k: item of `clusters` (CONTRACTS C8)}.
        chosen: the k that the page shows, marked.
    """
    import plotly.graph_objects as go

    ks = sorted(scores)
    fig = go.Figure()
    best: list[str] = []
    colours = dict(zip(("ami", "silhouette"), (ACCENT, palette(2)[1]), strict=True))
    for key, word in (("ami", "AMI"), ("silhouette", "silhouette")):
        known = [(k, scores[k][key]) for k in ks if scores[k].get(key) is not None]
        if not known:
            continue
        x, y = zip(*known, strict=True)
        fig.add_scatter(
            x=x,
            y=y,
            mode="lines+markers",
            line={"color": colours[key], "width": 2},
            marker={"size": 6},
            hovertemplate=f"k = %{{x}}<br>{word} %{{y:.3f}}<extra></extra>",
        )
        fig.add_annotation(
            x=x[-1], y=y[-1], text=word, showarrow=False, xanchor="left", xshift=8, font={"color": colours[key]}
        )
        top = max(known, key=lambda pair: pair[1])
        best.append(f"{word} {'' if best else 'is largest '}at k = {top[0]} ({score(top[1])})")
    if chosen is not None:
        fig.add_vline(x=chosen, line={"color": NEUTRAL, "width": 1, "dash": "dot"})
    _keep_apart(fig)
    style(fig, title="; ".join(best), x="number of clusters k", y="score", height=height)
    fig.update_xaxes(tickformat="d")
    return fig.update_layout(margin_r=76)


def _keep_apart(fig: Figure) -> None:
    """Move the two names apart where their lines end at nearly the same height."""
    if len(fig.layout.annotations) < 2:
        return
    low, high = sorted(fig.layout.annotations, key=lambda note: note.y)
    values = [y for trace in fig.data for y in trace.y]
    if high.y - low.y < 0.08 * (max(values) - min(values)):
        low.yshift, high.yshift = -7, 7


def over_k_table(scores: Mapping[int, Mapping[str, Any]]) -> pd.DataFrame:
    """What the figure draws, a row for each k; what is not known is left empty."""
    import pandas as pd

    keys = ("silhouette", "silhouette_n", "ami", "inertia")
    shuffled = [(scores[k].get("ami_shuffled") or {}) for k in sorted(scores)]
    table = pd.DataFrame([{"k": k, **{key: scores[k].get(key) for key in keys}} for k in sorted(scores)])
    return table.assign(ami_shuffled=[s.get("mean") for s in shuffled], ami_shuffled_sd=[s.get("sd") for s in shuffled])
