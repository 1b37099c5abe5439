"""What to look at before a set of images is trusted: a table of checks, one row each, over any image set.

Near-duplicates: pixel by pixel first, then the correlation of small images.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

from ssrl_core.datasets.columns import OWN_COLUMNS
from ssrl_core.datasets.imageset import ImageSet
from ssrl_core.datasets.splits import read_given, split_word, well_names
from ssrl_core.datasets.subsets import confounded_words

Array = np.ndarray[Any, Any]
_FOLDER_WORDS = {"images", "image", "imgs", "img", "labels", "masks", "data", "pictures"}
_MOST = 200_000  # images that are compared for near-duplicates
_DIRECTIONS, _NEIGHBOURS = 16, 4
_SIDE = 16  # px of the thumbnails that are compared
_ALIKE = 0.995  # correlation of thumbnails from which images are near-duplicates
_LOOKED_AT = 512  # images that channels are judged by


class Looked:
    """An image set, and what several checks need of it, made once."""

    def __init__(self, imageset: ImageSet) -> None:
        self.set, self.table = imageset, imageset.table
        self.split: Array = imageset.table["split"].to_numpy(str)

    @cached_property
    def twins(self) -> list[list[int]]:
        """Groups of images whose pixels are all the same."""
        found: dict[bytes, list[int]] = defaultdict(list)
        for i in range(self.set.count):
            found[hashlib.blake2b(self.set.pixels[i].tobytes(), digest_size=16).digest()].append(i)
        return [ids for ids in found.values() if len(ids) > 1]

    def named(self, ids: Iterable[int]) -> str:
        """Some images by their files."""
        return " and ".join(str(self.table["source"].iloc[i]) for i in list(ids)[:2])


@dataclass(frozen=True)
class Check:
    """A row of the table.

    Attributes:
        pixels: whether it looks at pixels (the others take a moment only).
        run: what to warn of, in sentences.
    """

    name: str
    pixels: bool
    run: Callable[[Looked], list[str]]


def check(imageset: ImageSet, *, pixels: bool = True) -> list[str]:
    """What to warn of, in sentences; nothing is written.

    Args:
        pixels: whether to look at pixels, too (about a second for 500 MB).
    """
    looked = Looked(imageset)
    return [said for row in CHECKS if pixels or not row.pixels for said in row.run(looked)]


def _like_folders(looked: Looked) -> list[str]:
    classes = looked.set.classes
    splits = [name for name in classes if split_word(name)]
    found = [f"the classes {', '.join(splits)} read like splits, not like classes"] if len(splits) > 1 else []
    plain = [name for name in classes if name.lower() in _FOLDER_WORDS]
    return found + [f"the class {name!r} reads like a folder of files, not like a class" for name in plain]


def _unused_split(looked: Looked) -> list[str]:
    if looked.set.meta.get("splits", {}).get("source") == "given":
        return []
    known = [c for c in looked.table.columns if c not in OWN_COLUMNS and c != looked.set.label]
    unused = [c for c in known if looked.table[c].nunique() > 1 and read_given(looked.table[c]) is not None]
    return [f"column {c!r} names train and test, but the images were split by seed; call it split" for c in unused]


def _twice(looked: Looked) -> list[str]:
    twins = looked.twins
    if not twins:
        return []
    extra = sum(len(ids) - 1 for ids in twins)
    said = [f"{extra} images are there twice or more, pixel by pixel (such as {looked.named(twins[0])})"]
    across = [ids for ids in twins if len(set(looked.split[ids])) > 1]
    if across:
        said.append(f"{len(across)} of these lie in two splits: what is tested was learned (keep one, or group them)")
    labels = looked.set.label_ids
    apart = [ids for ids in twins if len(set(labels[ids]) - {-1}) > 1]
    return said + ([f"{len(apart)} of these have two labels ({looked.named(apart[0])})"] if apart else [])


def _nearly_twice(looked: Looked) -> list[str]:
    """Images of two splits that are alike but for compression, brightness or noise."""
    count = looked.set.count
    ids = np.arange(count) if count <= _MOST else np.linspace(0, count - 1, _MOST).astype(int)
    small = np.stack([_thumbnail(looked.set.pixels[i]) for i in ids]).reshape(len(ids), -1)
    small = small - small.mean(1, keepdims=True)
    length = np.linalg.norm(small, axis=1)
    told = length > 0.01 * looked.set.max_value * _SIDE  # flat images are all alike
    told &= ~np.isin(ids, [i for twins in looked.twins for i in twins[1:]])
    ids, unit = ids[told], small[told] / length[told, None]
    pairs = [(int(ids[a]), int(ids[b])) for a, b in _alike_across(unit, looked.split[ids])]
    if not pairs:
        return []
    some = f" among {_MOST:,} images looked at" if count > _MOST else ""
    shown = looked.named(pairs[0])
    return [f"{len(pairs)} pairs of images of two splits are nearly the same{some} (such as {shown})"]


def _alike_across(unit: Array, split: Array) -> list[tuple[int, int]]:
    """Rows of two splits that correlate by `_ALIKE` or more; of each row its nearest.

    Nearest on the directions of most variance, which can only bring rows nearer: none that is alike is missed.
    """
    if len(unit) < 2:
        return []
    _, directions = np.linalg.eigh(unit.T @ unit)
    near = (unit @ directions[:, -_DIRECTIONS:]).astype(np.float64)
    pairs, within = [], float(np.sqrt(2 - 2 * _ALIKE))
    for asked, others in (("val", ("train",)), ("test", ("train", "val"))):
        rows, known = np.flatnonzero(split == asked), np.flatnonzero(np.isin(split, others))
        if not len(rows) or not len(known):
            continue
        _, found = cKDTree(near[known]).query(near[rows], k=_NEIGHBOURS, distance_upper_bound=within)
        for row, places in zip(rows, np.reshape(found, (len(rows), -1)), strict=True):
            close = known[places[places < len(known)]]
            close = close[unit[close] @ unit[row] >= _ALIKE]
            pairs += [(int(close[0]), int(row))] if len(close) else []
    return pairs


def _thumbnail(image: Array) -> Array:
    """(16, 16) float32 means of the channels' mean."""
    grey = image.mean(0, dtype=np.float32)
    height, width = grey.shape
    if height < _SIDE or width < _SIDE:
        grey = np.repeat(np.repeat(grey, -(-_SIDE // height), 0), -(-_SIDE // width), 1)
        height, width = grey.shape
    rows = np.add.reduceat(grey, np.arange(_SIDE) * height // _SIDE, axis=0)
    cells = np.add.reduceat(rows, np.arange(_SIDE) * width // _SIDE, axis=1)
    return np.asarray(cells * (_SIDE * _SIDE / (height * width)))


def _shared_files(looked: Looked) -> list[str]:
    table = looked.table
    if "plate" not in table:
        return []
    plates = table["plate"].astype(str).to_numpy()
    shared = [ids for ids in looked.twins if len(set(plates[ids])) > 1]
    if not shared:
        return []
    return [
        f"{len(shared)} images are the same on two plates (such as {looked.named(shared[0])}): one stands for another"
    ]


def _one_split(looked: Looked) -> list[str]:
    ids, said = looked.set.label_ids, []
    present = set(looked.split)
    for number, name in enumerate(looked.set.classes):
        splits = sorted(set(looked.split[ids == number]))
        if len(splits) == 1 and len(present) > 1:
            said.append((name, splits[0]))
    if not said:
        return []
    shown = ", ".join(f"{name} ({split})" for name, split in said[:5]) + (" …" if len(said) > 5 else "")
    one = "1 class is" if len(said) == 1 else f"{len(said)} classes are"
    return [f"{one} in one split only: {shown}"]


def torn_wells(table: pd.DataFrame) -> tuple[int, int]:
    """How many wells lie in two splits, and how many wells there are (B02 of two plates is two)."""
    wells = well_names(table)
    if wells is None:
        return 0, 0
    splits = table["split"].groupby(wells).nunique()
    return int((splits > 1).sum()), len(splits)


def torn_words(table: pd.DataFrame) -> str:
    """What is to be said beside every score of an image set whose split tears wells; "" where it tears none.

    Args:
        table: rows of an image set's table, with `split`, and `well` and `plate` where they are known.
    """
    torn, wells = torn_wells(table)
    return f"{torn} of {wells} wells lie in two splits: scores may tell wells apart, not compounds." if torn else ""


def _torn(looked: Looked) -> list[str]:
    said = torn_words(looked.table)
    return [f"{said[:-1]}; keep them together with --group well"] if said else []


def _dull_channels(looked: Looked) -> list[str]:
    ids = np.linspace(0, looked.set.count - 1, min(looked.set.count, _LOOKED_AT)).astype(int)
    pixels = [looked.set.pixels[i] for i in ids]
    low, high = np.min([p.min((1, 2)) for p in pixels], axis=0), np.max([p.max((1, 2)) for p in pixels], axis=0)
    names = [channel.name for channel in looked.set.channels]
    return [
        f"channel {name} is {'empty' if top == 0 else f'{top} everywhere'}"
        for name, bottom, top in zip(names, low, high, strict=True)
        if bottom == top
    ]


def _confounded(looked: Looked) -> list[str]:
    return confounded_words(looked.table, looked.set.label) if looked.set.label and looked.set.label != "plate" else []


def _all_different(looked: Looked) -> list[str]:
    known = int((looked.set.label_ids >= 0).sum())
    if known < 20 or len(looked.set.classes) <= known / 2:
        return []
    return [f"{len(looked.set.classes)} classes among {known} images: the label reads like a name of each image"]


CHECKS = (
    Check("classes that read like folders", False, _like_folders),
    Check("a split column that was not used", False, _unused_split),
    Check("a class in one split only", False, _one_split),
    Check("wells in two splits", False, _torn),
    Check("class and plate confounded", False, _confounded),
    Check("labels nearly all different", False, _all_different),
    Check("images twice", True, _twice),
    Check("near-duplicates across splits", True, _nearly_twice),
    Check("plates that share images", True, _shared_files),
    Check("constant or empty channels", True, _dull_channels),
)
