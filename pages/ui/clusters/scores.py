"""The Clusters page: its choices, all in the address; its numbers beside their floors, in plain words; its files."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import streamlit as st

from pages.ui.kit import choices, frame, jobs
from pages.ui.map import files, panel, selection
from pages.ui.map.evaluated import ClusteredRun, EvaluatedRun, typical_of
from pages.ui.map.files import figure_row
from pages.ui.map.panel import score_row
from pages.ui.map.payload import CLUSTER, MapPayload, colour_by, colour_names, hover_facets
from pages.ui.map.view import answer_asks, keep_views, send_blocks
from ssrl_core.analysis.clusters import MOST_FULL, MOST_ROWS
from ssrl_core.compositions.draws import said_of
from ssrl_core.datasets.pictures import rgb_of
from ssrl_core.figures.curves import over_k_table, score_over_k
from ssrl_core.figures.sheets import figure_file, gallery_file
from ssrl_core.figures.style import percent, score, three_digits, whole_percent
from ssrl_core.runs.evaluation.clustering import HDBSCAN, KMEANS, MOST_OVER, way_of
from ssrl_core.runs.folder.run_folder import RunFolder
from ssrl_core.runs.folder.verdict import in_words, reference_words
from ssrl_core.specs.parts import LAYOUTS

MOST_CLUSTERS = 30
_ASKED_FOR = "map-asked-for"
_METHODS = {KMEANS: "k-means", HDBSCAN: "HDBSCAN"}


@dataclass(frozen=True)
class Choice:
    """What the page shows of a run.

    `k` is the number of clusters; with `method` hdbscan, the fewest images of one.
    """

    layout: str
    colour: str
    k: int
    method: str = KMEANS


def explain_unfinished(run_id: str | None) -> None:
    """Say why the run that the address names is not shown."""
    row = next((run for run in frame.known_runs() if run["id"] == run_id), None)
    if row is None or row.get("state") == "done":
        return
    state, share = str(row.get("state")), row.get("progress")
    done = f" ({whole_percent(share)})" if state == "running" and isinstance(share, float) else ""
    st.info(
        f"The run of this address is {state}{done}. Its clusters can be looked at once it is done; "
        "meanwhile, here is another one.",
        icon=":material/hourglass_top:",
    )


def choose_view(run: EvaluatedRun, columns: Sequence[Any]) -> Choice:
    """Widgets for layout, colour and k, in the columns given."""
    with columns[0]:
        layout = _layout(run)
    with columns[1]:
        options = colour_names(run)
        wanted = st.session_state.get("colour")
        if wanted is not None and wanted not in options:
            st.session_state["colour"] = CLUSTER  # the run that was left has columns that this one has not
        colour = st.selectbox("Colour by", options, key="colour", bind="query-params")
    with columns[2]:
        method = _method(run)
    with columns[3]:
        k = _k(run) if method == KMEANS else _least(run)
    return Choice(layout, colour, k, method)


def _layout(run: EvaluatedRun) -> str:
    with st.container(horizontal=True, vertical_alignment="bottom", gap="xsmall"):
        chosen = _stored_layout(run)
        _make_layout(run)
    return chosen


def _make_layout(run: EvaluatedRun) -> None:
    """Maps that this run has not yet, each a job that goes on when the page is left."""
    lacking = [kind for kind in LAYOUTS.values() if kind.name not in run.layouts]
    if not lacking or RunFolder(run.run_id).is_demo:
        return
    with st.popover("", icon=":material/add:", help="Make another map"):
        frame.quiet("Made in the background and kept with the run.")
        for kind in lacking:
            jobs.job(
                f"layout-{kind.name}-{run.run_id}",
                ("layout", run.run_id, "--method", kind.name),
                button=kind.title,
                icon="scatter_plot",
                help=kind.sentence,
                before=partial(st.session_state.__setitem__, _ASKED_FOR, kind.name),
            )


def _stored_layout(run: EvaluatedRun) -> str:
    stored = [method for method in LAYOUTS if method in run.layouts]
    if not stored:
        st.selectbox("Map", ["none stored"], disabled=True, key="no-layout")
        return ""
    if st.session_state.get(_ASKED_FOR) in stored:
        choices.travels("map", st.session_state.pop(_ASKED_FOR))  # just made: it is what one waits for
    return choices.from_address(
        "Map",
        stored,
        key="map",
        shown=lambda method: LAYOUTS[method].title,
        help="A flat picture of the embedding. Close points look alike to the network; sizes and gaps mean little. "
        + " ".join(f"{LAYOUTS[method].title}: {LAYOUTS[method].sentence}" for method in stored),
        flat=True,
    )


def _method(run: EvaluatedRun) -> str:
    if len(run.ids) < 4:
        return KMEANS
    return str(
        st.segmented_control(
            "Clusters",
            list(_METHODS),
            key="method",
            default=KMEANS,
            format_func=_METHODS.__getitem__,
            required=True,
            bind="query-params",
            help="k-means divides all images into k groups; above "
            f"{_in_words(MOST_FULL)} images it is mini-batch k-means, which sees some of them at a time. HDBSCAN finds "
            "how many dense groups there are, and leaves out what lies between them; above "
            f"{_in_words(MOST_ROWS)} images it looks for them in a sample of that size. Both work in the embedding, "
            "never on the map.",
        )
        or KMEANS
    )


def _in_words(number: int) -> str:
    return f"{number:,}".replace(",", " ")


def _least(run: EvaluatedRun) -> int:
    n = len(run.ids)
    sizes = sorted({max(2, round(n * share)) for share in (0.002, 0.005, 0.01, 0.02, 0.05, 0.1)})
    if st.session_state.get("least") not in sizes:
        st.session_state["least"] = sizes[len(sizes) // 2]
    return int(
        st.select_slider(
            "Smallest cluster", sizes, key="least", bind="query-params", help="The fewest images that make a cluster."
        )
    )


def _k(run: EvaluatedRun) -> int:
    most = max(2, min(max(MOST_CLUSTERS, 2 * len(run.imageset.classes)), 200, len(run.ids) - 1))
    asked = run.results.counts
    first = min(most, max(2, asked[0] if asked else 10))
    now = st.session_state.get("k", first)
    st.session_state["k"] = min(most, max(2, int(now)))
    if len(run.ids) < 4:
        return 1
    return int(
        st.slider(
            "k",
            2,
            most,
            key="k",
            bind="query-params",
            help="How many groups k-means makes. It always works in the embedding, never on the map.",
        )
    )


MAP_HEIGHT = 580
MOST_LISTED = 5_000


def payload_of(of: ClusteredRun, choice: Choice) -> MapPayload:
    """The page's map as it is coloured now."""
    return MapPayload(of.run, choice.layout, hover_facets(of, choice.colour))


