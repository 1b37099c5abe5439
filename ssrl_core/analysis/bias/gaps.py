"""Says what a grid of runs lacks: missing runs, missing classes, classes without images, a single seed or value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ssrl_core.analysis.bias.axis import Axis, Floats, Ints
from ssrl_core.analysis.bias.reasons import listed, reason


def gaps(
    setting: Mapping[str, Any],
    axis: Axis,
    classes: Sequence[str],
    seeds: Sequence[int],
    cells: Ints,
    accuracy: Floats,
    images: Floats,
    along: Sequence[str],
) -> list[dict[str, Any]]:
    """The rows of the table of reasons that a grid starts with.

    Args:
        cells: (C, V, S) rows of the table in each cell.
        accuracy, images: (C, V, S).
        along: columns that move together with x.
    """
    return [
        *_of_the_axis(setting, axis, along),
        *_of_the_runs(setting, axis, seeds, cells),
        *_of_the_seeds(setting, axis, seeds, accuracy),
        *_of_the_classes(setting, classes, cells, accuracy, images),
    ]


def _of_the_axis(setting: Mapping[str, Any], axis: Axis, along: Sequence[str]) -> Iterator[dict[str, Any]]:
    if axis.note:
        yield reason(setting, "axis" if axis.numeric else "names", axis.note)
    if len(axis.labels) < 3:
        text = f"{len(axis.labels)} value{'s' if len(axis.labels) > 1 else ''} of the parameter"
        yield reason(setting, "few_values", f"Only {text}: correlations and slopes need at least 3.")
    for other in along:
        name = other.removeprefix("vary.")
        yield reason(setting, "moves_along", f"{name} moves together with this parameter: both may be the cause.")


def _of_the_runs(setting: Mapping[str, Any], axis: Axis, seeds: Sequence[int], cells: Ints) -> Iterator[dict[str, Any]]:
    there = np.asarray(cells.any(axis=0))
    for place, value in enumerate(axis.cells()):
        missing = [seed for s, seed in enumerate(seeds) if not there[place, s]]
        if missing:
            text = f"No result of seed{'s' if len(missing) > 1 else ''} {listed(missing)} at {axis.labels[place]}."
            yield reason(setting, "missing_runs", text, value=value)
    twice = int((cells.max(axis=0, initial=0) > 1).sum())
    if twice:
        yield reason(setting, "repeated", f"{twice} runs have the same value and seed as another: their mean is taken.")


def _of_the_seeds(
    setting: Mapping[str, Any], axis: Axis, seeds: Sequence[int], accuracy: Floats
) -> Iterator[dict[str, Any]]:
    if len(seeds) == 1:
        yield reason(setting, "one_seed", f"Only seed {seeds[0]}: how much a seed matters cannot be told, no sd.")
        return
    counts = np.asarray(np.isfinite(accuracy).any(axis=0)).sum(axis=1)
    single = [axis.labels[i] for i in np.flatnonzero(counts == 1)]
    if single:
        yield reason(setting, "one_seed", f"Only one seed at {listed(single)}: no sd there.")


def _of_the_classes(
    setting: Mapping[str, Any], classes: Sequence[str], cells: Ints, accuracy: Floats, images: Floats
) -> Iterator[dict[str, Any]]:
    ran = np.asarray(cells.any(axis=0))[None]
    absent = ((cells == 0) & ran).sum(axis=(1, 2))
    empty = ((cells > 0) & (images == 0)).sum(axis=(1, 2))
    blank = ((cells > 0) & ~(images == 0) & ~np.isfinite(accuracy)).sum(axis=(1, 2))
    runs = int(ran.sum())
    kinds = (
        ("missing_class", absent, "has no row"),
        ("no_images", empty, "has no images"),
        ("no_accuracy", blank, "has no accuracy"),
    )
    for kind, counts, text in kinds:
        for c in map(int, np.flatnonzero(counts)):
            yield reason(setting, kind, f"{classes[c]} {text} in {counts[c]} of {runs} runs.", name=classes[c])
