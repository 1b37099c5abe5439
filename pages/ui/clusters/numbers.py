"""The numbers of the Clusters page, each beside its floors, with a plain word on what it says."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any

import streamlit as st

from pages.ui.clusters import files
from pages.ui.clusters.choice import Choice
from pages.ui.clusters.scene import Scene
from pages.ui.kit import frame, jobs
from ssrl_core.figures.curves import over_k_table, score_over_k
from ssrl_core.figures.style import percent, score, three
from ssrl_core.runs.evaluation.clustering import KMEANS
from ssrl_core.runs.evaluation.over_k import MOST_OVER
from ssrl_core.runs.folder.run_folder import RunFolder

CSS = """
.st-key-cluster-scores { min-height: 68px; }
.vl-scores { display: flex; flex-wrap: wrap; gap: .5rem 2.4rem; align-items: flex-start; }
.vl-scores > div { min-width: 150px; }
.vl-scores .what { font-size: .8rem; color: light-dark(#5b6470, #9aa4b1); }
.vl-scores .value { font-size: 1.35rem; font-weight: 600; line-height: 1.25; }
.vl-scores .beside { font-size: .8rem; color: light-dark(#5b6470, #9aa4b1); line-height: 1.4; }
"""

_AMI = (
    "How far the clusters agree with the labels, corrected for chance: 1 they are the same, 0 no more than shuffled "
    "labels would. Divided by the larger of the two entropies (average_method max)."
)
_SILHOUETTE = (
    "How much closer an image lies to its own cluster than to the next one, in the embedding, between -1 and 1. "
    "It knows nothing of labels: tight clusters need not be the ones you want."
)
_TRUST = "Share of neighbours on the map that are neighbours in the embedding too (1: all of them; random about 0.5)."
_HIT = "Of the 10 nearest on the map, the share that carries the same label."


def numbers(scene: Scene, scores: Mapping[str, Any], layout: str) -> None:
    """One row: AMI and silhouette of the clusters, trustworthiness and neighbour hit of the map."""
    missing = scores.get("missing") or {}
    cells = [
        _cell("AMI of clusters and labels", score(scores.get("ami")), _floors(scene, scores, missing), _AMI),
        _cell("Silhouette", score(scores.get("silhouette")), _silhouette_note(scores, missing), _SILHOUETTE),
    ]
    if layout:
        info = scene.layouts[layout][1]
        hit = info.get("neighbour_hit")
        cells.append(
            _cell("Map: trustworthiness", score(info.get("trustworthiness")), "of neighbours on the map", _TRUST)
        )
        if hit is not None:
            cells.append(_cell("Map: neighbour hit", percent(hit), "same label nearby", _HIT))
    st.html(f'<div class="vl-scores">{"".join(cells)}</div>')


def details(scene: Scene, scores: Mapping[str, Any], choice: Choice) -> None:
    """Folded: the other scores, how they change with k, and how to read them."""
    seen = _over_k(scene)
    if choice.method == KMEANS:
        seen[choice.k] = scores
    with st.expander("How to read these numbers, and the other scores"):
        left, right = st.columns(2, gap="large")
        with left:
            frame.quiet(f"AMI. {_AMI}")
            frame.quiet(f"Silhouette. {_SILHOUETTE}")
            frame.quiet(f"Trustworthiness. {_TRUST} k-means never sees the map: clusters are found in the embedding.")
            st.html(_others(scores))
        with right:
            if len(seen) > 1:
                chosen = choice.k if choice.method == KMEANS else None
                st.plotly_chart(score_over_k(seen, chosen=chosen), key="score-over-k", config={"displayModeBar": False})
                files.row(
                    "Scores",
                    f"{scene.run_id}-scores",
                    lambda kind: files.scores_of(scene, seen, chosen, kind),
                    table=lambda: over_k_table(seen),
                )
            else:
                frame.quiet("The scores of every k that was looked at are drawn here.")
            if not RunFolder(scene.run_id).is_demo and len(scene.ids) > MOST_OVER:
                jobs.job(
                    f"over-k-{scene.run_id}",
                    ("cluster", scene.run_id, "--over", f"2:{MOST_OVER}"),
                    button=f"Score every k from 2 to {MOST_OVER}",
                    icon="show_chart",
                )


def _over_k(scene: Scene) -> dict[int, Mapping[str, Any]]:
    """Scores of all k that are known: from the run's results, the job, and this visit."""
    from ssrl_core.runs.evaluation.over_k import read

    return {
        **read(RunFolder(scene.run_id)),
        **{int(k): v for k, v in (scene.results.get("clusters") or {}).items() if v},
    }


def _cell(what: str, value: str, beside: str, explained: str) -> str:
    return (
        f'<div title="{html.escape(explained)}"><div class="what">{what}</div>'
        f'<div class="value">{value}</div><div class="beside">{html.escape(beside)}</div></div>'
    )


def _floors(scene: Scene, scores: Mapping[str, Any], missing: Mapping[str, str]) -> str:
    if scores.get("ami") is None:
        return missing.get("ami", "not computed")
    parts = []
    shuffled = scores.get("ami_shuffled")
    if shuffled:
        parts.append(f"shuffled labels {score(shuffled['mean'])} ± {score(shuffled['sd'])}")
    references = scene.results.get("references") or {}
    for key, word in (("pixels", "raw pixels"), ("untrained", "untrained network")):
        value = (references.get(key) or {}).get("ami")
        if value is not None:
            parts.append(f"{word} {score(value)}")
    return " · ".join(parts)


def _silhouette_note(scores: Mapping[str, Any], missing: Mapping[str, str]) -> str:
    if scores.get("silhouette") is None:
        return missing.get("silhouette", "not computed")
    return f"on {scores['silhouette_n']} images; −1 to 1"


def _others(scores: Mapping[str, Any]) -> str:
    words = {
        "ami_arithmetic": "AMI, arithmetic mean of the entropies",
        "nmi": "NMI, not corrected for chance",
        "ari": "adjusted Rand index",
        "homogeneity": "homogeneity",
        "inertia": "inertia",
        "silhouette_projection": "silhouette in the projection",
    }
    missing = scores.get("missing") or {}
    lines = "".join(
        f"<dt>{word}</dt><dd>{three(scores.get(key))} {html.escape(missing.get(key, ''))}</dd>"
        for key, word in words.items()
    )
    return f'<dl class="vl-facts">{lines}</dl>'
