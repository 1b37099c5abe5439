"""What the compounds do: the share of a group against the dose, and where on the plate it is frequent."""

from __future__ import annotations

import html

import numpy as np
import pandas as pd
import streamlit as st
from plotly.graph_objects import Figure

from pages.ui.kit import choices, frame
from pages.ui.kit.gallery import Array
from pages.ui.map.files import figure_files
from pages.ui.show.cells import Group, Look, ShownCells, changes_of, wall
from pages.ui.show.files import PrintedFigures
from pages.ui.show.groups import heading
from ssrl_core.analysis.doses import CLEARLY, DOSE_MODELS, Change, DoseCurve, dose_shares, dose_summary, fit_curve
from ssrl_core.analysis.plates import FORMATS, plate_format, plate_shares, well_name, well_place
from ssrl_core.figures.screens import dose_figure, plate_figure
from ssrl_core.figures.style import percent, three_digits

MOST, EACH = "most", "each"
_EACH = "For each compound, the group of cells that it changes most."
_MOST_PANELS = 6
_SMALL = '<span style="font-size:14px;font-weight:400">'


def answer(cells: ShownCells) -> None:
    """The page's answer in a sentence a compound, the one that changes most first; nothing without compounds."""
    if cells.doses is None or not cells.treatments:
        return
    found = answers(cells)
    if not found:
        st.html('<p class="vl-answer"><b>No compound changes the cells clearly.</b></p>')
        return
    some, every = len(found), len(cells.treatments)
    head = f"{f'All {every}' if some == every else f'{some} of {every}'} compounds change the {cells.noun}."
    if some == 1:
        head = f"{html.escape(found[0][0].compound)} changes the {cells.noun}."
    lines = "".join(f"<li>{_answer_words(cells, most, least)}</li>" for most, least in found)
    quiet = [name for name in cells.treatments if name not in {most.compound for most, _ in found}]
    rest = f"<li>No clear change under {frame.joined([html.escape(name) for name in quiet])}.</li>" if quiet else ""
    st.html(f'<p class="vl-answer"><b>{head}</b></p><ul class="vl-answers">{lines}{rest}</ul>')


def answers(cells: ShownCells) -> list[tuple[Change, float]]:
    """For each compound with a clear change: the largest, and the lowest dose at which that group changes clearly."""
    here = {group.number for group in cells.groups}
    clear = [c for c in changes_of(cells, each_dose=True) if c.group in here and c.least > CLEARLY and c.dose]
    most: dict[str, Change] = {}
    for change in clear:
        if change.compound not in most or _gain(change) > _gain(most[change.compound]):
            most[change.compound] = change
    found = []
    for best in most.values():
        same = [c for c in clear if (c.compound, c.group) == (best.compound, best.group) and _gain(c) * _gain(best) > 0]
        found.append((best, min((float(c.dose) for c in same if c.dose), default=float(best.dose or 0))))
    return sorted(found, key=lambda pair: -abs(_gain(pair[0])))


def _gain(change: Change) -> float:
    return change.share - change.untreated


def _answer_words(cells: ShownCells, most: Change, least: float) -> str:
    name = next(group.name for group in cells.groups if group.number == most.group)
    unit = html.escape(cells.unit)
    seen = f"; clear from {least:g} {unit} on" if least < float(most.dose or 0) else ""
    shares = percent(round(most.untreated, 2)), percent(round(most.share, 2))
    return (
        f"<b>{html.escape(most.compound)}</b>: “{html.escape(name)}” goes from {shares[0]} of the untreated "
        f"{cells.noun} to {shares[1]} at {most.dose:g} {unit}{seen}."
    )


def doses(cells: ShownCells, printed: PrintedFigures) -> None:
    """The share of one group against the dose, a panel for each compound."""
    known = cells.treatments
    if cells.doses is None or not known:
        return
    heading("What does the dose do?")
    first = most_changed(cells)
    group, each = _dose_group(cells, first)
    st.html(f'<p class="vl-finding">{dose_words(cells, group, first) if group else _EACH}</p>')
    chosen = sorted(known, key=lambda name: first is not None and name != first.compound)[:_MOST_PANELS]
    model = _dose_model()
    of = {compound: group or each.get(compound, cells.groups[0]) for compound in chosen}
    found = {compound: dose_of(cells, compound, of[compound], model) for compound in chosen}
    top = max((float(s["high"].max()) for _, s, _ in found.values() if len(s)), default=1.0)
    columns = st.columns(min(3, len(chosen)))
    for i, (compound, (shares, summary, curve)) in enumerate(found.items()):
        if shares.empty:
            continue
        shown, unit = of[compound], cells.unit
        title = _dose_title(compound if group else f"{compound}: {shown.name}", curve, unit)
        fig = dose_figure(shares, summary, colour=shown.colour, title=title, unit=unit, curve=curve, height=320)
        fig.update_yaxes(range=[0, min(1.0, top) * 1.04])  # one scale for all compounds
        with columns[i % len(columns)]:
            frame.chart(large(fig), f"show-dose-{i}")
            printed.keep(fig, f"{shown.name} under {compound}")
            figure_files(fig, f"dose-{compound}", dose_caption(cells, compound, shown, shares, curve))
    frame.quiet(
        "Grey points: plates (repeats). Diamonds: their mean with its 95 % interval. 0: untreated cells of the same "
        "plates. A curve and its dotted line (half of the change, EC50) are drawn only where they fit."
    )


