"""What folders say of the images in them: which level of a path is the class, which the split, what is no image."""

from __future__ import annotations

import posixpath
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ssrl_core.datasets.columns import natural_key
from ssrl_core.datasets.reading.understanding import (
    NOTHING,
    Column,
    ImportOptions,
    Layout,
    Level,
    Understanding,
    told_wrong,
)
from ssrl_core.datasets.splits import split_folders, split_word

_PICTURES = {"images", "image", "imgs", "img", "jpegimages"}
_MASKS = re.compile(
    r"(.*?)[ _-]*(?:masks?|labels|annotations?|segmentations?|segs?|ground[ _-]?truths?|gts?|trimaps?)", re.IGNORECASE
)
_INPUTS = re.compile(r"(?:.*[ _-])?(?:images?|imgs?|jpegimages|inputs?)", re.IGNORECASE)
_MASK_OF = re.compile(r"(.+?)[ _-](?:masks?|segmentations?|seg|superpixels?|ground[ _-]?truth|gt|trimap)(?:_\d+)?")
_SHOWN = 8  # names of folders
_RENDERINGS = {"color", "colour", "grayscale", "greyscale", "gray", "grey", "rgb", "segmented", "raw", "processed"}
_RENDERINGS |= {"photo", "art_painting", "painting", "cartoon", "sketch", "clipart", "quickdraw", "infograph", "real"}
_RENDERINGS |= {"art", "product", "real world", "real_world", "realworld", "amazon", "webcam", "dslr"}
_PARTS = re.compile(
    r"(?:fold|part|batch|session|camera|cam|scanner|site|plate|rep|replicate|round|run|exp|experiment|day|week|passage"
    r"|well|screen)[ _-]?\d+|\d+x|x\d+|\d{4}([-_. ]?)\d{2}\1\d{2}|\d{2}([-_. ])\d{2}\2(?:\d{2}){1,2}",
    re.IGNORECASE,
)
_PERSON = re.compile(
    r"(?:patient|subject|sub|case|participant|animal|mouse|donor|study|series|visit|lesion)[ _-]?\w*\d+", re.IGNORECASE
)
_COUNTED = re.compile(r"(.+?)(?:[ ._-]+\(?\d+\)?)+$")
UNTOLD = ImportOptions()


@dataclass(frozen=True)
class Entry:
    """One image file of a tree and what is known of it."""

    path: str
    columns: Mapping[str, Any] = field(default_factory=dict)


def by_folders(paths: Sequence[str], source: str, options: ImportOptions = UNTOLD) -> tuple[Understanding, list[Entry]]:
    """Entries with `label` (the class folder) and, where folders beside each other are train and test, `split`.

    Beside splits nothing else is a class: other folders and loose files are left out. `images` below a split or a class
    is no class; `masks` beside `images`, and `a_mask.png` beside `a.png`, are no images. Names come in one Unicode
    form, so that é is é.

    Raises:
        SpecError: a level that was asked for and is not there, or is no split.
    """
    split_up = {path: unicodedata.normalize("NFC", path).split("/") for path in paths}
    masks = _masks(split_up)
    paths = [path for path in paths if path not in masks]
    parts = [split_up[path] for path in paths]
    told, folders = _read_levels(parts, options, plain=not masks), _levels(parts)
    words, asked = told.words, _asked_level(options, folders)
    understood = Understanding(source, Layout("files"), folders=folders)
    understood.skipped += [{"file": path, "reason": reason} for path, reason in masks.items()]
    used = set(words.values()) != {"train"} and options.split != NOTHING
    entries, levels = [], Counter[int]()
    for path, p in zip(paths, parts, strict=True):
        reason = told.left_out(p)
        if reason:
            understood.skipped.append({"file": path, "reason": reason})
            continue
        level = told.class_level(p) if asked is None else asked
        level = level if level is not None and 0 <= level < len(p) - 1 else None
        levels.update([] if level is None else [level])
        columns: dict[str, Any] = {"split": words[p[told.split_level]]} if words and used else {}
        entries.append(Entry(path, {**columns, "label": None if level is None else p[level]}))
    if words:
        _say_split(understood, told.split_level, words, used=used, options=options)
    counted = _by_file_names(entries) if asked is None and len(_classes(entries)) < 2 else None
    if counted is not None:
        _say_label(understood, counted, None, ("the words that names of files begin with", "no folders tell classes"))
        return understood, counted
    understood.notes += told.notes if asked is None else []
    if not levels:
        return understood, [Entry(e.path, {k: v for k, v in e.columns.items() if k != "label"}) for e in entries]
    level = levels.most_common(1)[0][0] + 1
    place = ("the folder that an image lies in", f"its place, level {level} of the path")
    _say_label(understood, entries, level, place if asked is None else None)
    return understood, entries


