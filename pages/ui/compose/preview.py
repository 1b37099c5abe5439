"""From a composition and some images to what the grid shows: the views that training would see, and what was drawn.

`make_views` is the one of training. A single view group is shown with more views than training takes; its first ones
are the very same, because a draw depends on the view's number only. The grid is one picture with a hover and a click
for each cell: one request, whatever the number of cells.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from pages.ui.kit import cache, choices, gallery
from pages.ui.kit.jobs import PREVIEW, turns
from ssrl_core.datasets.pictures import BACKGROUND, shown_limits, to_rgb
from ssrl_core.errors import SSRLError
from ssrl_core.specs.composition import IMAGE, Composition, Step
from ssrl_core.specs.transforms import TRANSFORMS

_SMALL = 64
JS = gallery.script(Path(__file__).with_name("grid.js"))

_component = st.components.v2.component(
    "viewloom_grid",
    html='<div class="wrap"><div class="grid"></div><div class="tip" hidden></div></div>',
    css=Path(__file__).with_name("grid.css").read_text(encoding="utf-8"),
    js=JS,
)


def encode(rgb: np.ndarray[Any, Any], *, exact: bool) -> tuple[bytes, str]:
    """An image file that is quick to make: PNG where every pixel counts, else JPEG without colour subsampling.

    Args:
        rgb: (H, W, 3) uint8.

    Returns:
        The file and its media type.
    """
    from PIL import Image

    file = io.BytesIO()
    picture = Image.fromarray(rgb)
    if exact:
        picture.save(file, "PNG", compress_level=1)
        return file.getvalue(), "image/png"
    picture.save(file, "JPEG", quality=90, subsampling=0)
    return file.getvalue(), "image/jpeg"


def pack(
    pictures: np.ndarray[Any, Any],
    *,
    columns: int,
    heads: Sequence[str],
    said: Sequence[Sequence[str]],
    framed: Sequence[int] = (),
    marks: Mapping[int, str] | None = None,
    stamp: str = "",
) -> tuple[dict[str, Any], bytes]:
    """What the grid shows, as header and image file; `show` adds what changes with every click.

    Args:
        pictures: (B, H, W, 3) uint8, row by row.
        heads: text above each column; [] for none.
        said: for each cell what is told of it.
        framed: cells that hold source images.
        marks: a letter in the corner of some cells.
        stamp: name of this content; a click brings it back.
    """
    count, height, width = pictures.shape[:3]
    file, mime = encode(gallery.as_sheet(pictures, columns), exact=max(height, width) <= _SMALL)
    header = {
        "mime": mime,
        "cell": [width, height],
        "columns": columns,
        "rows": -(-count // columns),
        "heads": list(heads),
        "cells": [list(words) for words in said],
        "framed": list(framed),
        "marks": {str(cell): mark for cell, mark in (marks or {}).items()},
        "sharp": max(height, width) <= _SMALL,
        "stamp": stamp,
    }
    return header, file


def show(
    packed: tuple[dict[str, Any], bytes],
    *,
    key: str,
    captions: bool = False,
    picked: int | None = None,
    on_pick: Callable[[], None] | None = None,
    least: int = 40,
    most: int = 260,
) -> None:
    """Draw a packed grid.

    Args:
        captions: write what is told of a cell under it, where there is room.
        picked: the cell to mark.
        on_pick: called after a click; `st.session_state[key].picked` is {index, stamp}.
        least, most: bounds of a cell's width in px.
    """
    header, file = packed
    room = f"min(100cqw / {header['columns']}, {most}px) * {header['rows']}"
    st.html(f"<style>.st-key-{key}-room {{ min-height: calc({room}); }}</style>")  # before the first picture is there
    changing = {"captions": captions, "picked": picked, "pickable": on_pick is not None, "least": least, "most": most}
    with st.container(key=f"{key}-room"):
        _component(key=key, data=gallery.pack(header | changing, {"file": file}), on_picked_change=on_pick or _nothing)


def _nothing() -> None:
    return None


IMAGES = {
    "one": "one image",
    "4": "4 at random",
    "8": "8 at random",
    "16": "16 at random",
    "classes": "one of each class",
}
VIEWS = ("2", "4", "8", "12")
MOST_CLASSES = 24
_LARGEST = 2**32 - 1
_RGB = ("#ff0000", "#00ff00", "#0000ff")
LARGEST_CELL = 256
MOST_COLUMNS = 16
STRIP_COLUMNS = 5
Array = np.ndarray[Any, Any]
Packed = tuple[dict[str, Any], bytes]


@dataclass(frozen=True)
class Sample:
    """What the grid shows.

    Attributes:
        imageset: the chosen set.
        image_ids: its images in the grid.
        views: columns beside the source, for a composition of one view group.
        seed: of the draws.
    """

    imageset: Any
    image_ids: tuple[int, ...]
    views: int
    seed: int


def choose_images() -> str:
    """Which images the grid shows: a key of IMAGES, in the address."""
    return choices.from_address("Images", list(IMAGES), key="images", default="8", shown=IMAGES.__getitem__)


def choose_views() -> int:
    """How many views of each image, in the address."""
    return int(choices.from_address("Views", VIEWS, key="views", default="4"))


def image_ids(imageset: Any, which: str, *, seed: int, one: int = 0) -> tuple[int, ...]:
    """Images for the grid.

    Args:
        which: a key of IMAGES.
        seed: the same seed gives the same images.
        one: the image that `one` shows.
    """
    if which == "one":
        return (min(max(one, 0), imageset.count - 1),)
    random = np.random.default_rng(seed)
    if which == "classes" and imageset.classes:
        return _one_of_each(np.asarray(imageset.label_ids), len(imageset.classes), random)
    count = min(int(which) if which.isdigit() else 8, imageset.count)
    return tuple(int(i) for i in random.choice(imageset.count, count, replace=False))


def sample_for_lpips(imageset: Any, count: int, *, seed: int) -> tuple[int, ...]:
    """Images that LPIPS is measured on, drawn so that every class has its turn (as far as there are labels)."""
    random = np.random.default_rng(seed)
    order = random.permutation(imageset.count)
    labels = np.asarray(imageset.label_ids)[order]
    turn = np.zeros(len(order), dtype=np.int64)
    for label in np.unique(labels):
        members = labels == label
        turn[members] = np.arange(members.sum())
    first = order[np.argsort(turn, kind="stable")][: min(count, imageset.count)]
    return tuple(int(i) for i in first)


def roll() -> None:
    """Other draws, the same images."""
    st.session_state["compose-seed"] = int(np.random.default_rng().integers(0, _LARGEST, dtype=np.uint64)) % 100_000


def other_images() -> None:
    """Other images, the same draws."""
    st.session_state["compose-image-seed"] = st.session_state.get("compose-image-seed", 0) + 1


def seed() -> int:
    """Seed of the draws in this session."""
    return int(st.session_state.setdefault("compose-seed", 5))


def _one_of_each(labels: Array, classes: int, random: np.random.Generator) -> tuple[int, ...]:
    picked = []
    for label in range(min(classes, MOST_CLASSES)):
        members = np.flatnonzero(labels == label)
        if len(members):
            picked.append(int(random.choice(members)))
    return tuple(picked) or (0,)


@dataclass(frozen=True)
class _Block:
    """The views of one composition: (B, V, S, S, 3) uint8, words [image][view], heads of the columns."""

    views: Array
    words: list[list[list[str]]]
    heads: list[str]


def refusals(composition: Composition, uids: Sequence[Sequence[int]], imageset: Any) -> dict[int, SSRLError]:
    """Steps that these images cannot take, by number, with the reason; the others go on without them."""
    found = {}
    for group, numbers in enumerate(uids):
        for place, uid in enumerate(numbers):
            step = composition.views[group].steps[place]
            if step.enabled and _may_refuse(step, int(imageset.shape[0])):
                error = _checked(_only(composition, group, place), int(imageset.shape[0]))
                if error is not None:
                    found[uid] = error
    return found


def without(composition: Composition, uids: Sequence[Sequence[int]], refused: Collection[int]) -> Composition:
    """The composition with the refused steps switched off; they keep their place, so that no other draw changes."""
    for group, (view, numbers) in enumerate(zip(composition.views, uids, strict=True)):
        steps = [
            replace(step, enabled=False) if uid in refused else step
            for uid, step in zip(numbers, view.steps, strict=True)
        ]
        composition = composition.with_steps(steps, group)
    return composition


def previewed(composition: Composition, views: int) -> Composition:
    """The composition with as many views as the grid has columns; several groups keep their own numbers."""
    if len(composition.views) > 1:
        return composition
    return replace(composition, views=(replace(composition.views[0], count=views),))


def grid(sample: Sample, compositions: Sequence[tuple[str, Composition]]) -> Packed:
    """The packed grid: a row for each image and composition, the source first.

    Args:
        compositions: (mark, composition); one, or two to compare on the same images ("A", "B").

    Raises:
        SSRLError: if the views cannot be made.
    """
    shown = tuple((mark, previewed(composition, sample.views)) for mark, composition in compositions)
    return _grid(sample.imageset, sample.image_ids, sample.seed, shown)


def steps_strip(sample: Sample, composition: Composition, image_id: int, view: int) -> Packed:
    """One image after each step of one view, packed.

    Args:
        view: counted from 0 through all groups.
    """
    shown = previewed(composition, sample.views)
    return _strip(sample.imageset, sample.image_ids, image_id, sample.seed, view, shown)


def row_words(imageset: Any, image_id: int) -> str:
    """An image in a word or two: its class and its number."""
    label = int(imageset.label_ids[image_id])
    named = f"{imageset.classes[label]}, " if 0 <= label < len(imageset.classes) else ""
    return f"{named}image {image_id}"


@cache.kept
def _grid(imageset: Any, ids: tuple[int, ...], seed: int, compositions: tuple[tuple[str, Composition], ...]) -> Packed:
    limits, originals = _sources(imageset, ids)
    with turns().first(PREVIEW):
        made = [_block(imageset, limits, ids, seed, composition) for _, composition in compositions]
    columns = min(len(block.heads) for block in made)
    side = _cell(made[0].views.shape[2], max(originals.shape[1:3]))
    sources = fitted(originals, side)
    tiles: list[Array] = []
    said: list[list[str]] = []
    marks: dict[int, str] = {}
    for row, image_id in enumerate(ids):
        for (mark, _), block in zip(compositions, made, strict=True):
            tiles += [sources[row], *fitted(block.views[row, :columns], side)]
            who = row_words(imageset, image_id)
            marks[len(said)] = mark
            said += [[f"{mark}: {who}" if mark else who], *block.words[row][:columns]]
    heads = ["source", *made[0].heads[:columns]]
    stamp = f"{imageset.name}-{seed}-{hash((ids, compositions, cache.look_of(imageset))) & 0xFFFFFFFF:08x}"
    return pack(
        np.stack(tiles), columns=columns + 1, heads=heads, said=said, framed=list(marks), marks=marks, stamp=stamp
    )


def _cell(view: int, source: int) -> tuple[int, int]:
    """Height and width of a cell: the views', or the source's where views are so small that it would be spoilt."""
    side = source if source > 1.5 * view else view
    return (min(side, LARGEST_CELL),) * 2


def _block(imageset: Any, limits: Array, ids: Sequence[int], seed: int, composition: Composition) -> _Block:
    import torch

    from ssrl_core.compositions.pairs import draw_shown
    from ssrl_core.compositions.views import make_views

    draws = draw_shown(imageset, composition, np.asarray(ids), seed=seed)
    seen = torch.from_numpy(np.array(imageset.pixels[draws.needed]))
    groups = make_views(seen, draws, composition, max_value=imageset.max_value)
    side = min(max(int(group.shape[-1]) for group in groups), LARGEST_CELL)
    tiles, heads = [], []
    for view_group, views in zip(composition.views, groups, strict=True):
        rgb = pictures(views.flatten(0, 1), imageset.channels, limits)
        tiles.append(fitted(rgb, (side, side)).reshape(*views.shape[:2], side, side, 3))
        name = view_group.name if len(groups) > 1 else "view"
        heads += [f"{name} {number + 1}" for number in range(view_group.count)]
    shown = np.concatenate(tiles).swapaxes(0, 1)[:, :MOST_COLUMNS]
    words = [[[*_of_whom(draws, v, b), *draws.describe(v, b)] for v in range(shown.shape[1])] for b in range(len(ids))]
    return _Block(shown, words, heads[:MOST_COLUMNS])


def _of_whom(draws: Any, view: int, row: int) -> list[str]:
    """That a view is of another image, where it is."""
    image = draws.image_of(view, row)
    return [] if image == draws.image_ids[row] else [f"of image {image}"]


@cache.kept
def _strip(
    imageset: Any, ids: tuple[int, ...], image_id: int, seed: int, view: int, composition: Composition
) -> Packed:
    import torch

    from ssrl_core.compositions.pairs import draw_shown
    from ssrl_core.compositions.views import strip

    limits, _ = _sources(imageset, ids)  # the grid's, not those of this one image
    draws = draw_shown(imageset, composition, np.asarray([image_id]), seed=seed)
    pixels = np.array(imageset.pixels[[draws.image_of(view, 0)]])
    with turns().first(PREVIEW):
        stages = strip(torch.from_numpy(pixels), draws, composition, max_value=imageset.max_value, view=view)
    side = min(max(max(image.shape[-2:]) for _, image in stages), LARGEST_CELL)
    tiles = [fitted(pictures(image[None], imageset.channels, limits), (side, side))[0] for _, image in stages]
    return pack(
        np.stack(tiles),
        columns=min(len(tiles), STRIP_COLUMNS),
        heads=[],
        said=[[f"{number}. {label}" if number else "the image"] for number, (label, _) in enumerate(stages)],
        framed=(0,),
        stamp=f"strip-{image_id}-{view}",
    )


@cache.kept
def _sources(imageset: Any, ids: tuple[int, ...]) -> tuple[Array, Array]:
    """What is shown black and full, (C, 2) in 0..1, and the images as they are, (B, H, W, 3) uint8."""
    pixels = np.asarray(imageset.pixels[list(ids)])
    limits = shown_limits(pixels, imageset.channels, imageset.max_value)
    whole = limits * imageset.max_value
    return limits, to_rgb(pixels, imageset.channels, max_value=imageset.max_value, limits=whole)


def _may_refuse(step: Step, channels: int) -> bool:
    """Whether it is worth trying: the step, or one inside it, is made for another number of channels."""
    if step.branches:
        return any(_may_refuse(inner, channels) for branch in step.branches for inner in branch.steps)
    return TRANSFORMS[step.transform].channels not in (None, channels)


def _only(composition: Composition, group: int, place: int) -> Composition:
    """The composition with one step on, in its own place (so that a message names it rightly), and always applied."""
    view = composition.views[group]
    steps = [replace(step, p=1.0, enabled=at == place) for at, step in enumerate(view.steps)]
    return replace(composition, views=(replace(view, count=1, steps=tuple(steps), size=None),))


@cache.kept
def _checked(composition: Composition, channels: int) -> SSRLError | None:
    """What a step refuses on images of so many channels, tried on one tiny image."""
    import torch

    from ssrl_core.compositions.draws import draw
    from ssrl_core.compositions.views import make_views

    composition = replace(composition, pair=IMAGE)
    draws = draw(composition, np.zeros(1, dtype=np.int64), seed=0, epoch=0)
    try:
        make_views(torch.zeros(1, channels, 8, 8), draws, composition, max_value=1)
    except SSRLError as error:
        return error
    return None


def pictures(views: Any, channels: Any, limits: Array) -> Array:
    """Pictures of views.

    Args:
        views: (n, C, H, W) float32 tensor in 0..1.
        channels: C channels with their colours.
        limits: (C, 2) in 0..1.

    Returns:
        (n, H, W, 3) uint8.
    """
    import torch

    if not np.array_equal(limits, np.tile([0.0, 1.0], (len(limits), 1))):
        low = torch.from_numpy(limits[:, :1, None].astype(np.float32))
        span = torch.from_numpy(np.maximum(limits[:, 1:, None] - limits[:, :1, None], 1e-9).astype(np.float32))
        views = ((views - low) / span).clamp_(0, 1)
    colours = [channel.colour.lower() for channel in channels]
    if len(colours) > 1 and tuple(colours) != _RGB:
        table = [[int(colour[at : at + 2], 16) / 255 for colour in colours] for at in (1, 3, 5)]
        mix = torch.tensor(table, dtype=torch.float32)
        views = torch.matmul(mix, views.flatten(2)).clamp_(0, 1).view(-1, 3, *views.shape[-2:])
    bytes_ = views.mul(255).round_().to(torch.uint8)
    if len(colours) == 1:
        bytes_ = bytes_.expand(-1, 3, -1, -1)
    rgb: Array = bytes_.permute(0, 2, 3, 1).contiguous().numpy()
    return rgb


def fitted(rgb: Array, side: tuple[int, int]) -> Array:
    """(B, H, W, 3) at the size of a cell: as it is, enlarged pixel by pixel, or made smaller by averaging.

    A picture that is not square gets dark bars rather than another shape.
    """
    rgb = _squared(rgb) if side[0] == side[1] else rgb
    if rgb.shape[1:3] == tuple(side):
        return rgb
    from PIL import Image

    height, width = side
    how = Image.Resampling.BOX if rgb.shape[1] > height else Image.Resampling.NEAREST
    return np.stack([np.asarray(Image.fromarray(image).resize((width, height), how)) for image in rgb])


def _squared(rgb: Array) -> Array:
    count, height, width = rgb.shape[:3]
    if height == width:
        return rgb
    side = max(height, width)
    square = np.empty((count, side, side, 3), np.uint8)
    square[:] = BACKGROUND
    top, left = (side - height) // 2, (side - width) // 2
    square[:, top : top + height, left : left + width] = rgb
    return square
