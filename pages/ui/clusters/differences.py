"""How each cluster differs from all other images: effects of descriptors and columns, as words and as a table."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from pages.ui.kit import cache, frame
from pages.ui.map.names import ClusteredRun
from ssrl_core.analysis.descriptors import DESCRIPTORS
from ssrl_core.analysis.effect_sentences import evidence, sentence
from ssrl_core.analysis.effect_table import ClusterEffects, cluster_effects
from ssrl_core.analysis.effects import Effect

_MOST_ROWS = 12


@cache.kept(
    by=lambda of: (of.run.cache_key, of.method, of.k), spinner="Comparing each cluster with all other images", least=2
)
def effects_of(of: ClusteredRun) -> ClusterEffects:
    """The effects of each cluster, and what their intervals rest on."""
    columns = of.run.columns
    measured = [c for c in of.run.table if c in DESCRIPTORS and c not in columns]
    return cluster_effects(of.run.table, [*columns, *measured], of.clustering.ids, of.clustering.k)


def in_words(found: ClusterEffects, cluster: int, label: str | None) -> tuple[str, list[str]]:
    """What sets one cluster apart in a sentence, and the numbers behind it, a line each.

    The label, whose share a strip tells anyway, is left out of the sentence.
    """
    own, units = found.effects[cluster], found.units.name
    return sentence([e for e in own if e.column != label], units=units), evidence(own, units=units)


def effects_table(of: ClusteredRun) -> None:
    """Folded: all effects as a table."""
    with st.expander("What sets each cluster apart, in numbers"):
        found = effects_of(of)
        frame.quiet(
            "Each cluster against all other images. For numbers: medians and Cliff's delta (−1: all smaller, 1: all "
            "larger). For values: shares and their difference. For a compound: the dose from which its share differs "
            f"most. {found.rests_on} No p-values: the clusters were made from these very images."
        )
        rows = table_of(found, [of.names.title(c) for c in range(of.clustering.k)])
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
    table = pd.DataFrame(rows)
    if found.units.name == "images":
        return table.drop(columns="units", errors="ignore")
    return table.rename(columns={"units": found.units.name})


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
