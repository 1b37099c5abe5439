"""What one side separates and the other does not: clusters that fall apart on the other side, with their images."""

from __future__ import annotations

from typing import Any

import numpy as np

from pages.ui.clusters import state
from pages.ui.compare import matrix
from pages.ui.compare.scene import Pair, Side
from pages.ui.kit import frame, gallery
from ssrl_core.analysis.comparison import Split, splits

_MOST = 4  # on each side
_IMAGES = 16


def separated(pair: Pair) -> None:
    """Clusters of each side that the other separates, as strips of the parts; a click on a head selects."""
    frame.section("What one separates and the other does not")
    table = matrix.contingency_of(pair)
    found = {"a": splits(table)[:_MOST], "b": splits(table.T)[:_MOST]}
    if not found["a"] and not found["b"]:
        frame.quiet(
            "No cluster of one side is two or more of the other. With a larger k on one side, what it separates shows."
        )
        return
    for key, fine, coarse in (("a", pair.a, pair.b), ("b", pair.b, pair.a)):
        if found[key]:
            _strips(pair, key, fine, coarse, found[key])


def _strips(pair: Pair, key: str, fine: Side, coarse: Side, found: list[Split]) -> None:
    frame.quiet(
        f"{fine.letter} separates what {coarse.letter} puts together. "
        + "; ".join(_words(split, fine, coarse) for split in found)
        + "."
    )
    gallery.show_shelves(
        fine.scene.imageset,
        [_shelf(pair, fine, coarse, split, part) for split in found for part, _ in split.parts],
        strips=True,
        tile_px=48,
        picked=state.selected(fine.scene.images).focus,
        key=f"separated-{key}",
        on_pick=lambda event: _picked(pair, fine, event),
    )


def _words(split: Split, fine: Side, coarse: Side) -> str:
    parts = " + ".join(f"{fine.said(part)} ({count})" for part, count in split.parts)
    return f"{coarse.said(split.whole)} is {parts}"


def _shelf(pair: Pair, fine: Side, coarse: Side, split: Split, part: int) -> gallery.Shelf:
    ids, others, rows = (*pair.clusters, pair.rows_a) if fine is pair.a else (*pair.clusters[::-1], pair.rows_b)
    chosen = np.flatnonzero((ids == part) & (others == split.whole))
    away = np.linalg.norm(fine.scene.x[rows[chosen]] - fine.clustering.centroids[part], axis=1)
    shown = chosen[np.argsort(away, kind="stable")[:_IMAGES]]
    cell = (part, split.whole) if fine is pair.a else (split.whole, part)
    return gallery.Shelf(
        pair.ids[shown],
        title=f"{fine.said(part)} in {coarse.said(split.whole)}",
        lines=(f"{len(chosen)} of the {split.n} images of {coarse.said(split.whole)}",),
        colour=fine.names.colour(part),
        name=f"{cell[0]}:{cell[1]}",
    )


def _picked(pair: Pair, fine: Side, event: dict[str, Any]) -> None:
    if event.get("kind") == "head":
        row, column = str(event["name"]).split(":")
        matrix.on_matrix(pair, {"kind": "cell", "row": int(row), "column": int(column)})
    else:
        state.on_gallery(fine.scene, fine.clustering.ids, event)
