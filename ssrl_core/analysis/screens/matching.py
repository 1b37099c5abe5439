"""What a well's or treatment's nearest are: its mechanism (NSC, NSCB), its replicates, and its plate and place.

Replicates that agree: percent replicating, grit. How well plate, batch and place can be read stands beside how well
biology can (`readable`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ssrl_core.analysis.intervals import mean_of_units
from ssrl_core.analysis.screens.profiles import Profiles, places, treatment_profiles
from ssrl_core.analysis.screens.retrieval import COSINE, similarity

Array = np.ndarray[Any, Any]
_NULLS = 1000
_PERCENTILE = 95.0
Score = dict[str, Any]


@dataclass(frozen=True)
class Matches:
    """The nearest allowed neighbour of every treatment whose mechanism could be found.

    Attributes:
        table: treatment, compound, mechanism, neighbour, neighbour_mechanism, similarity, right.
        left_out: treatment, mechanism, why.
    """

    table: pd.DataFrame
    left_out: pd.DataFrame

    def score(self) -> Score:
        """{value, low, high, n, left_out}: the share that is right; compounds are the units of the interval."""
        if not len(self.table):
            return {"value": None, "low": None, "high": None, "n": 0, "left_out": _rows(self.left_out)}
        value, low, high = mean_of_units(self.table["right"], self.table["compound"], shares=True)
        return {"value": value, "low": low, "high": high, "n": len(self.table), "left_out": _rows(self.left_out)}

    def confusion(self) -> pd.DataFrame:
        """Counts: rows are true mechanisms, columns those of the nearest treatment."""
        names = sorted({*self.table["mechanism"], *self.table["neighbour_mechanism"]})
        found = pd.crosstab(self.table["mechanism"], self.table["neighbour_mechanism"])
        return found.reindex(index=names, columns=names, fill_value=0)


def _rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(k): v for k, v in row.items()} for row in table.to_dict("records")]


def nearest_mechanism(treatments: Profiles, *, measure: str = COSINE) -> Matches:
    """The mechanism of each treatment, by its nearest treatment of another compound (NSC: not same compound).

    Args:
        treatments: as `treatment_profiles` gives them; those without a mechanism take no part.

    Returns:
        A treatment whose mechanism no allowed neighbour has is not counted, as nothing could be right; it stays a
        neighbour of others.

    Source:
        Ljosa et al. 2013, J. Biomol. Screen. 18, 1321.
    """
    known = treatments.with_mechanism()
    queries = [_Query(row, known.x, np.ones(len(known.x), bool), own) for row, own in enumerate(known.x)]
    return _matches(known.table, queries, measure)


def nearest_in_other_batch(wells: Profiles, how: str = "median", *, measure: str = COSINE) -> Matches:
    """The same, by the nearest treatment of another compound in another batch (NSCB: not same compound or batch).

    A treatment that was made in several batches is asked about once for each, by its wells there; others are then
    profiled without their wells of that batch. It is right by the share of its batches that are.

    Args:
        wells: with `batch` in their table.
        how: wells become treatments by this (recipe: `treatments`).

    Source:
        Ando, McLean & Berndl 2017, where every treatment has one batch.
    """
    known = treatment_profiles(wells, how).with_mechanism()
    batches = [own.split("\n") for own in known.table["batches"]]
    several = wells.of(
        wells.table["treatment"].isin(known.table["treatment"][[len(b) > 1 for b in batches]]).to_numpy()
    )
    queries = []
    for batch in sorted({one for own in batches for one in own}):
        within, without = (_profiles_by_name(several, how, mask) for mask in _inside(several, batch))
        others = np.array([without.get(name, row) for name, row in zip(known.table["treatment"], known.x, strict=True)])
        elsewhere = np.array([own != [batch] for own in batches])
        for row in (row for row, own in enumerate(batches) if batch in own):
            own = within.get(known.table["treatment"][row], known.x[row])
            queries.append(_Query(row, others, elsewhere, own))
    return _matches(known.table, queries, measure)


@dataclass(frozen=True)
class _Query:
    """A row that is asked about, profiles of all rows as neighbours, which of them may be, and its own profile."""

    row: int
    others: Array
    allowed: Array
    own: Array


def _inside(wells: Profiles, batch: str) -> tuple[Array, Array]:
    own = (wells.table["batch"].astype(str) == batch).to_numpy(bool)
    return own, ~own


def _profiles_by_name(wells: Profiles, how: str, rows: Array) -> dict[str, Array]:
    found = treatment_profiles(wells.of(rows), how)
    return dict(zip(found.table["treatment"], found.x, strict=True))


def _matches(table: pd.DataFrame, queries: list[_Query], measure: str) -> Matches:
    """The nearest allowed neighbour of each query, put together by treatment."""
    compounds, mechanism = table["compound"].to_numpy(), table["mechanism"].to_numpy()
    found: dict[int, list[tuple[float, int]]] = {}
    for one in queries:
        allowed = one.allowed & (compounds != compounds[one.row])
        if (mechanism[allowed] == mechanism[one.row]).any():
            near = np.where(allowed, similarity(one.own[None], one.others, measure)[0], -np.inf)
            best = int(np.argmax(near))
            found.setdefault(one.row, []).append((float(near[best]), best))
    rows, left_out = [], []
    for row, name in enumerate(table["treatment"]):
        head = {"treatment": name, "mechanism": mechanism[row]}
        if row not in found:
            elsewhere = ((mechanism == mechanism[row]) & (compounds != compounds[row])).any()
            why = "no other compound of its mechanism" + (" in another batch" if elsewhere else "")
            left_out.append(head | {"why": why})
            continue
        alike, best = max(found[row])
        told = {"neighbour": table["treatment"][best], "neighbour_mechanism": mechanism[best], "similarity": alike}
        right = float(np.mean([mechanism[place] == mechanism[row] for _, place in found[row]]))
        rows.append(head | {"compound": compounds[row]} | told | {"right": right})
    columns = ["treatment", "mechanism", "compound", "neighbour", "neighbour_mechanism", "similarity", "right"]
    missing = pd.DataFrame(left_out, columns=["treatment", "mechanism", "why"])
    return Matches(pd.DataFrame(rows, columns=columns), missing)


def drop(nsc: Matches, nscb: Matches) -> Score:
    """How much of NSC is lost where the batch may not help: {value, low, high, n} on treatments that both count."""
    both = nsc.table.merge(nscb.table, on=["treatment", "compound"], suffixes=("", "_b"))
    if not len(both):
        return {"value": None, "low": None, "high": None, "n": 0}
    lost = both["right"] - both["right_b"]
    value, low, high = mean_of_units(lost, both["compound"])
    return {"value": value, "low": low, "high": high, "n": len(both)}


def replicating(wells: Profiles, *, measure: str = COSINE, seed: int = 0) -> Score:
    """Percent replicating: share of treatments whose replicates agree more than 95 % of sets of other wells do.

    Agreement is the median correlation between pairs of wells; a set by chance has as many wells, each of another
    treatment. For a cell count it is minus the difference.

    Returns:
        {value, low, high, n, threshold}; compounds are the units of the interval.
    """
    treated = wells.of(~wells.table["untreated"].to_numpy(bool))
    codes, names = pd.factorize(treated.table["treatment"])
    sizes = np.bincount(codes, minlength=len(names))
    usable = np.flatnonzero(sizes > 1)
    if len(usable) < 2:
        return {"value": None, "low": None, "high": None, "n": len(usable), "threshold": None}
    agree = correlation(treated.x, measure)
    medians = np.array([_median_pair(agree, np.flatnonzero(codes == name)) for name in usable])
    count, chance = int(np.median(sizes[usable])), np.random.default_rng(seed)
    count = min(count, len(names))
    nulls = []
    for _ in range(_NULLS):
        chosen = chance.permutation(len(names))[:count]
        nulls.append(_median_pair(agree, np.array([chance.choice(np.flatnonzero(codes == c)) for c in chosen])))
    threshold = float(np.percentile(nulls, _PERCENTILE))
    compounds = treated.table["compound"].groupby(codes).first().to_numpy()[usable]
    value, low, high = mean_of_units(medians > threshold, compounds, shares=True)
    return {"value": value, "low": low, "high": high, "n": len(usable), "threshold": threshold}


def correlation(x: Array, measure: str = COSINE) -> Array:
    """(w, w) Pearson correlation of profiles; minus their difference where they are one number."""
    own = x - x.mean(axis=1, keepdims=True) if measure == COSINE else x
    return similarity(own, own, measure)


def _median_pair(agree: Array, rows: Array) -> float:
    upper = np.triu_indices(len(rows), 1)
    return float(np.median(agree[np.ix_(rows, rows)][upper]))


def grit(wells: Profiles, *, measure: str = COSINE) -> pd.DataFrame:
    """Grit of every treatment: by how many standard deviations its wells are more alike than to untreated ones.

    Of each well the correlations with the other wells of its treatment are set in units of those with untreated wells
    (mean 0, standard deviation 1), and averaged; then over the wells.

    Returns:
        treatment, compound, grit; NaN with one well or fewer than two untreated ones.

    Source:
        Grit as in cytominer-eval: standard scores against control perturbations, replicates by their mean.
    """
    none = wells.table["untreated"].to_numpy(bool)
    agree, rows = correlation(wells.x, measure), []
    for name, own in wells.table[~none].groupby("treatment").groups.items():
        places = np.asarray(own)
        rows.append(
            {"treatment": name, "compound": wells.table["compound"][places[0]], "grit": _grit(agree, places, none)}
        )
    return pd.DataFrame(rows, columns=["treatment", "compound", "grit"])


def _grit(agree: Array, own: Array, none: Array) -> float:
    if len(own) < 2 or none.sum() < 2:
        return float("nan")
    found = []
    for well in own:
        beside, others = agree[well, none], agree[well, own[own != well]]
        if beside.std() > 0:
            found.append(((others - beside.mean()) / beside.std()).mean())
    return float(np.mean(found)) if found else float("nan")


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