def _classes(entries: Sequence[Entry]) -> set[str]:
    return {e.columns["label"] for e in entries} - {None}


def _say_label(
    understood: Understanding, entries: Sequence[Entry], level: int | None, guessed: tuple[str, str] | None
) -> None:
    names = _classes(entries)
    understood.layout, understood.label = replace(understood.layout, kind="folders", class_level=level), "label"
    understood.columns += (Column("label", values=len(names)),)
    if guessed is not None:
        understood.guess("label", *guessed)
    understood.notes += look_alikes(names)


def _by_file_names(entries: Sequence[Entry]) -> list[Entry] | None:
    """Labels by names such as `cat.12.jpg` and `dog.3.jpg`; None where names say no classes of several images."""
    stems = [posixpath.splitext(posixpath.basename(entry.path))[0] for entry in entries]
    heads = [m[1] if (m := _COUNTED.fullmatch(stem)) else None for stem in stems]
    counts = Counter(head for head in heads if head is not None)
    known = sum(counts.values())
    words = all(re.match(r"[^\W\d_]{2}", head) and split_word(head) is None for head in counts)
    if not words or not 2 <= len(counts) <= known / 3 or min(counts.values()) < 2 or known < len(entries) / 2:
        return None
    return [replace(e, columns={**e.columns, "label": head}) for e, head in zip(entries, heads, strict=True)]


def _say_split(
    understood: Understanding, level: int, words: Mapping[str, str], *, used: bool, options: ImportOptions
) -> None:
    told = "the folders " + ", ".join(sorted(words))
    if not used:
        why_not = "as asked" if options.split == NOTHING else "there is no other"
        understood.notes.append(f"{told} are splits and no classes; the images are split by seed ({why_not})")
        return
    understood.layout = Layout("folders", split_level=level + 1)
    understood.columns += (Column("split", values=len(set(words.values()))),)
    if options.split is None:
        understood.guess("split", told, "their names")


def _splits(parts: Sequence[Sequence[str]], top: int, options: ImportOptions) -> tuple[int, dict[str, str]]:
    """The level whose folders are splits (the first is 0), and what each is; no words where there is none.

    Raises:
        SpecError: none of the folders of the level that was asked for is a split.
    """
    deepest = max((len(p) - 1 for p in parts), default=0)
    if options.split is not None and str(options.split).isdigit():
        level = int(options.split) - 1
        names = {p[level] for p in parts if 0 <= level < len(p) - 1}
        words = split_folders(names) or {name: word for name in names if (word := split_word(name))}
        if not words:
            raise told_wrong(
                "split", f"a level of folders named train, val or test, not {sorted(names)[:5]}", level + 1
            )
        return level, words
    if options.split not in (None, NOTHING):
        return top, {}
    for level in range(top, deepest):
        inside = _inside(parts, level)
        words = split_folders(inside, alike=_are_alike(inside))
        covered = sum(len(p) > level + 1 and p[level] in words for p in parts)
        if words and (level == top or covered > len(parts) / 2):
            return level, words
    return top, _train_alone(parts, top)


