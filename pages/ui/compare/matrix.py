"""The contingency of two clusterings as a matrix: a click selects the images of a cell, a row or a column."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from pages.ui.clusters import state
from pages.ui.compare.scene import Pair, Side
from ssrl_core.analysis.comparison import contingency, matched

_MOST_NUMBERS = 24

_CSS = """
.matrix { display: grid; gap: 2px;
  grid-template-columns: minmax(70px, 130px) repeat(var(--columns), minmax(20px, 62px));
  font-family: var(--st-font); font-size: 12px; color: var(--st-text-color); font-variant-numeric: tabular-nums;
  max-height: 560px; overflow: auto; }
.matrix button { all: unset; box-sizing: border-box; cursor: pointer; border-radius: 3px; min-height: 26px;
  padding: 2px 4px; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.matrix button:focus-visible { box-shadow: inset 0 0 0 2px var(--st-primary-color); }
.matrix .corner { opacity: .6; align-self: end; padding: 2px 4px; white-space: nowrap; }
.matrix .of-row, .matrix .of-column { display: flex; align-items: center; gap: 5px; }
.matrix .of-column { flex-direction: column; justify-content: flex-end; }
.matrix .of-row span, .matrix .of-column span { overflow: hidden; text-overflow: ellipsis; max-width: 100%; }
.matrix .of-row:hover, .matrix .of-column:hover { background: var(--st-secondary-background-color); }
.matrix i { width: 9px; height: 9px; border-radius: 50%; flex: none; }
.matrix .cell { text-align: center; line-height: 22px; --much: calc(100% * var(--share));
  background: color-mix(in srgb, var(--st-primary-color) var(--much), var(--st-secondary-background-color)); }
.matrix .cell.strong { color: var(--st-background-color); }
.matrix .cell.none { cursor: default; opacity: .5; }
.matrix .cell:not(.none):hover { box-shadow: inset 0 0 0 2px var(--st-text-color); }
"""

_matrix = st.components.v2.component(
    "viewloom_matrix",
    html='<div class="matrix" role="grid" aria-label="Contingency of the clusters of A and B"></div>',
    css=_CSS,
    js=Path(__file__).with_name("matrix.js").read_text(encoding="utf-8"),
)


def matrix(pair: Pair) -> None:
    """Draw the matrix; columns are ordered so that matched clusters lie on the diagonal."""
    table = contingency_of(pair)
    data = {
        "rows": _heads(pair.a, table.sum(axis=1)),
        "columns": _heads(pair.b, table.sum(axis=0)),
        "counts": table.tolist(),
        "order": order_of(table),
        "numbers": max(table.shape) <= _MOST_NUMBERS,
    }

    def done() -> None:
        event = st.session_state["compare-matrix"].get("done")
        if event:
            on_matrix(pair, dict(event))

    _matrix(key="compare-matrix", data=data, on_done_change=done)


def contingency_of(pair: Pair) -> np.ndarray:
    """(k of A, k of B) counts of shared images."""
    found = contingency(*pair.clusters)
    whole = np.zeros((pair.a.clustering.k, pair.b.clustering.k), np.int64)
    whole[: found.shape[0], : found.shape[1]] = found
    return whole


def order_of(table: np.ndarray) -> list[int]:
    """Columns in the order of their rows: matched ones first, the others by the row that they share most with."""
    partners = {column: row for row, (column, _) in matched(table, least=0.0).items()}
    largest = table.argmax(axis=0) if len(table) else np.zeros(table.shape[1], int)
    return sorted(range(table.shape[1]), key=lambda c: (partners.get(c, int(largest[c]) + 0.5), c))


def on_matrix(pair: Pair, event: dict[str, Any]) -> None:
    """Select the images of what was clicked."""
    a, b = pair.clusters
    row, column = int(event.get("row", -1)), int(event.get("column", -1))
    choices: dict[str, Callable[[], tuple[np.ndarray, str]]] = {
        "cell": lambda: (
            (a == row) & (b == column),
            f"{pair.a.names.title(row)} of A and {pair.b.names.title(column)} of B",
        ),
        "row": lambda: (a == row, f"{pair.a.names.title(row)} of A"),
        "column": lambda: (b == column, f"{pair.b.names.title(column)} of B"),
    }
    if event.get("kind") in choices:
        chosen, words = choices[event["kind"]]()
        state.select(pair.a.scene.images, pair.ids[chosen], words)


def _heads(side: Side, sizes: np.ndarray) -> list[dict[str, Any]]:
    return [
        {"name": side.names.short(c), "colour": side.names.colour(c), "size": int(sizes[c])}
        for c in range(side.clustering.k)
    ]
