"""Taking figures home: the map and the galleries as SVG, PDF or PNG, each with its caption."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import streamlit as st

from pages.ui import cluster_state, frame
from pages.ui.cluster_choice import Choice
from pages.ui.cluster_names import Names, cluster_facet
from pages.ui.cluster_scene import Scene, facet, typical
from ssrl_core.analysis.clusters import Clustering
from ssrl_core.analysis.layouts import METHODS
from ssrl_core.datasets.pictures import display_limits, to_rgb
from ssrl_core.figures.gallery_file import gallery_file
from ssrl_core.figures.map_file import map_file
from ssrl_core.figures.sheets import KINDS
from ssrl_core.figures.style import percent, score
from ssrl_core.runs.clustering import KMEANS

_IMAGES = 10


def figures(scene: Scene, clustering: Clustering, choice: Choice, names: Names) -> None:
    """A popover with both figures in three formats."""
    with st.popover("Figures", icon=":material/image:", help="Figures for a paper, with their captions"):
        of = (scene, clustering, choice, names)
        row("Map", f"{scene.run_id}-map", lambda kind: map_of(*of, kind), bool(choice.layout))
        row("Galleries", f"{scene.run_id}-clusters", lambda kind: galleries_of(*of, kind))
        frame.quiet("At 300 dpi or as vectors, fonts embedded. The address of this page shows the same view again.")


def row(what: str, file: str, make: Callable[[str], bytes], able: bool = True) -> None:
    """One figure in three formats.

    Args:
        make: the bytes of a kind of file.
    """
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.html(f'<span style="display:inline-block;min-width:5rem">{what}</span>')
        for kind, mime in KINDS.items():
            st.download_button(
                kind.upper(),
                lambda kind=kind: make(kind),
                f"{file}.{kind}",
                mime,
                key=f"figure-{what}-{kind}",
                on_click="ignore",
                disabled=not able,
            )


def map_of(scene: Scene, clustering: Clustering, choice: Choice, names: Names, kind: str) -> bytes:
    """The map as it is coloured now; a selection stands out."""
    points, info = scene.layouts[choice.layout]
    about = facet(scene, clustering, choice.colour, cluster_facet(clustering, names))
    now = cluster_state.selected(scene.images)
    return map_file(
        np.asarray(points, float),
        kind,
        codes=about.codes,
        names=about.names,
        colours=about.colours,
        values=about.values,
        selected=scene.mask(now.image_ids) if len(now.image_ids) else None,
        what=about.title,
        title=f"{METHODS[choice.layout]} of the embedding",
        caption=map_caption(scene, clustering, choice, info),
    )


def galleries_of(scene: Scene, clustering: Clustering, choice: Choice, names: Names, kind: str) -> bytes:
    """The ten most typical images of each cluster that is not excluded."""
    rows, _ = typical(scene, choice.k, choice.method, _IMAGES)
    limits = display_limits(scene.imageset)
    told = []
    for c in range(clustering.k):
        own = rows[c][rows[c] >= 0]
        if not len(own) or names.mark(c).excluded:
            continue
        pixels = np.asarray(scene.imageset.pixels[scene.ids[own]])
        rgb = to_rgb(pixels, scene.imageset.channels, max_value=scene.imageset.max_value, limits=limits)
        size = clustering.sizes[c]
        told.append((names.title(c), f"{size} images, {percent(size / len(scene.ids))}", names.colour(c), rgb))
    caption = (
        f"The {_IMAGES} images nearest to the centroid of each of {clustering.k} clusters "
        f"({_words(choice, clustering)}), most typical first. {_source(scene)}"
    )
    return gallery_file(told, kind, title="Most typical images of each cluster", caption=caption)


def map_caption(scene: Scene, clustering: Clustering, choice: Choice, info: Mapping[str, Any]) -> str:
    """What a reader must know of the map."""
    trust = info.get("trustworthiness")
    judged = f" Trustworthiness {score(trust)} (10 neighbours)." if trust is not None else ""
    return (
        f"{METHODS[choice.layout]} of the embeddings of {len(scene.ids)} images, coloured by {choice.colour}; clusters "
        f"by {_words(choice, clustering)}, found in the embedding and not on the map.{judged} {_source(scene)}"
    )


def _words(choice: Choice, clustering: Clustering) -> str:
    if choice.method == KMEANS:
        return f"k-means, k = {clustering.k}"
    return f"HDBSCAN, at least {choice.k} images a cluster"


def _source(scene: Scene) -> str:
    return f"Image set {scene.imageset.title}, run {scene.run_id}."
