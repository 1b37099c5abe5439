"""What the map in the browser is sent: blocks of bytes, because a component takes bytes only as a whole.

A block: four bytes length of the header (little endian), the header as JSON, then the sections, each on a multiple of
four. Places, colours and thumbnails are blocks of their own with names, sent once; the map itself is sent only the
names and what is selected, so that a selection among a million points costs a tenth of a megabyte.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pages.ui.map.facets import Array, Facet
from pages.ui.map.facets import facet_of as facet_of
from pages.ui.map.facets import groups as groups
from ssrl_core.figures.colours import VIRIDIS

_GRID = 65535
_MISSING = 65535


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
        sections["placed"] = placed.astype(np.uint8)
    header = {"kind": "places", "name": name, "n": len(flat), "low": low.tolist(), "span": span.tolist()}
    return pack(header, sections)


def pack_facet(facet: Facet, *, name: str) -> bytes:
    """What each point is in one respect; one byte a point up to 254 groups, else two."""
    if facet.values is not None:
        return _scale(facet, name)
    codes = np.asarray(facet.codes if facet.codes is not None else np.empty(0), np.int64)
    small = len(facet.names) < 255
    section = np.where(codes < 0, 255 if small else _MISSING, codes).astype(np.uint8 if small else np.uint16)
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
        at, hidden: where it looks and which groups it hides when it is first drawn (`map_address`).
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


def pack_pictures(
    file: bytes,
    *,
    mime: str,
    name: str,
    side: tuple[int, int],
    columns: int,
    sharp: bool,
    rows: Sequence[int] | None = None,
) -> bytes:
    """Thumbnails as one image file, row by row: of all rows of the map, or of some."""
    header = {"kind": "pictures", "name": name, "mime": mime, "side": list(side), "columns": columns, "sharp": sharp}
    return pack({**header, "rows": None if rows is None else list(rows)}, {"file": file})


def _steps(ids: Array) -> Array:
    """Ascending ids as the steps between them, in the smallest type that holds them; else the ids as they are."""
    steps = np.diff(ids, prepend=0)
    if len(ids) and steps.min() < 0:
        return ids.astype(np.uint32)
    top = int(steps[1:].max()) if len(ids) > 1 else 0
    first = int(ids[0]) if len(ids) else 0
    kind = np.uint8 if max(top, first) < 256 else np.uint16
    return steps.astype(kind) if max(top, first) <= _MISSING else ids.astype(np.uint32)


def _scale(facet: Facet, name: str) -> bytes:
    values = np.asarray(facet.values, np.float32)
    known = values[np.isfinite(values)]
    low, high = (float(v) for v in np.percentile(known, [1, 99])) if len(known) else (0.0, 1.0)
    header = {
        "kind": "scale",
        "name": name,
        "title": facet.title,
        "low": low,
        "high": high,
        "missing": len(values) - len(known),
        "ramp": list(VIRIDIS),
    }
    return pack(header, {"values": values})
