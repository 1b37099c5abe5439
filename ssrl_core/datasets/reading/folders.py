"""What folders say of the images in them: which level of a path is the class, which the split, what is no image."""

from __future__ import annotations

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
_MASKS = {"masks", "mask", "labels", "annotations", "segmentations", "ground_truth"}
_SHOWN = 8  # names of folders
UNTOLD = ImportOptions()


@dataclass(frozen=True)
class Entry:
    """One image file of a tree and what is known of it."""

    path: str
    columns: Mapping[str, Any] = field(default_factory=dict)


def by_folders(paths: Sequence[str], source: str, options: ImportOptions = UNTOLD) -> tuple[Understanding, list[Entry]]:
    """Entries with `label` (the class folder) and, where folders beside each other are train and test, `split`.

    Beside splits nothing else is a class: other folders and loose files are left out. `images` below a split or a class
    is no class; `masks` beside `images` are no images. Names come in one Unicode form, so that é is é.

    Raises:
        SpecError: a level that was asked for and is not there, or is no split.
    """
    parts = [unicodedata.normalize("NFC", path).split("/") for path in paths]
    top = _common_depth(parts)
    split_level, words = _splits(parts, top, options)
    understood = Understanding(source, Layout("files"), folders=_levels(parts))
    pictured = {tuple(p[:i]) for p in parts for i, name in enumerate(p[:-1]) if name.lower() in _PICTURES}
    asked = _asked_level(options, understood.folders)
    plain = not words and not any(_is_masks(q) for q in parts)
    used = set(words.values()) != {"train"} and options.split != NOTHING
    entries, levels = [], Counter[int]()
    for path, p in zip(paths, parts, strict=True):
        reason = _left_out(p, split_level, words, pictured)
        if reason:
            understood.skipped.append({"file": path, "reason": reason})
            continue
        level = _class_level(p, top, split_level, words, plain=plain) if asked is None else asked
        level = level if level is not None and 0 <= level < len(p) - 1 else None
        levels.update([] if level is None else [level])
        columns: dict[str, Any] = {"split": words[p[split_level]]} if words and used else {}
        entries.append(Entry(path, {**columns, "label": None if level is None else p[level]}))
    if words:
        _say_split(understood, split_level, words, used=used, options=options)
    if not levels:
        return understood, [Entry(e.path, {k: v for k, v in e.columns.items() if k != "label"}) for e in entries]
    level = levels.most_common(1)[0][0]
    names = {e.columns["label"] for e in entries} - {None}
    understood.layout, understood.label = replace(understood.layout, kind="folders", class_level=level + 1), "label"
    understood.columns += (Column("label", values=len(names)),)
    if asked is None:
        understood.guess("label", "the folder that an image lies in", f"its place, level {level + 1} of the path")
    understood.notes += look_alikes(names)
    return understood, entries


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
        names = {p[level] for p in parts if len(p) > level + 1}
        words = split_folders(names)
        inside = sum(len(p) > level + 1 and p[level] in words for p in parts)
        if words and (level == top or inside > len(parts) / 2):
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


def _left_out(p: Sequence[str], level: int, words: Mapping[str, str], pictured: set[tuple[str, ...]]) -> str:
    """Why an image is none of the set's; "" if it is."""
    if words and (len(p) <= level + 1 or p[level] not in words):
        return f"it lies beside the folders {', '.join(sorted(words))}, which are splits; lay it in one of them"
    if any(name.lower() in _MASKS and tuple(p[:i]) in pictured for i, name in enumerate(p[:-1])):
        return "it lies in a folder of masks or labels beside one of images"
    return ""


def _is_masks(p: Sequence[str]) -> bool:
    return any(name.lower() in _MASKS for name in p[:-1])


def _class_level(p: Sequence[str], top: int, split_level: int, words: Mapping[str, str], *, plain: bool) -> int | None:
    """Which folder of a path is its class; None where there is none.

    Args:
        top: the first level at which folders differ; above a deeper split, it is the class.
        plain: nothing tells that the source knows splits or masks, so that a folder `images` may be a class.
    """
    if words and split_level > top:
        return top
    level = top + bool(words)
    while level < len(p) - 1 and (p[level] in words or (not plain and p[level].lower() in _PICTURES)):
        level += 1
    return level if level < len(p) - 1 else None


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
