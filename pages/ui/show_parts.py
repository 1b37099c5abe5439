"""The parts of the Show page: galleries, doses, a plate, two compounds, how it was made."""

from __future__ import annotations

import html

import numpy as np
import pandas as pd
import streamlit as st

from pages.ui import choose, frame, show_files, theme
from pages.ui.show_pictures import Look, limits_words, wall
from pages.ui.show_scene import UNTREATED, Group, Told, replicates, tips
from ssrl_core.analysis.conditions import compare_shares
from ssrl_core.analysis.doses import DoseCurve, dose_shares, dose_summary, fit_curve
from ssrl_core.datasets.conditions import doses_of
from ssrl_core.figures.doses import dose_figure
from ssrl_core.figures.style import percent, three

CSS = f"""
.vl-lead {{ font-size: 1.15rem; line-height: 1.5; max-width: 80ch; margin: .2rem 0 .6rem; }}
.vl-shown h2 {{ font-size: 1.5rem; margin: 1.6rem 0 .3rem; }}
.vl-name {{ font-size: 1.2rem; font-weight: 600; margin: 1rem 0 .1rem; }}
.vl-name i {{ display: inline-block; width: .75em; height: .75em; border-radius: 50%; margin-right: .45em; }}
.vl-name small {{ font-weight: 400; color: {theme.QUIET}; font-size: .95rem; }}
.vl-two {{ width: 100%; border-collapse: collapse; font-size: 1rem; }}
.vl-two td, .vl-two th {{ text-align: right; padding: .3rem .6rem; border-top: 1px solid {theme.LINE}; }}
.vl-two th {{ color: {theme.QUIET}; font-weight: 400; border: 0; }}
.vl-two td:first-child, .vl-two th:first-child {{ text-align: left; padding-left: 0; }}
@media print {{
  .st-key-show-choices, .stDownloadButton, [data-testid="stSidebar"], [data-testid="stHeader"] {{ display: none; }}
  [data-testid="stExpander"]:not(:has(details[open])) {{ display: none; }}
  .vl-wall, .vl-two, .stPlotlyChart {{ break-inside: avoid; }}
  .vl-wall {{ print-color-adjust: exact; -webkit-print-color-adjust: exact; }}
  .vl-name, .vl-shown {{ break-after: avoid; }}
}}
"""


def galleries(told: Told, look: Look, count: int) -> None:
    """One wall for each group, the most typical cells first."""
    shown, things = int((told.kept & (told.ids >= 0)).sum()), told.things
    st.html(
        f'<p class="vl-lead">{shown:,} {things}, sorted by a computer into {len(told.groups)} groups of {things} that '
        f"look alike. Each gallery begins with the most typical {things} of its group.</p>"
    )
    for group in told.groups:
        note = f" · {html.escape(group.note)}" if group.note else ""
        st.html(
            f'<div class="vl-name"><i style="background:{group.colour}"></i>{html.escape(group.name)} '
            f"<small>{percent(group.share)} of the {things} (n = {len(group.rows):,}){note}</small></div>"
            + wall(told.scene.imageset, told.scene.ids[group.rows[:count]], look, tips(told, group.rows[:count]))
        )
    frame.quiet(limits_words(told.scene.imageset, look))
    if not told.scene.imageset.pixel_size_um:
        frame.quiet("No scale bar: the size of a pixel is not known for these images.")
    show_files.gallery_files(told, look, count)


def doses(told: Told) -> None:
    """The share of one group against the dose, a panel for each compound."""
    known = [c for c in _present(told) if c != UNTREATED]
    if told.doses is None or not known:
        return
    heading("What does the dose do?")
    group = choose_group(told, "Group", key="dose-group")
    chosen = known[:6]
    columns = st.columns(min(3, len(chosen)))
    for i, compound in enumerate(chosen):
        shares, summary, curve = dose_of(told, compound, group)
        if shares.empty:
            continue
        fig = dose_figure(
            shares,
            summary,
            colour=group.colour,
            title=_dose_title(compound, group, curve, told.unit),
            unit=told.unit,
            curve=curve,
            height=320,
        )
        with columns[i % len(columns)]:
            st.plotly_chart(fig, key=f"show-dose-{i}", config={"displayModeBar": False})
            show_files.figure_files(fig, f"dose-{compound}", dose_caption(told, compound, group, shares, curve))
    frame.quiet(
        "Grey points: plates (repeats). Diamonds: their mean with its 95 % interval. 0: untreated cells of the same "
        "plates. A curve and its dotted line (half of the change, EC50) are drawn only where they fit."
    )