def most_changed(cells: ShownCells) -> Change | None:
    """The group, compound and dose of the largest clear change; None where no dose changes anything clearly."""
    here = {group.number for group in cells.groups}
    found = [change for change in changes_of(cells, each_dose=True) if change.group in here]
    return found[0] if found and found[0].least > CLEARLY else None


def dose_words(cells: ShownCells, group: Group, first: Change | None) -> str:
    """What the dose does to a group, and why the page begins with it.

    Args:
        first: the largest change of all groups.
    """
    name = f"<b>{html.escape(group.name)}</b>"
    clear = (c for c in changes_of(cells, each_dose=True) if c.group == group.number and c.least > CLEARLY)
    own = next(clear, None)
    if own is None and first is None:
        return f"No group becomes clearly more or less frequent with the dose. Shown: {name}."
    if own is None:
        return f"{name} does not change clearly with the dose."
    why = f"Of all groups, {name} changes most" if first == own else f"{name} changes most"
    return (
        f"{why} under <b>{html.escape(own.compound)}</b>: from {percent(round(own.untreated, 2))} of the untreated "
        f"{cells.noun} to {percent(round(own.share, 2))} at {own.dose:g} {html.escape(cells.unit)} "
        f"({own.cells:,} {cells.noun})."
    )


def _dose_group(cells: ShownCells, first: Change | None) -> tuple[Group | None, dict[str, Group]]:
    """The group that was chosen, and that of each compound; None: each compound's own.

    Until one is chosen, each compound shows the group that it changes most, where those differ; else the one that
    changes most of all.
    """
    by = {str(group.number): group for group in cells.groups}
    each = {change.compound: by[str(change.group)] for change, _ in answers(cells)}
    most = by.get(str(first.group)) if first else None
    most = most or cells.groups[0]
    words = {MOST: f"{most.name} ({'changes most' if first else 'no group changes clearly'})"}
    words |= {number: group.name for number, group in by.items()}
    own = len({group.number for group in each.values()}) > 1
    words = {EACH: "each compound: what it changes most", **words} if own else words
    default = EACH if own else MOST
    with st.container(width=360):
        chosen = choices.from_address("Group", list(words), key="dose-group", shown=words.__getitem__, default=default)
    return (None if chosen == EACH else by.get(chosen, most)), each


def _dose_model() -> str:
    """The curve that is fitted: asked for only where the table has several."""
    if len(DOSE_MODELS) == 1:
        return next(iter(DOSE_MODELS))
    with st.container(width=360):
        return choices.from_address(
            "Curve",
            list(DOSE_MODELS),
            key="dose-model",
            shown=lambda name: DOSE_MODELS[name].title,
            help=" ".join(f"{row.title.capitalize()}: {row.sentence}" for row in DOSE_MODELS.values()),
        )


def large(fig: Figure) -> Figure:
    """The figure as this page shows it: letters that are read from afar (the files keep their own)."""
    from plotly.graph_objects import Figure as Copy

    shown = Copy(fig)
    shown.update_layout(font_size=14, title={"font_size": 17, "y": 0.94}, margin_t=76)
    shown.update_xaxes(tickangle=0, title_font_size=14)
    shown.update_yaxes(tickfont_size=13, title_font_size=14)
    return shown


def dose_of(
    cells: ShownCells, compound: str, group: Group, model: str = "hill"
) -> tuple[pd.DataFrame, pd.DataFrame, DoseCurve | str]:
    """Replicates, means and the curve of one compound and group; untreated cells are those of the same plates.

    Args:
        model: a name of `DOSE_MODELS`.
    """
    repeats = cells.replicates
    own = (cells.compounds == compound) & cells.kept
    control = cells.control & np.isin(repeats, np.unique(repeats[own]))
    rows = np.flatnonzero((own | control) & (cells.ids >= 0))
    dose = cells.doses if cells.doses is not None else np.zeros(len(cells.ids))
    every = dose_shares(cells.ids[rows], dose[rows], repeats[rows], cells.k)
    shares = every[every["group"] == group.number]
    return shares, dose_summary(shares), fit_curve(shares["dose"], shares["share"], shares["cells"], model)


