"""Fields from the names that microscopes give to their files: plate, well, site, channel, depth."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ssrl_core.datasets.cells.fields import FieldRow
from ssrl_core.errors import DataError, SpecError

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
        "MetaMorph",
        r"(?:(?P<plate>.+?)_)??(?:" + _WELL + r"_)?w(?P<channel>\d{1,2})(?P<stain>[A-Za-z][^_]*)?(?:_s(?P<site>\d+))?",
        r"(?:_z(?P<z>\d+))?(?:_t(?P<t>\d+))?",
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
    _naming(
        "InCell (GE)",
        r"(?P<letters>A[A-F]|[A-Z]) ?- ?(?P<column>\d{1,2})\(fld ?(?P<site>\d+)",
        r"(?: wv (?P<channel>[^)]+?))?(?: z ?(?P<z>\d+))?(?: time ?(?P<t>\d+)[^)]*)?\)",
    ),
    _naming(
        "ScanR (Olympus)",
        r"(?:(?P<plate>.+?)--)?W(?P<number>\d+)--P(?P<site>\d+)--Z(?P<z>\d+)--T(?P<t>\d+)--(?P<channel>.+)",
    ),
    _naming("CQ1 (Yokogawa)", r"W(?P<number>\d+)F(?P<site>\d+)T(?P<t>\d+)Z(?P<z>\d+)C(?P<channel>\d+)"),
    _naming("Cytation (Gen5)", _WELL, r"_-?\d+_\d+_(?P<site>\d+)_(?P<channel>[^_]+)_(?P<t>\d+)"),
)
_STAINS = re.compile(
    r"(?:ch?|channel|w)?\d{1,2}|dapi|hoechst(?:\d+)?|dna|nuclei|nucleus|[emt]?[gryc]fp|gfp\w*|fitc|tritc|cy[2357](?:\.5)?"
    r"|texas ?red|txred|m?cherry|alexa\w*|af\d{3}|a?\d{3}(?:nm)?|actin|phalloidin|tubulin|mito\w*|er|rna|agp|golgi|bf"
    r"|bright ?field|phase|pc|dic|trans\w*|red|green|blue|far ?red|syto\w*|draq5|pi|brdu|edu|con ?a|wga|lysotracker",
    re.IGNORECASE,
)
_NUCLEI = re.compile(r"dapi|hoechst|dna|nucle|draq", re.IGNORECASE)
_PARTS = {
    "plate": r"(?P<plate>.+?)",
    "well": r"(?P<well>(?:A[A-F]|[A-Z])\d{1,2})",
    "site": r"(?P<site>\d+)",
    "channel": r"(?P<channel>.+?)",
    "z": r"(?P<z>\d+)",
    "t": r"(?P<t>\d+)",
    "any": r".*?",  # tells fields apart, and means no more
}
_IS_WELL = re.compile(r"(?:A[A-F]|[A-P])\d{1,2}", re.IGNORECASE)
_ALONE = re.compile(r"(?:s|f|site|field|fld|pos|position|p|img|image|xy)?(\d+)", re.IGNORECASE)


def is_nuclei_name(channel: str) -> bool:
    """Whether a channel's name says that it shows nuclei."""
    return _NUCLEI.search(channel) is not None


def naming_of(pattern: str) -> Naming:
    """The naming that a user describes: `{plate}_{well}_s{site}_{channel}.tif`.

    Raises:
        SpecError: a part that is not known, or no `{channel}`.
    """
    parts = re.split(r"\{(\w*)\}", re.sub(r"\.(?:tiff?|png|c01|flex)$", "", pattern, flags=re.IGNORECASE))
    asked = [name for name in parts[1::2] if name != "any"]
    if any(name not in _PARTS for name in asked) or len(set(asked)) < len(asked):
        known = ", ".join(f"{{{name}}}" for name in _PARTS)
        raise SpecError.at("data cells", "--pattern", f"a file name with {known}, each once", pattern)
    pieces = [
        re.escape(part) if i % 2 == 0 else f"(?P<rest{i}>.*?)" if part == "any" else _PARTS[part]
        for i, part in enumerate(parts)
    ]
    return _naming(f"the pattern {pattern}", *pieces)