def _train_alone(parts: Sequence[Sequence[str]], top: int) -> dict[str, str]:
    """The folder that is called train, where it holds folders and those beside it do not, or are called like splits."""
    below: dict[str, bool] = {}
    for p in parts:
        if len(p) > top + 1:
            below[p[top]] = below.get(p[top], False) or len(p) > top + 2
    trains = [name for name in below if split_word(name) == "train"]
    if len(trains) != 1 or len(below) < 2 or not below[trains[0]]:
        return {}
    others = [name for name in below if name != trains[0]]
    return {trains[0]: "train"} if not any(below[name] for name in others) else {}


def _levels(parts: Sequence[Sequence[str]]) -> tuple[Level, ...]:
    """The folders of each level, by number."""
    deepest = max((len(p) - 1 for p in parts), default=0)
    found = [sorted({p[level] for p in parts if len(p) > level + 1}, key=natural_key) for level in range(deepest)]
    return tuple(Level(i + 1, len(names), tuple(names[:_SHOWN])) for i, names in enumerate(found))


def _asked_level(options: ImportOptions, folders: Sequence[Level]) -> int | None:
    """The level that was asked for, 0 = the highest; -1 = none is; None = nothing was asked.

    Raises:
        SpecError: there are not so many.
    """
    if options.class_level is None:
        return None
    if options.class_level == NOTHING:
        return -1
    if int(options.class_level) > len(folders):
        raise told_wrong("class_level", f"one of the {len(folders)} levels of folders, or none", options.class_level)
    return int(options.class_level) - 1


@dataclass(frozen=True)
class _Levels:
    """What the levels of some paths are.

    Attributes:
        top: the first level at which folders differ.
        split_level, words: the level whose folders are splits, and what each is; no words where there is none.
        over: (level, name) of folders that are no classes, but hold them.
        single: one folder only stands above a deeper split, so that it is no class.
        plain: nothing tells that the source knows splits or masks, so that a folder `images` may be a class.
        notes: what is to be said of it.
    """

    top: int
    split_level: int
    words: Mapping[str, str]
    over: set[tuple[int, str]]
    single: bool
    plain: bool
    notes: list[str]

    def left_out(self, p: Sequence[str]) -> str:
        """Why an image is none of the set's; "" if it is."""
        if self.words and (len(p) <= self.split_level + 1 or p[self.split_level] not in self.words):
            folders = ", ".join(sorted(self.words))
            return f"it lies beside the folders {folders}, which are splits; lay it in one of them"
        return ""

    def class_level(self, p: Sequence[str]) -> int | None:
        """Which folder of a path is its class; None where there is none. Above a deeper split, it is the top one."""
        if self.words and self.split_level > self.top and not self.single:
            return self.top
        level = self.split_level + 1 if self.words else self.top
        while level < len(p) - 1 and self._is_no_class(level, p[level]):
            level += 1
        return level if level < len(p) - 1 else None

    def _is_no_class(self, level: int, name: str) -> bool:
        return name in self.words or (level, name) in self.over or (not self.plain and name.lower() in _PICTURES)


def _read_levels(parts: Sequence[Sequence[str]], options: ImportOptions, *, plain: bool) -> _Levels:
    top = _common_depth(parts)
    split_level, words = _splits(parts, top, options)
    split = [p for p in parts if words and len(p) > split_level + 1 and p[split_level] in words]
    over, notes = _no_classes(split or parts, split_level + 1 if words else top, words)
    single = len({p[top] for p in split}) < 2
    return _Levels(top, split_level, words, over, single, plain and not words, notes)


