"""What the map in the browser is sent: places, colours and pictures, blocks of bytes under names of their content.

They are sent once; the map itself is sent only their names and what is selected, so that a selection among a million
points costs a tenth of a megabyte. A new colour of the map is a function that makes a `Facet` and a row of `COLOURS`.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from pages.ui.kit import cache
from pages.ui.kit.gallery import Array, as_sheet, encode, pack, thumbnails
from pages.ui.map.evaluated import ClusteredRun, EvaluatedRun
from ssrl_core.datasets.imageset import ImageSet
from ssrl_core.figures.style import VIRIDIS, palette

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


_GRID = 65535
_MISSING = 65535
MOST_IMAGES = 25_000  # beyond, one image file would be too large for a browser: a click still shows the image
_MOST_SIDE, _LEAST_SIDE = 64, 16
_MOST_PIXELS = 14_000_000
_SHARP_SIDE = 48


@dataclass(frozen=True)
class MapPayload:
    """One map of a run.

    Attributes:
        layout: whose points are drawn; "" for none.
        facets: the first gives the colours, the others are told on hover.
        name: of the map among those of its page.
    """

    run: EvaluatedRun
    layout: str
    facets: tuple[Facet, ...]
    name: str = ""

    @property
    def points(self) -> Array:
        """(n, 2) where its images lie."""
        return self.run.layouts[self.layout][0]

    @property
    def places_name(self) -> str:
        """Name of the block of its points."""
        return f"{self._source}/{self.layout}"

    @property
    def pictures_name(self) -> str:
        """Name of its thumbnails: they follow the run's rows."""
        return f"{self._source}/pictures"

    @property
    def _source(self) -> str:
        return f"{self.run.run_id}/{self.run.stamp}"

    def facet_name(self, facet: Facet) -> str:
        """Name of the block of a facet."""
        return f"{self._source}/{facet.title}/{facet.digest}"

    def places(self) -> bytes | None:
        """The block of its points."""
        return _places(self.run, self.layout, self.places_name) if self.layout else None

    def colours(self) -> list[bytes]:
        """The blocks of its facets."""
        return [_facet(self.facet_name(facet), facet) for facet in self.facets] if self.layout else []

    def pictures(self) -> bytes | None:
        """The thumbnails of all images, where one file can hold them."""
        return _pictures(self.run, self.pictures_name)

    def some_pictures(self, name: str, rows: list[int]) -> bytes | None:
        """The thumbnails that a map of many images asks for, None if they are not its own."""
        if name != self.pictures_name or len(self.run.ids) <= MOST_IMAGES:
            return None
        return some_pictures(self.run.imageset, self.run.ids, name, rows)


@cache.kept(by=lambda run, layout, name: name, least=6)
def _places(run: EvaluatedRun, layout: str, name: str) -> bytes:
    return pack_places(run.layouts[layout][0], image_ids=run.ids, name=name)


@cache.kept(by=lambda name, facet: name, least=24)
def _facet(name: str, facet: Facet) -> bytes:
    return pack_facet(facet, name=name)


@cache.kept(by=lambda run, name: name, least=3)
def _pictures(run: EvaluatedRun, name: str) -> bytes | None:
    return all_pictures(run.imageset, run.ids, name)


def pack_places(points: Array, *, image_ids: Array, name: str) -> bytes:
    """Where the points are: four bytes a point, and mostly one for its image.

    Args:
        points: (n, 2) float; rows that are not finite are not drawn.
        image_ids: (n,) told on hover.
        name: of this arrangement; the view (pan and zoom) is kept while it stays the same.
    """
    flat = np.asarray(points, np.float64)
    placed = np.isfinite(flat).all(axis=1)
    low, high = (flat[placed].min(0), flat[placed].max(0)) if placed.any() else (np.zeros(2), np.ones(2))
    span = np.maximum(high - low, 1e-9)
    grid = np.zeros(flat.shape, np.uint16)
    grid[placed] = np.rint((flat[placed] - low) / span * _GRID)
    sections: dict[str, Array | bytes] = {"places": grid, "ids": _steps(np.asarray(image_ids, np.int64))}
    if not placed.all():
        sections["placed"] = np.asarray(placed, np.uint8)
    header = {"kind": "places", "name": name, "n": len(flat), "low": low.tolist(), "span": span.tolist()}
    return pack(header, sections)


