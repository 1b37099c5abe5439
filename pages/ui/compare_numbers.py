"""How far the two sides say the same, in numbers, and how much of it two seeds would differ by anyway."""

from __future__ import annotations

import html
from itertools import combinations, product
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from pages.ui import frame
from pages.ui.cluster_scene import clusters_of, load_scene, stamp_of
from pages.ui.compare_scene import Pair, seeds
from ssrl_core.analysis.comparison import compare, moved
from ssrl_core.figures.style import percent, score
from ssrl_core.runs.beside import common

_AMI = "How far the clusters of A and B agree, corrected for chance: 1 the same groups, 0 no more than shuffled."
_CKA = "How alike the two embeddings are as a whole (linear CKA): 1 if a turn and a scale make them equal."
_OVERLAP = "Of an image's nearest in A, the share that are among its nearest in B too."
_MOVED = "Images whose cluster in A is not matched to their cluster in B (matched by the members they share)."
_MEASURES = {"ami": "AMI of clusters", "cka": "CKA", "neighbour_overlap": "neighbours shared"}


class _Held:
    """A pair as an argument of a cached function whose other arguments say it all."""

    def __init__(self, pair: Pair) -> None:
        self.pair = pair


_HASH = {_Held: lambda held: ""}


def compared(pair: Pair) -> dict[str, Any]:
    """`analysis.comparison.compare` of the two sides."""
    key = tuple((side.scene.run_id, side.scene.stamp, side.k) for side in (pair.a, pair.b))
    return _compared(key, _Held(pair))


def numbers(pair: Pair, found: dict[str, Any]) -> None:
    """One row of numbers."""
    gone = moved(*pair.clusters)
    chance = f"{found['neighbours']} nearest; by chance {percent(found['neighbour_chance'])}"
    cells = [
        _cell("AMI between their clusters", score(found["ami"]), f"k = {pair.a.k} and {pair.b.k}", _AMI),
        _cell("CKA of the embeddings", score(found["cka"]), f"on {found['n']} shared images", _CKA),
        _cell("Neighbours in common", percent(found["neighbour_overlap"]), chance, _OVERLAP),
        _cell("Moved", percent(float(gone.mean())), f"{int(gone.sum())} images", _MOVED),
    ]
    st.html(f'<div class="vl-scores">{"".join(cells)}</div>')


def over_seeds(pair: Pair) -> None:
    """Mean ± sd over the seeds of both sides, beside what two seeds of one side differ by."""
    first, second = seeds(pair.a), seeds(pair.b)
    if len(first) < 2 and len(second) < 2:
        frame.quiet("With runs that differ by their seed alone, their mean and standard deviation would stand here.")
        return
    same = {run.id for run in first} == {run.id for run in second}
    sets = {"two seeds of A": list(combinations(first, 2))}
    if not same:
        sets = {"A beside B": list(product(first, second)), **sets, "two seeds of B": list(combinations(second, 2))}
    rows = []
    for words, pairs in sets.items():
        if not pairs:
            continue
        found = [_runs(x.id, y.id, pair.a.k, pair.b.k if words == "A beside B" else pair.a.k) for x, y in pairs[:9]]
        rows.append({"what": words, "pairs": len(found), **{_MEASURES[key]: _spread(found, key) for key in _MEASURES}})
    st.dataframe(pd.DataFrame(rows), hide_index=True, key="compare-seeds")
    frame.quiet(
        f"Mean ± sd over pairs of runs; {len(first)} seeds of A, {len(second)} of B. What A and B differ by counts "
        "only as far as it is more than two seeds of one of them differ by."
    )


def _spread(found: list[dict[str, Any]], key: str) -> str:
    values = [row[key] for row in found if row[key] is not None]
    if not values:
        return "–"
    sd = f" ± {np.std(values, ddof=1):.3f}" if len(values) > 1 else ""
    return f"{np.mean(values):.3f}{sd}"


def _runs(first: str, second: str, k: int, k2: int) -> dict[str, Any]:
    return _run_pair(first, stamp_of(first), second, stamp_of(second), k, k2)


@st.cache_data(max_entries=64, show_spinner="Comparing seeds")
def _run_pair(first: str, stamp: str, second: str, other_stamp: str, k: int, k2: int) -> dict[str, Any]:
    a, b = load_scene(first, stamp), load_scene(second, other_stamp)
    rows, others = common(a.ids, b.ids, first, second)
    ids, other_ids = clusters_of(a, min(k, len(a.ids))).ids[rows], clusters_of(b, min(k2, len(b.ids))).ids[others]
    return compare(a.x[rows], b.x[others], ids, other_ids)


@st.cache_data(max_entries=24, show_spinner="Comparing", hash_funcs=_HASH)
def _compared(key: tuple[Any, ...], held: _Held) -> dict[str, Any]:
    pair = held.pair
    return compare(pair.a.scene.x[pair.rows_a], pair.b.scene.x[pair.rows_b], *pair.clusters)


def _cell(what: str, value: str, beside: str, explained: str) -> str:
    return (
        f'<div title="{html.escape(explained)}"><div class="what">{what}</div>'
        f'<div class="value">{value}</div><div class="beside">{html.escape(beside)}</div></div>'
    )
