"""What an item of the paper is: a table or a figure, what it claims, how it is made, and how ours is judged."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from ssrl_core.analysis.scores import welch

if TYPE_CHECKING:
    from ssrl_core.paper.evidence import Evidence


SHOWN, NOT_SHOWN, REVERSED, NOT_RUN = "shown", "not shown", "reversed", "not run"
VERDICTS = (SHOWN, NOT_SHOWN, REVERSED, NOT_RUN)


@dataclass(frozen=True)
class Contrast:
    """One claim.

    Attributes:
        claim: what the paper says, as a sentence.
        difference, low, high: in the direction of the claim (positive agrees), 95 %; None without two seeds a side.
        n: seeds of both sides, or what `counted` says. unit: of the difference.
        verdict: one of `VERDICTS`. reason: why there is no interval.
    """

    claim: str
    difference: float | None
    low: float | None
    high: float | None
    n: tuple[int, int]
    unit: str
    verdict: str
    reason: str = ""
    counted: str = "seeds"

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self) | {"n": list(self.n)}


def contrast(claim: str, higher: ArrayLike, lower: ArrayLike, unit: str = "") -> Contrast:
    """Is the mean of `higher` above that of `lower`, as the paper says?

    Args:
        higher, lower: one number a seed; NaN are left out.

    Returns:
        Shown where the whole interval lies above 0, reversed where it lies below, else not shown.

    Source:
        Welch's t interval (Welch 1947), which does not ask for equal variances.
    """
    a, b = _finite(higher), _finite(lower)
    n = (len(a), len(b))
    if not len(a) or not len(b):
        return Contrast(claim, None, None, None, n, unit, NOT_RUN, "no results yet")
    difference = float(a.mean() - b.mean())
    if len(a) < 2 or len(b) < 2:
        return Contrast(claim, difference, None, None, n, unit, NOT_SHOWN, "one seed: no interval")
    half = _half_width(a, b)
    low, high = difference - half, difference + half
    verdict = SHOWN if low > 0 else REVERSED if high < 0 else NOT_SHOWN
    return Contrast(claim, difference, low, high, n, unit, verdict)


def mean_above(claim: str, values: ArrayLike, level: float = 0.0, unit: str = "") -> Contrast:
    """Is the mean of `values` above a level? t interval of one sample."""
    a = _finite(values)
    if not len(a):
        return Contrast(claim, None, None, None, (0, 0), unit, NOT_RUN, "no results yet")
    difference = float(a.mean() - level)
    if len(a) < 2:
        return Contrast(claim, difference, None, None, (1, 0), unit, NOT_SHOWN, "one seed: no interval")
    half = float(special.stdtrit(len(a) - 1, 0.975) * a.std(ddof=1) / np.sqrt(len(a)))
    low, high = difference - half, difference + half
    verdict = SHOWN if low > 0 else REVERSED if high < 0 else NOT_SHOWN
    return Contrast(claim, difference, low, high, (len(a), 0), unit, verdict)


def plain_claim(claim: str, holds: bool | None, n: int = 0, *, against: bool = False, reason: str = "") -> Contrast:
    """A claim that is no difference of means (an order, a p-value): it holds, does not, or was not run.

    Args:
        against: that it does not hold means the opposite was found.
    """
    verdict = NOT_RUN if holds is None else SHOWN if holds else REVERSED if against else NOT_SHOWN
    return Contrast(claim, None, None, None, (n, 0), "", verdict, reason)


def overall(contrasts: Sequence[Contrast]) -> str:
    """The verdict of an item: shown where every claim is, reversed where one is and none is shown, else not shown."""
    found = {c.verdict for c in contrasts}
    if not found or found == {NOT_RUN}:
        return NOT_RUN
    if found == {SHOWN}:
        return SHOWN
    return REVERSED if REVERSED in found and SHOWN not in found else NOT_SHOWN


def _half_width(a: np.ndarray, b: np.ndarray) -> float:
    _, error, dof = welch(a, b)
    return float(special.stdtrit(dof, 0.975) * error) if error > 0 else 0.0


def _finite(values: ArrayLike) -> np.ndarray:
    found = np.asarray(values, dtype=np.float64).ravel()
    return found[np.isfinite(found)]


Scale = Literal["instant", "small", "full", "instant-authors", "small-authors", "full-authors"]
SCALES: tuple[Scale, ...] = ("instant", "small", "full")
"""instant: solved in closed form, not trained; small: a rehearsal for a CPU; full: the paper's experiment."""
EVERY_SCALE: tuple[Scale, ...] = (*SCALES, "instant-authors", "small-authors", "full-authors")
"""With those of the second reading (`authors`)."""


