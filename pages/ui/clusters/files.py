"""The figures of the Clusters page as SVG, PDF or PNG, each with its caption: map, galleries, scores over k."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from pages.ui.clusters.choice import Choice
from pages.ui.kit import frame
from pages.ui.map import files
from pages.ui.map.colours import colour_by
from pages.ui.map.evaluated import EvaluatedRun, typical_of
from pages.ui.map.names import ClusteredRun
from ssrl_core.analysis.layouts import LAYOUTS
from ssrl_core.figures.curves import score_over_k
from ssrl_core.figures.files import figure_file
from ssrl_core.figures.sheets import gallery_file
from ssrl_core.figures.style import percent
from ssrl_core.runs.evaluation.clustering import KMEANS, way_of

_IMAGES = 10


def figures(of: ClusteredRun, choice: Choice) -> None:
    """A popover with both figures in three formats."""
    run_id = of.run.run_id
    with st.popover("Figures", icon=":material/image:", help="Figures for a paper, with their captions"):
        files.figure_row(
            "Map",
            f"{run_id}-map",
            lambda kind: map_file_of(of, choice, kind),
            bool(choice.layout),
            lambda: files.image_table(of),
        )
        files.figure_row("Galleries", f"{run_id}-clusters", lambda kind: galleries_file(of, kind))
        frame.quiet(files.FORMATS)


def map_file_of(of: ClusteredRun, choice: Choice, kind: str) -> bytes:
    """The map as it is coloured now; a selection stands out."""
    title = f"{LAYOUTS[choice.layout].title} of the embedding"
    caption = map_caption(of, choice)
    colour = colour_by(of, choice.colour)
    return files.map_figure(of.run, choice.layout, colour, kind, title=title, caption=caption)


def map_caption(of: ClusteredRun, choice: Choice) -> str:
    """What a reader must know of the map."""
    return (
        f"{LAYOUTS[choice.layout].title} of the embeddings of {len(of.run.ids)} images, coloured by {choice.colour}; "
        f"clusters by {_way(of)}, found in the embedding and not on the map."
        f"{files.trust_words(of.run.layouts[choice.layout][1])} {files.source(of.run)}"
    )


def galleries_file(of: ClusteredRun, kind: str) -> bytes:
    """The ten most typical images of each cluster that is not excluded."""
    run, names = of.run, of.names
    rows, _ = typical_of(run, of.k, of.method, _IMAGES)
    shown = []
    for c in range(of.clustering.k):
        own = rows[c][rows[c] >= 0]
        if not len(own) or names.mark(c).excluded:
            continue
        size = of.clustering.sizes[c]
        about = f"{size} images, {percent(size / len(run.ids))}"
        shown.append((names.title(c), about, names.colour(c), files.pixels_of(run.imageset, run.ids[own])))
    caption = (
        f"The {_IMAGES} images nearest to the centroid of each of {of.clustering.k} clusters "
        f"({_way(of)}), most typical first. {files.source(run)}"
    )
    return gallery_file(shown, kind, title="Most typical images of each cluster", caption=caption)


def scores_file(run: EvaluatedRun, scores: Mapping[int, Mapping[str, Any]], chosen: int | None, kind: str) -> bytes:
    """AMI and silhouette over k."""
    ks = sorted(scores)
    marked = f" The dotted line is k = {chosen}, which the page shows." if chosen is not None else ""
    caption = (
        f"Scores of k-means in the embedding of {len(run.ids)} images for {len(ks)} numbers of clusters from {ks[0]} "
        f"to {ks[-1]}: AMI with the labels (divided by the larger entropy) and silhouette (Euclidean).{marked} "
        f"{files.source(run)}"
    )
    return figure_file(score_over_k(scores, chosen=chosen), kind, caption=caption)


def _way(of: ClusteredRun) -> str:
    many = f", k = {of.clustering.k}" if of.method == KMEANS else ""
    return way_of(of.method, of.k, len(of.run.ids)) + many