def _dose_title(compound: str, curve: DoseCurve | str, unit: str) -> str:
    if isinstance(curve, str):
        return f"{compound}<br>{_SMALL}no curve: {curve}</span>"
    return f"{compound}<br>{_SMALL}half of the change at {three_digits(curve.ec50)} {unit} (EC50)</span>"


def dose_caption(cells: ShownCells, compound: str, group: Group, shares: pd.DataFrame, curve: DoseCurve | str) -> str:
    """What stands under the figure in a paper."""
    n, repeats = int(shares["cells"].sum()), shares["replicate"].nunique()
    line = (
        f"No curve: {curve}."
        if isinstance(curve, str)
        else f"Line: {curve.model.title}, EC50 {three_digits(curve.ec50)} {cells.unit} (95 % interval "
        f"{three_digits(curve.ec50_low)} to {three_digits(curve.ec50_high)}), "
        f"{''.join(f'{name} {three_digits(value)}, ' for name, value in curve.shape.items())}R² {curve.r2:.2f}."
    )
    return (
        f"Share of cells in {group.name} under {compound}. Grey points: plates (n = {repeats}); diamonds: mean and "
        f"95 % interval (Student's t over plates). 0: untreated cells of the same plates. {n:,} cells. {line}"
    )


def plate(cells: ShownCells, look: Look, count: int, printed: PrintedFigures) -> None:
    """The plate from above; a click on a well shows its cells."""
    if cells.plates is None or cells.wells is None:
        return
    heading("Where on the plate?")
    wells = _tidied(cells.wells)
    left, right = st.columns([3, 2], gap="large")
    with left:
        one, two = st.columns(2)
        with one:
            name = choices.from_address("Plate", sorted(set(cells.plates.tolist())), key="plate")
        with two:
            group = _choose_group(cells, "Share of", key="plate-group", first=most_changed(cells))
        rows = np.flatnonzero((cells.plates == name) & (cells.ids >= 0))
        what = _conditions(cells, wells, rows)
        shares = plate_shares(wells[rows], cells.ids[rows], group.number)
        shares["what"] = [what.get(well, "") for well in shares["well"]]
        picked, size = _picked(), plate_format(wells)
        fig = plate_figure(shares, FORMATS[size], title=f"{group.name} on {name}", picked=picked)
        frame.chart(large(fig), "show-plate", on_select="rerun", selection_mode="points")
        printed.keep(fig, f"{group.name} on {name}")
        frame.quiet(f"The lighter a well, the larger the share of {group.name} among its cells.")
        caption = f"Share of {group.name} in each well of {name} ({size} wells); empty squares have no cells here."
        figure_files(fig, f"plate-{name}", caption)
    with right:
        _well(cells, picked, rows[wells[rows] == picked], what.get(picked, ""), look, count)


def _choose_group(cells: ShownCells, label: str, *, key: str, first: Change | None) -> Group:
    """One of the groups, by its name; kept in the address. The one that changes most until another is chosen."""
    by = {str(group.number): group for group in cells.groups}
    default = str(first.group) if first else None
    return by[choices.from_address(label, list(by), key=key, shown=lambda number: by[number].name, default=default)]


def _picked() -> str:
    """The well that was clicked, else that of the address; "" if there is none."""
    event = st.session_state.get("show-plate")
    points = event["selection"]["points"] if event else []
    if points and points[0].get("customdata"):
        st.query_params["well"] = str(points[0]["customdata"][0])
    return str(st.query_params.get("well", ""))


def _well(cells: ShownCells, well: str, rows: Array, what: str, look: Look, count: int) -> None:
    if not well:
        st.html('<div class="vl-quiet vl-screen">Click a well to see its cells.</div>')
        return
    words = f"{html.escape(what)}, {len(rows)} cells" if what else f"{len(rows)} cells"
    st.html(f'<div class="vl-name">{html.escape(well)} <small>{words}</small></div>')
    st.html(wall(cells.run.imageset, cells.run.ids[rows[:count]], look, cells.tips(rows[:count]), few=True))


def _tidied(wells: Array) -> Array:
    """(n,) every well as `B03`; a name that is no well's stays as it is."""
    places = {name: well_place(name) for name in set(wells.tolist())}
    names = {name: well_name(*place) if place else name for name, place in places.items()}
    return np.array([names[name] for name in wells.tolist()], object)


def _conditions(cells: ShownCells, wells: Array, rows: Array) -> dict[str, str]:
    """What is in each well: compound and dose of its first cell."""
    found: dict[str, str] = {}
    for row in rows:
        if wells[row] not in found:
            found[wells[row]] = ", ".join(cells.condition(int(row)))
    return found