@dataclass(frozen=True)
class Plan:
    """How an item is made at one scale.

    Attributes:
        sweeps: gives name -> sweep as plain data (docs/contracts.md C5); called late, since it reads compositions.
        measures: what needs no training: name -> (kind, parameters) of `measures.KINDS`.
        needs: image sets that must be there.
        says: how it differs from the paper, or how the paper was read where it is silent.
    """

    sweeps: Callable[[], Mapping[str, Mapping[str, Any]]] = dict
    measures: Mapping[str, tuple[str, Mapping[str, Any]]] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    says: str = ""


@dataclass(frozen=True)
class Row:
    """One number of a table: published and ours. Accuracies are shares; None where there is none."""

    row: str
    column: str
    published: float | None = None
    ours: float | None = None
    sd: float | None = None
    n: int = 0


@dataclass(frozen=True)
class Outcome:
    """What a comparison finds: numbers side by side, for each claim a contrast with its verdict, and a note, whose
    lines stand alone."""

    rows: Sequence[Row] = ()
    contrasts: Sequence[Contrast] = ()
    note: str = ""


@dataclass(frozen=True)
class Item:
    """A table or figure of the paper.

    Attributes:
        id: `table-1` … `table-8`, `figure-1` … `figure-12`.
        claim: what the paper says it shows.
        published: its numbers, as `Row`s without ours.
        plans: scale -> how it is made; an item that only shows example images has none.
        compare: evidence -> outcome.
        conflicts: where the paper conflicts with itself.
        unsolved: why there is nothing to solve, for an item with plans and no scale `instant`.
        results_of: another item that has the same plans; its results that ship are this one's too.
    """

    id: str
    title: str
    claim: str
    plans: Mapping[Scale, Plan]
    compare: Callable[[Evidence], Outcome]
    published: Callable[[], Sequence[Row]] = list
    conflicts: str = ""
    unsolved: str = ""
    results_of: str = ""


PERCENT = ("top1",)


@lru_cache(maxsize=1)
def published() -> dict[str, Any]:
    """`published.json` as it is."""
    return dict(json.loads(files("ssrl_core.paper").joinpath("published.json").read_text(encoding="utf-8")))


def rows_of(table: str, keys: tuple[str, ...], columns: tuple[str, ...] | None = None) -> list[Row]:
    """Rows of a table whose keys hold a list of numbers, one a column.

    Args:
        table: e.g. `table_2_mnist`. keys: the rows; columns: names, by default those of the file. Columns named in
            `PERCENT` are divided by 100.
    """
    data = published()[table]
    names = columns or tuple(data["columns"])
    return [
        Row(key, name, value / 100 if name in PERCENT else value)
        for key in keys
        for name, value in zip(names, data[key], strict=True)
    ]


def nested_rows(table: str, group: str) -> list[Row]:
    """Rows `method backbone` of tables 3 and 4."""
    data = published()[table]
    return [
        Row(f"{group} · {method} {backbone}", column, value)
        for method, backbones in data[group].items()
        for backbone, values in backbones.items()
        for column, value in zip(data["columns"], values, strict=True)
    ]


def pretrained_rows(table: str) -> list[Row]:
    """The ImageNet rows of tables 3 and 4."""
    data = published()[table]
    return [
        Row(f"ImageNet {backbone}", column, value)
        for backbone, values in data["imagenet_pretrained"].items()
        for column, value in zip(data["columns"], values, strict=True)
    ]
