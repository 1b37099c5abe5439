"""The plate of the Show page: coloured by the share of a group; a click on a well shows its cells."""

from __future__ import annotations

import html

import numpy as np
import streamlit as st

from pages.ui.kit import choices, frame
from pages.ui.show import files
from pages.ui.show.paper import Paper
from pages.ui.show.parts import choose_group, heading, large
from pages.ui.show.pictures import Look, wall
from pages.ui.show.scene import Array, Told, tips
from ssrl_core.analysis.plates import FORMATS, plate_format, plate_shares, well_name, well_place
from ssrl_core.figures.plate import plate_figure


def plate(told: Told, look: Look, count: int, paper: Paper) -> None:
    """The plate from above; a click on a well shows its cells."""
    if told.plates is None or told.wells is None:
        return
    heading("Where on the plate?")
    wells = _tidied(told.wells)
    left, right = st.columns([3, 2], gap="large")
    with left:
        one, two = st.columns(2)
        with one:
            name = choices.from_address("Plate", sorted(set(told.plates.tolist())), key="plate")
        with two:
            group = choose_group(told, "Share of", key="plate-group")
        rows = np.flatnonzero((told.plates == name) & (told.ids >= 0))
        what = _what(told, wells, rows)
        shares = plate_shares(wells[rows], told.ids[rows], group.number)
        shares["what"] = [what.get(well, "") for well in shares["well"]]
        picked = _picked()
        size = plate_format(wells)
        fig = plate_figure(shares, FORMATS[size], title=f"{group.name} on {name}", picked=picked)
        st.plotly_chart(
            large(fig), key="show-plate", on_select="rerun", selection_mode="points", config={"displayModeBar": False}
        )
        paper.keep(fig, f"{group.name} on {name}")
        frame.quiet(f"The lighter a well, the larger the share of {group.name} among its cells.")
        caption = f"Share of {group.name} in each well of {name} ({size} wells); empty squares have no cells here."
        files.figure_files(fig, f"plate-{name}", caption)
    with right:
        _well(told, picked, rows[wells[rows] == picked], what.get(picked, ""), look, count)


def _picked() -> str:
    """The well that was clicked, else that of the address; "" if there is none."""
    event = st.session_state.get("show-plate")
    points = event["selection"]["points"] if event else []
    if points and points[0].get("customdata"):
        st.query_params["well"] = str(points[0]["customdata"][0])
    return str(st.query_params.get("well", ""))


def _well(told: Told, well: str, rows: Array, what: str, look: Look, count: int) -> None:
    if not well:
        st.html('<div class="vl-quiet vl-screen">Click a well to see its cells.</div>')
        return
    words = f"{html.escape(what)}, {len(rows)} cells" if what else f"{len(rows)} cells"
    st.html(f'<div class="vl-name">{html.escape(well)} <small>{words}</small></div>')
    st.html(wall(told.scene.imageset, told.scene.ids[rows[:count]], look, tips(told, rows[:count]), few=True))


def _tidied(wells: Array) -> Array:
    """(n,) every well as `B03`; a name that is no well's stays as it is."""
    places = {name: well_place(name) for name in set(wells.tolist())}
    names = {name: well_name(*place) if place else name for name, place in places.items()}
    return np.array([names[name] for name in wells.tolist()], object)


def _what(told: Told, wells: Array, rows: Array) -> dict[str, str]:
    """What is in each well: compound and dose of its first cell."""
    if told.compounds is None:
        return {}
    found: dict[str, str] = {}
    for row in rows:
        if wells[row] not in found:
            dose = told.doses[row] if told.doses is not None else np.nan
            found[wells[row]] = str(told.compounds[row]) + (f", {dose:g} {told.unit}" if dose > 0 else "")
    return found
