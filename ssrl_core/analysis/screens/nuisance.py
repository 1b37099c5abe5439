"""How well plate, batch and place on the plate can be read from profiles, beside how well biology can."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ssrl_core.analysis.intervals import mean_of_units
from ssrl_core.analysis.screens.profiles import Profiles, places
from ssrl_core.analysis.screens.retrieval import COSINE, similarity

Array = np.ndarray[Any, Any]
NEIGHBOURS = 5
ROWS = (
    ("plate", "plate", "plate", "compound", ""),
    ("batch", "batch", "batch", "compound", ""),
    ("edge", "edge or inside", "edge", "compound+plate", "plate"),
    ("row", "row of the plate", "row", "compound+plate", "plate"),
    ("column", "column of the plate", "column", "compound+plate", "plate"),
    ("compound", "compound", "compound", "plate", ""),
    ("mechanism", "mechanism", "mechanism", "compound+plate", ""),
)
"""What is read: name, words, column, what a well and voters may not share, units of the interval ("": the kinds)."""


def readable(wells: Profiles, *, measure: str = COSINE) -> list[dict[str, Any]]:
    """How often the nearest wells name a well's plate, batch, place, compound and mechanism.

    The five nearest wells that may vote do so; a vote counts by how rare its kind is among those that may, so that
    knowing nothing gives `chance`. Wells of one compound do not vote for each other's plate, those of one plate not for
    each other's compound: what they would share besides could be the answer.

    Returns:
        [{name, words, kind (nuisance | biology), value, low, high, chance, n, classes}]; value: mean share over the
        kinds (balanced accuracy), None (with `why`) where there are not two kinds to tell apart.
    """
    table = wells.table.join(places(wells.table)[["row", "column", "edge"]])
    near = similarity(wells.x, wells.x, measure)
    found = []
    for name, words, column, apart, unit in ROWS:
        kind = "biology" if name in ("compound", "mechanism") else "nuisance"
        head = {"name": name, "words": words, "kind": kind}
        found.append(head | _read(table, near, column, apart, unit))
    return found


def _read(table: pd.DataFrame, near: Array, column: str, apart: str, unit: str) -> dict[str, Any]:
    values = table[column]
    known = values.notna().to_numpy(bool)
    if column == "compound":
        known = known & ~table["untreated"].to_numpy(bool)
    rows = np.flatnonzero(known)
    codes, names = pd.factorize(values[known].astype(str))
    if len(names) < 2:
        return _nothing(len(names), "one kind only: there is nothing to tell apart" if len(names) else "not known")
    may = np.ones((len(rows), len(rows)), bool)
    np.fill_diagonal(may, False)
    for part in apart.split("+"):
        own = pd.factorize(table[part].to_numpy()[known])[0]
        same = own[:, None] == own[None]
        if part == "compound" and column != "mechanism":  # untreated wells are no compound: they may vote
            none = table["untreated"].to_numpy(bool)[known]
            same &= ~(none[:, None] & none[None])
        may &= ~same
    right, counted = _votes(near[np.ix_(rows, rows)], may, codes, len(names))
    if not counted.any():
        return _nothing(len(names), "no well may vote for another's")
    units = table[unit].to_numpy()[known][counted] if unit else None
    return _balanced(right[counted], codes[counted], units, len(names))


def _nothing(classes: int, why: str) -> dict[str, Any]:
    return {"value": None, "low": None, "high": None, "chance": None, "n": 0, "classes": classes, "why": why}


def _votes(near: Array, may: Array, codes: Array, kinds: int) -> tuple[Array, Array]:
    """(n,) whether the vote of each is right, and whether it could be (its kind may vote)."""
    own = np.zeros((len(codes), kinds))
    own[np.arange(len(codes)), codes] = 1
    could = may.astype(np.float64) @ own
    order = np.argsort(np.where(may, -near, np.inf), axis=1, kind="stable")[:, :NEIGHBOURS]
    votes = np.zeros((len(codes), kinds))
    for place in range(order.shape[1]):
        voter = order[:, place]
        allowed = may[np.arange(len(codes)), voter]
        weight = allowed / np.maximum(could[np.arange(len(codes)), codes[voter]], 1) / (1 + 1e-6 * place)
        np.add.at(votes, (np.arange(len(codes)), codes[voter]), weight)
    counted = (could[np.arange(len(codes)), codes] > 0) & ((could > 0).sum(axis=1) > 1)
    return votes.argmax(axis=1) == codes, counted


def _balanced(right: Array, codes: Array, units: Array | None, kinds: int) -> dict[str, Any]:
    """Mean over kinds of the share that is right, with an interval over units (None: over the kinds themselves)."""
    there, own = np.unique(codes, return_inverse=True)
    if units is None:
        value, low, high = mean_of_units(np.bincount(own, weights=right) / np.bincount(own), there, shares=True)
    else:
        weights = 1 / np.bincount(codes)[codes]
        value, low, high = mean_of_units(right * weights / weights.mean(), units)
    found = {"value": value, "low": max(0.0, low), "high": min(1.0, high), "chance": 1 / kinds, "n": len(codes)}
    return found | {"classes": len(there)}
