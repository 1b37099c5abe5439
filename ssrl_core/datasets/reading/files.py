"""Image files: looked at, brought to one size, type and scale, and streamed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, TypeVar, cast

import numpy as np
import pandas as pd

from ssrl_core.datasets.progress import Report
from ssrl_core.datasets.reading import image as images
from ssrl_core.datasets.reading import tiff
from ssrl_core.datasets.reading.folders import Entry
from ssrl_core.datasets.reading.image import DEFAULT_SIZE, fitted
from ssrl_core.datasets.reading.in_place import InPlace, Recipe
from ssrl_core.datasets.reading.ome import Said
from ssrl_core.datasets.reading.scale import OTHER_SCALE, Scale, Spread, scale_for
from ssrl_core.datasets.reading.source import Tree, why
from ssrl_core.datasets.reading.understanding import Column, ImportOptions, Reading, Understanding
from ssrl_core.errors import DataError, some_of

Array = np.ndarray[Any, Any]
T = TypeVar("T")
_CHUNK_BYTES = 16_000_000
_MIXABLE = {1, 3}
PACKED = (".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst", ".7z", ".rar")  # beside zips, which are read
FILE = "file"  # the column that holds the pages of one file together


@dataclass(frozen=True)
class _Target:
    """What all images are brought to."""

    channels: int
    scale: Scale
    side: int | None
    way: str
    pages: str


@dataclass
class ImageFiles:
    """Image files and what is known of each (see `Listing`); what cannot be read is skipped with its reason."""

    tree: Tree
    entries: Sequence[Entry]
    understood: Understanding

    def read(self, options: ImportOptions, report: Report) -> Reading:
        """See Listing."""
        given = options.min_value is not None or options.max_value is not None
        self._sight = tiff.Sight(options.orientation == "tagged", options.alpha, given)
        looked = self._looked_at(report)
        _say_sight([facts for _, facts in looked], options, self.understood)
        pages = _meaning_of_pages([facts for _, facts in looked], options.pages, self.understood)
        seen = [(entry, _as_seen(facts, pages)) for entry, facts in looked]
        known, scale = self._scaled(seen, options, report)
        found = [facts for _, facts in known]
        target = _target(found, options, scale, pages, self.understood)
        self.understood.channels = _said(found, target)
        rows: list[dict[str, Any]] = []
        pixels = self._stream([entry for entry, _ in known], target, rows, report)
        planned = [(entry, page if facts.pages > 1 else None) for entry, facts in known for page in range(facts.pages)]
        table = pd.DataFrame([self._row(entry, page) for entry, page in planned])
        return Reading(
            self.understood,
            pixels,
            lambda: pd.DataFrame(rows),
            table,
            lambda ids, whole: self._sample(planned, ids, replace(target, side=None) if whole else target),
            self._in_place(found, target, options),
        )

    def _in_place(
        self, found: Sequence[images.Facts], target: _Target, options: ImportOptions
    ) -> Callable[[Path, list[str]], None] | None:
        """See Reading; None where these are not files of one 8-bit image each, in a folder or tars."""
        place, root = getattr(self.tree, "place", None), getattr(self.tree, "root", None)
        plain = all(facts.pages == 1 and not facts.sixteen for facts in found) and not target.scale.factors
        if place is None or root is None or not plain:
            return None
        recipe = Recipe(target.channels, target.side, target.way, options.orientation == "tagged", options.alpha)
        return InPlace(root, recipe, place).write

    def _looked_at(self, report: Report) -> list[tuple[Entry, images.Facts]]:
        """The files whose heads can be read.

        Raises:
            DataError: there are none.
        """
        known: list[tuple[Entry, images.Facts]] = []
        for done, entry in enumerate(self.entries):
            report(done, len(self.entries), "looking at files")
            try:
                known.append((entry, _known(self.tree, entry.path, self._sight, images.facts)))
            except (DataError, OSError) as error:
                self._skip(entry, error)
        if not known:
            raise DataError(_nothing(self.tree, self.understood.skipped))
        return known

    def _scaled(
        self, known: list[tuple[Entry, images.Facts]], options: ImportOptions, report: Report
    ) -> tuple[list[tuple[Entry, images.Facts]], Scale]:
        """Look through all files whose numbers are no bytes: those that can be read, and one scale for all.

        Raises:
            DataError: there are none.
        """
        kept: list[tuple[Entry, images.Facts]] = []
        found: dict[str, Spread] = {}
        deep = sum(facts.sixteen for _, facts in known)
        for entry, facts in known:
            if facts.sixteen:
                report(len(kept), deep, "looking at pixel values")
                try:
                    spread = _known(self.tree, entry.path, self._sight, _spread)
                    found.setdefault(facts.kind, Spread()).join(spread, entry.path)
                except (DataError, OSError) as error:
                    self._skip(entry, error)
                    continue
            else:
                found.setdefault("bytes", Spread(0, 255))
            kept.append((entry, facts))
        lost = set() if self._sight.any_range else {name for spread in found.values() for name in spread.lost}
        for entry in [entry for entry, _ in kept if entry.path in lost]:
            self._skip(entry, DataError(OTHER_SCALE))
        kept = [(entry, facts) for entry, facts in kept if entry.path not in lost]
        if not kept:
            raise DataError(_nothing(self.tree, self.understood.skipped))
        ranges = {kind: spread for kind, spread in found.items() if spread.high > -np.inf}
        scale = scale_for(ranges, options.min_value, options.max_value)
        self.understood.notes += scale.notes
        self.understood.max_value = scale.max_value
        guessed = set(found) - {"bytes"} and scale.max_value not in (255, 65535) and not self._sight.any_range
        if guessed:
            self.understood.guess("the value that stands for 1", f"{scale.max_value}", "the largest value of all files")
        return kept, scale

    def _stream(
        self, entries: Sequence[Entry], target: _Target, rows: list[dict[str, Any]], report: Report
    ) -> Iterator[Array]:
        block: list[Array] = []
        for done, entry in enumerate(entries):
            report(done, len(entries), "reading images")
            try:
                pages = self._pages(entry, target)
            except (DataError, OSError) as error:
                self._skip(entry, error)
                continue
            for number, page in enumerate(pages):
                rows.append(self._row(entry, None if len(pages) == 1 else number))
                block.append(page)
                if len(block) * page.nbytes >= _CHUNK_BYTES:
                    yield np.stack(block)
                    block = []
        if block:
            yield np.stack(block)
        report(len(entries), len(entries), "reading images")
        if not rows:
            raise DataError(_nothing(self.tree, self.understood.skipped))

    def _pages(self, entry: Entry, target: _Target) -> list[Array]:
        """The images of a file as all others are."""
        with self.tree.open(entry.path) as file:
            return [_adapted(page, target) for page in _laid(images.numbers(file, self._sight), target.pages)]

    def _row(self, entry: Entry, page: int | None) -> dict[str, Any]:
        own = {FILE: entry.path} if self.understood.group == FILE else {}
        return {"source": entry.path if page is None else f"{entry.path}#{page}", **entry.columns, **own}

    def _sample(
        self, planned: Sequence[tuple[Entry, int | None]], ids: Sequence[int], target: _Target
    ) -> tuple[list[int], list[Array]]:
        """See Reading.sample."""
        read: list[int] = []
        found: list[Array] = []
        for i in ids:
            entry, page = planned[i]
            try:
                found.append(self._pages(entry, target)[page or 0])
            except (DataError, OSError, IndexError):
                continue  # an import says why it is left out
            read.append(i)
        return read, found

    def _skip(self, entry: Entry, error: Exception) -> None:
        self.understood.skipped.append({"file": entry.path, "reason": why(error)})


_KNOWN: dict[Hashable, Any] = {}  # of files that did not change: a dialog looks again with every choice
_MOST_KNOWN = 1 << 17


def _known(tree: Tree, path: str, sight: tiff.Sight, look: Callable[[BinaryIO, tiff.Sight], T]) -> T:
    """What a look at a file finds, kept as long as the file stays as it is."""
    key = (look.__name__, path, sight, tree.stamp(path))
    if key not in _KNOWN:
        with tree.open(path) as file:
            found = look(file, sight)
        if len(_KNOWN) >= _MOST_KNOWN:
            _KNOWN.clear()
        _KNOWN[key] = found
    return cast(T, _KNOWN[key])


def _spread(file: BinaryIO, sight: tiff.Sight) -> Spread:
    """What the numbers of a file come to."""
    spread = Spread()
    spread.take(images.numbers(file, sight), "")
    return spread


def _say_sight(found: Sequence[images.Facts], options: ImportOptions, understood: Understanding) -> None:
    """What was made of alpha, and of tags of orientation."""
    turned, alpha = sum(facts.turned for facts in found), sum(facts.alpha for facts in found)
    if turned and options.orientation == "tagged":
        understood.guess("orientation", "turned as the files say", f"{turned} files have a tag of it")
    if alpha and options.alpha == "black":
        understood.guess("alpha", "laid over black", f"{alpha} files have it")


def _meaning_of_pages(found: Sequence[images.Facts], asked: str | None, understood: Understanding) -> str:
    """`channels` where every one of several files has as few pages that nobody named, else `images`."""
    several = [facts for facts in found if facts.pages > 1]
    counts = {facts.pages for facts in found}
    unnamed = all(facts.named == tiff.UNNAMED and facts.channels == 1 for facts in found)
    alike = len(found) > 1 and len(counts) == 1 and unnamed and max(counts) <= tiff.MOST_PAGES_AS_CHANNELS
    if asked is None and alike:
        count = max(counts)
        understood.guess("channels", f"the {count} pages of each file", "every file has as many, and none says more")
        return "channels"
    if several and len(found) > 1 and asked in (None, "images"):
        if asked is None:
            understood.guess("images", "each page of a file", f"{len(several)} files have several pages")
        if understood.layout.split_level is None and understood.group is None:
            understood.group = FILE
            understood.columns += (Column(FILE, values=len(found)),)
            understood.notes.append("the pages of one file stay in one split")
    return asked or "images"


def _as_seen(facts: images.Facts, pages: str) -> images.Facts:
    """The facts of a file whose pages were given a meaning."""
    if pages == "images":
        return facts
    return replace(facts, pages=1, channels=facts.pages * facts.channels if pages == "channels" else facts.channels)


def _laid(values: Array, pages: str) -> Array:
    """(images, C, H, W) of a file's (pages, C, H, W)."""
    if pages == "channels":
        return values.reshape(1, -1, *values.shape[2:])
    if pages == "brightest":
        brightest: Array = values.max(axis=0, keepdims=True)
        return brightest
    return values[len(values) // 2][None] if pages == "middle" else values


def _target(
    found: Sequence[images.Facts], options: ImportOptions, scale: Scale, pages: str, understood: Understanding
) -> _Target:
    """One size, number of channels and type for images of several; what is decided is noted."""
    size, way = options.size, options.fit
    kinds = Counter(facts.channels for facts in found)
    channels = 3 if set(kinds) == _MIXABLE else kinds.most_common(1)[0][0]
    if set(kinds) == _MIXABLE:
        understood.notes.append(f"{kinds[1]} grey images were repeated to 3 channels")
    sizes = Counter((facts.height, facts.width) for facts in found)
    side = size
    if side is None and len(sizes) > 1:
        side = DEFAULT_SIZE
        understood.guess("size", f"{side} px ({way})", f"there are {len(sizes)} sizes and none was asked for")
    if side is not None and set(sizes) != {(side, side)}:
        understood.notes.append(_about_fit(sizes, side, way))
    height, width = (side, side) if side is not None else next(iter(sizes))
    understood.shape = (channels, height, width)
    return _Target(channels, scale, side, way, pages)


def _about_fit(sizes: Mapping[tuple[int, int], int], side: int, way: str) -> str:
    """What fitting does to the images: what is cut off, left black or distorted, and how they are scaled."""
    shares = [1 - min(size) / max(size) for size in sizes]
    least, most = min(map(min, sizes)), max(map(max, sizes))
    known = f"{len(sizes)} sizes, {least} to {most} px" if len(sizes) > 1 else "{1} × {0} px".format(*next(iter(sizes)))
    share = f"up to {100 * max(shares):.0f} % of an image"
    done = {"crop": f"{share} is cut off at the sides", "pad": f"{share} is black", "stretch": "shapes are distorted"}
    what = f": {done[way]}" if max(shares) > 0.005 else ""
    return f"{known}: fitted to {side} px ({way}){what}"


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
    shown = some_of((f"{item['file']}: {item['reason']}" for item in skipped), 3, sep="; ")
    packed = [item["file"] for item in skipped if item["file"].lower().endswith((".zip", *PACKED))]
    if len(packed) == len(skipped):
        return f"{tree.where}: it holds only archives ({', '.join(packed[:3])}). Unpack them, and give the folder."
    return f"{tree.where}: not one image in it can be read ({shown}). Give {wanted}."
