"""Figures of runs: curves of a training and of a sweep, scores over k, a layout, shares kept, and what a step costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ssrl_core.figures.style import (
    ACCENT,
    NEUTRAL,
    dotted,
    name_at_end,
    palette,
    percent,
    score,
    style,
    three_digits,
    translucent,
    whiskers,
)

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


CURVE_HEIGHT = 240
_MOST_POINTS = 800
_MARKED = ("collapse", "diverged", "resume", "stop")


def training_curves(metrics: pd.DataFrame) -> dict[str, Figure]:
    """The curves of one run.

    Args:
        metrics: the lines of `metrics.jsonl` (contracts C7), one a row; columns that are not there are taken as empty.

    Returns:
        `loss`, and where there is something to show `knn` and `spread`, for one row of charts of equal height. Without
        a single step the dictionary is empty.
    """
    steps, evals, events = (_of_kind(metrics, kind) for kind in ("step", "eval", "event"))
    if steps.empty:
        return {}
    figures = {"loss": loss_curve(steps)}
    if not evals.empty and "knn_top1" in evals:
        figures["knn"] = knn_curve(evals)
    if "z_std" in steps and steps["z_std"].notna().any():
        figures["spread"] = spread_curve(steps)
    for figure in figures.values():
        _mark(figure, events, steps)
    return figures


def loss_curve(steps: pd.DataFrame) -> Figure:
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
    title = f"Loss {three_digits(float(last.iloc[-1]))}" if len(last) else "No loss yet"
    return style(fig, title=title, x="epoch", height=CURVE_HEIGHT)


def knn_curve(evals: pd.DataFrame) -> Figure:
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
    style(fig, title=title, x="epoch", height=CURVE_HEIGHT)
    return fig.update_yaxes(tickformat=".0%", rangemode="tozero")


def spread_curve(steps: pd.DataFrame) -> Figure:
    """How far the projections fill their sphere: 1 spread, 0 collapsed to one point."""
    import plotly.graph_objects as go

    fig = go.Figure()
    _line(fig, steps["epoch"], steps["z_std"], ACCENT, "")
    last = float(steps["z_std"].dropna().iloc[-1])
    told = "images are told apart" if last > 0.5 else "images are told apart in part"
    title = "All images look the same to the loss (collapsed)" if last < 0.05 else f"To the loss, {told}"
    style(fig, title=title, x="epoch", y="spread, 0 to 1", height=CURVE_HEIGHT)
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
        name_at_end(fig, shown_x[at], shown_y[at], name, colour)


def _mark(fig: Figure, events: pd.DataFrame, steps: pd.DataFrame) -> None:
    """A thin line where something happened: a resume, a stop, a collapse."""
    if events.empty or "name" not in events:
        return
    for _, event in events[events["name"].isin(_MARKED)].iterrows():
        epoch = float(np.interp(event["step"], steps["step"], steps["epoch"]))
        fig.add_vline(x=epoch, line=dotted(NEUTRAL))
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


HEIGHT = 280
_POINTS = 120
_LABELLED = 8
_NAMES = {"loss": "Loss", "knn_top1": "kNN of validation images"}


def sweep_curves(lines: pd.DataFrame, *, by: str = "value") -> dict[str, Figure]:
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
            figures[name] = _curves(known, name, f"{title} by {by}")
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


def _curves(lines: pd.DataFrame, name: str, title: str) -> Figure:
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
    style(fig, title=title, x="epoch", height=HEIGHT)
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
        name_at_end(fig, epochs[-1], mean[-1], group, colour)


def score_over_k(scores: Mapping[int, Mapping[str, Any]], *, chosen: int | None = None) -> Figure:
    """AMI with the labels and silhouette over the number of clusters, labelled at their ends.

    Args:
        scores: {k: item of `clusters` (docs/contracts.md C8)}.
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
        name_at_end(fig, x[-1], y[-1], word, colours[key], away_px=8)
        top = max(known, key=lambda pair: pair[1])
        best.append(f"{word} {'' if best else 'is largest '}at k = {top[0]} ({score(top[1])})")
    if chosen is not None:
        fig.add_vline(x=chosen, line=dotted(NEUTRAL))
    _keep_apart(fig)
    style(fig, title="; ".join(best), x="number of clusters k", y="score", height=260)
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


