"""From files to images: which files are images, what their folders say, one size and type for all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from ssrl_core.datasets.progress import Report
from ssrl_core.datasets.reading import image as images
from ssrl_core.datasets.reading.image import DEFAULT_SIZE, fitted
from ssrl_core.datasets.reading.ome import Said
from ssrl_core.datasets.reading.source import Tree, why
from ssrl_core.datasets.reading.understanding import Column, Layout, Reading, Understanding
from ssrl_core.datasets.splits import word_for
from ssrl_core.errors import DataError

Array = np.ndarray[Any, Any]
_CHUNK_BYTES = 16_000_000
_MIXABLE = {1, 3}
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
    dtype: str
    side: int | None
    way: str


def list_tree(tree: Tree) -> ImageFiles:
    """The images of a tree: by its table, if one lies at its top, else by its folders."""
    from ssrl_core.datasets.reading.table import find_table, list_table

    table = find_table(tree)
    if table is not None:
        return list_table(tree, table)
    understood, entries = by_folders([path for path in tree.files if images.is_image(path)], _name_of(tree))
    understood.skipped += [
        {"file": path, "reason": "not an image file"} for path in tree.files if not images.is_image(path)
    ]
    understood.skipped += [{"file": path or tree.where, "reason": _ZARR_BESIDE} for path in tree.zarrs]
    return ImageFiles(tree, entries, understood)


def by_folders(paths: Sequence[str], source: str) -> tuple[Understanding, list[Entry]]:
    """Entries with `label` (the class folder) and, where the top folders are train/test, `split`."""
    parts = [path.split("/") for path in paths]
    top = _common_depth(parts)
    words = {p[top]: word_for(p[top]) for p in parts if len(p) > top + 1}
    split = len(set(words.values())) > 1 and None not in words.values() and "train" in words.values()
    split = split and all(len(p) > top + 1 for p in parts)
    level = top + split
    labels = [p[level] if len(p) > level + 1 else None for p in parts]
    classed = any(labels)
    understood = Understanding(source, Layout("folders" if classed or split else "files"))
    if split:
        understood.layout = replace(understood.layout, split_level=top)
        understood.columns += (Column("split", values=len(set(words.values()))),)
        understood.guess("split", "the folders " + ", ".join(sorted(words)), "their names")
    if classed:
        understood.layout, understood.label = replace(understood.layout, class_level=level), "label"
        understood.columns += (Column("label", values=len(set(labels) - {None})),)
        understood.guess("label", "the folder that an image lies in", f"its place, level {level + 1} of the path")
    entries = []
    for path, p, label in zip(paths, parts, labels, strict=True):
        columns: dict[str, Any] = {"split": words[p[top]]} if split else {}
        entries.append(Entry(path, {**columns, "label": label} if classed else columns))
    return understood, entries


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
        target = _target([facts for _, facts in known], size, way, self.understood)
        self.understood.channels = _said([facts for _, facts in known], target)
        rows: list[dict[str, Any]] = []
        pixels = self._stream([entry for entry, _ in known], target, rows, report)
        return Reading(self.understood, pixels, lambda: pd.DataFrame(rows))

    def _stream(
        self, entries: Sequence[Entry], target: _Target, rows: list[dict[str, Any]], report: Report
    ) -> Iterator[Array]:
        block: list[Array] = []
        for done, entry in enumerate(entries):
            report(done, len(entries), "reading images")
            try:
                with self.tree.open(entry.path) as file:
                    pages = [_adapted(page, target) for page in images.decode(file)]
            except (DataError, OSError) as error:
                self._skip(entry, error)
                continue
            for number, page in enumerate(pages):
                source = entry.path if len(pages) == 1 else f"{entry.path}#{number}"
                rows.append({"source": source, **entry.columns})
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


def _target(found: Sequence[images.Facts], size: int | None, way: str, understood: Understanding) -> _Target:
    """One size, number of channels and type for images of several; what is decided is noted."""
    kinds = Counter(facts.channels for facts in found)
    channels = 3 if set(kinds) == _MIXABLE else kinds.most_common(1)[0][0]
    if set(kinds) == _MIXABLE:
        understood.notes.append(f"{kinds[1]} grey images were repeated to 3 channels")
    deep = sum(facts.sixteen for facts in found)
    if 0 < deep < len(found):
        understood.notes.append(f"{len(found) - deep} images of 8 bit were raised to 16 bit (× 257)")
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
    return _Target(channels, "uint16" if deep else "uint8", side, way)


def _said(found: Sequence[images.Facts], target: _Target) -> Said | None:
    """What most files with something to say of their channels say; display windows only where values stay as they are.

    Files that name their channels otherwise are taken by position, as all images are.
    """
    told = Counter(facts.said for facts in found if facts.said and facts.channels == target.channels)
    if not told:
        return None
    said = told.most_common(1)[0][0]
    same = len({facts.sixteen for facts in found}) == 1
    return said if same else tuple(replace(channel, window=None) for channel in said)


def _adapted(image: Array, target: _Target) -> Array:
    """One (C, H, W) image as all others are."""
    if image.shape[0] == 1 and target.channels == 3:
        image = np.repeat(image, 3, axis=0)
    if image.shape[0] != target.channels:
        raise DataError(f"{image.shape[0]} channels where the others have {target.channels}")
    if image.dtype.name != target.dtype:
        if target.dtype == "uint8":
            raise DataError("16 bit where its head said 8 bit")
        image = image.astype(np.uint16) * np.uint16(257)
    return fitted(image, target.side, target.way) if target.side is not None else image


def _nothing(tree: Tree, skipped: Sequence[Mapping[str, str]]) -> str:
    wanted = "PNG, JPEG, TIFF, BMP or WebP files, in one folder for each class"
    if not skipped:
        return f"{tree.where}: there are no images in it. Give a folder or a zip of {wanted}."
    shown = "; ".join(f"{item['file']}: {item['reason']}" for item in skipped[:3])
    more = f"; and {len(skipped) - 3} more" if len(skipped) > 3 else ""
    return f"{tree.where}: not one image in it can be read ({shown}{more}). Give {wanted}."
