"""Fields from the names that microscopes give to their files: plate, well, site, channel, depth."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ssrl_core.datasets.cells.field_words import Facts, by_words
from ssrl_core.datasets.cells.fields import FieldRow
from ssrl_core.errors import DataError, SpecError

_ENDING = r"\.(?:tiff?|png|jpe?g|bmp|c01|flex|stk)$"
_PLATE = r"(?:(?P<plate>.+?)_)??"
_ROW = r"(?:A[A-F]|[A-Z])"  # 1536 wells go to AF48
_WELL = rf"(?P<well>(?!s\d+_[wzt]\d){_ROW}\d{{1,2}})"  # s1_w1 is a site, and no well S01
_Known = tuple[Path, Facts, str]  # a file, what its name says, what stands before the channel's number
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
    return Naming(title, re.compile("^" + "".join(pieces) + _ENDING, re.IGNORECASE))


NAMINGS = (
    _naming(
        "Opera / Operetta (Harmony)",
        r"r(?P<row>\d+)c(?P<column>\d+)f(?P<site>\d+)(?:p(?P<z>\d+))?(?:rc\d+)?-ch(?P<channel>\d+)",
        r"(?:(?:sk|t)(?P<t>\d+))?(?:fk\d+)?(?:fl\d+)?",
    ),
    _naming(
        "Operetta (Columbus)",
        r"(?P<row>\d{3})(?P<column>\d{3})-(?P<site>\d+)-(?P<z>\d{3})(?P<t>\d{3})(?P<channel>\d{3})",
    ),
    _naming("Opera (flex)", r"(?P<row>\d{3})(?P<column>\d{3})(?P<site>\d{3})(?=\.flex)"),
    _naming(
        "ImageXpress (MetaXpress)",
        _PLATE + _WELL,
        r"(?:_s(?P<site>\d+))?_w(?P<channel>\d{1,2})(?:_z(?P<z>\d+))?(?:_t(?P<t>\d+))?",
        _GUID,
    ),
    _naming(
        "MetaMorph",
        r"(?:(?P<plate>.+?)_)??(?:" + _WELL + r"_)?w(?P<channel>\d{1,2}?)(?P<stain>(?:[2-9]\d\d|[A-Za-z]).*?)?",
        r"(?:_s(?P<site>\d+))?(?:_z(?P<z>\d+))?(?:_t(?P<t>\d+))?",
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
        rf"(?:(?P<plate>.+?)_)??(?P<letters>{_ROW}) ?- ?(?P<column>\d{{1,2}})\((?:fld ?(?P<site>\d+))?",
        r"(?: ?wv ?(?P<channel>[^)]+?))?(?: z ?(?P<z>\d+))?(?: time ?(?P<t>\d+)[^)]*)?\)",
    ),
    _naming("InCell 3000 (GE)", rf"Channel ?(?P<channel>\d+)-\d+-(?P<letters>{_ROW})-(?P<column>\d{{1,2}})"),
    _naming(
        "ScanR (Olympus)",
        rf"(?:(?P<well>{_ROW}\d{{1,2}})--|(?P<plate>.+?)--)?W(?P<number>\d+)--P(?P<site>\d+)--Z(?P<z>\d+)",
        r"--T(?P<t>\d+)--(?P<channel>.+)",
    ),
    _naming(
        "Matrix Screener (Leica)",
        r"(?P<plate>.+?)--L\d+--S\d+--U(?P<across>\d+)--V(?P<down>\d+)--J\d+(?:--E\d+)?(?:--O\d+)?",
        r"--(?P<rest1>X\d+)--(?P<rest2>Y\d+)(?:--T(?P<t>\d+))?--Z(?P<z>\d+)--C(?P<channel>\d+)(?:\.ome)?",
    ),
    _naming(
        "CQ1 (Yokogawa)", r"W(?P<number>\d+)F(?P<site>\d+)T(?P<t>\d+)Z(?P<z>\d+)C(?P<channel>\d+)(?:_(?P<rest1>\w+))?"
    ),
    _naming(
        "Cytation (Gen5)",
        _PLATE + _WELL,
        r"_-?\d+_\d+_(?P<site>\d+)(?:Z(?P<z>\d+))?_(?:\w+\[)?(?P<channel>[^_\[\]]+)\]?_(?P<t>\d+)",
    ),
    _naming(
        "NIS-Elements (Nikon)",
        rf"(?:(?P<plate>.+?)_)??Well(?P<well>{_ROW}\d{{1,2}})(?:_Point{_ROW}\d+_(?P<site>\d+))?_Channel",
        r"(?P<channel>[^_]+)(?:_Seq(?P<seq>\d+))?",
    ),
    _naming("Micro-Manager", r"img_(?P<t>\d{9})_(?P<channel>.+)_(?P<z>\d{3})"),
    _naming("Squid (Cephla)", _WELL, r"_(?P<site>\d+)_(?P<z>\d+)_Fluorescence_(?P<channel>.+?)(?:_nm)?(?:_Ex)?"),
)
_CHANNELS, _WELLS = "fields with a file for each channel", "fields of wells"
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
_WELL_FOLDER = re.compile(rf"(?:well[ _-]?)?(?P<well>{_ROW}\d{{1,2}})", re.IGNORECASE)
_SITE_FOLDER = re.compile(r"(?:pos(?:ition)?|field|fld|fov|site|xy|s|f)[ _-]?(?P<site>\d+)", re.IGNORECASE)


def is_nuclei_name(channel: str) -> bool:
    """Whether a channel's name says that it shows nuclei."""
    return _NUCLEI.search(channel) is not None


