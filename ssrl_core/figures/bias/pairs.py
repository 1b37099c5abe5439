"""Classes beside each other: the matrix of opposite pairs, ratios beside chance, and groups of classes by property."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ssrl_core.figures.bias.panels import (
    finish,
    grid_of_panels,
    panels,
    parameter_name,
    place,
    setting_columns,
    setting_label,
)
from ssrl_core.figures.style import (
    ACCENT,
    GAIN,
    LOSS,
    MISSING,
    NEUTRAL,
    SIGNED,
    even_steps,
    percent,
    style,
    three_digits,
)

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


_LEAST_PX, _MOST_PX, _NAMED = 360, 900, 60
_COLUMNS = 4


def pair_matrix(pairs: pd.DataFrame, *, title: str = "") -> Figure:
    """Teal where two classes move together, brown where they move against each other, empty where undefined.

    Classes are ordered by their part in the strongest common movement (the first eigenvector of the matrix), so that
    those that win together stand together.

    Args:
        pairs: of `Opposition`, the rows of one setting.
    """
    import plotly.graph_objects as go

    names = sorted({*pairs["first"], *pairs["second"]})
    matrix, reasons = _square(pairs, names)
    order = _order(matrix)
    shown = matrix[np.ix_(order, order)]
    ordered = [names[i] for i in order]
    fig = go.Figure()
    fig.add_heatmap(
        z=shown,
        x=ordered,
        y=ordered,
        zmin=-1,
        zmax=1,
        colorscale=even_steps(SIGNED),
        customdata=reasons[np.ix_(order, order)],
        hoverongaps=False,
        hovertemplate="%{y} and %{x}: %{z:.2f}%{customdata}<extra></extra>",
        colorbar={"thickness": 10, "outlinewidth": 0, "title": {"text": "pearson", "side": "right"}},
    )
    style(fig, title=title, height=int(np.clip(9 * len(names) + 160, _LEAST_PX, _MOST_PX)))
    few = len(names) <= _NAMED
    fig.update_xaxes(type="category", showticklabels=few, tickangle=-45, constrain="domain")
    return fig.update_yaxes(
        type="category", autorange="reversed", showticklabels=few, showgrid=False, scaleanchor="x", constrain="domain"
    )


def _square(pairs: pd.DataFrame, names: list[str]) -> tuple[NDArray[Any], NDArray[Any]]:
    place = {name: i for i, name in enumerate(names)}
    i, j = pairs["first"].map(place).to_numpy(), pairs["second"].map(place).to_numpy()
    matrix = np.full((len(names), len(names)), np.nan)
    matrix[i, j] = matrix[j, i] = pairs["pearson"].to_numpy(dtype=float)
    told = np.full(matrix.shape, "", dtype=object)
    opposite = pairs["opposite"].to_numpy(dtype=bool)
    told[i[opposite], j[opposite]] = told[j[opposite], i[opposite]] = ", opposite"
    return matrix, told


def _order(matrix: NDArray[Any]) -> NDArray[np.intp]:
    if len(matrix) < 3:
        return np.arange(len(matrix))
    filled = np.nan_to_num(matrix)
    np.fill_diagonal(filled, 1.0)
    leading = np.linalg.eigh(filled)[1][:, -1]
    if leading[np.abs(leading).argmax()] < 0:
        leading = -leading
    return np.argsort(-leading, kind="stable")


_FLOORS = (("permuted", MISSING, "values permuted"), ("trend_kept", NEUTRAL, "permuted around the common trend"))


def floor_ratios(
    ratios: pd.DataFrame,
    floors: pd.DataFrame | None = None,
    *,
    corrected: bool = False,
    title: str = "",
) -> Figure:
    """A row a setting: the ratio found as a point, the range of each floor (95 % of its draws) as a light bar.

    Args:
        ratios: of `Opposition`. floors: of `floor_summary`, or None while they are not there.
        corrected: the ratio that is left after the correction.
    """
    name = "ratio_corrected" if corrected else "ratio"
    differing = [c for c in setting_columns(ratios) if c != "transformation" and ratios[c].nunique(dropna=False) > 1]
    labels = [setting_label(row, differing) or str(row["method"]) for _, row in ratios.iterrows()]
    rows = ratios.assign(label=labels)
    keys = list(dict.fromkeys(rows["transformation"]))
    columns = min(_COLUMNS, len(keys))
    fig = grid_of_panels([parameter_name(str(key)) for key in keys], columns)
    for number, key in enumerate(keys):
        at = place(number, len(keys), columns)
        mine = rows[rows["transformation"] == key]
        if floors is not None:
            _draw_floors(fig, mine, floors, name, at)
        fig.add_scatter(
            x=mine[name],
            y=mine["label"],
            mode="markers",
            marker={"size": 10, "color": ACCENT},
            customdata=mine[["opposite_corrected" if corrected else "opposite", "tested", "pairs_opposite", "n"]],
            hovertemplate="%{y}: %{x:.0%} (%{customdata[0]} of %{customdata[1]} classes)<br>"
            "%{customdata[2]} opposite pairs, n = %{customdata[3]} points<extra></extra>",
            **at,
        )
    kept = int(ratios["n"].max())
    note = f"point: found, n = {kept} points a pair" + (_legend() if floors is not None else "")
    finish(fig, len(keys), columns, title=title, x="classes with an opposite partner", y="", note=note)
    fig.update_xaxes(range=[-0.03, 1.03], tickformat=".0%", showgrid=True)
    return fig.update_yaxes(
        type="category", categoryorder="array", categoryarray=list(dict.fromkeys(labels))[::-1], showgrid=False
    )


def _draw_floors(fig: Figure, mine: pd.DataFrame, floors: pd.DataFrame, name: str, at: dict[str, int]) -> None:
    keys = [c for c in setting_columns(mine) if c in floors]
    for kind, colour, said in _FLOORS:
        joined = mine[[*keys, "label"]].merge(floors[floors["floor"] == kind], on=keys, how="inner")
        joined = joined[joined[f"{name}_mean"].notna()]
        if joined.empty:
            continue
        low, high = joined[f"{name}_low"], joined[f"{name}_high"]
        fig.add_bar(
            x=(high - low).clip(lower=0.004),
            base=low,
            y=joined["label"],
            orientation="h",
            width=0.5 if kind == "permuted" else 0.24,
            offset=-0.25 if kind == "permuted" else -0.12,
            marker={"color": colour, "opacity": 0.45, "line": {"width": 0}},
            customdata=joined[[f"{name}_mean", f"{name}_p", "draws"]],
            hovertemplate=f"{said}: %{{customdata[0]:.0%}} on average, p = %{{customdata[1]:.3f}} "
            "(%{customdata[2]} draws)<extra></extra>",
            **at,
        )


def _legend() -> str:
    return "<br>wide bar: values permuted, narrow: permuted around the common trend (95 % of draws)"


def shared_bars(shared: pd.DataFrame) -> Figure:
    """For each setting how many classes are shared by at least 2, 3 … all methods; a tick where independence would be.

    Args:
        shared: of `analysis.bias.shared_classes`.
    """
    found = panels(shared)
    columns = min(_COLUMNS, len(found))
    fig = grid_of_panels([label for label, _ in found], columns)
    for number, (_, rows) in enumerate(found):
        at = place(number, len(found), columns)
        names = [_level(int(k), int(m)) for k, m in zip(rows["at_least"], rows["of"], strict=True)]
        hover = [", ".join(list(n)[:12]) + (" …" if len(n) > 12 else "") for n in rows["names"]]
        fig.add_bar(
            x=names,
            y=rows["classes"],
            marker={"color": ACCENT, "opacity": 0.75},
            text=rows["classes"],
            textposition="inside",
            insidetextanchor="middle",
            textangle=0,
            customdata=hover,
            hovertemplate="%{x} methods: %{y} classes<br>%{customdata}<extra></extra>",
            **at,
        )
        fig.add_scatter(
            x=names,
            y=rows["expected"],
            mode="markers",
            marker={"symbol": "line-ew-open", "size": 26, "color": NEUTRAL, "line": {"width": 2}},
            hovertemplate="%{y:.1f} classes if the methods were independent<extra></extra>",
            **at,
        )
    tested = int(shared["tested"].max())
    note = f"of {tested} classes; line: expected if independent"
    finish(fig, len(found), columns, title="", x="methods", y="classes", note=note)
    fig.update_xaxes(type="category")
    return fig.update_yaxes(range=[0, max(1, tested) * 1.12])


def _level(least: int, of: int) -> str:
    return f"all {of}" if least == of else f"≥ {least}"


_KINDS = (("permuted", MISSING, "values permuted"), ("trend_kept", NEUTRAL, "common trend kept"))


def chance_histogram(drawn: pd.DataFrame, found: float, *, corrected: bool = False, title: str = "") -> Figure:
    """Histograms of the draws of one setting, with a line where the ratio that was found lies.

    Args:
        drawn: of `floors`, the rows of one setting.
        found: its ratio.
    """
    import plotly.graph_objects as go

    name = "ratio_corrected" if corrected else "ratio"
    fig = go.Figure()
    for kind, colour, said in _KINDS:
        values = drawn.loc[drawn["floor"] == kind, name].dropna()
        if values.empty:
            continue
        fig.add_histogram(
            x=values,
            name=f"{said} ({percent(float(values.mean()))} on average, {len(values)} draws)",
            marker={"color": colour, "line": {"width": 0}},
            opacity=0.7,
            xbins={"start": -0.0125, "end": 1.0125, "size": 0.025},
            hovertemplate="%{x}: %{y} draws<extra></extra>",
        )
    if found == found:
        fig.add_vline(x=found, line={"color": ACCENT, "width": 2})
        fig.add_annotation(
            x=found, y=1, yref="paper", text=f"found {percent(found)}", showarrow=False, font={"color": ACCENT},
            xanchor="right" if found > 0.5 else "left", xshift=-4 if found > 0.5 else 4,
        )  # fmt: skip
    style(fig, title=title, x="classes with an opposite partner", y="draws")
    fig.update_layout(barmode="overlay", showlegend=True, legend={"orientation": "h", "x": 0, "y": -0.3})
    return fig.update_xaxes(range=[-0.03, 1.03], tickformat=".0%")


_GAP_PX = 90
_COLOURS = {"ascending": GAIN, "random": NEUTRAL, "descending": LOSS}


def property_groups(properties: pd.DataFrame, behaviours: pd.DataFrame, tests: pd.DataFrame) -> Figure:
    """A panel a property: a point a class, a bar at the mean of each group, F, p and eta² in the heading.

    Args:
        properties: of `class_properties`. behaviours, tests: of `behaviours` and `against_behaviour`, the rows of one
            setting.
    """
    both = behaviours[["class", "behaviour"]].merge(properties, on="class")
    shown = tests[tests["test"] == "anova"]
    labels = [_heading(row) for _, row in shown.iterrows()]
    columns = min(3, max(1, len(labels)))
    fig = grid_of_panels(labels, columns, shared_y=False, gap=_GAP_PX)
    for number, column in enumerate(shown["column"]):
        at = place(number, len(labels), columns)
        for group, colour in _COLOURS.items():
            rows = both[(both["behaviour"] == group) & both[column].notna()]
            values = rows[column].to_numpy(dtype=float)
            if not len(values):
                continue
            fig.add_box(
                x=[group] * len(values),
                y=values,
                boxpoints="all",
                pointpos=0,
                jitter=0.5,
                fillcolor="rgba(0,0,0,0)",
                line={"width": 0},
                marker={"size": 5, "color": colour, "opacity": 0.6},
                text=rows["class"],
                hovertemplate="%{text}: %{y:.3g}<extra></extra>",
                **at,
            )
            fig.add_scatter(
                x=[group],
                y=[float(np.mean(values))],
                mode="markers",
                marker={"symbol": "line-ew-open", "size": 30, "color": colour, "line": {"width": 3}},
                hovertemplate=f"{group}: mean %{{y:.3g}}, n = {len(values)}<extra></extra>",
                **at,
            )
    note = f"a point a class: {shown['groups'].iloc[0]}" if len(shown) else "no test"
    finish(fig, max(1, len(labels)), columns, title="", x="", y="", note=note, gap=_GAP_PX)
    fig.update_layout(margin={"t": fig.layout.margin.t + 16})  # headings of two lines
    return fig.update_xaxes(type="category", categoryorder="array", categoryarray=list(_COLOURS), tickangle=0)


def _heading(row: pd.Series) -> str:
    name = str(row["column"]).replace("_", " ")
    if row["statistic"] != row["statistic"]:
        return f"{name}: no test"
    p = "p < 0.001" if row["p"] < 0.001 else f"p = {row['p']:.3f}"
    return f"{name}<br>F = {three_digits(float(row['statistic']))}, {p}, η² = {row['effect']:.2f}"