_MOST_NAMES = 40  # a number with more different values is shown on a scale
_HEIGHT_PX = 560


def layout_figure(points: NDArray[Any], values: pd.Series, image_ids: ArrayLike, *, title: str = "") -> Figure:
    """Points with a colour each; a legend of names, or a scale of numbers.

    Args:
        points: (n, 2).  values: (n,) what colours stand for; its name heads the legend.
        image_ids: (n,) told on hover, and the points' `customdata`.
    """
    import plotly.graph_objects as go

    shown = pd.DataFrame({"x": points[:, 0], "y": points[:, 1], "id": image_ids, "value": values.to_numpy()})
    fig = go.Figure()
    if pd.api.types.is_numeric_dtype(values) and values.nunique() > _MOST_NAMES:
        _layout_points(
            fig, shown, {"color": shown["value"], "colorscale": "Viridis", "colorbar": {"title": str(values.name)}}
        )
    else:
        names = sorted(shown["value"].dropna().unique(), key=_by_number)
        for name, colour in zip(names, palette(len(names)), strict=True):
            _layout_points(fig, shown[shown["value"] == name], {"color": colour}, str(name))
    style(fig, title=title, height=_HEIGHT_PX)
    fig.update_layout(
        showlegend=len(fig.data) > 1, legend={"title": {"text": str(values.name)}, "itemsizing": "constant"}
    )
    fig.update_xaxes(visible=False)
    return fig.update_yaxes(visible=False, scaleanchor="x")


def _by_number(name: object) -> tuple[str, int, str]:
    """`cluster 10` after `cluster 9`."""
    words, _, number = str(name).rpartition(" ")
    return (words, int(number), "") if number.isdigit() else (words, -1, number)


def _layout_points(fig: Figure, rows: pd.DataFrame, marker: dict[str, object], name: str = "") -> None:
    fig.add_scattergl(
        x=rows["x"],
        y=rows["y"],
        mode="markers",
        name=name,
        marker={"size": 5, "opacity": 0.8, **marker},
        customdata=rows["id"],
        hovertemplate=f"image %{{customdata}}{', ' + name if name else ''}<extra></extra>",
    )


KINDS = {
    "forecast": ("Forecast", "diamond-open", ACCENT),
    "pixels": ("Raw pixels", "line-ns-open", NEUTRAL),
    "own": ("This network", "circle", ACCENT),
}
_ROW_PX, _FRAME_PX, _APART = 26, 110, 0.22


