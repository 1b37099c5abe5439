"""The parts of the Show page: galleries, doses, a plate, two compounds, how it was made."""

from __future__ import annotations

import html

import numpy as np
import pandas as pd
import streamlit as st
from plotly.graph_objects import Figure

from pages.ui.kit import choices, frame, theme
from pages.ui.show import files
from pages.ui.show import words as show_words
from pages.ui.show.paper import Paper
from pages.ui.show.pictures import Look, limits_words, wall
from pages.ui.show.scene import UNTREATED, Group, Told, present, replicates, tips
from ssrl_core.analysis.conditions import compare_shares
from ssrl_core.analysis.dose_changes import Change
from ssrl_core.analysis.doses import DoseCurve, dose_shares, dose_summary, fit_curve
from ssrl_core.datasets.columns import doses_of
from ssrl_core.figures.doses import dose_figure
from ssrl_core.figures.style import percent, three

MOST = "most"
_SMALL = '<span style="font-size:14px;font-weight:400">'
CSS = f"""
.vl-lead, .vl-finding {{ font-size: 1.3rem; line-height: 1.5; max-width: 72ch; margin: .2rem 0 .6rem; }}
.vl-lead b, .vl-finding b {{ font-weight: 600; }}
.vl-more {{ font-size: 1.05rem; margin: 0 0 .35rem; }}
.vl-stains {{ font-size: 1.05rem; }}
.vl-stains span {{ margin-right: 1.2em; white-space: nowrap; }}
.vl-stains i {{ display: inline-block; width: .75em; height: .75em; border-radius: 2px; margin-right: .45em;
  outline: 1px solid {theme.LINE}; }}
.vl-shown h2 {{ font-size: 1.5rem; margin: 1.6rem 0 .3rem; }}
.vl-name {{ font-size: 1.2rem; font-weight: 600; margin: 1rem 0 .1rem; }}
.vl-name i {{ display: inline-block; width: .75em; height: .75em; border-radius: 50%; margin-right: .45em; }}
.vl-name small {{ font-weight: 400; color: {theme.QUIET}; font-size: .95rem; }}
.vl-two {{ width: 100%; border-collapse: collapse; font-size: 1rem; }}
.vl-two td, .vl-two th {{ text-align: right; padding: .3rem .6rem; border-top: 1px solid {theme.LINE}; }}
.vl-two th {{ color: {theme.QUIET}; font-weight: 400; border: 0; }}
.vl-two td:first-child, .vl-two th:first-child {{ text-align: left; padding-left: 0; }}
.vl-two span {{ white-space: nowrap; }}
.stPlotlyChart .xtick text {{ font-size: 12px; }}
@media (min-width: 1800px) {{
  html {{ font-size: 20px; }}
  .stPlotlyChart .xtick text {{ font-size: 14px !important; }}
}}
@media (max-width: 700px) {{
  .vl-lead, .vl-finding {{ font-size: 1.15rem; }}
  .vl-two {{ font-size: .92rem; }}
  .vl-two td, .vl-two th {{ padding: .3rem .25rem; }}
}}
@media print {{
  @page {{ size: A4; margin: 12mm; }}
  .st-key-show-choices, .stDownloadButton, [data-testid="stSidebar"], [data-testid="stHeader"], .stSelectbox,
  .vl-screen {{ display: none !important; }}
  [data-testid="stExpander"]:not(:has(details[open])) {{ display: none; }}
  /* Streamlit lays columns under each other on paper */
  [data-testid="stHorizontalBlock"]:has(> [data-testid="stColumn"]) {{ display: flex !important;
    flex-flow: row nowrap !important; gap: .5rem; }}
  [data-testid="stColumn"] {{ flex: 1 1 0 !important; min-width: 0 !important; width: auto !important; }}
  .vl-kind, .vl-wall, .vl-two {{ break-inside: avoid; }}
  .vl-wall {{ print-color-adjust: exact; -webkit-print-color-adjust: exact; }}
  .vl-name, .vl-shown {{ break-after: avoid; }}
  .vl-lead, .vl-finding {{ font-size: 1rem; max-width: none; break-after: avoid; }}
  .vl-more, .vl-stains, .vl-two {{ font-size: .85rem; }}
  .vl-shown h2 {{ font-size: 1.2rem; margin: .6rem 0 .2rem; }}
  .vl-name {{ font-size: 1rem; margin-top: .3rem; }}
}}
"""


def galleries(told: Told, look: Look, count: int) -> None:
    """One wall for each group, the most typical cells first."""
    things = told.things
    st.html(f'<p class="vl-lead">{show_words.lead(told)}</p>{show_words.stains(told, look)}')
    for group in told.groups:
        note = f" · {html.escape(group.note)}" if group.note else ""
        st.html(
            f'<div class="vl-kind"><div class="vl-name"><i style="background:{group.colour}"></i>'
            f"{html.escape(group.name)} "
            f"<small>{percent(group.share)} of the {things} (n = {len(group.rows):,}){note}</small></div>"
            f'<div class="vl-more">{show_words.more_under(told, group)}</div>'
            + wall(told.scene.imageset, told.scene.ids[group.rows[:count]], look, tips(told, group.rows[:count]))
            + "</div>"
        )
    frame.quiet(limits_words(told.scene.imageset, look))
    if not told.scene.imageset.pixel_size_um:
        frame.quiet("No scale bar: the size of a pixel is not known for these images.")
    files.gallery_files(told, look, count)