def parts_of_names(paths: Sequence[Path], pattern: str | None = None, most: int = 8) -> list[dict[str, str]]:
    """The first names split into their parts, as a pattern (None: a microscope's) reads them.

    Returns:
        One row a file: `file`, then the parts that the pattern names; only `file` where the name does not follow it.

    Raises:
        SpecError: see `naming_of`.
    """
    tried = NAMINGS if pattern is None else (naming_of(pattern),)
    best = max(tried, key=lambda naming: sum(naming.pattern.match(p.name) is not None for p in paths))
    rows = []
    for path in paths[:most]:
        match = best.pattern.match(path.name)
        said = match.groupdict() if match else {}
        rows.append({"file": path.name} | {k: v for k, v in said.items() if v and not k.startswith("rest")})
    return rows


def fields_by_name(paths: Sequence[Path], pattern: str | None = None) -> NamedFields | None:
    """Files grouped to fields by their names; None if most names follow no known pattern, and each may be a field.

    Args:
        paths: every image file; thumbnails are left out.
        pattern: how the names are made (see `naming_of`); None = as a microscope does.

    Raises:
        SpecError: a pattern that few names follow.
        DataError: names that have several files for each field, but do not say for what.
    """
    paths = [p for p in paths if "_thumb" not in p.name.lower()]
    for naming in NAMINGS if pattern is None else (naming_of(pattern),):
        known = [(p, m) for p in paths if (m := naming.pattern.match(p.name))]
        if known and len(known) > len(paths) / 2:
            skipped = [
                {"file": str(p), "reason": f"its name does not follow the pattern of {naming.title}"}
                for p in paths
                if not naming.pattern.match(p.name)
            ]
            fields, channels, missing = _grouped([(p, _said(m), _letter(m)) for p, m in known])
            return NamedFields(naming, fields, channels, skipped + missing)
    if pattern is not None:
        shown = ", ".join(p.name for p in paths[:3])
        raise SpecError.at("data cells", "--pattern", f"one that most names follow ({shown})", pattern)
    return _by_last_words(paths)


def _said(match: re.Match[str]) -> dict[str, str | None]:
    facts = match.groupdict()
    rest = [facts[name] or "" for name in facts if name.startswith("rest")]
    return {**facts, "rest": "_".join(rest)} if rest else facts


def _by_last_words(paths: Sequence[Path]) -> NamedFields | None:
    """Fields whose names differ in one word that every field has the same of: `field1_DAPI.tif`, `field1_GFP.tif`."""
    words = [re.split(r"[_\-. ]+", p.stem) for p in paths]
    if len(paths) < 2 or len({len(w) for w in words}) != 1 or any(".ome." in p.name.lower() for p in paths):
        return None
    for place in reversed(range(len(words[0]))):
        seen: dict[tuple[object, ...], list[str]] = {}
        for path, w in zip(paths, words, strict=True):
            seen.setdefault((path.parent, *w[:place], *w[place + 1 :]), []).append(w[place])
        sets = Counter(tuple(sorted(values)) for values in seen.values())
        values, times = sets.most_common(1)[0]
        stained = all(_STAINS.fullmatch(value) for value in values)
        whole = times == len(seen) or (stained and times > len(seen) / 2 and all(set(s) <= set(values) for s in sets))
        if not whole or not 2 <= len(values) <= 12 or _counted(values) or _wells(values):
            continue
        if stained:
            said = [_facts(w, place) for w in words]
            fields, channels, missing = _grouped([(p, f, "") for p, f in zip(paths, said, strict=True)])
            return NamedFields(_naming("fields and channels", "(?P<channel>.+)"), fields, channels, missing)
        if len(seen) > 1:
            several, alone = _suggested(words[0], paths[0], place), _suggested(words[0], paths[0], None)
            raise DataError(
                f"{paths[0].parent}: each of {len(seen)} names has a file for {', '.join(values[:6])} (such as "
                f"{paths[0].name}), and it is not clear what these are. If they are channels, say so: "
                f"--pattern '{several}'. If each file is a field: --pattern '{alone}'."
            )
    return None


def _wells(values: Sequence[str]) -> bool:
    """Whether words are wells; c1, c2 written small are channels."""
    return all(map(_IS_WELL.fullmatch, values)) and not all(re.fullmatch(r"c\d{1,2}", value) for value in values)


def _counted(values: Sequence[str]) -> bool:
    """Whether words only count (`s1`, `s2`; `001`, `002`), but not channels."""
    heads = {re.sub(r"\d+$", "", value).lower() for value in values}
    return len(heads) == 1 and heads.isdisjoint({"c", "ch", "channel", "w"}) and all(v[-1].isdigit() for v in values)


