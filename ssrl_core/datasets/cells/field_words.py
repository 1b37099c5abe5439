"""What the words of file names say where no microscope's naming fits: stains, wells, sites, planes, time points.

A word is a piece between marks; where whole words tell no channel, also letters with the digits after them (`s1c2`).
Every decision is made for all names together: a word's place means the same in each.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from ssrl_core.datasets.columns import PLAIN_WELL, one_well
from ssrl_core.errors import DataError

Facts = Mapping[str, str | None]
Words = list[tuple[str, ...]]
_MARKS = r"[_\-. ,;()\[\]#]+"
_TWO_WORDS = re.compile(
    r"(alexa(?:[ _-]?fluor)?|draq|hoechst|bodipy|mitotracker|cf|dylight|atto)[ _-](\d+|red|green|deep)"
    r"|(texas|bright|far|con|near|dark|cell)[ _-](red|field|a|ir|mask)(?=[ _\-.,]|$)",
    re.IGNORECASE,
)
_STAINS = re.compile(
    r"(?:ch?|channel|wv?)?\d{1,3}|dapi|hoechst ?(?:\d+)?|dna|nuclei|nucleus|[emt]?[gryc]fp|[em]?gfp\w*|fitc|tritc"
    r"|cy[2357](?:\.5)?|texas ?red|txred|m?cherry|alexa\w*|alexa ?(?:fluor)? ?\d*|af\d{3}|a?\d{3}(?:nm)?|actin"
    r"|phalloidin|tubulin|mito\w*|er|rna|agp|golgi|bf|bright ?field|dark ?field|phase|pc|dic|trans\w*|red|green|blue"
    r"|yellow|cyan|magenta|orange|far ?red|near ?ir|syto\w*|draq ?\d|pi|brdu|edu|con ?a|wga|lysotracker|bodipy ?\w*"
    r"|atto ?\d+|cf ?\d+|dylight ?\d+|lamin\w*|vimentin|membrane|cytoplasm|nile ?red|ph3|ki ?67|caspase\w*|[gy]h2ax",
    re.IGNORECASE,
)
_WELL = re.compile(r"(?:well)?((?:A[A-F]|[A-Z])(?!00?$)\d{1,2})", re.IGNORECASE)
_COUNTS = {
    "z": ("z", "zstack", "slice", "plane", "zpos"),
    "t": ("t", "time", "timepoint", "tp", "frame"),
    "site": ("s", "f", "site", "field", "fld", "fov", "pos", "position", "p", "point", "image", "img", "xy", "series",
             "scene", "tile"),
    "channel": ("ch", "channel", "c", "w", "wv", "d"),
}  # fmt: skip
_KEYS = {key: what for what, keys in _COUNTS.items() for key in keys}
_MOST_CHANNELS = 12


def by_words(paths: Sequence[Path]) -> list[Facts] | None:
    """What each name says, or None where none can be told from them: each file may be a field.

    Returns:
        For each path `channel`, `well`, `site`, `z`, `t`, `rest`, None where it says none; where a folder says the
        channel, `folder` is the one above it. No `channel` at all where names say a well only.

    Raises:
        DataError: names that have several files for each field, but do not say for what.
    """
    if len(paths) < 2 or any(".ome." in p.name.lower() for p in paths):
        return None
    unclear: DataError | None = None
    for cut in (_coarse, _fine):
        words = [cut(path) for path in paths]
        if len({len(w) for w in words}) != 1:
            continue
        try:
            place = _channel_place(paths, words)
        except DataError as error:
            unclear = unclear or error
            continue
        if place is not None:
            return _told(paths, words, place)
    of_folders = _channel_folders(paths)
    if of_folders is not None:
        return of_folders
    if unclear is not None:
        raise unclear
    words = [_coarse(path) for path in paths]
    wells = len({len(w) for w in words}) == 1 and _well_place([*zip(*words, strict=True)], set()) is not None
    return _told(paths, words, None) if wells else None


def _coarse(path: Path) -> tuple[str, ...]:
    """Pieces between marks; stains of two words are one piece."""
    joined = _TWO_WORDS.sub(lambda m: re.sub(r"[ _-]", "\0", m[0]), path.stem)
    return tuple(word.replace("\0", " ") for word in re.split(_MARKS, joined) if word)


def _fine(path: Path) -> tuple[str, ...]:
    """The same, cut again after digits."""
    return tuple(part for word in _coarse(path) for part in re.findall(r"[^\d]*\d+|[^\d]+$", word))


def _channel_place(paths: Sequence[Path], words: Words) -> int | None:
    """Which word is the channel: every field has the same of it, and they are stains, or said to be channels.

    Raises:
        DataError: such a word, of which it is not clear what it is.
    """
    columns = [*zip(*words, strict=True)]
    unknown: DataError | None = None
    found: list[tuple[int, int]] = []
    for place in reversed(range(len(columns))):
        role = _role(columns, place)
        if role in ("site", "z", "t") or (role is None and _wells(columns[place])):
            continue
        values, fields = _set_of(paths, words, place)
        if values is None or (role is None and _counted(values)):
            continue
        if role == "channel" or all(_STAINS.fullmatch(value) for value in values):
            found.append((0 if any(value[0].isalpha() and not _keyed(value) for value in values) else 1, place))
        elif fields > 1 and unknown is None and not _is_id(values):
            unknown = _unclear(paths, words[0], place, values, fields)
    if found:
        return min(found, key=lambda row: row[0])[1]
    if unknown is not None:
        raise unknown
    return None


def _beside(columns: Sequence[Sequence[str]], place: int) -> set[int]:
    """Words next to the channel that only say it again (`Target 1 (Hoechst)`, `2_GFP`)."""
    many = len(set(columns[place]))
    near = [i for i in (place - 1, place + 1) if 0 <= i < len(columns) and len(columns[place]) > many]
    return {i for i in near if len(set(columns[i])) == many == len(set(zip(columns[i], columns[place], strict=True)))}


def _set_of(paths: Sequence[Path], words: Words, place: int) -> tuple[tuple[str, ...] | None, int]:
    """The words that stand at a place in the files of one field, None where fields differ in them; and the fields."""
    seen: dict[tuple[object, ...], list[str]] = {}
    without = {place} | _beside([*zip(*words, strict=True)], place)
    for path, w in zip(paths, words, strict=True):
        alike = tuple(one_well(word) for i, word in enumerate(w) if i not in without)
        seen.setdefault((path.parent, *alike), []).append(w[place])
    sets = Counter(tuple(sorted(set(values))) for values in seen.values())
    values, times = max(sets.items(), key=lambda row: (row[1], len(row[0])))
    stained = all(_STAINS.fullmatch(value) for value in values)
    whole = times == len(seen) or (stained and times > len(seen) / 2 and all(set(s) <= set(values) for s in sets))
    alone = all(len(set(v)) == len(v) for v in seen.values())
    return (values if whole and alone and 2 <= len(values) <= _MOST_CHANNELS else None), len(seen)


def _keyed(word: str) -> str | None:
    """What a word counts: `s1`, `Field_3`, `z004`, `ch2`."""
    key = re.fullmatch(r"([A-Za-z]+)\d+", word)
    return _KEYS.get(key[1].lower()) if key else None


def _role(columns: Sequence[Sequence[str]], place: int) -> str | None:
    """What the words at a place count, by their own letters or by the word before them (`Field 1`)."""
    own = {_keyed(word) for word in columns[place]}
    if own != {None}:
        one = own.pop() if len(own) == 1 else None
        heads = {re.sub(r"\d+$", "", word).lower() for word in columns[place]}
        # c1 and d1 may be wells as well as channels, and p1 a plate: small letters, or a word of more letters, tell
        sure = len(next(iter(heads))) > 1 or all(word[0].islower() for word in columns[place])
        return one if len(heads) == 1 and (sure or one not in ("channel", "site") or heads & {"s", "f"}) else None
    before = set(columns[place - 1]) if place else set()
    if len(before) != 1 or not all(word.isdigit() for word in columns[place]):
        return None
    word = before.pop().lower()
    return _KEYS.get(word) if len(word) > 1 else None


def _wells(values: Sequence[str]) -> bool:
    return all(map(PLAIN_WELL.fullmatch, values))


def _counted(values: Sequence[str]) -> bool:
    """Whether words only count (`s1`, `s2`; `001`, `002`); 405 and 488 are wavelengths."""
    heads = {re.sub(r"\d+$", "", value).lower() for value in values}
    if len(heads) != 1 or not all(value[-1].isdigit() for value in values):
        return False
    waves = sorted(int(v) for v in values) if heads == {""} and all(len(v) == 3 for v in values) else []
    far = all(b - a >= 10 for a, b in pairwise(waves))
    return not (waves and waves[0] >= 340 and waves[-1] <= 1000 and far)


def _is_id(values: Sequence[str]) -> bool:
    """Whether words are no words, but long digits or hexadecimal."""
    return all(re.fullmatch(r"\d{4,}|[0-9a-f-]{8,}", value, re.IGNORECASE) for value in values)


def _unclear(paths: Sequence[Path], words: Sequence[str], place: int, values: Sequence[str], fields: int) -> DataError:
    several, alone = _suggested(words, paths[0], place), _suggested(words, paths[0], None)
    return DataError(
        f"{paths[0].parent}: each of {fields} names has a file for {', '.join(values[:6])} (such as "
        f"{paths[0].name}), and it is not clear what these are. If they are channels, say so: "
        f"--pattern '{several}'. If each file is a field: --pattern '{alone}'."
    )


def _suggested(words: Sequence[str], path: Path, place: int | None) -> str:
    """A pattern for names like this one."""
    number = next((i for i, w in enumerate(words) if w.isdigit() and i != place), None)
    text, at = "", 0
    for i, word in enumerate(words):
        start = path.stem.find(word, at)
        said = "{channel}" if i == place else "{site}" if i == number else "{any}"
        text, at = text + path.stem[at : max(start, at)] + said, max(start, at) + len(word)
    return text + path.stem[at:] + path.suffix


def _told(paths: Sequence[Path], words: Words, channel: int | None) -> list[Facts]:
    columns = [*zip(*words, strict=True)]
    taken = set() if channel is None else {channel} | _beside(columns, channel)
    roles = {i: _role(columns, i) for i in range(len(columns)) if i not in taken}
    well = _well_place(columns, taken)
    for place in [i for i, role in roles.items() if role == "channel" or i == well]:
        roles[place] = None
    places = {what: _best([i for i, role in roles.items() if role == what], columns) for what in ("site", "z", "t")}
    if places["site"] is None:
        numbers = [i for i, c in enumerate(columns) if i not in taken and all(w.isdigit() for w in c)]
        places["site"] = _best([i for i in numbers if i != well and roles.get(i) is None], columns)
    used = taken | {well, *places.values()}
    rest = [i for i, column in enumerate(columns) if i not in used and len(set(column)) > 1]

    def facts(w: Sequence[str]) -> Facts:
        said = {what: re.sub(r"^\D+", "", w[i]) for what, i in places.items() if i is not None}
        found = _WELL.fullmatch(w[well]) if well is not None else None
        named = {"channel": w[channel]} if channel is not None else {}
        return {**named, "well": found[1] if found else None, **said, "rest": "_".join(w[i] for i in rest)}

    return [facts(w) for w in words]


def _best(places: Sequence[int], columns: Sequence[Sequence[str]]) -> int | None:
    """The last place whose words differ, else the last."""
    varied = [i for i in places if len(set(columns[i])) > 1]
    return max(varied or places, default=None)


def _well_place(columns: Sequence[Sequence[str]], taken: set[int]) -> int | None:
    """The word that is a well in every name: one called so, one that differs, one whose letter is not P (a plate)."""
    places = [i for i, column in enumerate(columns) if i not in taken and all(map(_WELL.fullmatch, column))]
    places = [i for i in places if _role(columns, i) is None or _differ(columns[i])]

    def rank(i: int) -> tuple[bool, bool, bool, int]:
        column = columns[i]
        called = column[0].lower().startswith("well") or (i > 0 and columns[i - 1][0].lower() == "well")
        plates = all(word[0].upper() in "PS" for word in column)
        return (not called, plates, len(set(column)) == 1, i)

    places = [i for i in places if not rank(i)[1] or not rank(i)[0] or len(set(columns[i][0])) > 2]
    return min(places, key=rank, default=None)


def _differ(column: Sequence[str]) -> bool:
    """Whether the letters of wells differ: then they are rows, and count nothing."""
    return len({word[0].lower() for word in column}) > 1


def _channel_folders(paths: Sequence[Path]) -> list[Facts] | None:
    """Files of the same names in folders called after stains (`DAPI/1.tif`, `GFP/1.tif`)."""
    names = [path.parent.name for path in paths]
    if len(set(names)) < 2 or not all(_STAINS.fullmatch(name) and not name.isdigit() for name in names):
        return None
    seen: dict[tuple[Path, str], set[str]] = {}
    for path in paths:
        seen.setdefault((path.parent.parent, path.name), set()).add(path.parent.name)
    whole = Counter(map(frozenset, seen.values())).most_common(1)[0]
    if len(whole[0]) < 2 or whole[1] <= len(seen) / 2:
        return None
    words = [_coarse(path) for path in paths]
    alike = len({len(w) for w in words}) == 1
    said = _told(paths, words, None) if alike else [{"rest": path.stem} for path in paths]
    above = [{"channel": path.parent.name, "folder": str(path.parent.parent)} for path in paths]
    return [{**own, **more} for own, more in zip(said, above, strict=True)]