def _masks(paths: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Files that outline what others show, each with the reason: those in a folder of masks beside one of images
    (`lung masks` beside `images`, `train_masks` beside `train`), and `a_mask.png` beside `a.png`."""
    beside: dict[tuple[str, ...], set[str]] = {}
    stems = set()
    for p in paths.values():
        stems.add((*p[:-1], posixpath.splitext(p[-1])[0]))
        for i, name in enumerate(p[:-1]):
            beside.setdefault(tuple(p[:i]), set()).add(name)
    found = {}
    for path, p in paths.items():
        if any(_is_masks(name, beside[tuple(p[:i])] - {name}) for i, name in enumerate(p[:-1])):
            found[path] = "it lies in a folder of masks or labels beside one of images"
        elif (shown := _MASK_OF.fullmatch(posixpath.splitext(p[-1])[0])) and (*p[:-1], shown[1]) in stems:
            found[path] = f"it is the mask of {shown[1]} beside it"
    return found


def _is_masks(name: str, others: set[str]) -> bool:
    """Whether a folder's name says masks, of images that one beside it holds."""
    said = _MASKS.fullmatch(name)
    return said is not None and any(_INPUTS.fullmatch(other) or (said[1] and other == said[1]) for other in others)


def _inside(parts: Sequence[Sequence[str]], level: int) -> dict[str, set[str]]:
    """The folders of a level and, for each, those in it."""
    inside: dict[str, set[str]] = {}
    for p in parts:
        if len(p) > level + 1:
            inside.setdefault(p[level], set()).update(p[level + 1 : level + 2] if len(p) > level + 2 else ())
    return inside


def _are_alike(inside: Mapping[str, set[str]]) -> bool:
    """Whether several folders hold the same several folders."""
    held = next(iter(inside.values()), set())
    return len(inside) > 1 and len(held) > 1 and all(found == held for found in inside.values())


def _no_classes(
    parts: Sequence[Sequence[str]], start: int, words: Mapping[str, str]
) -> tuple[set[tuple[int, str]], list[str]]:
    """Folders from a level on that are no classes, by their names and by what they hold; and what to say of it.

    Renderings (`color`, `grayscale`), numbered parts (`fold1`) and people (`patient00012`) hold the classes; a folder
    that is called as the one above it, and holds what lies beside it, is a copy.
    """
    over, notes = set[tuple[int, str]](), list[str]()
    for level in range(start, max((len(p) - 1 for p in parts), default=0)):
        inside = _inside(parts, level)
        names = sorted(inside, key=natural_key)
        held, shown = inside[names[0]], ", ".join(names[:4]) + (" …" if len(names) > 4 else "")
        alike = _are_alike(inside)
        above = {p[level - 1] for p in parts if level and len(p) > level + 1}
        copies = [name for name in names if above == {name} and len(names) > 2 and inside[name] == {*names} - {name}]
        if all(_PERSON.fullmatch(name) for name in names):
            notes.append(f"the folders {shown} are people, visits or animals, and no classes")
        elif alike and all(name.lower() in _RENDERINGS or _PARTS.fullmatch(name) for name in names):
            notes.append(f"the folders {shown} hold the same folders: those are the classes")
        elif copies:
            notes.append(f"the folder {copies[0]} inside {copies[0]} repeats the folders beside it")
            return over | {(level, copies[0])}, notes
        elif not all(name in words for name in names):
            some = ", ".join(sorted(held)[:4])
            notes += [f"the folders {shown} hold the same folders ({some}): say so if those are classes"] * alike
            break
        over |= {(level, name) for name in names}
    return over, notes


def look_alikes(names: set[str]) -> list[str]:
    """Classes that a reader would take for one: told apart by case, accents or blanks alone."""
    alike: dict[str, list[str]] = {}
    for name in sorted(names):
        bare = "".join(c for c in unicodedata.normalize("NFKD", name) if not unicodedata.combining(c))
        alike.setdefault(re.sub(r"[\s_-]+", " ", bare).strip().casefold(), []).append(name)
    return [f"the classes {' and '.join(map(repr, twins))} look alike" for twins in alike.values() if len(twins) > 1]


def _common_depth(parts: Sequence[Sequence[str]]) -> int:
    """How many folders all paths share; the last one above the files stays, since it may be the class."""
    depth = 0
    while parts and len({p[depth] for p in parts if len(p) > depth}) == 1 and all(len(p) > depth + 1 for p in parts):
        if max(len(p) for p in parts) <= depth + 2:
            break
        depth += 1
    return depth
