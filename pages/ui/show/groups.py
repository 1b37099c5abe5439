"""Which kinds of cells there are: a gallery of each group with what is said of it, and two compounds side by side."""

from __future__ import annotations

import html
from collections.abc import Sequence

import pandas as pd
import streamlit as st

from pages.ui.kit import choices, frame
from pages.ui.show import files
from pages.ui.show.cells import UNTREATED, Group, Look, ShownCells, changes_of, colours_of, limits_words, wall
from ssrl_core.analysis.doses import CLEARLY, Change
from ssrl_core.analysis.intervals import compare_shares
from ssrl_core.figures.style import percent

_MOST_NAMED = 3
_ABOUT = 0.05  # the largest change that "about as frequent" may hide

CSS = f"""
.vl-lead, .vl-finding {{ font-size: 1.3rem; line-height: 1.5; max-width: 72ch; margin: .2rem 0 .6rem; }}
.vl-lead b, .vl-finding b {{ font-weight: 600; }}
.vl-answer {{ font-size: 1.7rem; line-height: 1.3; margin: .4rem 0 .3rem; }}
.vl-answer b {{ font-weight: 650; }}
.vl-answers {{ font-size: 1.2rem; line-height: 1.5; margin: 0 0 .4rem; padding-left: 1.2rem; max-width: 80ch; }}
.vl-answers b {{ font-weight: 600; }}
.vl-same {{ margin-top: 1.4rem; }}
.vl-more {{ font-size: 1.05rem; margin: 0 0 .35rem; }}
.vl-stains {{ font-size: 1.05rem; }}
.vl-stains span {{ margin-right: 1.2em; white-space: nowrap; }}
.vl-stains i {{ display: inline-block; width: .75em; height: .75em; border-radius: 2px; margin-right: .45em;
  outline: 1px solid {frame.LINE}; }}
.vl-shown h2 {{ font-size: 1.5rem; margin: 1.6rem 0 .3rem; }}
.vl-name {{ font-size: 1.2rem; font-weight: 600; margin: 1rem 0 .1rem; }}
.vl-name i {{ display: inline-block; width: .75em; height: .75em; border-radius: 50%; margin-right: .45em; }}
.vl-name small {{ font-weight: 400; color: {frame.QUIET}; font-size: .95rem; }}
.vl-two {{ width: 100%; border-collapse: collapse; font-size: 1rem; }}
.vl-two td, .vl-two th {{ text-align: right; padding: .3rem .6rem; border-top: 1px solid {frame.LINE}; }}
.vl-two th {{ color: {frame.QUIET}; font-weight: 400; border: 0; }}
.vl-two td:first-child, .vl-two th:first-child {{ text-align: left; padding-left: 0; }}
.vl-two span {{ white-space: nowrap; }}
.stPlotlyChart .xtick text {{ font-size: 12px; }}
@media (min-width: 1800px) {{
  html {{ font-size: 20px; }}
  .stPlotlyChart .xtick text {{ font-size: 14px !important; }}
}}
@media (max-width: 700px) {{
  .vl-lead, .vl-finding {{ font-size: 1.15rem; }}
  .vl-answer {{ font-size: 1.35rem; }}
  .vl-answers {{ font-size: 1.08rem; }}
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


def heading(text: str) -> None:
    """The question that a part answers."""
    st.html(f'<div class="vl-shown"><h2>{text}</h2></div>')


def galleries(cells: ShownCells, look: Look, count: int) -> None:
    """One wall for each group, the most typical cells first; groups that a compound changes stand before the others."""
    heading(f"Which kinds of {cells.noun} are there?")
    st.html(f'<p class="vl-lead">{lead(cells)}</p>{stains(cells, look)}')
    frame.quiet(files.verdict_words(cells))
    changing, others = _by_change(cells)
    for group in changing:
        _gallery(cells, group, look, count, more_under(cells, group))
    if others and (words := quiet_words(cells, others, bool(changing))):
        st.html(f'<p class="vl-more vl-same">{words}</p>')
    for group in others:
        _gallery(cells, group, look, count, "")
    frame.quiet(limits_words(cells.run.imageset, look))
    if not cells.run.imageset.pixel_size_um:
        frame.quiet("No scale bar: the size of a pixel is not known for these images.")
    files.gallery_files(cells, look, count)


def _by_change(cells: ShownCells) -> tuple[list[Group], list[Group]]:
    """Groups that some compound changes clearly, those that change most first; then the others."""
    clear = [change.group for change in changes_of(cells, each_dose=False) if change.least > CLEARLY]
    order = {group: place for place, group in reversed(list(enumerate(clear)))}
    changing = sorted((group for group in cells.groups if group.number in order), key=lambda g: order[g.number])
    return changing, [group for group in cells.groups if group.number not in order]


def quiet_words(cells: ShownCells, others: Sequence[Group], some_change: bool) -> str:
    """What is said once of the groups that no compound changes; "" where there is nothing to compare with."""
    found = changes_of(cells, each_dose=False)
    if not found:
        return ""
    which = (
        "The other groups" if some_change and len(others) > 1 else "The other group" if some_change else "All groups"
    )
    if not some_change and len(others) == 1:
        return more_under(cells, others[0])
    numbers = {group.number for group in others}
    if max(change.most for change in found if change.group in numbers) <= _ABOUT:
        about = (
            f"as frequent under every compound as among untreated cells, within {percent(_ABOUT)[:-1].strip()} points"
        )
        return f"{which}: {about}."
    return f"{which}: no clear difference between any compound and untreated cells."


def _gallery(cells: ShownCells, group: Group, look: Look, count: int, more: str) -> None:
    note = f" · {html.escape(group.note)}" if group.note else ""
    first = group.rows[:count]
    st.html(
        f'<div class="vl-kind"><div class="vl-name"><i style="background:{group.colour}"></i>'
        f"{html.escape(group.name)} "
        f"<small>{percent(group.share)} of the {cells.noun} (n = {len(group.rows):,}){note}</small></div>"
        + (f'<div class="vl-more">{more}</div>' if more else "")
        + wall(cells.run.imageset, cells.run.ids[first], look, cells.tips(first))
        + "</div>"
    )


def lead(cells: ShownCells) -> str:
    """How many cells of what, under which compounds, in how many groups."""
    shown, noun = int((cells.kept & (cells.ids >= 0)).sum()), cells.noun
    imageset, treated = cells.run.imageset, cells.treatments
    under = f" under {frame.joined([html.escape(name) for name in treated])}" if 0 < len(treated) <= 4 else ""
    under = f" under {len(treated)} compounds" if len(treated) > 4 else under
    if treated and cells.control.any():
        under += " or untreated"
    held_back = cells.run.results.split in ("test", "val") and len(cells.ids) < imageset.count
    unseen = f" The computer did not learn from any of these {noun}." if held_back else ""
    return (
        f"{shown:,} {noun} of <b>{html.escape(imageset.title)}</b>{under}, sorted by a computer into "
        f"{len(cells.groups)} groups of {noun} that look alike. Each gallery begins with the most typical {noun} "
        f"of its group.{unseen}"
    )


def stains(cells: ShownCells, look: Look) -> str:
    """Which colour is which stain; nothing where there is one."""
    shown = [c for c in colours_of(cells.run.imageset, look) if c.name in look.shown]
    if len(shown) < 2:
        return ""
    dots = "".join(f'<span><i style="background:{c.colour}"></i>{html.escape(c.name)}</span>' for c in shown)
    return f'<div class="vl-stains">{dots}</div>'


def more_under(cells: ShownCells, group: Group) -> str:
    """Under which compounds a group is clearly more or less frequent than among untreated cells."""
    found = [change for change in changes_of(cells, each_dose=False) if change.group == group.number]
    sure = [change for change in found if change.least > CLEARLY]
    if not found:
        return ""
    if not sure and max(change.most for change in found) <= _ABOUT:
        points = percent(_ABOUT)[:-1].strip()
        return f"As frequent under every compound as among untreated cells, within {points} points."
    if not sure:
        return "No clear difference between any compound and untreated cells."
    more = _under("more", [c for c in sure if c.share > c.untreated])
    less = _under("less", [c for c in sure if c.share < c.untreated])
    words = "; ".join(filter(None, [more, less]))
    ends = dict.fromkeys(percent(round(end([c.untreated for c in sure]), 2)) for end in (min, max))
    return f"{words[0].upper()}{words[1:]} than among untreated cells of the same plates ({' to '.join(ends)})."


def _under(word: str, some: list[Change]) -> str:
    named = frame.joined([f"{html.escape(c.compound)} ({percent(round(c.share, 2))})" for c in some[:_MOST_NAMED]])
    return f"{word} frequent under {named}" if some else ""


def compare(cells: ShownCells) -> None:
    """Two compounds: which has more of which group."""
    names = cells.present
    if len(names) < 2:
        return
    heading("How do two compounds differ?")
    one, two = st.columns(2)
    with one:
        first = choices.from_address("First", names, key="first", default=UNTREATED)
    with two:
        others = [name for name in names if name != first]
        second = choices.from_address("Second", others, key="second", default=others[0])
    masks = [(cells.compounds == name) & cells.kept for name in (first, second)]
    found = compare_shares(cells.ids, masks[0], masks[1], cells.k)
    st.html(_compared(cells, found, first, second))
    frame.quiet(
        "Shares of all cells chosen above; the difference with its 95 % interval. Cells of one well are not "
        "independent, so the real uncertainty is larger."
    )


def _compared(cells: ShownCells, found: pd.DataFrame, first: str, second: str) -> str:
    head = f"<tr><th>group</th><th>{html.escape(first)}</th><th>{html.escape(second)}</th><th>difference</th></tr>"
    lines = []
    for group in cells.groups:
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
