"""The choices of the Clusters page: layout, colour, kind and number of clusters; all of them in the address."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import streamlit as st

from pages.ui.kit import choices, frame, jobs
from pages.ui.map import files, panel, selection
from pages.ui.map.colours import CLUSTER, colour_names, hover_facets
from pages.ui.map.evaluated import EvaluatedRun
from pages.ui.map.names import ClusteredRun
from pages.ui.map.payload import MapPayload
from pages.ui.map.view import answer_asks, keep_views, send_blocks
from ssrl_core.analysis.clusters import MOST_FULL, MOST_ROWS
from ssrl_core.figures.style import whole_percent
from ssrl_core.runs.evaluation.clustering import HDBSCAN, KMEANS
from ssrl_core.runs.folder.run_folder import RunFolder
from ssrl_core.specs.parts import LAYOUTS

MOST_CLUSTERS = 30
_ASKED_FOR = "map-asked-for"
_METHODS = {KMEANS: "k-means", HDBSCAN: "HDBSCAN"}


@dataclass(frozen=True)
class Choice:
    """What the page shows of a run.

    `k` is the number of clusters; with `method` hdbscan, the fewest images of one.
    """

    layout: str
    colour: str
    k: int
    method: str = KMEANS


def explain_unfinished(run_id: str | None) -> None:
    """Say why the run that the address names is not shown."""
    row = next((run for run in frame.known_runs() if run["id"] == run_id), None)
    if row is None or row.get("state") == "done":
        return
    state, share = str(row.get("state")), row.get("progress")
    done = f" ({whole_percent(share)})" if state == "running" and isinstance(share, float) else ""
    st.info(
        f"The run of this address is {state}{done}. Its clusters can be looked at once it is done; "
        "meanwhile, here is another one.",
        icon=":material/hourglass_top:",
    )


def choose_view(run: EvaluatedRun, columns: Sequence[Any]) -> Choice:
    """Widgets for layout, colour and k, in the columns given."""
    with columns[0]:
        layout = _layout(run)
    with columns[1]:
        options = colour_names(run)
        wanted = st.session_state.get("colour")
        if wanted is not None and wanted not in options:
            st.session_state["colour"] = CLUSTER  # the run that was left has columns that this one has not
        colour = st.selectbox("Colour by", options, key="colour", bind="query-params")
    with columns[2]:
        method = _method(run)
    with columns[3]:
        k = _k(run) if method == KMEANS else _least(run)
    return Choice(layout, colour, k, method)


def _layout(run: EvaluatedRun) -> str:
    with st.container(horizontal=True, vertical_alignment="bottom", gap="xsmall"):
        chosen = _stored_layout(run)
        _make_layout(run)
    return chosen


def _make_layout(run: EvaluatedRun) -> None:
    """Maps that this run has not yet, each a job that goes on when the page is left."""
    lacking = [kind for kind in LAYOUTS.values() if kind.name not in run.layouts]
    if not lacking or RunFolder(run.run_id).is_demo:
        return
    with st.popover("", icon=":material/add:", help="Make another map"):
        frame.quiet("Made in the background and kept with the run.")
        for kind in lacking:
            jobs.job(
                f"layout-{kind.name}-{run.run_id}",
                ("layout", run.run_id, "--method", kind.name),
                button=kind.title,
                icon="scatter_plot",
                help=kind.sentence,
                before=partial(st.session_state.__setitem__, _ASKED_FOR, kind.name),
            )


def _stored_layout(run: EvaluatedRun) -> str:
    stored = [method for method in LAYOUTS if method in run.layouts]
    if not stored:
        st.selectbox("Map", ["none stored"], disabled=True, key="no-layout")
        return ""
    if st.session_state.get(_ASKED_FOR) in stored:
        choices.travels("map", st.session_state.pop(_ASKED_FOR))  # just made: it is what one waits for
    return choices.from_address(
        "Map",
        stored,
        key="map",
        shown=lambda method: LAYOUTS[method].title,
        help="A flat picture of the embedding. Close points look alike to the network; sizes and gaps mean little. "
        + " ".join(f"{LAYOUTS[method].title}: {LAYOUTS[method].sentence}" for method in stored),
        flat=True,
    )


def _method(run: EvaluatedRun) -> str:
    if len(run.ids) < 4:
        return KMEANS
    return str(
        st.segmented_control(
            "Clusters",
            list(_METHODS),
            key="method",
            default=KMEANS,
            format_func=_METHODS.__getitem__,
            required=True,
            bind="query-params",
            help="k-means divides all images into k groups; above "
            f"{_in_words(MOST_FULL)} images it is mini-batch k-means, which sees some of them at a time. HDBSCAN finds "
            "how many dense groups there are, and leaves out what lies between them; above "
            f"{_in_words(MOST_ROWS)} images it looks for them in a sample of that size. Both work in the embedding, "
            "never on the map.",
        )
        or KMEANS
    )


def _in_words(number: int) -> str:
    return f"{number:,}".replace(",", " ")


def _least(run: EvaluatedRun) -> int:
    n = len(run.ids)
    sizes = sorted({max(2, round(n * share)) for share in (0.002, 0.005, 0.01, 0.02, 0.05, 0.1)})
    if st.session_state.get("least") not in sizes:
        st.session_state["least"] = sizes[len(sizes) // 2]
    return int(
        st.select_slider(
            "Smallest cluster", sizes, key="least", bind="query-params", help="The fewest images that make a cluster."
        )
    )


def _k(run: EvaluatedRun) -> int:
    most = max(2, min(max(MOST_CLUSTERS, 2 * len(run.imageset.classes)), 200, len(run.ids) - 1))
    asked = run.results.counts
    first = min(most, max(2, asked[0] if asked else 10))
    now = st.session_state.get("k", first)
    st.session_state["k"] = min(most, max(2, int(now)))
    if len(run.ids) < 4:
        return 1
    return int(
        st.slider(
            "k",
            2,
            most,
            key="k",
            bind="query-params",
            help="How many groups k-means makes. It always works in the embedding, never on the map.",
        )
    )


MAP_HEIGHT = 580
MOST_LISTED = 5_000


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
            shown = LAYOUTS[payload.layout]
            frame.quiet(f"{shown.title}. {shown.sentence}")
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
        if len(table) > MOST_LISTED:
            frame.quiet(
                f"The first {MOST_LISTED} of {len(table)} rows; the button above the map downloads all of them."
            )
        shown = table.head(MOST_LISTED)
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
