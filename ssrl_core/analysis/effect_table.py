"""What sets clusters apart in everything that is known of their images: columns, descriptors, compounds with doses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ssrl_core.analysis.descriptors import descriptor, titled
from ssrl_core.analysis.effects import Effect, Units, number_effects, share_effects, units_of, value_effects
from ssrl_core.analysis.matrix import drawn_rows
from ssrl_core.datasets.columns import doses_of

COLUMN = "compound, dose"
UNTREATED = "untreated"
_MOST = 6  # compounds of a cluster that are looked at closely: those of the largest differences


@dataclass(frozen=True)
class Treated:
    """What every image was treated with.

    Attributes:
        compounds: (n,) int, -1 for none known; names of them.
        doses: (n,) float, NaN where not known; 0 where untreated.
        unit: of the doses, "" where not known.
    """

    compounds: NDArray[np.int64]
    names: tuple[str, ...]
    doses: NDArray[np.float64]
    unit: str = ""


def treated(table: pd.DataFrame, doses: NDArray[np.float64]) -> Treated:
    """The treatments of a table with a column `compound`, and `dose_unit` where it is known.

    Cells at dose 0 of a compound that others got more of are untreated, not the compound's.

    Args:
        doses: (n,) dose of each row (`datasets.conditions.doses_of`).
    """
    given = table["compound"]
    text = np.where(given.isna(), "", given.astype(str)).astype(str)
    given_at_all = pd.Series(np.asarray(doses, float) > 0).groupby(text).transform("any").to_numpy()
    text = np.where((doses == 0) & given_at_all & ~given.isna(), UNTREATED, text)
    names, codes = np.unique(text, return_inverse=True)
    codes = np.where(given.isna(), -1, codes)
    units = list(table["dose_unit"].dropna().unique()) if "dose_unit" in table else []
    unit = str(units[0]) if len(units) == 1 else ""
    return Treated(codes.astype(np.int64), tuple(str(name) for name in names), np.asarray(doses, float), unit)


def dose_effects(given: Treated, ids: NDArray[np.int32], k: int, units: Units) -> list[list[Effect]]:
    """Of each cluster the compounds that it has more of, each from the dose on that tells it best from the rest.

    For every compound the images at or above each of its doses are counted, and the dose is taken from which on the
    shares in the cluster and elsewhere differ most: the lowest of those that are as good, none where all doses belong.
    Shares are of all images of a cluster, so a dose that few images have cannot win.

    Args:
        ids: (n,) cluster, -1 for none.

    Returns:
        for each cluster its effects, the largest difference first. The interval is that of the chosen dose; that it was
        chosen on the same images makes it a little too narrow.
    """
    known = given.compounds >= 0
    chosen: dict[tuple[int, float], list[int]] = {}
    for c, starts in enumerate(_best_starts(given, known, ids, k)):
        for best in starts:
            chosen.setdefault(best, []).append(c)
    found: list[list[Effect]] = [[] for _ in range(k)]
    for (code, start), clusters in chosen.items():
        is_it = (given.compounds == code) & (np.isneginf(start) | (given.doses >= start))
        effects = share_effects(is_it, known, COLUMN, _words(given, code, start), ids, k, units)
        for c in clusters:
            found[c].append(effects[c])
    return [sorted(effects, key=lambda e: -e.effect) for effects in found]


def _best_starts(
    given: Treated, known: NDArray[np.bool_], ids: NDArray[np.int32], k: int
) -> list[list[tuple[int, float]]]:
    """For each cluster its compounds of largest difference, each with its lowest dose (-inf: all of them)."""
    sizes = np.bincount(ids[known & (ids >= 0)], minlength=k).astype(float)
    total = float(known.sum())
    best: list[list[tuple[float, int, float]]] = [[] for _ in range(k)]
    for code in range(len(given.names)):
        rows = np.flatnonzero(given.compounds == code)
        starts = _starts(given.doses[rows])
        here, every = _at_or_above(given.doses[rows], ids[rows], starts, k)
        with np.errstate(divide="ignore", invalid="ignore"):
            differs = here / sizes - (every[:, None] - here) / (total - sizes)
        differs = np.nan_to_num(differs, nan=-1.0)
        for c, at in enumerate(differs.argmax(axis=0)):
            best[c].append((-float(differs[at, c]), code, float(starts[at])))
    return [[(code, start) for less, code, start in sorted(own)[:_MOST] if less < 0] for own in best]


def _at_or_above(
    doses: NDArray[np.float64], ids: NDArray[np.int32], starts: NDArray[np.float64], k: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(levels, k), (levels,): images at or above each start, in each cluster and in all."""
    level = np.where(np.isfinite(doses), np.searchsorted(starts, doses, side="right") - 1, 0)
    inside = ids >= 0
    counts = np.bincount(level[inside] * k + ids[inside], minlength=len(starts) * k).reshape(len(starts), k)
    every = np.bincount(level, minlength=len(starts))
    return np.cumsum(counts[::-1], axis=0)[::-1].astype(float), np.cumsum(every[::-1])[::-1].astype(float)


