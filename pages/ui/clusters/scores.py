"""The numbers of the Clusters page, each beside its floors, with a plain word; its figures as files."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any

import streamlit as st

from pages.ui.clusters.choice import Choice
from pages.ui.kit import frame, jobs
from pages.ui.map import files
from pages.ui.map.colours import colour_by
from pages.ui.map.evaluated import EvaluatedRun, typical_of
from pages.ui.map.files import figure_row
from pages.ui.map.names import ClusteredRun
from pages.ui.map.panel import score_row
from ssrl_core.compositions.draws import said_of
from ssrl_core.figures.curves import over_k_table, score_over_k
from ssrl_core.figures.files import figure_file
from ssrl_core.figures.sheets import gallery_file
from ssrl_core.figures.style import percent, score, three_digits
from ssrl_core.runs.evaluation.clustering import KMEANS, MOST_OVER, way_of
from ssrl_core.runs.folder.run_folder import RunFolder
from ssrl_core.runs.folder.verdict import in_words, reference_words
from ssrl_core.specs.parts import LAYOUTS

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


CSS = """
.st-key-cluster-scores { min-height: 68px; }
"""

_AMI = (
    "How far the clusters agree with the labels, corrected for chance. 1: they are the same. 0: no better than "
    "shuffled labels. Divided by the larger of the two entropies (average_method max)."
)
_SILHOUETTE = (
    "How much closer an image lies to its own cluster than to the next one, in the embedding, between -1 and 1. "
    "It knows nothing of labels: tight clusters need not be the ones you want."
)
_TRUST = (
    "Trustworthiness: share of neighbours on the map that are neighbours in the embedding too "
    "(1: all of them; random about 0.5)."
)
_HIT = "Neighbour hit: of the 10 nearest on the map, the share that carries the same label."
_OTHERS = {
    "ami_arithmetic": "AMI, arithmetic mean of the entropies",
    "nmi": "NMI, not corrected for chance",
    "ari": "adjusted Rand index",
    "homogeneity": "homogeneity",
    "inertia": "inertia",
    "silhouette_projection": "silhouette in the projection",
}


def show_scores(run: EvaluatedRun, scores: Mapping[str, Any], layout: str) -> None:
    """One row: AMI and silhouette of the clusters, trustworthiness and neighbour hit of the map."""
    missing = scores.get("missing") or {}
    cells = [
        ("AMI of clusters and labels", score(scores.get("ami")), _floors(run, scores, missing), _AMI),
        ("Silhouette of clusters", score(scores.get("silhouette")), _silhouette_note(scores, missing), _SILHOUETTE),
    ]
    if layout:
        info = run.layouts[layout][1]
        hit = info.get("neighbour_hit")
        cells.append(
            (
                "Map: neighbours kept",
                score(info.get("trustworthiness")),
                "1 is all, 0.5 is chance",
                _TRUST,
            )
        )
        if hit is not None:
            cells.append(("Map: same label nearby", percent(hit), "of the 10 nearest on the map", _HIT))
    score_row(cells)
    frame.quiet(in_words(run.results, RunFolder(run.run_id).spec()))
    if run.results.input == "fixed_steps":
        frame.quiet(_shown(run.run_id))


def _shown(run_id: str) -> str:
    """What of the pictures was embedded, where it is not all of them."""
    left = said_of(RunFolder(run_id).spec())
    return f"Pictures are embedded as the fixed steps leave them: {left or 'there are none, so whole'}."


def details(of: ClusteredRun, scores: Mapping[str, Any]) -> None:
    """Folded: the other scores, how they change with k, and how to read them."""
    seen, chosen = _over_k(of.run), of.k if of.method == KMEANS else None
    if chosen is not None:
        seen[chosen] = scores
    with st.expander("How to read these numbers, and the other scores"):
        left, right = st.columns(2, gap="large")
        with left:
            frame.quiet(f"AMI. {_AMI}")
            frame.quiet(f"Silhouette. {_SILHOUETTE}")
            frame.quiet(f"Trustworthiness. {_TRUST} k-means never sees the map: clusters are found in the embedding.")
            st.html(_others(scores))
        with right:
            _drawn_over_k(of.run, seen, chosen)


def _drawn_over_k(run: EvaluatedRun, seen: Mapping[int, Mapping[str, Any]], chosen: int | None) -> None:
    if len(seen) > 1:
        st.plotly_chart(score_over_k(seen, chosen=chosen), key="score-over-k", config={"displayModeBar": False})
        figure_row(
            "Scores",
            f"{run.run_id}-scores",
            lambda kind: scores_file(run, seen, chosen, kind),
            table=lambda: over_k_table(seen),
        )
    else:
        frame.quiet("The scores of every k you have looked at are drawn here.")
    if not RunFolder(run.run_id).is_demo and len(run.ids) > MOST_OVER:
        jobs.job(
            f"over-k-{run.run_id}",
            ("cluster", run.run_id, "--over", f"2:{MOST_OVER}"),
            button=f"Score every k from 2 to {MOST_OVER}",
            icon="show_chart",
        )


def _over_k(run: EvaluatedRun) -> dict[int, Mapping[str, Any]]:
    """Scores of all k that are known: from the run's results and the job."""
    from ssrl_core.runs.evaluation.clustering import read_over_k

    return {**read_over_k(RunFolder(run.run_id)), **{k: found.scores for k, found in run.results.clusters.items()}}


def _floors(run: EvaluatedRun, scores: Mapping[str, Any], missing: Mapping[str, str]) -> str:
    if scores.get("ami") is None:
        return missing.get("ami", "not computed")
    parts = ["1 is the same groups"]
    shuffled = scores.get("ami_shuffled")
    if shuffled:
        parts.append(f"shuffled labels {score(shuffled['mean'])} ± {score(shuffled['sd'])}")
    words = reference_words(solved=RunFolder(run.run_id).spec().is_solved)
    for key, word in words.items():
        value = run.results.reference(key).ami
        if value is not None:
            parts.append(f"{word} {score(value)}")
    return " · ".join(parts)


def _silhouette_note(scores: Mapping[str, Any], missing: Mapping[str, str]) -> str:
    if scores.get("silhouette") is None:
        return missing.get("silhouette", "not computed")
    return f"1 is tight and apart, 0 touching; of {scores['silhouette_n']:,} images"


def _others(scores: Mapping[str, Any]) -> str:
    missing = scores.get("missing") or {}
    lines = "".join(
        f"<dt>{word}</dt><dd>{three_digits(scores.get(key))} {html.escape(missing.get(key, ''))}</dd>"
        for key, word in _OTHERS.items()
    )
    return f'<dl class="vl-facts">{lines}</dl>'
