"""What is selected on the Clusters page: some images, one in focus; kept by image, so it outlives a new map or k."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st

from pages.ui.clusters.scene import Scene
from pages.ui.map.facets import Array, Facet
from pages.ui.map.view import combined, enclosed

_KEY = "clusters-selected"


@dataclass(frozen=True)
class Selected:
    """Images of one image set, (m,) ascending, how they came together in words, and one image in focus (or None).

    It belongs to the images and not to a run: what was selected on one run's map is selected on every other's.
    """

    images: str
    image_ids: Array
    words: str = ""
    focus: int | None = None


def selected(images: str) -> Selected:
    """The selection of these images; empty at first, and empty again when another image set is looked at."""
    kept = st.session_state.get(_KEY)
    return kept if isinstance(kept, Selected) and kept.images == images else Selected(images, nothing())


def nothing() -> Array:
    """No images."""
    return np.empty(0, np.int64)


def take(images: str, image_ids: Array, words: str, focus: int | None) -> None:
    """Select images (ascending) and look at one of them, or at none, at once."""
    st.session_state[_KEY] = Selected(images, np.asarray(image_ids, np.int64), words, focus)
    st.session_state.pop("clusters-page", None)


def select(images: str, image_ids: Array, words: str) -> None:
    """Select some images; the focus is given up."""
    st.session_state[_KEY] = Selected(images, np.sort(np.asarray(image_ids, np.int64)), words)
    st.session_state.pop("clusters-page", None)


def focus_on(images: str, image_id: int | None) -> None:
    """Look at one image (None: at none), and leave the selection as it is."""
    now = selected(images)
    st.session_state[_KEY] = Selected(images, now.image_ids, now.words, image_id)


def clear(images: str) -> None:
    """Select nothing."""
    st.session_state[_KEY] = Selected(images, nothing())


def on_map(scene: Scene, points: Array, colour: Facet, event: dict[str, Any]) -> None:
    """Take what was done on the map into the selection."""
    kind = event.get("kind")
    if kind == "clear":
        clear(scene.images)
    elif kind == "point":
        row = int(event.get("row", -1))
        if 0 <= row < len(scene.ids):
            focus_on(scene.images, int(scene.ids[row]))
    elif kind in ("lasso", "box"):
        shape = "inside the outline" if kind == "lasso" else "inside the box"
        _take(scene, enclosed(event, points, colour.codes), event, shape)
    elif kind == "group" and colour.codes is not None:
        group = int(event.get("group", -1))
        if 0 <= group < len(colour.names):
            _take(scene, colour.codes == group, event, f"{colour.title} {colour.names[group]}")


def on_gallery(scene: Scene, clustering_ids: Array, event: dict[str, Any]) -> None:
    """Take a click in a row of images into the selection: an image, or a whole cluster by its heading."""
    if event.get("kind") == "image" and scene.row_of(int(event["id"])) >= 0:
        _one(scene, int(event["id"]), str(event.get("how", "new")))
    elif event.get("kind") == "head":
        cluster = int(event["name"])
        words = f"in cluster {cluster}" if cluster >= 0 else "in no cluster"
        select(scene.images, scene.ids[clustering_ids == cluster], words)


def _one(scene: Scene, image_id: int, how: str) -> None:
    now = selected(scene.images)
    if how == "new":
        focus_on(scene.images, image_id)
        return
    change = np.union1d if how == "add" else np.setdiff1d
    select(scene.images, change(now.image_ids, [image_id]), "from several steps")


def _take(scene: Scene, found: Array, event: dict[str, Any], words: str) -> None:
    before = selected(scene.images).image_ids
    mask = scene.mask(before) if len(before) else None
    if event.get("how", "new") != "new" and mask is not None:
        words = "from several steps"
    select(scene.images, scene.ids[combined(event, found, mask)], words)
