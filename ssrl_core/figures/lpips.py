"""How different the views of an image are: LPIPS as distributions, beside others, by class, or by step."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from textwrap import wrap
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ssrl_core.figures.style import ACCENT, NEUTRAL, dotted, palette, style, three_digits, translucent, whiskers

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

IDENTITY = "identity"
_BINS, _HEIGHT = 30, 220


def lpips_histogram(values: Mapping[str, ArrayLike]) -> Figure:
    """Outlines of the distributions on common bins, the first one filled; each named at its mean.

    Args:
        values: composition -> LPIPS of each image; the first is the one at work, `identity` is drawn grey.
    """
    import plotly.graph_objects as go

    arrays = {name: _finite(v) for name, v in values.items()}
    arrays = {name: v for name, v in arrays.items() if len(v)}
    fig = go.Figure()
    if not arrays:
        return style(fig, title="No LPIPS yet", x="LPIPS", height=_HEIGHT)
    top = max(float(v.max()) for v in arrays.values())
    edges = np.linspace(0, max(top * 1.02, 0.05), _BINS + 1)
    colours = _colours(list(arrays))
    for i, (name, v) in enumerate(arrays.items()):
        share = np.histogram(v, edges)[0] / len(v)
        _outline(fig, edges, share, colours[name], name, len(v), filled=i == 0)
    _name_at_means(fig, arrays, colours)
    first = next(iter(arrays))
    style(fig, title=summary(arrays[first]), x="LPIPS", height=_HEIGHT)
    fig.update_layout(margin_t=44 + 15 * len(arrays))
    return fig.update_yaxes(tickformat=".0%", rangemode="tozero", nticks=4, title_text="share of images")


def lpips_by_class(values: ArrayLike, labels: Sequence[str], *, title: str = "") -> Figure:
    """One row a class: a point an image, and the mean; the class whose views differ most is on top.

    Args:
        values: (n,) LPIPS of each image.  labels: (n,) its class.
    """
    import plotly.graph_objects as go

    array, names = np.asarray(values, dtype=float), np.asarray(labels, dtype=object)
    classes = sorted(set(names.tolist()), key=lambda name: -float(np.nanmean(array[names == name])))
    fig = go.Figure()
    for place, name in enumerate(reversed(classes)):
        own = array[names == name]
        spread = place + 0.3 * np.linspace(-1, 1, len(own)) * (len(own) > 1)
        fig.add_scatter(
            x=own,
            y=spread,
            mode="markers",
            marker={"size": 5, "color": NEUTRAL, "opacity": 0.6},
            hovertemplate=f"{name}: %{{x:.3f}}<extra></extra>",
        )
        fig.add_scatter(
            x=[float(np.nanmean(own))],
            y=[place],
            mode="markers",
            marker={"size": 11, "color": ACCENT, "symbol": "line-ns", "line": {"width": 3, "color": ACCENT}},
            hovertemplate=f"{name}: {summary(own)}<extra></extra>",
        )
    style(fig, title=title, x="LPIPS", height=80 + 26 * len(classes))
    fig.update_xaxes(rangemode="tozero", showgrid=True)
    return fig.update_yaxes(
        tickvals=list(range(len(classes))), ticktext=list(reversed(classes)), showgrid=False, title_text=""
    )


def lpips_by_step(drops: Sequence[tuple[str, float, float, float]]) -> Figure:
    """One row a step, in the order of the recipe: how much lower LPIPS is without it, with its interval.

    Args:
        drops: (sentence, drop, low, high) of each step; negative where views are more alike with the step.
    """
    import plotly.graph_objects as go

    fig = go.Figure()
    for place, (sentence, drop, low, high) in enumerate(reversed(drops)):
        colour = ACCENT if low > 0 else NEUTRAL
        fig.add_scatter(
            x=[drop],
            y=[place],
            mode="markers",
            marker={"size": 9, "color": colour},
            error_x=whiskers(colour, [high - drop], [drop - low], thickness=1.5),
            hovertemplate=f"{sentence}<br>{three_digits(drop)} ({three_digits(low)} to {three_digits(high)})"
            "<extra></extra>",
        )
    most = max(drops, key=lambda row: row[1], default=None)
    name = re.split("[:,]", most[0])[0] if most and most[2] > 0 else ""
    title = f"Adds most: {name}" if name else "No step adds to LPIPS by itself"
    style(fig, title=title, x="drop of LPIPS", height=96 + 30 * len(drops))
    fig.add_vline(x=0, line={"color": NEUTRAL, "width": 1})
    fig.update_xaxes(rangemode="tozero", showgrid=True)
    ticks = [_wrapped(row[0]) for row in reversed(drops)]
    return fig.update_yaxes(tickvals=list(range(len(drops))), ticktext=ticks, showgrid=False, title_text="")


def summary(values: ArrayLike) -> str:
    """`LPIPS 0.312 ± 0.0841, n = 64` (sd over images)."""
    v = _finite(values)
    spread = f" ± {three_digits(float(v.std(ddof=1)))}" if len(v) > 1 else ""
    return f"LPIPS {three_digits(float(v.mean()))}{spread}, n = {len(v)}" if len(v) else "No LPIPS yet"


def _wrapped(sentence: str) -> str:
    """A sentence in at most two lines, so that the plot keeps its room."""
    lines = wrap(sentence, 26)
    return "<br>".join(lines if len(lines) < 3 else [lines[0], f"{lines[1]} …"])


def _finite(values: ArrayLike) -> NDArray[np.float64]:
    array = np.asarray(values, dtype=np.float64).ravel()
    kept: NDArray[np.float64] = array[np.isfinite(array)]
    return kept


def _colours(names: list[str]) -> dict[str, str]:
    others = iter(palette(len(names) + 1)[1:])
    return {n: ACCENT if i == 0 else NEUTRAL if n == IDENTITY else next(others) for i, n in enumerate(names)}


def _outline(
    fig: Figure, edges: NDArray[np.float64], share: NDArray[np.float64], colour: str, name: str, n: int, *, filled: bool
) -> None:
    x, y = np.repeat(edges, 2), np.concatenate([[0], np.repeat(share, 2), [0]])
    fig.add_scatter(
        x=x,
        y=y,
        mode="lines",
        line={"color": colour, "width": 2 if filled else 1.4},
        fill="tozeroy" if filled else None,
        fillcolor=translucent(colour, 0.25),
        hovertemplate=f"{name} (n = {n})<br>LPIPS %{{x:.2f}}: %{{y:.0%}} of images<extra></extra>",
    )


def _name_at_means(fig: Figure, arrays: dict[str, NDArray[np.float64]], colours: dict[str, str]) -> None:
    """A line at each mean, and names stacked above the plot so that near means stay readable."""
    for place, (name, v) in enumerate(arrays.items()):
        mean = float(v.mean())
        fig.add_vline(x=mean, line=dotted(colours[name]))
        fig.add_annotation(
            x=mean,
            xref="x",
            y=1,
            yref="paper",
            yshift=2 + 15 * (len(arrays) - 1 - place),
            yanchor="bottom",
            text=f"{name} {three_digits(mean)}",
            showarrow=False,
            font={"color": colours[name], "size": 11},
        )
