"""Figure 2: the share of classes with an opposite partner, beside what chance gives."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from ssrl_core.figures.bias.panels import finish, grid_of_panels, parameter_name, place, setting_columns, setting_label
from ssrl_core.figures.colours import ACCENT, MISSING, NEUTRAL

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_FLOORS = (("permuted", MISSING, "values permuted"), ("trend_kept", NEUTRAL, "permuted around the common trend"))


def floor_ratios(
    ratios: pd.DataFrame,
    floors: pd.DataFrame | None = None,
    *,
    corrected: bool = False,
    panel: str = "transformation",
    columns: int = 4,
    title: str = "",
) -> Figure:
    """A row a setting: the ratio found as a point, the range of each floor (95 % of its draws) as a light bar.

    Args:
        ratios: of `Opposition`. floors: of `floor_summary`, or None while they are not there.
        corrected: the ratio that is left after the correction.
        panel: the column that makes the panels (transformation | dataset | backbone …).
    """
    name = "ratio_corrected" if corrected else "ratio"
    differing = [c for c in setting_columns(ratios) if c != panel and ratios[c].nunique(dropna=False) > 1]
    labels = [setting_label(row, differing) or str(row["method"]) for _, row in ratios.iterrows()]
    rows = ratios.assign(label=labels)
    keys = list(dict.fromkeys(rows[panel]))
    columns = min(columns, len(keys))
    fig = grid_of_panels([parameter_name(str(k)) if panel == "transformation" else str(k) for k in keys], columns)
    for number, key in enumerate(keys):
        at = place(number, len(keys), columns)
        mine = rows[rows[panel] == key]
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
    return "; wide bar: values permuted, narrow: permuted around the common trend (95 % of draws)"