def send_points(payload: MapPayload) -> None:
    """Points and colours, before the map is drawn."""
    colours = payload.colours() + [None] * 3
    send_blocks(
        {"cluster-places": payload.places(), **{f"cluster-colour-{at}": block for at, block in enumerate(colours[:3])}}
    )


def send_pictures(payload: MapPayload) -> None:
    """Thumbnails, once the page stands; then what the map asks for while one looks around."""
    send_blocks({"cluster-pictures": payload.pictures()})
    keep_views({payload.name: payload.facets[0]}, key="cluster-views")
    answer_asks(payload.some_pictures, key="cluster-asks")


@st.fragment
def images_map(of: ClusteredRun, payload: MapPayload) -> None:
    """The map and, at its right, what one selected on it."""
    selection.write_address(of.run)
    left, right = st.columns([3, 2], gap="medium")
    with left:
        if payload.layout:
            selection.selectable_map(payload, key="cluster-map", height=MAP_HEIGHT)
            shown = LAYOUTS[payload.layout]
            frame.quiet(f"{shown.title}. {shown.sentence}")
        else:
            why = of.run.results.missing.get("layouts", "this run was evaluated without layouts")
            frame.empty(f"No map: {why}.", stop=False)
    with right, st.container(gap="xsmall"), frame.guard():
        panel.panel(of)


def images_table(of: ClusteredRun) -> None:
    """Folded: what is selected, or all images; ticked rows become the selection."""
    with st.expander("Images as a table"):
        if not st.toggle("Show it", key="rows-show"):
            return
        chosen = selection.mask_of(of.run)
        table = files.image_table(of)[chosen if chosen is not None else np.ones(len(of.run.ids), bool)]
        if len(table) > MOST_LISTED:
            frame.quiet(
                f"The first {MOST_LISTED} of {len(table)} rows; the button above the map downloads all of them."
            )
        shown = table.head(MOST_LISTED)
        event = st.dataframe(
            shown, key="rows-table", hide_index=True, on_select="rerun", selection_mode="multi-row", height=340
        )
        ticked = list(event["selection"]["rows"])
        if ticked:
            st.button(
                f"Select these {len(ticked)}",
                key="rows-select",
                on_click=selection.select,
                args=(of.run.images_key, shown["image_id"].to_numpy()[ticked], "in the table"),
            )


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
        shown.append((names.title(c), about, names.colour(c), rgb_of(run.imageset, run.ids[own])))
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
        frame.chart(score_over_k(seen, chosen=chosen), "score-over-k")
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