def _facts(words: Sequence[str], place: int) -> dict[str, str | None]:
    """What the words of a name say, apart from the channel at `place`."""
    rest = [w for i, w in enumerate(words) if i != place]
    well = next((w for w in rest if _IS_WELL.fullmatch(w)), None)
    if well is not None:
        rest.remove(well)
    site = next((m for w in reversed(rest) if (m := _ALONE.fullmatch(w))), None)
    if site is not None:
        rest.remove(site[0])
    return {"channel": words[place], "well": well, "site": site[1] if site else None, "rest": "_".join(rest)}


def _suggested(words: Sequence[str], path: Path, place: int | None) -> str:
    """A pattern for names like this one."""
    number = next((i for i, w in enumerate(words) if w.isdigit() and i != place), None)
    said = ["{channel}" if i == place else "{site}" if i == number else "{any}" for i in range(len(words))]
    marks = [*re.findall(r"[_\-. ]+", path.stem), ""]
    return "".join(part + mark for part, mark in zip(said, marks, strict=True)) + path.suffix


def _channel_key(facts: Mapping[str, str | None]) -> tuple[int, str]:
    """Channels in order: by number, else nuclei first and then by name."""
    text = facts.get("channel") or "1"
    number = re.fullmatch(r"(?:ch?|channel|w)?(\d{1,2})", text, re.IGNORECASE)
    return (int(number[1]), "") if number else (0 if _NUCLEI.search(text) else 1, text.lower())


def _channel_name(facts: Mapping[str, str | None], letter: str) -> str:
    text = facts.get("channel") or "1"
    if text.isdigit():
        return facts.get("stain") or f"{letter}{int(text)}"
    halves = text.split(" - ")
    return halves[0] if len(set(halves)) == 1 else text


def _grouped(
    known: Sequence[tuple[Path, Mapping[str, str | None], str]],
) -> tuple[list[FieldRow], tuple[str, ...], list[dict[str, str]]]:
    groups: dict[tuple[object, ...], dict[tuple[int, str], list[Path]]] = {}
    columns: dict[tuple[object, ...], Mapping[str, object]] = {}
    named: dict[tuple[int, str], str] = {}
    for path, facts, letter in known:
        own = _columns(path, facts)
        folder, time = _place(path)
        key: tuple[object, ...] = (
            str(folder),
            own["plate"],
            own.get("well", ""),
            own["site"],
            int(facts.get("t") or time or 0),
            facts.get("rest") or "",
        )
        channel = _channel_key(facts)
        named.setdefault(channel, _channel_name(facts, letter))
        groups.setdefault(key, {}).setdefault(channel, []).append(path)
        columns[key] = own
    names = {channel: named[channel] for channel in sorted(named)}
    if len(set(names.values())) < len(names):  # two wavelengths of one stain
        names = {channel: f"{name}-{channel[0]}" for channel, name in names.items()}
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
    folder, time = _place(path)
    columns: dict[str, object] = {"plate": facts.get("plate") or folder.name}
    well = _well(facts)
    if well:
        columns["well"] = well
    columns["site"] = int(facts.get("site") or 1)
    if facts.get("t") or time > 1:
        columns["time_point"] = int(facts.get("t") or time)
    if facts.get("rest"):
        columns["field_name"] = facts["rest"]
    return columns


def _well(facts: Mapping[str, str | None]) -> str:
    """`A01`; `W00001` where only a number is known; "" where the name says none."""
    if facts.get("number"):
        return f"W{facts['number']}"
    well = facts.get("well") or ""
    if facts.get("letters"):
        well = f"{facts['letters']}{facts['column']}"
    elif facts.get("row"):
        well = f"{row_letters(int(facts['row'] or 1))}{facts['column']}"
    row = well.rstrip("0123456789")
    return f"{row.upper()}{int(well[len(row) :]):02d}" if well else ""


def row_letters(row: int) -> str:
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
    """What stands before the channel's number: `w`, `ch`, `d`, `C`; `w` where the name says no channel."""
    if not match.groupdict().get("channel"):
        return "w"
    before = match.string[: match.start("channel")]
    found = re.search(r"([A-Za-z]+)$", before)
    return (
        found.group(1)[-2:]
        if found and found.group(1).lower().endswith("ch")
        else (found.group(1)[-1] if found else "c")
    )


def _natural(value: object) -> tuple[int, float, str]:
    return (0, float(value), "") if isinstance(value, int) else (1, 0.0, str(value))
