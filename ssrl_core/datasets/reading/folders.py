"""From files to images: which files are images, what their folders say, one size and type for all."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from ssrl_core.datasets.progress import Report
from ssrl_core.datasets.reading import image as images
from ssrl_core.datasets.reading import tiff
from ssrl_core.datasets.reading.image import DEFAULT_SIZE, fitted
from ssrl_core.datasets.reading.ome import Said
from ssrl_core.datasets.reading.scale import OTHER_SCALE, Scale, Spread, scale_for
from ssrl_core.datasets.reading.source import Tree, why
from ssrl_core.datasets.reading.understanding import Column, Layout, Reading, Understanding
from ssrl_core.datasets.splits import split_folders
from ssrl_core.errors import DataError

Array = np.ndarray[Any, Any]
_CHUNK_BYTES = 16_000_000
_MIXABLE = {1, 3}
_PICTURES = {"images", "image", "imgs", "img", "jpegimages"}
_MASKS = {"masks", "mask", "labels", "annotations", "segmentations", "ground_truth"}
MOST_PAGES_AS_CHANNELS = 5
FILE = "file"  # the column that holds the pages of one file together
_ZARR_BESIDE = "a Zarr folder beside image files; import it by itself"


@dataclass(frozen=True)
class Entry:
    """One image file of a tree and what is known of it."""

    path: str
    columns: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class _Target:
    """What all images are brought to."""

    channels: int
    scale: Scale
    side: int | None
    way: str
    pages: str


def list_tree(tree: Tree) -> ImageFiles:
    """The images of a tree: by its table, if one lies at its top, else by its folders."""
    from ssrl_core.datasets.reading.table import list_by_table

    listed, unused = list_by_table(tree)
    if listed is not None:
        listed.understood.skipped += unused
        return listed
    why_not = {item["file"]: item["reason"] for item in unused}
    understood, entries = by_folders([path for path in tree.files if images.is_image(path)], _name_of(tree))
    understood.skipped += [
        {"file": path, "reason": why_not.get(path, "not an image file")}
        for path in tree.files
        if not images.is_image(path)
    ]
    understood.skipped += [{"file": path or tree.where, "reason": _ZARR_BESIDE} for path in tree.zarrs]
    return ImageFiles(tree, entries, understood)


def by_folders(paths: Sequence[str], source: str) -> tuple[Understanding, list[Entry]]:
    """Entries with `label` (the class folder) and, where folders beside each other are train and test, `split`.

    Beside splits nothing else is a class: other folders and loose files are left out. `images` below a split or a class
    is no class; `masks` beside `images` are no images. Names come in one Unicode form, so that é is é.
    """
    parts = [unicodedata.normalize("NFC", path).split("/") for path in paths]
    top = _common_depth(parts)
    words = split_folders({p[top] for p in parts if len(p) > top + 1})
    understood = Understanding(source, Layout("files"))
    pictured = {tuple(p[:i]) for p in parts for i, name in enumerate(p[:-1]) if name.lower() in _PICTURES}
    entries, levels = [], Counter[int]()
    for path, p in zip(paths, parts, strict=True):
        reason = _left_out(p, top, words, pictured)
        if reason:
            understood.skipped.append({"file": path, "reason": reason})
            continue
        level = _class_level(p, top + bool(words), words, plain=not words and not any(_is_masks(q) for q in parts))
        levels.update([] if level is None else [level])
        columns: dict[str, Any] = {"split": words[p[top]]} if words else {}
        entries.append(Entry(path, {**columns, "label": None if level is None else p[level]}))
    if words:
        understood.layout = Layout("folders", split_level=top)
        understood.columns += (Column("split", values=len(set(words.values()))),)
        understood.guess("split", "the folders " + ", ".join(sorted(words)), "their names")
    if not levels:
        return understood, [Entry(e.path, {k: v for k, v in e.columns.items() if k != "label"}) for e in entries]
    level = levels.most_common(1)[0][0]
    names = {e.columns["label"] for e in entries} - {None}
    understood.layout, understood.label = replace(understood.layout, kind="folders", class_level=level), "label"
    understood.columns += (Column("label", values=len(names)),)
    understood.guess("label", "the folder that an image lies in", f"its place, level {level + 1} of the path")
    understood.notes += _look_alikes(names)
    unlabelled = sum(e.columns["label"] is None for e in entries)
    understood.notes += [f"{unlabelled} images lie in no class folder and have no label"] if unlabelled else []
    return understood, entries


def _left_out(p: Sequence[str], top: int, words: Mapping[str, str], pictured: set[tuple[str, ...]]) -> str:
    """Why an image is none of the set's; "" if it is."""
    if words and (len(p) <= top + 1 or p[top] not in words):
        return f"it lies beside the folders {', '.join(sorted(words))}, which are splits; lay it in one of them"
    if any(name.lower() in _MASKS and tuple(p[:i]) in pictured for i, name in enumerate(p[:-1])):
        return "it lies in a folder of masks or labels beside one of images"
    return ""


