"""Two maps side by side with one selection in both."""

from __future__ import annotations

import hashlib
import html
from typing import Any

import numpy as np
import streamlit as st

from pages.ui.clusters import state
from pages.ui.clusters.names import cluster_facet
from pages.ui.clusters.scene import Scene, facet
from pages.ui.compare.scene import Pair, Side
from pages.ui.kit import frame
from pages.ui.map.address import keep_views, view_of
from pages.ui.map.facets import Array, Facet, groups
from pages.ui.map.pictures import MOST_IMAGES, pictures_block, some_pictures
from pages.ui.map.view import answer_asks, send_blocks, show_map
from pages.ui.map.wire import pack_facet, pack_map, pack_places
from ssrl_core.analysis.comparison import moved
from ssrl_core.analysis.layouts import LAYOUTS

OWN, OF_A, OF_B, MOVED = "own clusters", "clusters of A", "clusters of B", "what moved"
MAP_HEIGHT = 440


def colours(pair: Pair) -> list[str]:
    """What both maps can be coloured by."""
    return [OWN, OF_A, OF_B, MOVED, *pair.a.scene.columns()]


def send(pair: Pair, colour: str) -> None:
    """Send both maps' points, colours and thumbnails."""
    blocks: dict[str, bytes | None] = {}
    for side in (pair.a, pair.b):
        points = side.scene.layouts[side.method][0] if side.method else None
        held = _Held(side.scene, points, None)
        blocks[f"places-{side.letter}"] = _places(side.place, held) if points is not None else None
        for at, about in enumerate(told(pair, side, colour)):
            blocks[f"facet-{side.letter}{at}"] = _facet(_name(side, about), _Held(side.scene, None, about))
        blocks[f"pictures-{side.letter}"] = _pictures(_pictures_name(side.scene), _Held(side.scene, None, None))
    send_blocks(blocks)
    keep_views({_letter(side): told(pair, side, colour)[0] for side in (pair.a, pair.b)}, key="compare-views")
    answer_asks(lambda name, rows: _answer(pair, name, rows), key="compare-asks")


def maps(pair: Pair, colour: str) -> None:
    """Both maps."""
    for side, column in zip((pair.a, pair.b), st.columns(2, gap="medium"), strict=True):
        with column:
            drawn = f" · {LAYOUTS[side.method].title}" if side.method else ""
            st.html(f"<b>{side.letter}</b> · {html.escape(side.title)} · k = {side.clustering.k}{drawn}")
            _map(pair, side, colour)


def told(pair: Pair, side: Side, colour: str) -> list[Facet]:
    """What a map tells of a point: what the colours mean, then its own cluster, that on the other side, its label."""
    own, other = _of(pair, side, side), _of(pair, pair.b if side is pair.a else pair.a, side)
    by = {OWN: own, OF_A: own if side is pair.a else other, OF_B: own if side is pair.b else other}
    if colour == MOVED:
        by[MOVED] = _moved(pair, side)
    first = by.get(colour) or facet(side.scene, side.clustering, colour)
    label = [facet(side.scene, side.clustering, side.scene.label)] if side.scene.label else []
    return [first, *(f for f in (own, other, *label) if f.title != first.title)]


def _map(pair: Pair, side: Side, colour: str) -> None:
    scene = side.scene
    if not side.method:
        frame.empty("No map is stored. Make one on the Clusters page.", stop=False)
        return
    points = scene.layouts[side.method][0]
    facets = told(pair, side, colour)
    now = state.selected(scene.images)
    view = view_of(_letter(side), facets[0], map_of=f"{scene.run_id}/{side.method}")
    block = pack_map(
        places=side.place,
        facets=[_name(side, about) for about in facets],
        pictures=_pictures_name(scene),
        selected=scene.mask(now.image_ids) if len(now.image_ids) else None,
        focus=-1 if now.focus is None else scene.row_of(now.focus),
        height=MAP_HEIGHT,
        name=_letter(side),
        at=view.at,
        hidden=view.hidden,
    )

    def done(event: dict[str, Any]) -> None:
        state.on_map(scene, points, facets[0], event)

    show_map(block, key=f"compare-map-{side.letter}", on_done=done)


def _letter(side: Side) -> str:
    """Name of a side's map, as the address has it."""
    return side.letter.lower()


def _of(pair: Pair, of: Side, on: Side) -> Facet:
    """The clusters of one side for the points of another."""
    named = cluster_facet(of.clustering, of.names, f"cluster of {of.letter}")
    if of is on:
        return named
    rows_of, rows_on = (pair.rows_a, pair.rows_b) if of is pair.a else (pair.rows_b, pair.rows_a)
    codes = np.full(len(on.scene.ids), -1, np.int32)
    codes[rows_on] = of.clustering.ids[rows_of]
    return Facet(named.title, codes, named.names, named.colours)


def _moved(pair: Pair, side: Side) -> Facet:
    codes = np.full(len(side.scene.ids), -1, np.int32)
    codes[pair.rows_a if side is pair.a else pair.rows_b] = moved(*pair.clusters)
    return groups("moved", codes, ["stayed", "moved"], ["#9aa4b1", "#d55e00"])


def _name(side: Side, about: Facet) -> str:
    """A name that changes with the content."""
    values = about.codes if about.codes is not None else about.values
    content = hashlib.sha256(np.ascontiguousarray(values if values is not None else np.empty(0)).data)
    content.update(repr((about.names, about.colours)).encode())
    return f"{side.place}/{about.title}/{content.hexdigest()[:12]}"


def _pictures_name(scene: Scene) -> str:
    return f"{scene.run_id}/{scene.stamp}/pictures"


def _answer(pair: Pair, name: str, rows: list[int]) -> bytes | None:
    for side in (pair.a, pair.b):
        if name == _pictures_name(side.scene) and len(side.scene.ids) > MOST_IMAGES:
            return some_pictures(side.scene.imageset, side.scene.ids, name, rows)
    return None


class _Held:
    """What a block is made of, as an argument of a cached function: its name says it all."""

    def __init__(self, scene: Scene, points: Array | None, about: Facet | None) -> None:
        self.scene, self.points, self.about = scene, points, about


_HASH = {_Held: lambda held: ""}


@st.cache_data(max_entries=6, show_spinner=False, hash_funcs=_HASH)
def _places(name: str, held: _Held) -> bytes:
    return pack_places(held.points, image_ids=held.scene.ids, name=name)


@st.cache_data(max_entries=24, show_spinner=False, hash_funcs=_HASH)
def _facet(name: str, held: _Held) -> bytes:
    return pack_facet(held.about, name=name)


@st.cache_data(max_entries=4, show_spinner=False, hash_funcs=_HASH)
def _pictures(name: str, held: _Held) -> bytes | None:
    return pictures_block(held.scene.imageset, held.scene.ids, name)