def naming_of(pattern: str) -> Naming:
    """The naming that a user describes: `{plate}_{well}_s{site}_{channel}.tif`.

    Raises:
        SpecError: a part that is not known, or no `{channel}`.
    """
    parts = re.split(r"\{(\w*)\}", re.sub(_ENDING, "", pattern, flags=re.IGNORECASE))
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
    worded = _words_of(paths[:most]) if pattern is None and not any(best.pattern.match(p.name) for p in paths) else None
    rows = []
    for number, path in enumerate(paths[:most]):
        match = best.pattern.match(path.name)
        said = dict(worded[number]) if worded else match.groupdict() if match else {}
        rows.append({"file": path.name} | {k: v for k, v in said.items() if v and not k.startswith("rest")})
    return rows


def _words_of(paths: Sequence[Path]) -> list[Facts] | None:
    try:
        return by_words(paths)
    except DataError:
        return None  # what is unclear of them is said where fields are listed


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
    said = by_words(paths)
    if said is None:
        return None
    naming = _naming(_CHANNELS, "(?P<channel>.+)") if "channel" in said[0] else _naming(_WELLS, "(?P<well>.+)")
    fields, channels, missing = _grouped([(p, facts, "") for p, facts in zip(paths, said, strict=True)])
    return NamedFields(naming, fields, channels, missing)


def _said(match: re.Match[str]) -> dict[str, str | None]:
    facts = match.groupdict()
    rest = [facts[name] or "" for name in facts if name.startswith("rest")]
    return {**facts, "rest": "_".join(rest)} if rest else facts


def _channel_key(facts: Facts) -> tuple[int, str]:
    """Channels in order: by number, else nuclei first and then by name."""
    text = facts.get("channel") or "1"
    number = re.fullmatch(r"(?:ch?|channel|wv?|d)?(\d{1,3})", text, re.IGNORECASE)
    return (int(number[1]), "") if number else (0 if _NUCLEI.search(text) else 1, text.lower())


def _channel_name(facts: Facts, letter: str) -> str:
    text = facts.get("channel")
    if text is None:
        return f"{letter}1" if letter else "channel"
    if (text.isdigit() and len(text) < 3) or re.fullmatch(r"0\d\d", text):
        return facts.get("stain") or f"{letter}{int(text)}"
    halves = text.split(" - ") if " - " in text else text.split("-")
    return halves[0] if len(set(halves)) == 1 else text


def _grouped(known: Sequence[_Known]) -> tuple[list[FieldRow], tuple[str, ...], list[dict[str, str]]]:
    groups: dict[tuple[object, ...], dict[tuple[int, str], list[Path]]] = {}
    columns: dict[tuple[object, ...], Mapping[str, object]] = {}
    named: dict[tuple[int, str], str] = {}
    first: dict[tuple[object, ...], Path] = {}
    skipped = []
    for path, facts, letter in _ranked(_with_folders(known)):
        own, channel = _columns(facts), _channel_key(facts)
        key: tuple[object, ...] = (
            facts["folder"],
            own["plate"],
            own.get("well", ""),
            own["site"],
            int(facts.get("t") or 0),
            facts.get("rest") or "",
        )
        twin = first.setdefault((key, channel, facts.get("z"), path.parent), path)
        if twin is not path:
            skipped.append({"file": str(path), "reason": f"its name says the same field and channel as {twin.name}"})
            continue
        named.setdefault(channel, _channel_name(facts, letter))
        groups.setdefault(key, {}).setdefault(channel, []).append(path)
        columns[key] = own
    names = {channel: named[channel] for channel in sorted(named)}
    if len(set(names.values())) < len(names):  # two wavelengths of one stain
        names = {channel: f"{name}-{channel[0]}" for channel, name in names.items()}
    fields = []
    for key in sorted(groups, key=lambda k: tuple(map(_natural, k))):
        files = groups[key]
        absent = [names[c] for c in names if c not in files]
        if absent:
            one = next(iter(files.values()))[0]
            skipped.append({"file": str(one), "reason": f"its field has no file for channel {', '.join(absent)}"})
            continue
        fields.append(FieldRow(tuple(tuple(sorted(files[c])) for c in names), columns=columns[key]))
    return fields, tuple(names.values()), skipped


