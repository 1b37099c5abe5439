"""What sets each cluster apart: effects of descriptors and columns, as words and as a table."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from pages.ui import frame
from pages.ui.cluster_names import Names
from pages.ui.cluster_scene import CLUSTER, Scene, facet
from ssrl_core.analysis.apart import Effect, Units, number_effects, units_of, value_effects
from ssrl_core.analysis.apart_words import sentence
from ssrl_core.analysis.clusters import Clustering
from ssrl_core.analysis.descriptors.table import DESCRIPTORS

MOST_ROWS = 200_000
_MOST_VALUES = 40
_UNITS = ("plate", "well", "site", "replicate", "x_px", "y_px", "dose_unit")


class _Held:
    """Arguments of a cached function that its key names."""

    def __init__(self, scene: Scene, clustering: Clustering) -> None:
        self.scene, self.clustering = scene, clustering


_HASH = {_Held: lambda held: (held.scene.run_id, held.scene.stamp)}


def effects_of(scene: Scene, clustering: Clustering, k: int, method: str) -> tuple[list[list[Effect]], str]:
    """The effects of each cluster, and in words what their intervals rest on."""
    return _effects(_Held(scene, clustering), k, method)


@st.cache_data(max_entries=12, show_spinner="Seeking what sets clusters apart", hash_funcs=_HASH)
def _effects(held: _Held, k: int, method: str) -> tuple[list[list[Effect]], str]:
    scene, clustering = held.scene, held.clustering
    rows = np.arange(len(scene.ids))
    if len(rows) > MOST_ROWS:
        rows = np.sort(np.random.default_rng(0).choice(len(rows), MOST_ROWS, replace=False))
    units = units_of(scene.table[[c for c in ("plate", "well") if c in scene.table]].iloc[rows])
    ids = clustering.ids[rows]
    found: list[list[Effect]] = [[] for _ in range(clustering.k)]
    for name in [*scene.columns(), *(c for c in scene.table if c in DESCRIPTORS and c not in scene.columns())]:
        if name in _UNITS or name == CLUSTER:
            continue
        about = facet(scene, clustering, name)
        if about.values is not None:
            for c, effect in enumerate(number_effects(about.values[rows], name, ids, clustering.k, units)):
                found[c].append(effect)
            continue
        assert about.codes is not None
        words = tuple(_value_words(name, value) for value in about.names[:_MOST_VALUES])
        codes = np.where(about.codes < len(words), about.codes, len(words))[rows]
        for row in value_effects(codes, words, name, ids, clustering.k, units):
            for c, effect in enumerate(row):
                found[c].append(effect)
    return found, _rests_on(units, len(rows) < len(scene.ids))


def words(effects: list[Effect]) -> str:
    """What sets one cluster apart, in a sentence."""
    return sentence(effects)


def table(scene: Scene, clustering: Clustering, names: Names, k: int, method: str) -> None:
    """Folded: all effects as a table."""
    with st.expander("What sets each cluster apart, in numbers"):
        found, rests = effects_of(scene, clustering, k, method)
        frame.quiet(
            "Each cluster against all other images. Of numbers: medians and Cliff's delta (−1 all smaller, 1 all "
            f"larger); of values: shares and their difference. {rests} No p-values: the clusters were made from these "
            "very images."
        )
        rows = [
            {
                "cluster": names.title(c),
                "what": effect.column,
                "value": effect.value or "",
                "here": effect.here,
                "elsewhere": effect.rest,
                "effect": effect.effect,
                "low": effect.low,
                "high": effect.high,
                "clear": effect.clear,
                "n": effect.n,
            }
            for c, effects in enumerate(found)
            for effect in sorted(effects, key=lambda e: -abs(e.effect))[:12]
        ]
        if rows:
            st.dataframe(pd.DataFrame(rows), hide_index=True, key="apart-table", height=340)
        else:
            frame.quiet("There is no column to compare, and the images were not measured yet.")


def _value_words(column: str, value: str) -> str:
    return value if not value.replace(".", "").replace("-", "").isdigit() else f"{column} {value}"


def _rests_on(units: Units, thinned: bool) -> str:
    sample = f" Taken on {MOST_ROWS:,} images drawn by chance.".replace(",", " ") if thinned else ""
    if units.few:
        return f"{units.count} {units.name} are too few for an interval." + sample
    if units.name == "images":
        return "Intervals (95 %) draw images, as no wells or plates are known." + sample
    return (
        f"Intervals (95 %) draw whole {units.name} ({units.count}): cells of one of them are not replicates." + sample
    )