def pack_facet(facet: Facet, *, name: str) -> bytes:
    """What each point is in one respect; one byte a point up to 254 groups, else two."""
    if facet.values is not None:
        return _scale(facet.title, np.asarray(facet.values, np.float32), name)
    codes = np.asarray(facet.codes if facet.codes is not None else np.empty(0), np.int64)
    small = len(facet.names) < 255
    kind: Any = np.uint8 if small else np.uint16
    section = np.asarray(np.where(codes < 0, 255 if small else _MISSING, codes), kind)
    header = {
        "kind": "groups",
        "name": name,
        "title": facet.title,
        "names": list(facet.names),
        "colours": list(facet.colours),
        "counts": np.bincount(codes[codes >= 0], minlength=len(facet.names)).tolist(),
    }
    return pack(header, {"codes": section})


def pack_map(
    *,
    places: str,
    facets: Sequence[str],
    pictures: str,
    selected: Array | None = None,
    focus: int = -1,
    height: int = 560,
    name: str = "",
    at: tuple[float, float, float] | None = None,
    hidden: Sequence[int] = (),
) -> bytes:
    """What a map shows, by the names of blocks that were sent.

    Args:
        facets: the first gives the colours, the others are told on hover.
        selected: (n,) bool, None for no selection.
        focus: row with a ring around it, -1 for none.
        pictures: name of the thumbnails that belong to these rows.
        name: of the map among those of its page.
        at, hidden: where it looks and which groups it hides when it is first drawn (`view.View`).
    """
    sections: dict[str, Array | bytes] = {}
    if selected is not None:
        sections["selected"] = np.packbits(np.asarray(selected, bool), bitorder="little")
    header = {
        "places": places,
        "facets": list(facets),
        "pictures": pictures,
        "focus": int(focus),
        "height": height,
        "map": name,
        "at": None if at is None else list(at),
        "hidden": list(hidden),
    }
    return pack(header, sections)


def all_pictures(imageset: ImageSet, image_ids: Array, name: str) -> bytes | None:
    """The thumbnails of a map as one image file; None for more images than one file can hold."""
    return _pack_pictures(imageset, image_ids, name, None) if 0 < len(image_ids) <= MOST_IMAGES else None


def some_pictures(imageset: ImageSet, image_ids: Array, name: str, rows: list[int]) -> bytes | None:
    """The thumbnails of some rows of a map; rows that are none are left out."""
    there = [row for row in rows if 0 <= row < len(image_ids)]
    return _pack_pictures(imageset, image_ids, name, there) if there else None


def sheet_side(count: int, height: int, width: int) -> tuple[int, int]:
    """(height, width) of a thumbnail, so that all of them fit into one image file; never enlarged."""
    most = min(_MOST_SIDE, max(_LEAST_SIDE, int(math.sqrt(_MOST_PIXELS / max(1, count)))))
    scale = min(1.0, most / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))


def _pack_pictures(imageset: ImageSet, image_ids: Array, name: str, rows: list[int] | None) -> bytes:
    """Thumbnails as one image file, row by row: of all rows of the map, or of some."""
    ids = image_ids if rows is None else np.asarray(image_ids)[rows]
    height, width = imageset.shape[1:]
    side = sheet_side(len(ids), height, width)
    columns = max(1, math.isqrt(len(ids) * side[0] // side[1]) or 1)
    file, mime = encode(as_sheet(thumbnails(imageset, ids, side), columns))
    header: dict[str, Any] = {
        "kind": "pictures",
        "name": name,
        "mime": mime,
        "side": side[::-1],
        "columns": columns,
        "sharp": max(height, width) <= _SHARP_SIDE,
        "rows": rows,
    }
    return pack(header, {"file": file})


def _steps(ids: Array) -> Array:
    """Ascending ids as the steps between them, in the smallest type that holds them; else the ids as they are."""
    steps = np.diff(ids, prepend=0)
    if len(ids) and steps.min() < 0:
        return ids.astype(np.uint32)
    top = int(steps[1:].max()) if len(ids) > 1 else 0
    first = int(ids[0]) if len(ids) else 0
    kind = np.uint8 if max(top, first) < 256 else np.uint16
    return steps.astype(kind) if max(top, first) <= _MISSING else ids.astype(np.uint32)


def _scale(title: str, values: Array, name: str) -> bytes:
    known = values[np.isfinite(values)]
    low, high = (float(v) for v in np.percentile(known, [1, 99])) if len(known) else (0.0, 1.0)
    header = {
        "kind": "scale",
        "name": name,
        "title": title,
        "low": low,
        "high": high,
        "missing": len(values) - len(known),
        "ramp": list(VIRIDIS),
    }
    return pack(header, {"values": values})
