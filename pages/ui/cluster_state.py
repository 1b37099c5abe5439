"""What is selected on the Clusters page: some images, one in focus; kept by image, so it outlives a new map or k."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st

from pages.ui.cluster_scene import Scene
from pages.ui.map_view import combined, enclosed
from pages.ui.map_wire import Array, Facet

_KEY = "clusters-selected"


@dataclass(frozen=True)
class Selected:
    """Images of one run, (m,) ascending, how they came together in words, and one image in focus (or None)."""

    run_id: str
    image_ids: Array
    words: str = ""
    focus: int | None = None


def selected(run_id: str) -> Selected:
    """The selection of this run; empty at first, and empty again when another run is chosen."""
    kept = st.session_state.get(_KEY)
    return kept if isinstance(kept, Selected) and kept.run_id == run_id else Selected(run_id, np.empty(0, np.int64))


def select(run_id: str, image_ids: Array, words: str) -> None:
    """Select some images; the focus is given up."""
    st.session_state[_KEY] = Selected(run_id, np.sort(np.asarray(image_ids, np.int64)), words)
    st.session_state.pop("clusters-page", None)


def focus_on(run_id: str, image_id: int | None) -> None:
    """Look at one image (None: at none), and leave the selection as it is."""
    now = selected(run_id)
    st.session_state[_KEY] = Selected(run_id, now.image_ids, now.words, image_id)


def clear(run_id: str) -> None:
    """Select nothing."""
    st.session_state[_KEY] = Selected(run_id, np.empty(0, np.int64))


def on_map(scene: Scene, points: Array, colour: Facet, event: dict[str, Any]) -> None:
    """Take what was done on the map into the selection."""
    if event.get("kind") == "clear":
        clear(scene.run_id)
    elif event.get("kind") == "point":
        row = int(event.get("row", -1))
        if 0 <= row < len(scene.ids):
            focus_on(scene.run_id, int(scene.ids[row]))
    elif event.get("kind") in ("lasso", "box"):
        before = selected(scene.run_id).image_ids
        mask = np.isin(scene.ids, before) if len(before) else None
        found = combined(event, enclosed(event, points, colour.codes), mask)
        shape = "inside the outline" if event["kind"] == "lasso" else "inside the box"
        words = shape if event.get("how", "new") == "new" or mask is None else "from several outlines"
        select(scene.run_id, scene.ids[found], words)


def on_gallery(scene: Scene, clustering_ids: Array, event: dict[str, Any]) -> None:
    """Take a click in a row of images into the selection: an image, or a whole cluster by its heading."""
    if event.get("kind") == "image" and scene.row_of(int(event["id"])) >= 0:
        focus_on(scene.run_id, int(event["id"]))
    elif event.get("kind") == "head":
        cluster = int(event["name"])
        select(scene.run_id, scene.ids[clustering_ids == cluster], f"in cluster {cluster}")
