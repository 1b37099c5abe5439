"""What an item of the paper is: a table or a figure, what it claims, how it is made, and how ours is judged."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from ssrl_core.paper.evidence import Evidence
    from ssrl_core.paper.verdict import Contrast

Scale = Literal["small", "full"]
SCALES: tuple[Scale, ...] = ("small", "full")


@dataclass(frozen=True)
class Plan:
    """How an item is made at one scale.

    Attributes:
        sweeps: gives name -> sweep as plain data (CONTRACTS C5); called late, since it reads compositions.
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
    """What a comparison finds: numbers side by side, and for each claim a contrast with its verdict."""

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
    """

    id: str
    title: str
    claim: str
    plans: Mapping[Scale, Plan]
    compare: Callable[[Evidence], Outcome]
    published: Callable[[], Sequence[Row]] = list
    conflicts: str = ""
