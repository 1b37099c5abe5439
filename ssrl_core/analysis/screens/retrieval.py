"""Mean average precision: do replicates of a treatment find each other before untreated wells, mechanisms each other?

The probability of a score by chance comes from exchanging labels, never from a formula: wells of a treatment with
untreated wells of the same plates, compounds with other compounds. Where there are few ways to exchange them, each is
tried, and the smallest probability that can come out is said: a small screen cannot give a small one.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, product
from math import comb, prod
from typing import Any

import numpy as np
import pandas as pd

from ssrl_core.analysis.intervals import false_discovery
from ssrl_core.analysis.screens.profiles import Profiles

Array = np.ndarray[Any, Any]
COSINE, DIFFERENCE = "cosine", "difference"
EVERY = 5_000
"""Ways to exchange labels up to which each is tried; else as many as this are drawn by chance."""
_WORK, _FEWEST = 5e7, 200
SIGNIFICANT = 0.05


def similarity(x: Array, y: Array, measure: str = COSINE) -> Array:
    """(n, m) how alike profiles are.

    Args:
        measure: `cosine`; or `difference`, minus the Euclidean distance, for the one number that a cell count is.
    """
    if measure == DIFFERENCE:
        from scipy.spatial.distance import cdist

        return np.asarray(-cdist(x, y))
    unit = [a / np.maximum(np.linalg.norm(a, axis=1, keepdims=True), 1e-300) for a in (x, y)]
    return np.asarray(unit[0] @ unit[1].T)


def expected_precision(positive: Array, total: Array) -> Array:
    """Average precision that a random order has in the mean.

    Args:
        positive, total: numbers of positives, and of all that are ranked.

    Source:
        E[AP] = ((M - 1) / (L - 1) · (L - H_L) + H_L) / L for M positives among L, H_L the L-th harmonic number.
    """
    from scipy.special import digamma

    m, n = np.asarray(positive, float), np.asarray(total, float)
    harmonic = digamma(n + 1) + np.euler_gamma
    with np.errstate(divide="ignore", invalid="ignore"):
        found = ((m - 1) / np.maximum(n - 1, 1) * (n - harmonic) + harmonic) / n
    return np.asarray(np.where(m >= n, 1.0, found))


def ranked(similar: Array, seed: int = 0) -> Array:
    """(n, n - 1) for each row the others, most alike first; ties in an order drawn by chance, not by labels."""
    chance = np.random.default_rng(seed).permutation(len(similar))
    order = np.lexsort((np.broadcast_to(chance, similar.shape), -similar), axis=1)
    own = order != np.arange(len(similar))[:, None]
    return np.asarray(order[own].reshape(len(similar), -1))


def precision(positive: Array, listed: Array) -> Array:
    """Average precision along the last axis.

    Args:
        positive, listed: (…, n) bool in ranked order: what is to be found, and what is ranked at all.

    Returns:
        (…) float; NaN where there is nothing to find.
    """
    hits = np.cumsum(positive, axis=-1, dtype=np.int32)
    place = np.maximum(np.cumsum(listed | positive, axis=-1, dtype=np.int32), 1)
    found = (positive * (hits / place)).sum(axis=-1)
    with np.errstate(invalid="ignore"):
        return np.asarray(found / hits[..., -1])


def activity(wells: Profiles, *, measure: str = COSINE, seed: int = 0) -> pd.DataFrame:
    """Of every treatment: do its wells find each other before untreated wells of their own plates?

    Args:
        wells: with untreated ones among them.
        seed: of the exchanges that are drawn.

    Returns:
        a row a treatment: treatment, compound, dose, mechanism, wells, controls, map, map_normalised (0 = chance), p,
        least (the smallest p possible), q (Benjamini & Hochberg), active; `why` where it has no score.

    Source:
        mAP as in copairs: positives are wells of the treatment, negatives untreated wells of the query's plate.
    """
    table = wells.table
    none, plates = table["untreated"].to_numpy(bool), pd.factorize(table["plate"])[0]
    rows = []
    groups = table[~none].groupby("treatment", sort=True).indices
    treated = np.flatnonzero(~none)
    for name, own in groups.items():
        about = table.iloc[treated[own[0]]]
        head = {"treatment": name, **{c: about[c] for c in ("compound", "dose", "mechanism")}, "wells": len(own)}
        rows.append(head | _activity(wells.x, treated[own], none, plates, measure, seed))
    columns = ["treatment", "compound", "dose", "mechanism", "wells", "controls", "map", "map_normalised", "p", "least"]
    return _counted(pd.DataFrame(rows, columns=[*columns, "why"]))


def _activity(x: Array, own: Array, none: Array, plates: Array, measure: str, seed: int) -> dict[str, Any]:
    with_controls = np.isin(plates[own], plates[none])
    if len(own) < 2 or with_controls.sum() < 2:
        why = "one well only: nothing to compare it with" if len(own) < 2 else "no untreated wells on its plates"
        return {"controls": 0, "why": why}
    own = own[with_controls]
    pool = np.concatenate([own, np.flatnonzero(none & np.isin(plates, plates[own]))])
    order = ranked(similarity(x[pool], x[pool], measure), seed)
    on = plates[pool]
    counts = {plate: (int((plates[own] == plate).sum()), int((on == plate).sum())) for plate in np.unique(on)}
    ways = prod(comb(total, taken) for taken, total in counts.values())
    draws = _draws(len(own) * len(pool))
    batches = _every_way(on, counts) if ways <= draws else _drawn_ways(on, counts, draws, seed)
    nulls = np.concatenate([_precisions(chosen, order, on).mean(axis=1) for chosen in _in_blocks(batches, len(pool))])
    found = _precisions(np.arange(len(own))[None], order, on)[0]
    return {
        "controls": len(pool) - len(own),
        "map": float(found.mean()),
        "map_normalised": float(_normal(found, _expected(own, plates, none)).mean()),
        "p": float((nulls >= found.mean() - 1e-9).mean()),
        "least": 1 / min(ways, draws + 1),
        "why": None,
    }


def _draws(work: int) -> int:
    """How many exchanges are tried at most, by what each costs."""
    return min(EVERY, max(_FEWEST, int(_WORK / max(1, work))))


def _expected(own: Array, plates: Array, none: Array) -> Array:
    controls = np.array([(none & (plates == plate)).sum() for plate in plates[own]])
    return expected_precision(np.full(len(own), len(own) - 1), len(own) - 1 + controls)


def _normal(found: Array, expected: Array) -> Array:
    return np.where(expected < 1, (found - expected) / np.maximum(1 - expected, 1e-10), 0.0)


def _every_way(on: Array, counts: dict[Any, tuple[int, int]]) -> Iterator[Array]:
    """Each choice of as many wells of each plate as the treatment has."""
    per_plate = [combinations(np.flatnonzero(on == plate).tolist(), taken) for plate, (taken, _) in counts.items()]
    return (np.array([well for part in chosen for well in part]) for chosen in product(*per_plate))


def _drawn_ways(on: Array, counts: dict[Any, tuple[int, int]], draws: int, seed: int) -> Iterator[Array]:
    """The choice as it is, then others by chance."""
    chance, parts = np.random.default_rng(seed), []
    for plate, (taken, total) in counts.items():
        order = chance.permuted(np.tile(np.arange(total), (draws, 1)), axis=1)[:, :taken]
        parts.append(np.flatnonzero(on == plate)[order])
    yield np.arange(sum(taken for taken, _ in counts.values()))
    yield from np.concatenate(parts, axis=1)


def _in_blocks(ways: Iterator[Array], width: int) -> Iterator[Array]:
    """(b, n) choices, so many at a time that they stay small."""
    block: list[Array] = []
    for one in ways:
        block.append(one)
        if len(block) * len(one) * width > 2_000_000:
            yield np.stack(block)
            block = []
    if block:
        yield np.stack(block)


def _precisions(chosen: Array, order: Array, on: Array) -> Array:
    """(b, n) average precision of each of chosen wells (b, n) of a pool, against those of its plate not chosen."""
    member = np.zeros((len(chosen), len(on)), bool)
    np.put_along_axis(member, chosen, True, axis=1)
    near = order[chosen]
    positive = np.take_along_axis(member[:, None], near.reshape(len(chosen), 1, -1), axis=2).reshape(near.shape)
    listed = on[near] == on[chosen][..., None]
    return precision(positive, listed)


def consistency(treatments: Profiles, *, measure: str = COSINE, seed: int = 0) -> pd.DataFrame:
    """Of every mechanism: do its treatments find those of its other compounds before those of other mechanisms?

    Treatments of the same compound are neither to be found nor in the way. By chance: compounds change places with
    compounds, all doses together.

    Returns:
        a row a mechanism: mechanism, compounds, treatments, map, map_normalised, p, least, q, active; `why` where it
        has no score (one compound only).
    """
    known = treatments.with_mechanism()
    columns = ["mechanism", "compounds", "treatments", "map", "map_normalised", "p", "least", "why"]
    if not len(known.table):
        return _counted(pd.DataFrame(columns=columns))
    compounds = pd.factorize(known.table["compound"])[0]
    of = known.table.groupby(compounds)["mechanism"].first().to_numpy()
    order = ranked(similarity(known.x, known.x, measure), seed)
    rows = [_consistency(str(m), of == m, compounds, order, seed) for m in sorted(set(of))]
    return _counted(pd.DataFrame(rows, columns=columns))


def _consistency(name: str, inside: Array, compounds: Array, order: Array, seed: int) -> dict[str, Any]:
    count, total = int(inside.sum()), len(inside)
    head = {"mechanism": name, "compounds": count, "treatments": int(inside[compounds].sum())}
    if count < 2:
        return head | {"why": "one compound only: no other to find"}
    if count == total:
        return head | {"why": "there is no other mechanism"}
    queries = np.flatnonzero(inside[compounds])
    own, expected = _found_of(inside, queries, compounds, order)
    ways = comb(total, count)
    draws = _draws(len(queries) * len(compounds))
    chosen = combinations(range(total), count) if ways <= draws else _drawn_compounds(inside, draws, seed)
    nulls = []
    for one in chosen:
        member = np.zeros(total, bool)
        member[list(one)] = True
        nulls.append(_found_of(member, np.flatnonzero(member[compounds]), compounds, order)[0].mean())
    return head | {
        "map": float(own.mean()),
        "map_normalised": float(_normal(own, expected).mean()),
        "p": float((np.array(nulls) >= own.mean() - 1e-9).mean()),
        "least": 1 / min(ways, draws + 1),
        "why": None,
    }


def _drawn_compounds(inside: Array, draws: int, seed: int) -> Iterator[Array]:
    chance, count = np.random.default_rng(seed), int(inside.sum())
    yield np.flatnonzero(inside)
    for _ in range(draws):
        yield chance.choice(len(inside), count, replace=False)


def _found_of(inside: Array, queries: Array, compounds: Array, order: Array) -> tuple[Array, Array]:
    """Average precision of some treatments, whose compounds are inside, and what chance gives."""
    near = order[queries]
    other = compounds[near] != compounds[queries][:, None]
    positive = inside[compounds[near]] & other
    return precision(positive, other), expected_precision(positive.sum(axis=1), other.sum(axis=1))


def _counted(table: pd.DataFrame) -> pd.DataFrame:
    """With q, the share of false among those called so far down, and whether it is below 0.05."""
    found = table.astype(dict.fromkeys(("map", "map_normalised", "p", "least"), float))
    found["q"] = false_discovery(found["p"].to_numpy())
    found["active"] = (found["q"] < SIGNIFICANT).to_numpy(bool)
    return found
