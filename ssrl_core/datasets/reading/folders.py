"""From files to images: which files are images, what their folders say, one size and type for all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from ssrl_core.datasets.progress import Report, told
from ssrl_core.datasets.reading import image as images
from ssrl_core.datasets.reading.fitting import DEFAULT_SIZE, Fit, fitted
from ssrl_core.datasets.reading.ome import Said
from ssrl_core.datasets.reading.outcome import Outcome
from ssrl_core.datasets.reading.source import Tree
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


def read_tree(tree: Tree, fit: Fit, label: str | None, report: Report | None) -> Outcome:
    """The images of a tree: by its table, if one lies at its top, else by its folders.

    Raises:
        DataError: no image in it.
    """
    from ssrl_core.datasets.reading.table import find_table, read_table

    table = find_table(tree)
    if table is not None:
        return read_table(tree, table, fit, label, report)
    skipped = [{"file": path, "reason": "not an image file"} for path in tree.files if not images.is_image(path)]
    skipped += [{"file": path or tree.where, "reason": _ZARR_BESIDE} for path in tree.zarrs]
    entries = by_folders([path for path in tree.files if images.is_image(path)])
    classed = any(entry.columns.get("label") for entry in entries)
    return read_entries(tree, entries, fit, label or ("label" if classed else None), skipped, report)


def by_folders(paths: Sequence[str]) -> list[Entry]:
    """Entries with `label` (the class folder) and, where the top folders are train/test, `split`."""
    parts = [path.split("/") for path in paths]
    drop = 0
    while parts and len({p[drop] for p in parts if len(p) > drop}) == 1 and all(len(p) > drop + 1 for p in parts):
        if max(len(p) for p in parts) <= drop + 2:  # the only folder above the files is the class
            break
        drop += 1
    tops = {p[drop] for p in parts if len(p) > drop + 1}
    words = {top: word_for(top) for top in tops}
    split = len(set(words.values())) > 1 and None not in words.values() and "train" in words.values()
    split = split and all(len(p) > drop + 1 for p in parts)
    entries = []
    for path, p in zip(paths, parts, strict=True):
        folders = p[drop:-1]
        columns: dict[str, Any] = {"split": words[folders.pop(0)]} if split else {}
        columns["label"] = folders[0] if folders else None
        entries.append(Entry(path, columns))
    if not any(entry.columns["label"] for entry in entries):
        return [Entry(e.path, {k: v for k, v in e.columns.items() if k != "label"}) for e in entries]
    return entries


def read_entries(
    tree: Tree,
    entries: Sequence[Entry],
    fit: Fit,
    label: str | None,
    skipped: list[dict[str, str]],
    report: Report | None,
) -> Outcome:
    """The images of some files; what cannot be read is skipped with its reason.

    Raises:
        DataError: no file can be read.
    """
    known: list[tuple[Entry, images.Facts]] = []
    for done, entry in enumerate(entries):
        told(report)(done, len(entries), "looking at files")
        try:
            with tree.open(entry.path) as file:
                known.append((entry, images.facts(file)))
        except (DataError, OSError) as error:
            skipped.append({"file": entry.path, "reason": _reason(error)})
    if not known:
        raise DataError(_nothing(tree, skipped))
    target, notes = _target([facts for _, facts in known], fit)
    rows: list[dict[str, Any]] = []
    return Outcome(
        pixels=_stream(tree, [entry for entry, _ in known], target, fit, rows, skipped, told(report)),
        table=lambda: pd.DataFrame(rows),
        label=label,
        source=tree.where.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1],
        skipped=skipped,
        notes=notes,
        channels=_said([facts for _, facts in known], target),
    )


def _stream(
    tree: Tree,
    entries: Sequence[Entry],
    target: _Target,
    fit: Fit,
    rows: list[dict[str, Any]],
    skipped: list[dict[str, str]],
    report: Report,
) -> Iterator[Array]:
    block: list[Array] = []
    for done, entry in enumerate(entries):
        report(done, len(entries), "reading images")
        try:
            with tree.open(entry.path) as file:
                pages = [_adapted(page, target, fit.way) for page in images.decode(file)]
        except (DataError, OSError) as error:
            skipped.append({"file": entry.path, "reason": _reason(error)})
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
        raise DataError(_nothing(tree, skipped))


def _target(found: Sequence[images.Facts], fit: Fit) -> tuple[_Target, list[str]]:
    """One size, number of channels and type for images of several, and what was decided."""
    notes = []
    kinds = Counter(facts.channels for facts in found)
    channels = 3 if set(kinds) == _MIXABLE else kinds.most_common(1)[0][0]
    if set(kinds) == _MIXABLE:
        notes.append(f"{kinds[1]} grey images were repeated to 3 channels")
    deep = sum(facts.sixteen for facts in found)
    if 0 < deep < len(found):
        notes.append(f"{len(found) - deep} images of 8 bit were raised to 16 bit (× 257)")
    sizes = Counter((facts.height, facts.width) for facts in found)
    side = fit.size
    if side is None and len(sizes) > 1:
        side = DEFAULT_SIZE
        notes.append(f"{len(sizes)} sizes and no --size: fitted to {side} px ({fit.way})")
    elif side is not None and set(sizes) != {(side, side)}:
        notes.append(f"fitted to {side} px ({fit.way})")
    return _Target(channels, "uint16" if deep else "uint8", side), notes


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


def _adapted(image: Array, target: _Target, way: str) -> Array:
    """One (C, H, W) image as all others are."""
    if image.shape[0] == 1 and target.channels == 3:
        image = np.repeat(image, 3, axis=0)
    if image.shape[0] != target.channels:
        raise DataError(f"{image.shape[0]} channels where the others have {target.channels}")
    if image.dtype.name != target.dtype:
        if target.dtype == "uint8":
            raise DataError("16 bit where its head said 8 bit")
        image = image.astype(np.uint16) * np.uint16(257)
    return fitted(image, target.side, way) if target.side is not None else image


def _reason(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    if isinstance(error, OSError):
        return f"it cannot be read ({error.strerror or error})"
    return str(error)


def _nothing(tree: Tree, skipped: Sequence[Mapping[str, str]]) -> str:
    wanted = "PNG, JPEG, TIFF, BMP or WebP files, in one folder for each class"
    if not skipped:
        return f"{tree.where}: there are no images in it. Give a folder or a zip of {wanted}."
    shown = "; ".join(f"{item['file']}: {item['reason']}" for item in skipped[:3])
    more = f"; and {len(skipped) - 3} more" if len(skipped) > 3 else ""
    return f"{tree.where}: not one image in it can be read ({shown}{more}). Give {wanted}."
