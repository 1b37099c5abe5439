"""What the colours of a map mean: a group for each point or a value on a scale, and the table of what there is.

A new colour of the map is a function that makes a `Facet` and a row of `COLOURS`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from pages.ui.kit import cache
from pages.ui.kit.blocks import Array
from pages.ui.map.evaluated import EvaluatedRun
from pages.ui.map.names import ClusteredRun
from ssrl_core.figures.style import palette

MOST_CATEGORIES = 200
_FEW_NUMBERS = 12  # a column of numbers with more different values is a scale, not a set of groups
CLUSTER = "cluster"


@dataclass(frozen=True)
class Facet:
    """What each point is in one respect: a group, or a value on a scale.

    Attributes:
        title: the respect, e.g. "cluster".
        codes: (n,) int32 place in `names`, -1 for none; None for a scale.
        names, colours: of the groups.
        values: (n,) float32, NaN for none; None for groups.
    """

    title: str
    codes: Array | None = None
    names: tuple[str, ...] = ()
    colours: tuple[str, ...] = ()
    values: Array | None = None

    @cached_property
    def digest(self) -> str:
        """Changes with everything that is in it."""
        content = hashlib.blake2b(repr((self.title, self.names, self.colours)).encode(), digest_size=8)
        for part in (self.codes, self.values):
            if part is not None:
                content.update(np.ascontiguousarray(part).data)
        return content.hexdigest()


@dataclass(frozen=True)
class Colour:
    """One kind of colours.

    Attributes:
        names: what it offers for a run, as the page's list shows them.
        facet: one of those.
    """

    names: Callable[[EvaluatedRun], Sequence[str]]
    facet: Callable[[ClusteredRun, str], Facet]


def groups(title: str, codes: Array, names: Sequence[str], colours: Sequence[str] | None = None) -> Facet:
    """A facet of groups that are numbered already."""
    return Facet(title, np.asarray(codes, np.int32), tuple(names), tuple(colours or palette(len(names))))


def facet_of(title: str, column: pd.Series) -> Facet:
    """A column as a facet: numbers with many values are a scale, everything else is groups.

    More than 200 groups keep the 199 largest; the others are one group, "other".
    """
    numeric = pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)
    if numeric and column.nunique() > _FEW_NUMBERS:
        return Facet(title, values=column.to_numpy(dtype=np.float32, na_value=np.nan))
    keys, values = pd.factorize(column if numeric else column.where(column.isna(), column.astype(str)), sort=True)
    counts = np.bincount(keys[keys >= 0], minlength=len(values))
    kept = np.ones(len(values), bool)
    if len(values) > MOST_CATEGORIES:
        kept[np.argsort(-counts, kind="stable")[MOST_CATEGORIES - 1 :]] = False
    place = np.where(kept, np.cumsum(kept) - 1, kept.sum()).astype(np.int32)
    codes = np.where(keys >= 0, place[keys] if len(values) else -1, -1)
    names = [f"{v:g}" if numeric else str(v) for v, keep in zip(values, kept, strict=True) if keep]
    return groups(title, codes, names + ([] if kept.all() else ["other"]))


def by_cluster(of: ClusteredRun, title: str = CLUSTER) -> Facet:
    """The clusters, with their names; a cluster keeps its colour whatever the others are."""
    every = range(of.clustering.k)
    return groups(title, of.clustering.ids, [of.names.short(c) for c in every], [of.names.colour(c) for c in every])


@cache.kept
def _by_class(run: EvaluatedRun, name: str) -> Facet:
    """The labels, in the colours that these classes have everywhere."""
    assert run.labels is not None
    return groups(name, run.labels, run.imageset.classes)


@cache.kept(least=8)
def _by_column(run: EvaluatedRun, name: str) -> Facet:
    """A column of the table: what is known of the images, or what was measured on them."""
    return facet_of(name, run.table[name])


COLOURS: tuple[Colour, ...] = (
    Colour(names=lambda run: [CLUSTER], facet=lambda of, name: by_cluster(of)),
    Colour(names=lambda run: [run.label] if run.label else [], facet=lambda of, name: _by_class(of.run, name)),
    Colour(
        names=lambda run: [name for name in run.columns if name != run.label],
        facet=lambda of, name: _by_column(of.run, name),
    ),
)


def colour_names(run: EvaluatedRun) -> list[str]:
    """Everything that a map of this run can be coloured by."""
    return [name for colour in COLOURS for name in colour.names(run)]


def colour_by(of: ClusteredRun, name: str) -> Facet:
    """What the colours of that name mean.

    Raises:
        KeyError: nothing of this run has that name.
    """
    for colour in COLOURS:
        if name in colour.names(of.run):
            return colour.facet(of, name)
    raise KeyError(name)


def hover_facets(of: ClusteredRun, first: str) -> tuple[Facet, ...]:
    """What a map tells of a point: what its colours mean first, then its label and cluster."""
    others = [name for name in (of.run.label, CLUSTER) if name and name != first]
    return tuple(colour_by(of, name) for name in (first, *others))
