"""What is selected: some images and one in focus, made on maps and galleries, kept by image, and in the address.

    ?sel=3-7.12 &focus=5   images 3 to 7 and 12 are selected, image 5 is in focus
    ?sel=@9f2c41d07ab3     a selection too long for an address, kept in the store

It outlives a new map, another k and another run of the same images. A link is read once, and follows what is selected.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import ArrayLike

from pages.ui.kit import frame
from pages.ui.kit.gallery import Array
from pages.ui.map.evaluated import ClusteredRun, EvaluatedRun
from pages.ui.map.payload import MapPayload, pack_map
from pages.ui.map.view import combined, enclosed, show_map, view_of
from ssrl_core.errors import SpecError, SSRLError
from ssrl_core.runs.folder.annotations import read_selection, selection_name

_KEY, _PAGE = "clusters-selected", "clusters-page"
_SELECTED, _FOCUS, _WRITTEN = "sel", "focus", "clusters-address"


@dataclass(frozen=True)
class Selected:
    """Images of one image set, (m,) ascending, and one image in focus (or None).

    `words` say how they were selected and go on from "selected": "inside the outline", "in cluster 3".
    It belongs to the images and not to a run: what was selected on one run's map is selected on every other's.
    """

    images_key: str
    image_ids: Array
    words: str = ""
    focus: int | None = None


def selected(images_key: str) -> Selected:
    """The selection of these images; empty at first, and empty again when another image set is looked at."""
    kept = st.session_state.get(_KEY)
    return kept if isinstance(kept, Selected) and kept.images_key == images_key else Selected(images_key, _nothing())


def select(images_key: str, image_ids: ArrayLike, words: str, *, focus: int | None = None) -> None:
    """Select some images; what was in focus is given up."""
    st.session_state[_KEY] = Selected(images_key, np.sort(np.asarray(image_ids, np.int64)), words, focus)
    st.session_state.pop(_PAGE, None)


def focus_on(images_key: str, image_id: int | None) -> None:
    """Look at one image (None: at none), and leave the selection as it is."""
    now = selected(images_key)
    st.session_state[_KEY] = Selected(images_key, now.image_ids, now.words, image_id)


def clear(images_key: str) -> None:
    """Select nothing."""
    st.session_state[_KEY] = Selected(images_key, _nothing())


def mask_of(run: EvaluatedRun) -> Array | None:
    """(n,) bool: which of a run's images are selected; None where nothing is."""
    chosen = selected(run.images_key).image_ids
    return run.mask(chosen) if len(chosen) else None


def selectable_map(payload: MapPayload, *, key: str, height: int) -> None:
    """A map on which images are selected; `view.send_blocks` sends what it names."""
    run, now, colour = payload.run, selected(payload.run.images_key), payload.facets[0]
    view = view_of(payload.name, colour, map_of=f"{run.run_id}/{payload.layout}")
    block = pack_map(
        places=payload.places_name,
        facets=[payload.facet_name(facet) for facet in payload.facets],
        pictures=payload.pictures_name,
        selected=mask_of(run),
        focus=-1 if now.focus is None else run.row_of(now.focus),
        height=height,
        name=payload.name,
        at=view.at,
        hidden=view.hidden,
    )
    show_map(block, key=key, on_done=lambda event: on_map(payload, event))


def on_map(payload: MapPayload, event: dict[str, Any]) -> None:
    """Take what was done on a map into the selection."""
    run, colour, kind = payload.run, payload.facets[0], event.get("kind")
    if kind == "clear":
        clear(run.images_key)
    elif kind == "point":
        row = event.get("row", -1)
        if 0 <= row < len(run.ids):
            focus_on(run.images_key, int(run.ids[row]))
    elif kind in ("lasso", "box"):
        shape = "inside the outline" if kind == "lasso" else "inside the box"
        _combine(run, enclosed(event, payload.points, colour.codes), event, shape)
    elif kind == "group" and colour.codes is not None:
        group = event.get("group", -1)
        if 0 <= group < len(colour.names):
            _combine(run, colour.codes == group, event, f"by {colour.title} {colour.names[group]}")


def on_gallery(of: ClusteredRun, event: dict[str, Any]) -> None:
    """Take a click in a row of images into the selection: an image, or a whole cluster by its heading."""
    run = of.run
    if event.get("kind") == "image" and run.row_of(event.get("id", -1)) >= 0:
        _one(run, event["id"], event.get("how", "new"))
    elif event.get("kind") == "head":
        cluster = int(event["name"])
        words = f"in cluster {cluster}" if cluster >= 0 else "in no cluster"
        select(run.images_key, run.ids[of.clustering.ids == cluster], words)


def read_address(run: EvaluatedRun) -> None:
    """Select what a link names; our own writing in the address is passed over, and what it names wrongly is said."""
    here = st.query_params.get(_SELECTED, ""), st.query_params.get(_FOCUS, "")
    if here == st.session_state.get(_WRITTEN, ("", "")):
        return
    st.session_state[_WRITTEN] = here
    if here == ("", ""):
        return
    count = len(run.imageset.table)
    try:
        chosen = read_selection(here[0], count) if here[0] else _nothing()
        focus = _image(here[1], count)
    except SSRLError as error:
        frame.show_error(error)
        return
    select(run.images_key, chosen, "from the address", focus=focus)


def write_address(run: EvaluatedRun) -> None:
    """Write what is selected now into the address."""
    now = selected(run.images_key)
    written = (selection_name(now.image_ids), "" if now.focus is None else str(now.focus))
    st.session_state[_WRITTEN] = written
    for key, value in zip((_SELECTED, _FOCUS), written, strict=True):
        if value and st.query_params.get(key) != value:
            st.query_params[key] = value
        elif not value and key in st.query_params:
            del st.query_params[key]


def _nothing() -> Array:
    return np.empty(0, np.int64)


def _image(text: str, count: int) -> int | None:
    if not text:
        return None
    if not re.fullmatch(r"\d{1,12}", text, re.ASCII) or int(text) >= count:
        raise SpecError.at("Address", _FOCUS, f"an image, 0..{count - 1}", text[:40])
    return int(text)


def _one(run: EvaluatedRun, image_id: int, how: str) -> None:
    if how == "new":
        focus_on(run.images_key, image_id)
        return
    change = np.union1d if how == "add" else np.setdiff1d
    select(run.images_key, change(selected(run.images_key).image_ids, [image_id]), "in several steps")


def _combine(run: EvaluatedRun, found: Array, event: dict[str, Any], words: str) -> None:
    mask = mask_of(run)
    if event.get("how", "new") != "new" and mask is not None:
        words = "in several steps"
    select(run.images_key, run.ids[combined(event, found, mask)], words)
