"""The images of a run: on the map with the panel beside it, and as a table; both select."""

from __future__ import annotations

import numpy as np
import streamlit as st

from pages.ui.clusters.choice import Choice
from pages.ui.kit import frame
from pages.ui.map import files, panel, selection
from pages.ui.map.colours import hover_facets
from pages.ui.map.names import ClusteredRun
from pages.ui.map.payload import MapPayload
from pages.ui.map.view import answer_asks, keep_views, send_blocks

MAP_HEIGHT = 580
MOST_ROWS = 5_000


def payload_of(of: ClusteredRun, choice: Choice) -> MapPayload:
    """The page's map as it is coloured now."""
    return MapPayload(of.run, choice.layout, hover_facets(of, choice.colour))


def send_points(payload: MapPayload) -> None:
    """Points and colours, before the map is drawn."""
    colours = payload.colours() + [None] * 3
    send_blocks(
        {"cluster-places": payload.places(), **{f"cluster-colour-{at}": block for at, block in enumerate(colours[:3])}}
    )


def send_pictures(payload: MapPayload) -> None:
    """Thumbnails, once the page stands; then what the map asks for while one looks around."""
    send_blocks({"cluster-pictures": payload.pictures()})
    keep_views({payload.name: payload.facets[0]}, key="cluster-views")
    answer_asks(payload.some_pictures, key="cluster-asks")


@st.fragment
def images_map(of: ClusteredRun, payload: MapPayload) -> None:
    """The map and, at its right, what one selected on it."""
    selection.write_address(of.run)
    left, right = st.columns([3, 2], gap="medium")
    with left:
        if payload.layout:
            selection.selectable_map(payload, key="cluster-map", height=MAP_HEIGHT)
        else:
            why = of.run.results.missing.get("layouts", "this run was evaluated without layouts")
            frame.empty(f"No map: {why}.", stop=False)
    with right, st.container(gap="xsmall"), frame.guard():
        panel.panel(of)


def images_table(of: ClusteredRun) -> None:
    """Folded: what is selected, or all images; ticked rows become the selection."""
    with st.expander("Images as a table"):
        if not st.toggle("Show it", key="rows-show"):
            return
        chosen = selection.mask_of(of.run)
        table = files.image_table(of)[chosen if chosen is not None else np.ones(len(of.run.ids), bool)]
        if len(table) > MOST_ROWS:
            frame.quiet(f"The first {MOST_ROWS} of {len(table)} rows; the button above the map downloads all of them.")
        shown = table.head(MOST_ROWS)
        event = st.dataframe(
            shown, key="rows-table", hide_index=True, on_select="rerun", selection_mode="multi-row", height=340
        )
        ticked = list(event["selection"]["rows"])
        if ticked:
            st.button(
                f"Select these {len(ticked)}",
                key="rows-select",
                on_click=selection.select,
                args=(of.run.images_key, shown["image_id"].to_numpy()[ticked], "in the table"),
            )