def _starts(doses: NDArray[np.float64]) -> NDArray[np.float64]:
    """-inf for all, then each dose from which on fewer are counted."""
    levels = _levels(doses)
    every = bool(len(levels) and (doses >= levels[0]).all())
    return np.concatenate([[-np.inf], levels[1:] if every else levels])


def _levels(doses: NDArray[np.float64]) -> NDArray[np.float64]:
    """The doses above 0 that there are, ascending."""
    return np.unique(doses[np.isfinite(doses) & (doses > 0)])


def _words(given: Treated, code: int, start: float) -> str:
    if np.isneginf(start):
        return given.names[code]
    amount = f"≥ {start:g} {given.unit}" if given.unit else f"at dose ≥ {start:g}"
    return f"{given.names[code]} {amount}"


MOST_ROWS = 200_000
_FEW_NUMBERS = 12  # a column of numbers with more different values is a scale, not a set of values
_MOST_VALUES = 4  # values of a column that are looked at closely for each cluster
UNITS = ("plate", "well", "site", "replicate", "x_px", "y_px", "dose_unit")


@dataclass(frozen=True)
class ClusterEffects:
    """The effects of each cluster, the units that their intervals vary, and how many images (of `n`) were looked at."""

    effects: list[list[Effect]]
    units: Units
    taken: int
    n: int

    @property
    def rests_on(self) -> str:
        """What the intervals rest on, in words."""
        sample = f" Taken on {self.taken:,} images drawn by chance.".replace(",", " ") if self.taken < self.n else ""
        if self.units.few:
            return f"{self.units.count} {self.units.name} are too few for an interval." + sample
        if self.units.name == "images":
            return "Intervals (95 %) take images as what varies, as no wells or plates are known." + sample
        return (
            f"Intervals (95 %) take whole {self.units.name} ({self.units.count}) as what varies: cells of one are not "
            "replicates." + sample
        )


def cluster_effects(
    table: pd.DataFrame,
    columns: Sequence[str],
    ids: NDArray[np.int32],
    k: int,
    *,
    seed: int = 0,
) -> ClusterEffects:
    """The effects of every column in every cluster.

    Args:
        table: (n rows) what is known of the images; `plate` and `well` are what intervals take as varying.
        columns: those that are compared; columns that say where an image comes from are passed over. Compound and dose
            are one statement, and the dose alone, which compares amounts of different compounds, is none.
        ids: (n,) cluster, -1 for none.
        seed: of the rows that are drawn where there are more than 200,000.
    """
    rows = drawn_rows(len(table), MOST_ROWS, seed)
    own, at = table.iloc[rows].reset_index(drop=True), ids[rows]
    units = units_of(own[[c for c in ("plate", "well") if c in own]])
    joined = {"compound", "dose"} <= set(own) and own["compound"].nunique() > 1
    found: list[list[Effect]] = [[] for _ in range(k)]
    for name in columns:
        if name in UNITS or (joined and name in ("compound", "dose")):
            continue
        for c, effects in enumerate(_column(own[name], name, at, k, units)):
            found[c] += effects
    if joined:
        for c, effects in enumerate(dose_effects(treated(own, doses_of(own)), at, k, units)):
            found[c] += effects
    return ClusterEffects(found, units, len(rows), len(table))


def is_scale(column: pd.Series) -> bool:
    """Whether a column is numbers with many values."""
    numeric = pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)
    return bool(numeric and column.nunique() > _FEW_NUMBERS)


def _column(column: pd.Series, name: str, ids: NDArray[np.int32], k: int, units: Units) -> list[list[Effect]]:
    """The effects of one column, by cluster."""
    if is_scale(column):
        values = column.to_numpy(dtype=np.float32, na_value=np.nan)
        return [[effect] for effect in number_effects(values, name, ids, k, units)]
    codes, names = pd.factorize(column, sort=True)
    kept = _informative_values(codes, len(names), ids, k)
    place = np.full(len(names) + 1, len(kept), np.int32)
    place[kept] = np.arange(len(kept))
    place[-1] = -1  # no value
    words = tuple(_value_words(name, names[code]) for code in kept)
    by_value = value_effects(place[codes], words, name, ids, k, units)
    return [[row[c] for row in by_value] for c in range(k)]


def _informative_values(codes: NDArray[np.int64], count: int, ids: NDArray[np.int32], k: int) -> NDArray[np.int64]:
    """The values whose share differs most in some cluster, ascending."""
    inside = (codes >= 0) & (ids >= 0)
    table = np.bincount(codes[inside] * k + ids[inside], minlength=count * k).reshape(count, k).astype(float)
    every = np.bincount(codes[codes >= 0], minlength=count).astype(float)[:, None]
    sizes, total = table.sum(axis=0), every.sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        differs = np.nan_to_num(np.abs(table / sizes - (every - table) / (total - sizes)))
    return np.unique(np.argsort(-differs, axis=0, kind="stable")[:_MOST_VALUES])


