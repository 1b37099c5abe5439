"""The choices of the Clusters page: run, layout, colour, number of clusters; all of them in the address."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from pages.ui import frame
from pages.ui.cluster_scene import CLUSTER, Scene
from ssrl_core.analysis.layouts import METHODS

MOST_CLUSTERS = 30


@dataclass(frozen=True)
class Choice:
    """What the page shows of a run."""

    layout: str
    colour: str
    k: int


def unfinished(run_id: str | None) -> None:
    """Say why the run that the address names is not shown."""
    row = next((run for run in frame.known_runs() if run["id"] == run_id), None)
    if row is None or row.get("state") == "done":
        return
    state, share = str(row.get("state")), row.get("progress")
    done = f" ({100 * share:.0f} %)" if state == "running" and isinstance(share, float) else ""
    st.info(
        f"The run of this address is {state}{done}. Its clusters can be looked at once it is done; "
        "meanwhile, here is another one.",
        icon=":material/hourglass_top:",
    )


def choose_view(scene: Scene, columns: list) -> Choice:
    """Widgets for layout, colour and k, in the columns given."""
    with columns[0]:
        layout = _layout(scene)
    with columns[1]:
        options = [CLUSTER, *scene.columns()]
        wanted = st.session_state.get("colour")
        if wanted is not None and wanted not in options:
            st.session_state["colour"] = CLUSTER  # the run that was left has columns that this one has not
        colour = st.selectbox("Colour by", options, key="colour", bind="query-params")
    with columns[2]:
        k = _k(scene)
    return Choice(layout, colour, k)


def _layout(scene: Scene) -> str:
    stored = [method for method in METHODS if method in scene.layouts]
    if not stored:
        st.selectbox("Map", ["none stored"], disabled=True, key="no-layout")
        return ""
    if st.session_state.get("map") not in stored:
        st.session_state["map"] = stored[0]
    chosen = st.segmented_control(
        "Map",
        stored,
        key="map",
        format_func=lambda method: METHODS[method],
        required=True,
        bind="query-params",
        help="A flat picture of the embedding. Close points look alike to the network; sizes and gaps mean little.",
    )
    return str(chosen or stored[0])


def _k(scene: Scene) -> int:
    most = max(2, min(max(MOST_CLUSTERS, 2 * len(scene.imageset.classes)), 200, len(scene.ids) - 1))
    asked = [int(k) for k in scene.results.get("clusters") or {}]
    first = min(most, max(2, asked[0] if asked else 10))
    now = st.session_state.get("k", first)
    st.session_state["k"] = min(most, max(2, int(now)))
    if len(scene.ids) < 4:
        return 1
    return int(
        st.slider(
            "Clusters (k)",
            2,
            most,
            key="k",
            bind="query-params",
            help="How many groups k-means makes. It always works in the embedding, never on the map.",
        )
    )
