"""How far the two sides say the same, in numbers."""

from __future__ import annotations

import html
from typing import Any

import streamlit as st

from pages.ui.compare.scene import Pair
from ssrl_core.analysis.comparison import compare, moved
from ssrl_core.figures.style import percent, score

_AMI = "How far the clusters of A and B agree, corrected for chance: 1 the same groups, 0 no more than shuffled."
_CKA = "How alike the two embeddings are as a whole (linear CKA): 1 if a turn and a scale make them equal."
_OVERLAP = "Of an image's nearest in A, the share that are among its nearest in B too."
_MOVED = "Images whose cluster in A is not matched to their cluster in B (matched by the members they share)."


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


@st.cache_data(max_entries=24, show_spinner="Comparing", hash_funcs=_HASH)
def _compared(key: tuple[Any, ...], held: _Held) -> dict[str, Any]:
    pair = held.pair
    return compare(pair.a.scene.x[pair.rows_a], pair.b.scene.x[pair.rows_b], *pair.clusters)


def _cell(what: str, value: str, beside: str, explained: str) -> str:
    return (
        f'<div title="{html.escape(explained)}"><div class="what">{what}</div>'
        f'<div class="value">{value}</div><div class="beside">{html.escape(beside)}</div></div>'
    )
