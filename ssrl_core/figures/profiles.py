"""Figures of a screen's profiles: scores beside each other, similarity by mechanism, activity by dose, plates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ssrl_core.figures.screens import plate
from ssrl_core.figures.style import TABLE, clickable, dotted, style, whiskers

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

ACCENT, QUIET = "#0f766e", "#808a96"
SIGNED = [[0.0, "#8c510a"], [0.25, "#d8b365"], [0.5, "#ffffff"], [0.75, "#5ab4ac"], [1.0, "#01665e"]]
KINDS = (ACCENT, "#808a96", TABLE[1], TABLE[0], TABLE[3], TABLE[5])
_LABELLED = 12  # choices of a sweep up to which each has its name at its mark
_AROUND_PX = 210  # of a field, to each side of the cell that is looked at
_CLICKED = 80  # treatments up to which a click on the square of two is heard


def scores_figure(rows: Sequence[Mapping[str, Any]], *, title: str = "") -> Figure:
    """Points with intervals, a row a score, a point for each kind of profiles.

    Args:
        rows: {score, kind, value, low, high, chance (or None)}; the first kind is drawn in the accent colour.
    """
    import plotly.graph_objects as go

    scores = list(dict.fromkeys(row["score"] for row in rows))
    kinds = list(dict.fromkeys(row["kind"] for row in rows))
    fig = go.Figure()
    for number, kind in enumerate(kinds):
        own = [row for row in rows if row["kind"] == kind and row["value"] is not None]
        colour = KINDS[number % len(KINDS)]
        lift = 0.3 - 0.6 * number / max(1, len(kinds) - 1)
        fig.add_scatter(
            x=[row["value"] for row in own],
            y=[len(scores) - 1 - scores.index(row["score"]) + lift for row in own],
            error_x=whiskers(
                colour,
                [_away(row["high"], row["value"]) for row in own],
                [_away(row["value"], row["low"]) for row in own],
                thickness=1.5,
            ),
            mode="markers",
            name=kind,
            marker={"color": colour, "size": 11 if number == 0 else 8},
            hovertemplate=f"{kind}: %{{x:.2f}}<extra></extra>",
        )
    for row in rows:
        if row.get("chance") is not None and row["kind"] == kinds[0]:
            place = len(scores) - 1 - scores.index(row["score"])
            ends: dict[str, Any] = {"x0": row["chance"], "x1": row["chance"], "y0": place - 0.42, "y1": place + 0.42}
            fig.add_shape(type="line", **ends, line=dotted(QUIET))
    style(fig, title=title, height=90 + 62 * len(scores))
    fig.update_layout(showlegend=True, legend={"orientation": "h", "y": -0.12, "x": 0}, margin_t=52 if title else 12)
    fig.update_yaxes(
        tickvals=list(range(len(scores))), ticktext=scores[::-1], range=[-0.6, len(scores) - 0.4], showgrid=False
    )
    least = min((row["value"] for row in rows if row["value"] is not None), default=0.0)
    fig.update_xaxes(range=[min(-0.05, least - 0.05), 1.05], showgrid=True, tickformat=".1f")
    return fig


def _away(end: float | None, start: float | None) -> float:
    return 0.0 if end is None or start is None else max(0.0, float(end) - float(start))


def similarity_figure(similar: np.ndarray[Any, Any], table: pd.DataFrame) -> Figure:
    """How alike treatments are, in blocks of one mechanism.

    Args:
        similar: (t, t) -1..1, in the order of the table.
        table: t rows with treatment and mechanism, those of one mechanism beside each other.
    """
    import plotly.graph_objects as go

    names, count = table["treatment"].tolist(), len(table)
    shown = [escape(name) for name in names]  # a name is no formatting and no link
    limit = max(0.2, float(np.quantile(np.abs(similar[~np.eye(count, dtype=bool)]), 0.98)) if count > 1 else 1.0)
    fig = go.Figure()
    fig.add_heatmap(
        z=similar,
        zmin=-limit,
        zmax=limit,
        colorscale=SIGNED,
        colorbar={"title": {"text": "alike"}, "thickness": 10, "outlinewidth": 0},
        text=[[f"{a}<br>{b}" for b in shown] for a in shown],
        hovertemplate="%{text}<br>%{z:.2f}<extra></extra>",
    )
    if count <= _CLICKED:
        rows, columns = np.mgrid[:count, :count]
        text = [f"{shown[r]}<br>{shown[c]}" for r, c in zip(rows.ravel(), columns.ravel(), strict=True)]
        own = [[names[row]] for row in rows.ravel()]
        clickable(fig, columns.ravel(), rows.ravel(), size=9, customdata=own, text=text)
    blocks = _blocks(table["mechanism"].tolist())
    for _, _, end in blocks[:-1]:
        for side in ("x", "y"):
            other = "y" if side == "x" else "x"
            ends: dict[str, Any] = {f"{side}0": end - 0.5, f"{side}1": end - 0.5, f"{other}0": -0.5}
            fig.add_shape(type="line", **ends, **{f"{other}1": count - 0.5}, line={"color": "#14181f", "width": 1})
    style(fig, height=620)
    middles = [(start + end - 1) / 2 for _, start, end in blocks]
    fig.update_yaxes(tickvals=middles, ticktext=[name for name, _, _ in blocks], showgrid=False)
    fig.update_yaxes(range=[count - 0.5, -0.5])
    fig.update_xaxes(showticklabels=False, showgrid=False)
    fig.update_layout(margin_t=12)
    return fig


def _blocks(values: Sequence[Any]) -> list[tuple[str, int, int]]:
    """[(name, first, behind the last)] of neighbours that are equal."""
    found: list[tuple[str, int, int]] = []
    for place, value in enumerate(values):
        name = escape(value) if isinstance(value, str) else "not known"
        if found and found[-1][0] == name:
            found[-1] = (name, found[-1][1], place + 1)
        else:
            found.append((name, place, place + 1))
    return found


def activity_figure(table: pd.DataFrame, *, unit: str = "") -> Figure:
    """How far each treatment is from untreated wells, by dose; a line a compound, green where it is called active.

    Args:
        table: of `retrieval.activity`: treatment, compound, dose, map_normalised, active, q.
        unit: of doses.
    """
    import plotly.graph_objects as go

    known = table[table["map_normalised"].notna()].sort_values("dose")
    dosed = known["dose"].gt(0).any() and known.groupby("compound").size().max() > 1
    fig = go.Figure()
    if dosed:
        for compound, own in known.groupby("compound", sort=True):
            active = bool(own["active"].any())
            fig.add_scatter(
                x=own["dose"], y=own["map_normalised"], mode="lines", hoverinfo="skip", name=escape(str(compound)),
                line={"color": ACCENT if active else QUIET, "width": 1.6 if active else 0.7},
            )  # fmt: skip
        x = known["dose"]
    else:
        known = known.sort_values("map_normalised", ascending=False)
        x = pd.Series(np.arange(1, len(known) + 1), index=known.index)
    fig.add_scatter(
        x=x,
        y=known["map_normalised"],
        mode="markers",
        marker={
            "size": 8,
            "color": [ACCENT if one else "#c9ced4" for one in known["active"]],
            "line": {"color": [ACCENT if one else QUIET for one in known["active"]], "width": 1.2},
        },
        customdata=[[name, q] for name, q in zip(known["treatment"], known["q"], strict=True)],
        text=[escape(name) for name in known["treatment"]],
        hovertemplate="%{text}: %{y:.2f}, q = %{customdata[1]:.3g}<extra></extra>",
    )
    fig.add_hline(y=0, line=dotted(QUIET))
    across = (f"dose ({escape(unit)})" if unit else "dose") if dosed else "treatments, the clearest first"
    style(fig, x=across, y="replicates agree (0 = chance)", height=380)
    if dosed:
        fig.update_xaxes(type="log", dtick=1)  # powers of ten: the 2 and 5 between them read as doses of their own
    return fig


def field_figure(
    rgb: np.ndarray[Any, Any],
    x: np.ndarray[Any, Any],
    y: np.ndarray[Any, Any],
    ids: np.ndarray[Any, Any],
    *,
    focus: int,
) -> Figure:
    """A picture (h, w, 3) uint8 of a field around one of its cells, with a place to click at each of them."""
    import plotly.graph_objects as go
    from PIL import Image

    height, width = rgb.shape[:2]
    fig = go.Figure()
    fig.add_layout_image(
        source=Image.fromarray(rgb), x=0, y=0, sizex=width, sizey=height, xref="x", yref="y", layer="below"
    )
    fig.add_scatter(
        x=x,
        y=y,
        mode="markers",
        marker={"size": 22, "color": "rgba(255,255,255,0.01)"},
        customdata=ids[:, None].tolist(),  # an array would come back from a click as a mapping
        hovertemplate="cell %{customdata[0]}<extra></extra>",
    )
    at = int(np.flatnonzero(ids == focus)[0])
    fig.update_xaxes(visible=False, range=[x[at] - _AROUND_PX, x[at] + _AROUND_PX])
    fig.update_yaxes(visible=False, range=[y[at] + _AROUND_PX, y[at] - _AROUND_PX], scaleanchor="x")
    fig.update_layout(
        margin={"l": 0, "r": 0, "t": 0, "b": 0},
        height=380,
        dragmode="pan",
        plot_bgcolor="#0b0d10",
        paper_bgcolor="rgba(0,0,0,0)",
        showlegend=False,
    )
    return fig


SWEEP_AXES = {
    "nscb": "mechanism kept (NSCB)",
    "nsc": "mechanism kept (NSC)",
    "consistency": "mechanisms find each other (mAP)",
    "activity": "replicates agree (mAP)",
}


def sweep_screen_figure(table: pd.DataFrame, names: Sequence[str], *, y: str = "nscb") -> Figure:
    """Which choices keep mechanism and forget the plate: a mark a choice, with a line to one sd over seeds.

    Args:
        table: a row a run: `plate_read` and the column `y`, one of `SWEEP_AXES`.
        names: (rows) the choice of each run, in words.
    """
    import plotly.graph_objects as go

    known = table.assign(choice=[escape(name) for name in names])[["choice", "plate_read", y]].astype(
        {"plate_read": float, y: float}
    )
    both = known.dropna().groupby("choice", sort=False)[["plate_read", y]]
    mean, sd, seeds = both.mean(), both.std().fillna(0.0), both.size()
    fig = go.Figure()
    for number, choice in enumerate(mean.index):
        x_at, y_at = mean.loc[choice]
        colour = TABLE[number % len(TABLE)]
        fig.add_scatter(
            x=[x_at],
            y=[y_at],
            error_x={"type": "data", "array": [sd.loc[choice, "plate_read"]], "color": colour, "width": 0},
            error_y={"type": "data", "array": [sd.loc[choice, y]], "color": colour, "width": 0},
            mode="markers+text" if len(mean) <= _LABELLED else "markers",
            text=[choice],
            textposition="top center",
            cliponaxis=False,
            marker={"color": colour, "size": 11},
            name=choice,
            hovertemplate=f"{choice}: %{{y:.2f}}, plate %{{x:.2f}}, {seeds[choice]} seeds<extra></extra>",
        )
    style(fig, x="plate told (less is better)", y=SWEEP_AXES[y], height=380)
    fig.update_layout(showlegend=len(mean) > _LABELLED)
    return fig


def confusion_figure(counts: pd.DataFrame) -> Figure:
    """Shares of each true mechanism (rows) by the mechanism of the nearest treatment (columns)."""
    import plotly.graph_objects as go

    total = counts.sum(axis=1).to_numpy()[:, None]
    shares = counts.to_numpy() / np.maximum(total, 1)
    names = [escape(name) for name in counts.columns]
    fig = go.Figure()
    fig.add_heatmap(
        z=np.where(shares > 0, shares, np.nan),
        zmin=0,
        zmax=1,
        colorscale=[[0, "#dcecea"], [1, ACCENT]],
        showscale=False,
        xgap=1,
        ygap=1,
        customdata=counts.to_numpy(),
        text=[[f"{own} → {other}" for other in names] for own in names],
        hovertemplate="%{text}: %{customdata}<extra></extra>",
    )
    for row, column in zip(*np.nonzero(counts.to_numpy()), strict=True):
        colour = "#ffffff" if shares[row, column] > 0.55 else "#14181f"
        text = str(counts.iloc[row, column])
        fig.add_annotation(x=int(column), y=int(row), text=text, showarrow=False, font={"color": colour, "size": 12})
    style(fig, height=140 + 30 * len(names))
    ticks: dict[str, Any] = {"tickvals": list(range(len(names))), "ticktext": names}
    fig.update_yaxes(range=[len(names) - 0.5, -0.5], showgrid=False, title_text="its mechanism", **ticks)
    fig.update_xaxes(tickangle=-40, title_text="mechanism of the nearest", **ticks)
    fig.update_layout(margin_t=12)
    return fig


def wells_figure(wells: pd.DataFrame, shape: tuple[int, int], *, title: str) -> Figure:
    """A number of every well, where it lies on the plate; a click gives the point whose `customdata` names the well.

    Args:
        wells: well, row, column, value, treatment.
        shape: rows and columns of the plate.
    """
    rows = list(zip(wells["well"], wells["treatment"], wells["value"], strict=True))
    fig = plate(
        wells, wells["value"], shape, 540, size=14, customdata=[[well, name] for well, name, _ in rows],
        text=[f"{escape(well)}: {escape(name)}, {value:.2f}" for well, name, value in rows],
        colorscale="Viridis", colorbar={"thickness": 10, "outlinewidth": 0},
    )  # fmt: skip
    return fig.update_layout(title_text=escape(title), margin_t=52)
