"""Two maps side by side with one selection in both."""

from __future__ import annotations

import html

import numpy as np
import streamlit as st

from pages.ui.compare.pair import Pair, Side
from pages.ui.kit import frame
from pages.ui.map.colours import CLUSTER, Facet, by_cluster, colour_by, colour_names, groups
from pages.ui.map.payload import MapPayload
from pages.ui.map.selection import selectable_map
from pages.ui.map.view import answer_asks, keep_views, send_blocks
from ssrl_core.analysis.comparison import moved
from ssrl_core.analysis.layouts import LAYOUTS

OWN, OF_A, OF_B, MOVED = "own clusters", "clusters of A", "clusters of B", "what moved"
MAP_HEIGHT = 440


def choose_colour(pair: Pair) -> str:
    """What both maps are coloured by; in the address."""
    options = [OWN, OF_A, OF_B, MOVED, *(name for name in colour_names(pair.a.run) if name != CLUSTER)]
    if st.session_state.get("both") not in options:
        st.session_state["both"] = options[0]
    return str(st.selectbox("Colour both by", options, key="both", bind="query-params", width=240))


def payload_of(pair: Pair, side: Side, colour: str) -> MapPayload:
    """One side's map."""
    return MapPayload(side.run, side.layout, facets_of(pair, side, colour), name=side.letter.lower())


def send(pair: Pair, colour: str) -> None:
    """Send both maps' points, colours and thumbnails."""
    blocks: dict[str, bytes | None] = {}
    payloads = [payload_of(pair, side, colour) for side in (pair.a, pair.b)]
    for payload in payloads:
        blocks[f"places-{payload.name}"] = payload.places()
        blocks |= {f"facet-{payload.name}{at}": block for at, block in enumerate(payload.colours())}
        blocks[f"pictures-{payload.name}"] = payload.pictures()
    send_blocks(blocks)
    keep_views({payload.name: payload.facets[0] for payload in payloads}, key="compare-views")
    a, b = payloads
    answer_asks(lambda name, rows: a.some_pictures(name, rows) or b.some_pictures(name, rows), key="compare-asks")


def maps(pair: Pair, colour: str) -> None:
    """Both maps."""
    for side, column in zip((pair.a, pair.b), st.columns(2, gap="medium"), strict=True):
        with column:
            drawn = f" · {LAYOUTS[side.layout].title}" if side.layout else ""
            st.html(f"<b>{side.letter}</b> · {html.escape(side.title)} · k = {side.clustering.k}{drawn}")
            if side.layout:
                selectable_map(payload_of(pair, side, colour), key=f"compare-map-{side.letter}", height=MAP_HEIGHT)
            else:
                frame.empty("No map is stored. Make one on the Clusters page.", stop=False)


def facets_of(pair: Pair, side: Side, colour: str) -> tuple[Facet, ...]:
    """What a map tells of a point: what the colours mean, then its own cluster, that on the other side, its label."""
    own, other = _clusters(pair, side, side), _clusters(pair, pair.other(side), side)
    by = {OWN: own, OF_A: own if side is pair.a else other, OF_B: own if side is pair.b else other}
    if colour == MOVED:
        by[MOVED] = _moved(pair, side)
    first = by.get(colour) or colour_by(side, colour)
    label = [colour_by(side, side.run.label)] if side.run.label else []
    return (first, *(facet for facet in (own, other, *label) if facet.title != first.title))


def _clusters(pair: Pair, of: Side, on: Side) -> Facet:
    """The clusters of one side for the points of another."""
    named = by_cluster(of, f"cluster of {of.letter}")
    if of is on:
        return named
    codes = np.full(len(on.run.ids), -1, np.int32)
    codes[pair.rows_of(on)] = of.clustering.ids[pair.rows_of(of)]
    return groups(named.title, codes, named.names, named.colours)


def _moved(pair: Pair, side: Side) -> Facet:
    codes = np.full(len(side.run.ids), -1, np.int32)
    codes[pair.rows_of(side)] = moved(*pair.clusters)
    return groups("moved", codes, ["stayed", "moved"], ["#9aa4b1", "#d55e00"])
