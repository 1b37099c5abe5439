"""What the map in the browser is sent: one block of bytes, because a component takes bytes only as a whole.

Four bytes length of the header (little endian), the header as JSON, then the sections, each on a multiple of four.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ssrl_core.figures.colours import VIRIDIS, palette

Array = np.ndarray[Any, Any]

MOST_CATEGORIES = 200
_FEW_NUMBERS = 12  # a column of numbers with more different values is a scale, not a set of groups
_GRID = 65535
_MISSING_SHARE = 255


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


def groups(title: str, codes: Array, names: list[str], colours: list[str] | None = None) -> Facet:
    """A facet of groups that are numbered already."""
    return Facet(title, np.asarray(codes, np.int32), tuple(names), tuple(colours or palette(len(names))))


def facet_of(title: str, column: pd.Series) -> Facet:
    """A column as a facet: numbers with many values are a scale, everything else is groups.

    More than 200 groups keep the 199 largest; the others are one group, "other".
    """
    present = column.dropna()
    numeric = pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)
    if numeric and present.nunique() > _FEW_NUMBERS:
        return Facet(title, values=column.to_numpy(dtype=np.float32, na_value=np.nan))
    counts = present.astype(str).value_counts() if not numeric else present.value_counts()
    kept = list(counts.index[: MOST_CATEGORIES - 1]) if len(counts) > MOST_CATEGORIES else list(counts.index)
    kept.sort()
    place = {value: i for i, value in enumerate(kept)}
    keys = column if numeric else column.where(column.isna(), column.astype(str))
    codes = np.array([-1 if pd.isna(v) else place.get(v, len(kept)) for v in keys], np.int32)
    names = [f"{v:g}" if numeric else str(v) for v in kept] + (["other"] if len(counts) > len(kept) else [])
    return groups(title, codes, names)


def pack(header: Mapping[str, Any], sections: Mapping[str, Array | bytes]) -> bytes:
    """Header and sections as one block; the header gets `sections: {name: [start, length, type]}`."""
    blocks, table, start = [], {}, 0
    for name, content in sections.items():
        block = content if isinstance(content, bytes) else np.ascontiguousarray(content).tobytes()
        kind = "bytes" if isinstance(content, bytes) else content.dtype.name
        table[name] = [start, len(block), kind]
        blocks.append(block + b"\0" * (-len(block) % 4))
        start += len(blocks[-1])
    text = json.dumps({**header, "sections": table}, ensure_ascii=False, allow_nan=False).encode()
    text += b" " * (-len(text) % 4)
    return struct.pack("<I", len(text)) + text + b"".join(blocks)


def unpack(data: bytes) -> tuple[dict[str, Any], dict[str, Array | bytes]]:
    """The reverse of `pack`, for tests."""
    length = struct.unpack("<I", data[:4])[0]
    header = json.loads(data[4 : 4 + length])
    found: dict[str, Array | bytes] = {}
    for name, (start, size, kind) in header["sections"].items():
        block = data[4 + length + start : 4 + length + start + size]
        found[name] = block if kind == "bytes" else np.frombuffer(block, kind)
    return header, found


def pack_points(
    points: Array,
    colour: Facet,
    *,
    image_ids: Array,
    also: tuple[Facet, ...] = (),
    selected: Array | None = None,
    focus: int = -1,
    layout: str,
    pictures: str,
    height: int = 560,
) -> bytes:
    """The map's points.

    Args:
        points: (n, 2) float; rows that are not finite are not drawn.
        colour: what the colours mean.
        image_ids: (n,) shown on hover.
        also: what else hover tells.
        selected: (n,) bool, None for no selection.
        focus: row with a ring around it, -1 for none.
        layout: name of this arrangement; the view (pan and zoom) is kept while it stays the same.
        pictures: name of the thumbnails that belong to these rows.
    """
    flat = np.asarray(points, np.float64)
    placed = np.isfinite(flat).all(axis=1)
    low, high = (flat[placed].min(0), flat[placed].max(0)) if placed.any() else (np.zeros(2), np.ones(2))
    span = np.maximum(high - low, 1e-9)
    grid = np.zeros(flat.shape, np.uint16)
    grid[placed] = np.rint((flat[placed] - low) / span * _GRID)
    facets = (colour, *also)
    sections: dict[str, Array | bytes] = {"places": grid, "ids": np.asarray(image_ids, np.uint32)}
    if not placed.all():
        sections["placed"] = placed.astype(np.uint8)
    if selected is not None:
        sections["selected"] = np.asarray(selected, bool).astype(np.uint8)
    header = {
        "n": len(flat),
        "low": low.tolist(),
        "span": span.tolist(),
        "layout": layout,
        "pictures": pictures,
        "focus": int(focus),
        "height": height,
        "facets": [_facet(f"facet{i}", facet, placed, sections) for i, facet in enumerate(facets)],
    }
    return pack(header, sections)


def pack_pictures(file: bytes, *, mime: str, name: str, side: tuple[int, int], columns: int, sharp: bool) -> bytes:
    """Thumbnails of all rows as one image file, row by row."""
    header = {"name": name, "mime": mime, "side": list(side), "columns": columns, "sharp": sharp}
    return pack(header, {"file": file})


def _facet(name: str, facet: Facet, placed: Array, sections: dict[str, Array | bytes]) -> dict[str, Any]:
    if facet.values is not None:
        return _scale(name, facet, sections)
    codes = np.asarray(facet.codes if facet.codes is not None else np.full(len(placed), -1))
    small = len(facet.names) < 255
    sections[name] = np.where(codes < 0, 255 if small else 65535, codes).astype(np.uint8 if small else np.uint16)
    counts = np.bincount(codes[placed & (codes >= 0)], minlength=len(facet.names))
    return {
        "kind": "groups",
        "title": facet.title,
        "section": name,
        "names": list(facet.names),
        "colours": list(facet.colours),
        "counts": counts.tolist(),
    }


def _scale(name: str, facet: Facet, sections: dict[str, Array | bytes]) -> dict[str, Any]:
    values = np.asarray(facet.values, np.float32)
    known = values[np.isfinite(values)]
    low, high = (float(v) for v in np.percentile(known, [1, 99])) if len(known) else (0.0, 1.0)
    share = np.clip((values - low) / max(high - low, 1e-30), 0, 1)
    sections[name] = np.where(np.isfinite(values), np.nan_to_num(share) * 254, _MISSING_SHARE).astype(np.uint8)
    sections[f"{name}-values"] = values
    return {
        "kind": "scale",
        "title": facet.title,
        "section": name,
        "low": low,
        "high": high,
        "ramp": list(VIRIDIS),
    }