def _value_words(column: str, value: object) -> str:
    if isinstance(value, bool | np.bool_):
        return column if value else f"not {column}"
    if isinstance(value, int | float | np.number):
        return f"{column} {float(value):g}"
    text = str(value)
    return f"{column} {text}" if text.replace(".", "").replace("-", "").isdigit() else text


SMALL = 0.15  # Cliff's delta below which a difference is not worth a word (Romano 2006: 0.147)
LARGE = 0.47
_LEAST_SHARE = 0.15
_LARGE_SHARE = 0.33  # a difference of shares that is told even where it was seen in too few wells
_MOST_NUMBERS, _MOST_IN_SENTENCE = 3, 2


def sentence(
    effects: Sequence[Effect],
    *,
    units: str = "images",
    number_words: Mapping[str, tuple[str, str]] | None = None,
) -> str:
    """The clearest differences in words; "" where nothing sets the cluster apart.

    A value is said with its share here and elsewhere, and the interval of their difference in points. One that is much
    more frequent here, but was seen in too few wells to be sure of, is said with that doubt.

    Args:
        units: what intervals take as varying, in words ("wells").
        number_words: {column: (more, less)} for columns that are no descriptors.
    """
    numbers = [e for e in effects if e.value is None and e.clear and abs(e.effect) >= SMALL]
    values = [e for e in effects if e.value is not None and e.effect > 0 and (e.clear or _doubtful(e, units))]
    values = [e for e in values if e.here >= _LEAST_SHARE and e.here >= 1.3 * e.rest]
    numbers.sort(key=lambda e: -abs(e.effect))
    values.sort(key=lambda e: -e.effect)
    first = ", ".join(_number(e, number_words or {}) for e in numbers[:_MOST_NUMBERS])
    second = ", ".join(_value(e, units) for e in values[:_MOST_IN_SENTENCE])
    return "; ".join(part for part in (first, second) if part)


def evidence(effects: Sequence[Effect], *, units: str = "images", most: int = 6) -> list[str]:
    """The largest differences with their sizes and intervals, a line each, for who wants to know how sure they are."""
    told = [e for e in effects if e.n and (e.value is None or e.effect > 0) and abs(e.effect) >= SMALL]
    return [_evidence(e, units) for e in sorted(told, key=lambda e: -abs(e.effect))[:most]]


def _doubtful(effect: Effect, units: str) -> bool:
    told = effect.low is not None or effect.seen_in == 1
    return units != "images" and told and not effect.clear and effect.effect >= _LARGE_SHARE


def _value(effect: Effect, units: str) -> str:
    beside = f"{_percent(effect.rest)} elsewhere"
    if effect.low is not None and effect.high is not None:
        beside += f"; {_points(effect.low)} to {_points(effect.high)}"
    if not effect.clear:
        beside = f"{_percent(effect.rest)} elsewhere; seen in {_count(effect.seen_in, units)} only"
    return f"{_percent(effect.here)} {effect.value} ({beside})"


def _evidence(effect: Effect, units: str) -> str:
    where = f", {_count(effect.seen_in, units)}" if units != "images" else ""
    sure = effect.low is not None and effect.high is not None
    if effect.value is None:
        interval = f" ({effect.low:.2f} to {effect.high:.2f}{where})" if sure else where
        level = f"median {effect.here:.3g} here, {effect.rest:.3g} elsewhere"
        return f"{titled(effect.column, 'column')}: {level}; Cliff's delta {effect.effect:.2f}{interval}".replace(
            "-", "−"
        )
    interval = f" (95 % {_points(effect.low or 0)} to {_points(effect.high or 0)}{where})" if sure else where
    level = f"{_percent(effect.here)} here, {_percent(effect.rest)} elsewhere"
    return f"{effect.value}: {level}; {_points(effect.effect)} points{interval}"


def _points(difference: float) -> str:
    return f"{100 * difference:+.0f}".replace("-", "−")


def _count(count: int, units: str) -> str:
    return f"{count} {units}" if count != 1 else f"1 {units.removesuffix('s')}"


def _number(effect: Effect, words: Mapping[str, tuple[str, str]]) -> str:
    row = descriptor(effect.column)
    said = titled(effect.column, "column")
    more, less = (row.more, row.less) if row else words.get(effect.column, (f"higher {said}", f"lower {said}"))
    word = more if effect.effect > 0 else less
    return f"much {word}" if abs(effect.effect) >= LARGE and word.split()[0] not in ("more", "less") else word


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.01 or share == 0 else "<1 %"