def dose_of(told: Told, compound: str, group: Group) -> tuple[pd.DataFrame, pd.DataFrame, DoseCurve | str]:
    """Replicates, means and the curve of one compound and group; untreated cells are those of the same plates."""
    assert_doses = doses_of(told.scene.table)
    repeats = replicates(told)
    own = (told.compounds == compound) & told.kept
    control = told.control & np.isin(repeats, np.unique(repeats[own]))
    rows = np.flatnonzero((own | control) & (told.ids >= 0))
    every = dose_shares(told.ids[rows], assert_doses[rows], repeats[rows], told.clustering.k)
    shares = every[every["group"] == group.number]
    summary = dose_summary(shares)
    return shares, summary, fit_curve(shares["dose"], shares["share"], shares["cells"])


def compare(told: Told) -> None:
    """Two compounds: which has more of which group."""
    names = _present(told)
    if len(names) < 2:
        return
    heading("Two compounds beside each other")
    one, two = st.columns(2)
    with one:
        first = choose.from_address("First", names, key="first", default=UNTREATED)
    with two:
        others = [name for name in names if name != first]
        second = choose.from_address("Second", others, key="second", default=others[0])
    masks = [(told.compounds == name) & told.kept for name in (first, second)]
    found = compare_shares(told.ids, masks[0], masks[1], told.clustering.k)
    st.html(_compared(told, found, first, second))
    frame.quiet("Shares of all cells chosen above; the difference with its 95 % interval. Cells of one well are not "
                "independent, so real uncertainty is larger.")  # fmt: skip


def _compared(told: Told, found: pd.DataFrame, first: str, second: str) -> str:
    head = f"<tr><th>group</th><th>{html.escape(first)}</th><th>{html.escape(second)}</th><th>difference</th></tr>"
    lines = []
    for group in told.groups:
        row = found.iloc[group.number]
        if not row["cells_1"] or not row["cells_2"]:
            continue
        sure = row["low"] > 0 or row["high"] < 0
        change = f"{_points(row['difference'])} points ({_points(row['low'])} to {_points(row['high'])})"
        lines.append(
            f'<tr><td><span style="color:{group.colour}">●</span> {html.escape(group.name)}</td>'
            f"<td>{percent(row['share_1'])} of {row['cells_1']:.0f}</td><td>{percent(row['share_2'])} of "
            f"{row['cells_2']:.0f}</td><td>{f'<b>{change}</b>' if sure else change}</td></tr>"
        )
    return f'<table class="vl-two">{head}{"".join(lines)}</table>'


def _present(told: Told) -> list[str]:
    if told.compounds is None:
        return []
    return [str(name) for name in pd.Series(told.compounds[told.kept]).value_counts().index]


def _points(share: float) -> str:
    """Percentage points with their sign, and 0 without one."""
    whole = round(100 * share)
    return f"{whole:+d}".replace("-", "−") if whole else "0"


def choose_group(told: Told, label: str, *, key: str) -> Group:
    """One of the groups, by its name; kept in the address."""
    by = {str(group.number): group for group in told.groups}
    chosen = choose.from_address(label, list(by), key=key, shown=lambda number: by[number].name)
    return by[chosen]


def _dose_title(compound: str, group: Group, curve: DoseCurve | str, unit: str) -> str:
    if isinstance(curve, DoseCurve):
        return f"{compound}<br>half of the change at {three(curve.ec50)} {unit}"
    return f"{compound}<br>{curve}"


def dose_caption(told: Told, compound: str, group: Group, shares: pd.DataFrame, curve: DoseCurve | str) -> str:
    """What stands under the figure in a paper."""
    n, repeats = int(shares["cells"].sum()), shares["replicate"].nunique()
    told_curve = (
        f"Line: four-parameter logistic, EC50 {three(curve.ec50)} {told.unit} (95 % interval {three(curve.ec50_low)} "
        f"to {three(curve.ec50_high)}), Hill slope {three(curve.hill)}, R² {curve.r2:.2f}."
        if isinstance(curve, DoseCurve)
        else f"No curve: {curve}."
    )
    return (
        f"Share of cells in {group.name} under {compound}. Grey points: plates (n = {repeats}); diamonds: mean and "
        f"95 % interval (Student's t over plates). 0: untreated cells of the same plates. {n:,} cells. {told_curve}"
    )


def heading(text: str) -> None:
    """The question that a part answers."""
    st.html(f'<div class="vl-shown"><h2>{text}</h2></div>')
