"""Fields from the names that microscopes give to their files: plate, well, site, channel, depth."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ssrl_core.datasets.cells.fields import FieldRow

_SUFFIX = r"\.(?:tiff?|png|c01|flex)$"
_PLATE = r"(?:(?P<plate>.+?)_)?"
_WELL = r"(?P<well>(?:A[A-F]|[A-Z])\d{1,2})"  # 1536 wells go to AF48
_INNER = re.compile(r"^(?:images|timepoint_(?P<t>\d+)|zstep_\d+)$", re.IGNORECASE)
_GUID = r"(?:[0-9A-F]{8}(?:-[0-9A-F]{4}){3}-[0-9A-F]{12})?"


@dataclass(frozen=True)
class Naming:
    """How one maker's software names files."""

    title: str
    pattern: re.Pattern[str]

    @property
    def says_channel(self) -> bool:
        """Whether a name says which channel the file holds; if not, it may hold them all."""
        return "channel" in self.pattern.groupindex


@dataclass(frozen=True)
class NamedFields:
    """What the names of files say.

    Attributes:
        naming: whose pattern they follow.
        fields: in natural order.
        channels: their names (`w1`, `ch2` …).
        skipped: files that are no part of a whole field: {file, reason}.
    """

    naming: Naming
    fields: list[FieldRow]
    channels: tuple[str, ...]
    skipped: list[dict[str, str]]


def _naming(title: str, *pieces: str) -> Naming:
    return Naming(title, re.compile("^" + "".join(pieces) + _SUFFIX, re.IGNORECASE))


NAMINGS = (
    _naming(
        "Opera / Operetta (Harmony)",
        r"r(?P<row>\d+)c(?P<column>\d+)f(?P<site>\d+)p(?P<z>\d+)-ch(?P<channel>\d+)",
        r"(?:sk(?P<t>\d+))?(?:fk\d+)?(?:fl\d+)?",
    ),
    _naming(
        "ImageXpress (MetaXpress)",
        _PLATE + _WELL,
        r"(?:_s(?P<site>\d+))?_w(?P<channel>\d{1,2})(?:_z(?P<z>\d+))?(?:_t(?P<t>\d+))?",
        _GUID,
    ),
    _naming(
        "ImageXpress (MetaXpress)",
        _PLATE + _WELL,
        r"_s(?P<site>\d+)(?:_z(?P<z>\d+))?(?:_t(?P<t>\d+))?",
        _GUID,
    ),
    _naming(
        "Yokogawa (CellVoyager)",
        _PLATE + _WELL,
        r"_T(?P<t>\d+)F(?P<site>\d+)L\d+A\d+Z(?P<z>\d+)C(?P<channel>\d+)",
    ),
    _naming("Cellomics (ArrayScan)", _PLATE + _WELL, r"f(?P<site>\d+)d(?P<channel>\d+)"),
)


def fields_by_name(paths: Sequence[Path]) -> NamedFields | None:
    """Files grouped to fields by their names; None if most names follow no known pattern.

    Args:
        paths: every image file; thumbnails are left out.
    """
    paths = [p for p in paths if "_thumb" not in p.name.lower()]
    for naming in NAMINGS:
        known = [(p, m) for p in paths if (m := naming.pattern.match(p.name))]
        if known and len(known) > len(paths) / 2:
            skipped = [
                {"file": str(p), "reason": f"its name does not follow the pattern of {naming.title}"}
                for p in paths
                if not naming.pattern.match(p.name)
            ]
            fields, channels, missing = _grouped(known)
            return NamedFields(naming, fields, channels, skipped + missing)
    return None


def _grouped(
    known: Sequence[tuple[Path, re.Match[str]]],
) -> tuple[list[FieldRow], tuple[str, ...], list[dict[str, str]]]:
    groups: dict[tuple[object, ...], dict[int, list[Path]]] = {}
    columns: dict[tuple[object, ...], Mapping[str, object]] = {}
    letters: dict[int, str] = {}
    for path, match in known:
        facts = match.groupdict()
        own = _columns(path, facts)
        folder, time = _place(path)
        key: tuple[object, ...] = (
            str(folder),
            own["plate"],
            own["well"],
            own["site"],
            int(facts.get("t") or time or 0),
        )
        channel = int(facts.get("channel") or 1)
        letters.setdefault(channel, _letter(match) if facts.get("channel") else "w")
        groups.setdefault(key, {}).setdefault(channel, []).append(path)
        columns[key] = own
    names = {channel: f"{letters[channel]}{channel}" for channel in sorted(letters)}
    fields, skipped = [], []
    for key in sorted(groups, key=lambda k: tuple(map(_natural, k))):
        files = groups[key]
        absent = [names[c] for c in names if c not in files]
        if absent:
            first = next(iter(files.values()))[0]
            skipped.append({"file": str(first), "reason": f"its field has no file for channel {', '.join(absent)}"})
            continue
        fields.append(FieldRow(tuple(tuple(sorted(files[c])) for c in names), columns=columns[key]))
    return fields, tuple(names.values()), skipped


def _columns(path: Path, facts: Mapping[str, str | None]) -> dict[str, object]:
    well = facts.get("well")
    if well is None:
        well = f"{_row_letters(int(facts['row'] or 1))}{int(facts['column'] or 1):02d}"
    else:
        row = well.rstrip("0123456789")
        well = f"{row.upper()}{int(well[len(row) :]):02d}"
    folder, time = _place(path)
    columns: dict[str, object] = {
        "plate": facts.get("plate") or folder.name,
        "well": well,
        "site": int(facts.get("site") or 1),
    }
    if facts.get("t") or time > 1:
        columns["time_point"] = int(facts.get("t") or time)
    return columns


def _row_letters(row: int) -> str:
    """1 -> A, 26 -> Z, 27 -> AA, as the rows of plates go on."""
    return chr(64 + row) if row <= 26 else "A" + chr(64 + row - 26)


def _place(path: Path) -> tuple[Path, int]:
    """The plate's folder, and the time point that a folder below it names (`TimePoint_3`), else 0.

    Planes of a stack may lie in folders of their own (`ZStep_2`): they are one field.
    """
    folder, time = path.parent, 0
    while (inner := _INNER.match(folder.name)) and folder.parent.name:
        time = int(inner.group("t") or time)
        folder = folder.parent
    return folder, time


def _letter(match: re.Match[str]) -> str:
    """What stands before the channel's number: `w`, `ch`, `d`, `C`."""
    before = match.string[: match.start("channel")]
    found = re.search(r"([A-Za-z]+)$", before)
    return (
        found.group(1)[-2:]
        if found and found.group(1).lower().endswith("ch")
        else (found.group(1)[-1] if found else "c")
    )


def _natural(value: object) -> tuple[int, float, str]:
    return (0, float(value), "") if isinstance(value, int) else (1, 0.0, str(value))