def _with_folders(known: Sequence[_Known]) -> list[_Known]:
    """What names do not say, and their folders do: the time point, the site, the well; `folder` is the plate's."""
    placed: list[_Known] = []
    if all(facts.get("plate") == facts.get("channel") for _, facts, _ in known):  # DAPI--W1--P1--DAPI.tif
        known = [(path, {**facts, "plate": None}, letter) for path, facts, letter in known]
    for path, facts, letter in known:
        folder, time = _place(Path(facts.get("folder") or path.parent))
        placed.append(
            (path, {**facts, "folder": str(folder), "t": facts.get("t") or (str(time) if time else None)}, letter)
        )
    for what, pattern in (("site", _SITE_FOLDER), ("well", _WELL_FOLDER)):
        if any(facts.get(what) or facts.get("row") or facts.get("letters") for _, facts, _ in placed):
            continue
        found = [pattern.fullmatch(Path(facts["folder"] or "").name) for _, facts, _ in placed]
        if all(found) and (what == "site" or not _are_plates([m[0] for m in found if m])):
            placed = [
                (path, {**facts, what: m[what], "folder": str(Path(facts["folder"] or "").parent)}, letter)
                for (path, facts, letter), m in zip(placed, found, strict=True)
                if m
            ]
    return _with_plates(placed)


def _with_plates(known: Sequence[_Known]) -> list[_Known]:
    """The plate of those whose names say none: its folder, with the one above where two plates are called the same."""
    folders = {Path(facts["folder"] or "") for _, facts, _ in known if not facts.get("plate")}
    twins = len({folder.name for folder in folders}) < len(folders)
    named = {str(f): f"{f.parent.name}/{f.name}" if twins else f.name for f in folders}
    return [(p, {**f, "plate": f.get("plate") or named[f["folder"] or ""]}, letter) for p, f, letter in known]


def _are_plates(folders: Sequence[str]) -> bool:
    """Whether folders are called P1, P2 …: plates rather than wells."""
    return all(re.fullmatch(r"P\d", name, re.IGNORECASE) for name in folders)


def _ranked(known: Sequence[_Known]) -> Iterator[_Known]:
    """Where names only count (`_Seq0007`): which site of its well and channel each is."""
    counted: dict[tuple[str | None, ...], list[int]] = {}
    for _, facts, _ in known:
        if facts.get("seq") and not facts.get("site"):
            counted.setdefault(_of_seq(facts), []).append(int(facts["seq"] or 0))
    for path, facts, letter in known:
        if facts.get("seq") and not facts.get("site"):
            rank = sorted(counted[_of_seq(facts)]).index(int(facts["seq"] or 0)) + 1
            yield path, {**facts, "site": str(rank)}, letter
        else:
            yield path, facts, letter


def _of_seq(facts: Facts) -> tuple[str | None, ...]:
    return (facts["folder"], facts.get("plate"), facts.get("well"), facts.get("channel"))


def _columns(facts: Facts) -> dict[str, object]:
    columns: dict[str, object] = {"plate": facts["plate"]}
    well = _well(facts)
    if well:
        columns["well"] = well
    columns["site"] = int(facts.get("site") or 1)
    if facts.get("t"):
        columns["time_point"] = int(facts["t"] or 0)
    if facts.get("rest"):
        columns["field_name"] = facts["rest"]
    return columns


def _well(facts: Mapping[str, str | None]) -> str:
    """`A01`; `W00001` where only a number is known; "" where the name says none."""
    well = facts.get("well") or ""
    if facts.get("number") and not well:
        return f"W{facts['number']}"
    if facts.get("down"):
        well = f"{row_letters(int(facts['down'] or 0) + 1)}{int(facts['across'] or 0) + 1}"
    if facts.get("letters"):
        well = f"{facts['letters']}{facts['column']}"
    elif facts.get("row"):
        well = f"{row_letters(int(facts['row'] or 1))}{facts['column']}"
    row = well.rstrip("0123456789")
    return f"{row.upper()}{int(well[len(row) :]):02d}" if well else ""


def row_letters(row: int) -> str:
    """1 -> A, 26 -> Z, 27 -> AA, as the rows of plates go on."""
    return chr(64 + row) if row <= 26 else "A" + chr(64 + row - 26)


def _place(folder: Path) -> tuple[Path, int]:
    """The plate's folder, and the time point that a folder below it names (`TimePoint_3`), else 0.

    Planes of a stack may lie in folders of their own (`ZStep_2`): they are one field.
    """
    time = 0
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
        else "ch"
        if found and found.group(1).lower() == "channel"
        else (found.group(1)[-1] if found else "c")
    )


def _natural(value: object) -> tuple[int, float, str]:
    return (0, float(value), "") if isinstance(value, int) else (1, 0.0, str(value))