def shares_figure(table: pd.DataFrame) -> Figure:
    """One line a thing that can be read, the best read on top.

    Args:
        table: name, source (own, pixels, forecast), value, low, high: shares in 0..1.
    """
    import plotly.graph_objects as go

    own = table[table["source"] == "own"].set_index("name")["value"]
    names = sorted(dict.fromkeys(table["name"]), key=lambda name: own.get(name, -1.0))
    place = {name: row for row, name in enumerate(names)}
    figure = go.Figure()
    there = [kind for kind in KINDS if (table["source"] == kind).any()]
    for kind in there:
        figure.add_scatter(**_share_points(table[table["source"] == kind], kind, place, _lift(kind, there)))
    style(figure, x="share that a linear reading finds on other images")
    figure.update_layout(
        height=_FRAME_PX + _ROW_PX * len(names),
        showlegend=True,
        legend={"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 0, "traceorder": "reversed"},
        margin_t=36,
        hovermode="closest",
    )
    figure.update_xaxes(range=[-0.02, 1.02], tickformat=".0%", showgrid=True)
    figure.update_yaxes(tickvals=list(range(len(names))), ticktext=names, range=[-0.6, len(names) - 0.4])
    return figure


def _share_points(rows: pd.DataFrame, kind: str, place: dict[str, int], lift: float) -> dict[str, Any]:
    title, symbol, colour = KINDS[kind]
    return {
        "x": rows["value"],
        "y": [place[name] + lift for name in rows["name"]],
        "mode": "markers",
        "name": title,
        "marker": {
            "symbol": symbol,
            "size": 10 if kind != "pixels" else 12,
            "color": colour,
            "line": {"width": 2 if symbol.endswith("open") else 0},
        },
        "error_x": whiskers(colour, rows["high"] - rows["value"], rows["value"] - rows["low"]),
        "text": [name.replace("_", " ") for name in rows["name"]],
        "hovertemplate": f"{title}, %{{text}}: %{{x:.0%}}<extra></extra>",
    }


def _lift(kind: str, there: list[str]) -> float:
    """Kinds stand one above the other within a line, so that their intervals do not hide each other."""
    return _APART * (there.index(kind) - (len(there) - 1) / 2)


_COST_ROW_PX, _COST_FRAME_PX, _PANEL_PX = 30, 150, 250
_KEPT_SCALE = [[0.0, "#dfe3e8"], [1.0, ACCENT]]  # kept and lost: accent and grey, never green and red
_ON_SCALE = "#0b0d10"  # read on every colour of the scale, light or dark theme (at least 5 to 1)


def cost_map(strongest: pd.DataFrame, titles: Mapping[str, str]) -> Figure:
    """Transformations x concepts: how much is kept at each transformation's greatest strength.

    Args:
        strongest: transform, strength, concept, kept, low, high, n; shares.
        titles: transform -> how its row is called.
    """
    import plotly.graph_objects as go

    table = strongest.pivot(index="transform", columns="concept", values="kept")
    table = table.loc[list(dict.fromkeys(strongest["transform"])), list(dict.fromkeys(strongest["concept"]))]
    values = table.to_numpy(dtype=float)
    spans = {(r["transform"], r["concept"]): _span(r) for _, r in strongest.iterrows()}
    few = table.shape[1] <= 8
    fig = go.Figure()
    fig.add_heatmap(
        z=np.clip(values, 0.0, 1.0),
        x=[str(c) for c in table.columns],
        y=[titles[str(name)] for name in table.index],
        zmin=0.0,
        zmax=1.0,
        xgap=2,
        ygap=2,
        colorscale=_KEPT_SCALE,
        colorbar={"title": {"text": "kept"}, "thickness": 10, "outlinewidth": 0, "tickformat": ".0%"},
        text=[[f"{100 * v:.0f} %" if few and np.isfinite(v) else "" for v in row] for row in values],
        texttemplate="%{text}",
        textfont={"color": _ON_SCALE},
        customdata=[[spans.get((name, c), "") for c in table.columns] for name in table.index],
        hovertemplate="%{y}<br>%{x}: %{customdata}<extra></extra>",
    )
    style(fig, height=_COST_FRAME_PX + _COST_ROW_PX * len(table))
    fig.update_yaxes(autorange="reversed", showgrid=False)
    fig.update_xaxes(side="bottom", tickangle=None if few else -40)
    return fig


def cost_curve(told: pd.DataFrame, concepts: Sequence[str], *, title: str, unit: str) -> Figure:
    """Kept over the strength of one transformation, a line a concept with its 95 % interval; strength 0 keeps all.

    Args:
        told: strength, concept, kept, low, high of one transformation.
        concepts: those that are drawn, in the order of their colours.
    """
    import plotly.graph_objects as go

    fig = go.Figure()
    for concept, colour in zip(concepts, palette(len(concepts)), strict=True):
        mine = told[told["concept"] == concept].sort_values("strength")
        if mine.empty:
            continue
        x = [0.0, *mine["strength"]]
        low, high = ([1.0, *mine[name].fillna(mine["kept"])] for name in ("low", "high"))
        band = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip"}
        fig.add_scatter(x=x, y=low, **band)
        fig.add_scatter(x=x, y=high, fill="tonexty", fillcolor=translucent(colour), **band)
        hover = f"{concept}<br>%{{x:g}}: %{{y:.0%}} kept<extra></extra>"
        fig.add_scatter(
            x=x, y=[1.0, *mine["kept"]], mode="lines+markers", name=concept,
            line={"color": colour, "width": 2}, marker={"size": 5}, hovertemplate=hover,
        )  # fmt: skip
    style(fig, title=title, x=unit, height=_PANEL_PX)
    fig.update_yaxes(range=[-0.05, 1.15], tickformat=".0%")
    return fig


def _span(row: Any) -> str:
    span = f" ({100 * row['low']:.0f} to {100 * row['high']:.0f})" if np.isfinite(row["low"]) else ""
    return f"{100 * row['kept']:.0f} %{span} of it is kept, n = {int(row['n'])}"