def doses(told: Told, paper: Paper) -> None:
    """The share of one group against the dose, a panel for each compound."""
    known = [c for c in present(told) if c != UNTREATED]
    if told.doses is None or not known:
        return
    heading("What does the dose do?")
    first = show_words.most_changed(told)
    group = _dose_group(told, first)
    st.html(f'<p class="vl-finding">{show_words.dose_words(told, group, first)}</p>')
    chosen = sorted(known, key=lambda name: first is not None and name != first.compound)[:6]
    found = {compound: dose_of(told, compound, group) for compound in chosen}
    top = max((float(s["high"].max()) for _, s, _ in found.values() if len(s)), default=1.0)
    columns = st.columns(min(3, len(chosen)))
    for i, (compound, (shares, summary, curve)) in enumerate(found.items()):
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
        fig.update_yaxes(range=[0, min(1.0, top) * 1.04])  # one scale for all compounds
        with columns[i % len(columns)]:
            st.plotly_chart(large(fig), key=f"show-dose-{i}", config={"displayModeBar": False})
            paper.keep(fig, f"{group.name} under {compound}")
            files.figure_files(fig, f"dose-{compound}", dose_caption(told, compound, group, shares, curve))
    frame.quiet(
        "Grey points: plates (repeats). Diamonds: their mean with its 95 % interval. 0: untreated cells of the same "
        "plates. A curve and its dotted line (half of the change, EC50) are drawn only where they fit."
    )


def _dose_group(told: Told, first: Change | None) -> Group:
    """The group that was chosen; until then the one that changes most with a dose."""
    by = {str(group.number): group for group in told.groups}
    telling = by.get(str(first.group)) if first else None
    telling = telling or told.groups[0]
    words = {MOST: f"{telling.name} ({'changes most' if first else 'no group changes clearly'})"}
    words |= {number: group.name for number, group in by.items()}
    chosen = choices.from_address("Group", list(words), key="dose-group", shown=words.__getitem__, default=MOST)
    return by.get(chosen, telling)


def large(fig: Figure) -> Figure:
    """The figure as this page shows it: letters that are read from afar (the files keep their own)."""
    from plotly.graph_objects import Figure as Copy

    shown = Copy(fig)
    shown.update_layout(font_size=14, title={"font_size": 17, "y": 0.94}, margin_t=76)
    shown.update_xaxes(tickangle=0, title_font_size=14)
    shown.update_yaxes(tickfont_size=13, title_font_size=14)
    return shown


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
    names = present(told)
    if len(names) < 2:
        return
    heading("Two compounds beside each other")
    one, two = st.columns(2)
    with one:
        first = choices.from_address("First", names, key="first", default=UNTREATED)
    with two:
        others = [name for name in names if name != first]
        second = choices.from_address("Second", others, key="second", default=others[0])
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
        span = f"<span>({_points(row['low'])} to {_points(row['high'])})</span>"
        change = f"<span>{_points(row['difference'])} points</span> {span}"
        lines.append(
            f'<tr><td><i style="color:{group.colour}">●</i> {html.escape(group.name)}</td>'
            f"<td>{percent(row['share_1'])} <span>of {row['cells_1']:.0f}</span></td><td>{percent(row['share_2'])} "
            f"<span>of {row['cells_2']:.0f}</span></td><td>{f'<b>{change}</b>' if sure else change}</td></tr>"
        )
    return f'<table class="vl-two">{head}{"".join(lines)}</table>'


def _points(share: float) -> str:
    """Percentage points with their sign, and 0 without one."""
    whole = round(100 * share)
    return f"{whole:+d}".replace("-", "−") if whole else "0"


def choose_group(told: Told, label: str, *, key: str) -> Group:
    """One of the groups, by its name; kept in the address."""
    by = {str(group.number): group for group in told.groups}
    chosen = choices.from_address(label, list(by), key=key, shown=lambda number: by[number].name)
    return by[chosen]


def _dose_title(compound: str, group: Group, curve: DoseCurve | str, unit: str) -> str:
    if isinstance(curve, DoseCurve):
        return f"{compound}<br>{_SMALL}half of the change at {three(curve.ec50)} {unit} (EC50)</span>"
    return f"{compound}<br>{_SMALL}no curve: {curve}</span>"


def dose_caption(told: Told, compound: str, group: Group, shares: pd.DataFrame, curve: DoseCurve | str) -> str:
    """What stands under the figure in a paper."""
    n, repeats = int(shares["cells"].sum()), shares["replicate"].nunique()
    told_curve = (
        f"Line: {curve.model.title}, EC50 {three(curve.ec50)} {told.unit} (95 % interval {three(curve.ec50_low)} "
        f"to {three(curve.ec50_high)}), {''.join(f'{name} {three(value)}, ' for name, value in curve.shape.items())}"
        f"R² {curve.r2:.2f}."
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
