"""What the map of a run is sent, each block packed once and under a name that says what is in it."""

from __future__ import annotations

import hashlib

import streamlit as st

from pages.ui.clusters.choice import Choice
from pages.ui.clusters.scene import CLUSTER, Scene, facet
from pages.ui.map.facets import Facet
from pages.ui.map.pictures import MOST_IMAGES, pictures_block, some_pictures
from pages.ui.map.wire import pack_facet, pack_places
from ssrl_core.analysis.clusters import Clustering


class _Held:
    """What a block is made of, as an argument of a cached function: its name says it all."""

    def __init__(self, scene: Scene, clustering: Clustering | None = None, named: Facet | None = None) -> None:
        self.scene, self.clustering, self.named = scene, clustering, named


_HASH = {_Held: lambda held: ""}


def pictures_name(scene: Scene) -> str:
    """Name of the thumbnails of a run: they follow its rows."""
    return f"{scene.run_id}/{scene.stamp}/pictures"


def told_on(scene: Scene, choice: Choice) -> list[str]:
    """What the map tells of a point: what the colours mean first, then cluster and label."""
    others = [name for name in (scene.label, CLUSTER) if name and name != choice.colour]
    return [choice.colour, *others]


def facet_name(scene: Scene, choice: Choice, name: str, named: Facet) -> str:
    """Name of the block of a column; that of the clusters changes with their names and colours."""
    if name != CLUSTER:
        return f"{scene.run_id}/{scene.stamp}/{name}"
    said = hashlib.sha256(repr((named.names, named.colours)).encode()).hexdigest()[:12]
    return f"{scene.run_id}/{scene.stamp}/{name}/{choice.method}/{choice.k}/{said}"


def places(scene: Scene, choice: Choice) -> bytes | None:
    """The points of the chosen layout."""
    if not choice.layout:
        return None
    return _places(f"{scene.run_id}/{scene.stamp}/{choice.layout}", choice.layout, _Held(scene))


def told_facets(scene: Scene, clustering: Clustering, choice: Choice, named: Facet) -> dict[str, bytes | None]:
    """The columns that the map tells of, by the key of their component."""
    found: dict[str, bytes | None] = {"cluster-colour-0": None, "cluster-colour-1": None, "cluster-colour-2": None}
    for at, name in enumerate(told_on(scene, choice) if choice.layout else ()):
        block = _facet(facet_name(scene, choice, name, named), name, _Held(scene, clustering, named))
        found[f"cluster-colour-{at}"] = block
    return found


def pictures(scene: Scene) -> bytes | None:
    """The thumbnails of all images, where one file can hold them."""
    return _pictures(pictures_name(scene), _Held(scene))


def answer(scene: Scene, name: str, rows: list[int]) -> bytes | None:
    """The thumbnails that a map of many images asks for."""
    if name != pictures_name(scene) or len(scene.ids) <= MOST_IMAGES:
        return None
    return some_pictures(scene.imageset, scene.ids, name, rows)


@st.cache_data(max_entries=6, show_spinner=False, hash_funcs=_HASH)
def _places(name: str, layout: str, held: _Held) -> bytes:
    return pack_places(held.scene.layouts[layout][0], image_ids=held.scene.ids, name=name)


@st.cache_data(max_entries=24, show_spinner=False, hash_funcs=_HASH)
def _facet(name: str, column: str, held: _Held) -> bytes:
    assert held.clustering is not None
    return pack_facet(facet(held.scene, held.clustering, column, held.named), name=name)


@st.cache_data(max_entries=3, show_spinner=False, hash_funcs=_HASH)
def _pictures(name: str, held: _Held) -> bytes | None:
    return pictures_block(held.scene.imageset, held.scene.ids, name)