def _is_masks(p: Sequence[str]) -> bool:
    return any(name.lower() in _MASKS for name in p[:-1])


def _class_level(p: Sequence[str], level: int, words: Mapping[str, str], *, plain: bool) -> int | None:
    """Which folder of a path is its class; None where there is none.

    Args:
        level: the first that may be.
        plain: nothing tells that the source knows splits or masks, so that a folder `images` may be a class.
    """
    while level < len(p) - 1 and (p[level] in words or (not plain and p[level].lower() in _PICTURES)):
        level += 1
    return level if level < len(p) - 1 else None


def _look_alikes(names: set[str]) -> list[str]:
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


def _name_of(tree: Tree) -> str:
    return tree.where.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1]


@dataclass
class ImageFiles:
    """Image files and what is known of each (see `Listing`); what cannot be read is skipped with its reason."""

    tree: Tree
    entries: Sequence[Entry]
    understood: Understanding

    def read(self, size: int | None, way: str, report: Report) -> Reading:
        """See Listing."""
        known: list[tuple[Entry, images.Facts]] = []
        for done, entry in enumerate(self.entries):
            report(done, len(self.entries), "looking at files")
            try:
                with self.tree.open(entry.path) as file:
                    known.append((entry, images.facts(file)))
            except (DataError, OSError) as error:
                self._skip(entry, error)
        if not known:
            raise DataError(_nothing(self.tree, self.understood.skipped))
        pages = _meaning_of_pages([facts for _, facts in known], self.understood)
        known = [(entry, _as_seen(facts, pages)) for entry, facts in known]
        known, scale = self._scaled(known, report)
        if not known:
            raise DataError(_nothing(self.tree, self.understood.skipped))
        target = _target([facts for _, facts in known], size, way, scale, pages, self.understood)
        self.understood.channels = _said([facts for _, facts in known], target)
        rows: list[dict[str, Any]] = []
        pixels = self._stream([entry for entry, _ in known], target, rows, report)
        return Reading(self.understood, pixels, lambda: pd.DataFrame(rows))

    def _scaled(
        self, known: list[tuple[Entry, images.Facts]], report: Report
    ) -> tuple[list[tuple[Entry, images.Facts]], Scale]:
        """Look through all files whose numbers are no bytes: those that can be read, and one scale for all."""
        kept: list[tuple[Entry, images.Facts]] = []
        found: dict[str, Spread] = {}
        deep = sum(facts.sixteen for _, facts in known)
        for entry, facts in known:
            if facts.sixteen:
                report(len(kept), deep, "looking at pixel values")
                try:
                    with self.tree.open(entry.path) as file:
                        found.setdefault(facts.kind, Spread()).take(images.numbers(file), entry.path)
                except (DataError, OSError) as error:
                    self._skip(entry, error)
                    continue
            else:
                found.setdefault("bytes", Spread(0, 255))
            kept.append((entry, facts))
        lost = {name for spread in found.values() for name in spread.lost}
        for entry in [entry for entry, _ in kept if entry.path in lost]:
            self._skip(entry, DataError(OTHER_SCALE))
        kept = [(entry, facts) for entry, facts in kept if entry.path not in lost]
        scale = scale_for({kind: spread for kind, spread in found.items() if spread.high > -np.inf})
        self.understood.notes += scale.notes
        self.understood.max_value = scale.max_value
        if set(found) - {"bytes"} and scale.max_value not in (255, 65535):
            self.understood.guess("the value that stands for 1", f"{scale.max_value}", "the largest value of all files")
        return kept, scale

    def _stream(
        self, entries: Sequence[Entry], target: _Target, rows: list[dict[str, Any]], report: Report
    ) -> Iterator[Array]:
        block: list[Array] = []
        for done, entry in enumerate(entries):
            report(done, len(entries), "reading images")
            try:
                with self.tree.open(entry.path) as file:
                    pages = [_adapted(page, target) for page in _laid(images.numbers(file), target.pages)]
            except (DataError, OSError) as error:
                self._skip(entry, error)
                continue
            for number, page in enumerate(pages):
                source = entry.path if len(pages) == 1 else f"{entry.path}#{number}"
                own = {FILE: entry.path} if self.understood.group == FILE else {}
                rows.append({"source": source, **entry.columns, **own})
                block.append(page)
                if len(block) * page.nbytes >= _CHUNK_BYTES:
                    yield np.stack(block)
                    block = []
        if block:
            yield np.stack(block)
        report(len(entries), len(entries), "reading images")
        if not rows:
            raise DataError(_nothing(self.tree, self.understood.skipped))

    def _skip(self, entry: Entry, error: Exception) -> None:
        self.understood.skipped.append({"file": entry.path, "reason": why(error)})


