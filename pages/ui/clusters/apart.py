"""What sets each cluster apart: effects of descriptors and columns, as words and as a table."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from pages.ui.clusters.names import Names
from pages.ui.clusters.scene import Scene
from pages.ui.kit import frame
from ssrl_core.analysis.clusters import Clustering
from ssrl_core.analysis.descriptors.table import DESCRIPTORS
from ssrl_core.analysis.effect_sentences import evidence, sentence
from ssrl_core.analysis.effect_table import ClusterEffects, cluster_effects
from ssrl_core.analysis.effects import Effect

_MOST_ROWS = 12


class _Held:
    """Arguments of a cached function that its key names."""

    def __init__(self, scene: Scene, clustering: Clustering) -> None:
        self.scene, self.clustering = scene, clustering


_HASH = {_Held: lambda held: (held.scene.run_id, held.scene.stamp)}


def effects_of(scene: Scene, clustering: Clustering, k: int, method: str) -> ClusterEffects:
    """The effects of each cluster, and what their intervals rest on."""
    return _effects(_Held(scene, clustering), k, method)


@st.cache_data(max_entries=12, show_spinner="Seeking what sets clusters apart", hash_funcs=_HASH)
def _effects(held: _Held, k: int, method: str) -> ClusterEffects:
    scene, clustering = held.scene, held.clustering
    columns = scene.columns()
    measured = [c for c in scene.table if c in DESCRIPTORS and c not in columns]
    return cluster_effects(scene.table, [*columns, *measured], clustering.ids, clustering.k)


def words(found: ClusterEffects, cluster: int, label: str | None) -> tuple[str, list[str]]:
    """What sets one cluster apart in a sentence, and the numbers behind it, a line each.

    The label, whose share a strip tells anyway, is left out of the sentence.
    """
    own, units = found.effects[cluster], found.units.name
    return sentence([e for e in own if e.column != label], units=units), evidence(own, units=units)


def table(scene: Scene, clustering: Clustering, names: Names, k: int, method: str) -> None:
    """Folded: all effects as a table."""
    with st.expander("What sets each cluster apart, in numbers"):
        found = effects_of(scene, clustering, k, method)
        frame.quiet(
            "Each cluster against all other images. Of numbers: medians and Cliff's delta (−1 all smaller, 1 all "
            "larger); of values: shares and their difference; of a compound the dose from which on its share differs "
            f"most. {found.rests_on} No p-values: the clusters were made from these very images."
        )
        rows = table_of(found, [names.title(c) for c in range(clustering.k)])
        if not len(rows):
            frame.quiet("There is no column to compare, and the images were not measured yet.")
            return
        st.dataframe(rows, hide_index=True, key="apart-table", height=340)


def table_of(found: ClusterEffects, titles: list[str]) -> pd.DataFrame:
    """The largest effects of each cluster, one a row."""
    rows = [
        _row(title, effect)
        for title, effects in zip(titles, found.effects, strict=True)
        for effect in sorted(effects, key=lambda e: -abs(e.effect))[:_MOST_ROWS]
    ]
    frame_of = pd.DataFrame(rows)
    return (
        frame_of.rename(columns={"units": found.units.name})
        if found.units.name != "images"
        else frame_of.drop(columns="units", errors="ignore")
    )


def _row(title: str, effect: Effect) -> dict[str, object]:
    return {
        "cluster": title,
        "what": effect.column,
        "value": effect.value or "",
        "here": effect.here,
        "elsewhere": effect.rest,
        "effect": effect.effect,
        "low": effect.low,
        "high": effect.high,
        "clear": effect.clear,
        "n": effect.n,
        "units": effect.seen_in,
    }