def _meaning_of_pages(found: Sequence[images.Facts], understood: Understanding) -> str:
    """`channels` where every one of several files has as few pages that nobody named, else `images`."""
    several = [facts for facts in found if facts.pages > 1]
    counts = {facts.pages for facts in found}
    unnamed = all(facts.named == tiff.UNNAMED and facts.channels == 1 for facts in found)
    if len(found) > 1 and len(counts) == 1 and unnamed and max(counts) <= MOST_PAGES_AS_CHANNELS:
        count = max(counts)
        understood.guess("channels", f"the {count} pages of each file", "every file has as many, and none says more")
        return "channels"
    if several and len(found) > 1:
        understood.guess("images", "each page of a file", f"{len(several)} files have several pages")
        if understood.layout.split_level is None and understood.group is None:
            understood.group = FILE
            understood.columns += (Column(FILE, values=len(found)),)
            understood.notes.append("the pages of one file stay in one split")
    return "images"


def _as_seen(facts: images.Facts, pages: str) -> images.Facts:
    """The facts of a file whose pages were given a meaning."""
    return replace(facts, pages=1, channels=facts.pages) if pages == "channels" else facts


def _laid(values: Array, pages: str) -> Array:
    """(images, C, H, W) of a file's (pages, C, H, W)."""
    return np.swapaxes(values, 0, 1) if pages == "channels" else values


def _target(
    found: Sequence[images.Facts], size: int | None, way: str, scale: Scale, pages: str, understood: Understanding
) -> _Target:
    """One size, number of channels and type for images of several; what is decided is noted."""
    kinds = Counter(facts.channels for facts in found)
    channels = 3 if set(kinds) == _MIXABLE else kinds.most_common(1)[0][0]
    if set(kinds) == _MIXABLE:
        understood.notes.append(f"{kinds[1]} grey images were repeated to 3 channels")
    sizes = Counter((facts.height, facts.width) for facts in found)
    side = size
    if side is None and len(sizes) > 1:
        side = DEFAULT_SIZE
        understood.notes.append(f"{len(sizes)} sizes and no --size: fitted to {side} px ({way})")
        understood.guess("size", f"{side} px", f"there are {len(sizes)} sizes and none was asked for")
    elif side is not None and set(sizes) != {(side, side)}:
        understood.notes.append(f"fitted to {side} px ({way})")
    height, width = (side, side) if side is not None else next(iter(sizes))
    understood.shape = (channels, height, width)
    return _Target(channels, scale, side, way, pages)


def _said(found: Sequence[images.Facts], target: _Target) -> Said | None:
    """What most files with something to say of their channels say; display windows only where values stay as they are.

    Files that name their channels otherwise are taken by position, as all images are.
    """
    told = Counter(facts.said for facts in found if facts.said and facts.channels == target.channels)
    if not told:
        return None
    said = told.most_common(1)[0][0]
    same = not target.scale.factors and len({facts.kind for facts in found}) == 1
    return said if same else tuple(replace(channel, window=None) for channel in said)


def _adapted(image: Array, target: _Target) -> Array:
    """One (C, H, W) image as all others are."""
    if image.shape[0] == 1 and target.channels == 3:
        image = np.repeat(image, 3, axis=0)
    if image.shape[0] != target.channels:
        raise DataError(f"{image.shape[0]} channels where the others have {target.channels}")
    image = target.scale.apply(image)
    return fitted(image, target.side, target.way) if target.side is not None else image


def _nothing(tree: Tree, skipped: Sequence[Mapping[str, str]]) -> str:
    wanted = "PNG, JPEG, TIFF, BMP or WebP files, in one folder for each class"
    if not skipped:
        return f"{tree.where}: there are no images in it. Give a folder or a zip of {wanted}."
    shown = "; ".join(f"{item['file']}: {item['reason']}" for item in skipped[:3])
    more = f"; and {len(skipped) - 3} more" if len(skipped) > 3 else ""
    return f"{tree.where}: not one image in it can be read ({shown}{more}). Give {wanted}."
