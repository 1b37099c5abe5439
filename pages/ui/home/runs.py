"""Home: the newest runs as cards with a small map or images, and the first steps where there are none."""

from __future__ import annotations

import html
from typing import Any

import numpy as np
import streamlit as st
from PIL import ImageColor

from pages.ui.kit import cache, frame
from ssrl_core.datasets.imageset import ImageSet
from ssrl_core.datasets.kinds import of_cells
from ssrl_core.errors import SSRLError
from ssrl_core.figures.style import whole_percent
from ssrl_core.runs.queue import run_names
from ssrl_core.runs.queue.registry import RunRow, verdict_of

Array = np.ndarray[Any, Any]
GROUND = (11, 13, 16)
_TILE = 40
NEWEST = 6
_LIVE_S = 4.0
STEPS = (
    (
        "pages/1_Data.py",
        "photo_library",
        "Bring in images",
        "A folder, a zip, a NumPy file or a table; or a set that comes with Viewloom.",
    ),
    ("pages/2_Compose.py", "tune", "Compose", "Put transformations together and see what they do to your images."),
    (
        "pages/3_Train.py",
        "model_training",
        "Train",
        "Let a network learn with them, then look at the clusters it makes.",
    ),
)

CSS = """
[class*="st-key-vl-run-"] { height: 100%; }
.vl-figures { display: flex; gap: 1.6rem; margin: .4rem 0 .2rem; }
.vl-figures div { line-height: 1.25; }
.vl-figures b { font-size: 1.15rem; font-weight: 600; }
.vl-figures small { display: block; font-size: .76rem; opacity: .75; }
.vl-recipe { font-size: .86rem; line-height: 1.4; margin: 0; display: -webkit-box; -webkit-line-clamp: 2;
  -webkit-box-orient: vertical; overflow: hidden; min-height: 2.8em; opacity: .75; }
.vl-card-about { font-size: .86rem; margin: 0 0 .3rem; opacity: .75; }
.vl-card-verdict { font-size: .9rem; margin: 0; min-height: 1.3em; }
.vl-card-title { font-weight: 600; margin: 0; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
[class*="st-key-vl-step-"] { gap: .2rem; min-height: 8.2rem; }
[class*="st-key-vl-step-"] a { padding-left: 0; padding-right: 0; }
[class*="st-key-vl-step-"] a p { font-weight: 600; }
.vl-step-number { font-size: .76rem; opacity: .6; }
"""


def newest() -> None:
    """Cards of the newest runs, three in a row; they follow their runs while one is under way."""
    busy = any(run.get("state") in frame.ACTIVE for run in _shown())
    st.fragment(run_every=_LIVE_S if busy else None)(_cards)()


def _shown() -> list[RunRow]:
    return _own()[:NEWEST]


def _own() -> list[RunRow]:
    return [run for run in frame.known_runs() if run.get("kind", "train") == "train" and not run.get("demo")]


def _cards() -> None:
    shown = _shown()
    for start in range(0, len(shown), 3):
        for column, run in zip(st.columns(3, gap="medium"), shown[start : start + 3], strict=False):
            with column, st.container(border=True, key=f"vl-run-{run['id']}"):
                _card(run)


def more() -> None:
    """The way to the list of all runs, where there are more than the cards show."""
    count = len(_own())
    if count > NEWEST:
        frame.link("pages/3_Train.py", f"All runs ({count:,})", icon="list", list="all")


def first_steps() -> None:
    """What to do first, as three steps with links."""
    present = [step for step in STEPS if frame.page_exists(step[0])]
    for number, (column, (file, icon, verb, sentence)) in enumerate(
        zip(st.columns(len(present), gap="medium"), present, strict=True), 1
    ):
        with column, st.container(border=True, key=f"vl-step-{number}"):
            st.html(f'<div class="vl-step-number">Step {number}</div>')
            frame.link(file, verb, icon=icon)
            frame.quiet(sentence)


def _card(run: RunRow) -> None:
    run_id = str(run["id"])
    done = run.get("state") == "done"
    picture = _map_file(run_id, str(run.get("finished_at"))) if done else None
    alt = "The run's map, coloured by cluster" if picture else "Images of the run's set"
    st.image(picture or _samples_of(str(run.get("dataset"))), width="stretch", alt=alt)
    names, sentence = map(html.escape, _compositions(run_id))
    title = html.escape(str(run.get("name") or "")) or names
    about = html.escape(run_names.words(run | {"name": None})).removeprefix(f"{title} · ")
    st.html(
        f'<p class="vl-card-title" title="{html.escape(run_id)}">{title}</p>'
        f'<p class="vl-card-about">{about}</p>'
        f'<p class="vl-recipe" title="{sentence}">{sentence}</p>{_figures(run, run_id)}'
        f'<p class="vl-card-verdict">{_verdict(run)}</p>'
    )
    with st.container(horizontal=True, gap="medium"):
        if done:
            if of_cells(str(run.get("dataset"))):
                frame.link("pages/8_Show.py", "Show", icon="co_present", run=run_id)
            frame.link("pages/4_Clusters.py", "Clusters", icon="bubble_chart", run=run_id)
            if run.get("knn_top1") is not None or run.get("ami") is not None:  # labels are known
                frame.link("pages/5_Classes.py", "Classes", icon="bar_chart", run=run_id)
        else:
            frame.link("pages/3_Train.py", "Open", icon="model_training", run=run_id)


def _verdict(run: RunRow) -> str:
    """How a run stands to raw pixels and an untrained network, and whether a part of its images was cut off."""
    if run.get("state") != "done":
        return ""
    from ssrl_core.datasets.store import torn_words

    said = [verdict_of(run), torn_words(str(run.get("dataset")))]
    return html.escape(". ".join(part.removesuffix(".") for part in said if part))


def _figures(run: RunRow, run_id: str) -> str:
    """AMI and kNN beside what raw pixels give, or how the run stands."""
    if run.get("state") != "done":
        return _standing(run)
    references = _pixel_references(run_id, str(run.get("finished_at")))
    parts = []
    for key, column, name, about in (
        ("ami", "ami", "AMI", "Agreement of clusters and labels: 1 is perfect, 0 is chance."),
        ("knn", "knn_top1", "kNN", "Share of test images whose class their nearest neighbours vote for."),
    ):
        value, pixels = run.get(column), references.get(key)
        if value is not None:
            beside = f"pixels {pixels:.3f}" if pixels is not None else "&nbsp;"
            parts.append(f'<div title="{about}"><b>{value:.3f}</b> {name}<small>{beside}</small></div>')
    inner = "".join(parts) or "<div><b>Done</b><small>no labels to compare with</small></div>"
    return f'<div class="vl-figures">{inner}</div>'


def _standing(run: RunRow) -> str:
    """Waits, runs (how far), stopped or failed (why)."""
    state, why = str(run.get("state")), html.escape(str(run.get("reason") or ""))
    if state == "running":
        words = frame.time_left(run.get("eta_s")) or html.escape(str(run.get("phase") or ""))
        said = f"<b>{whole_percent(run.get('progress') or 0)}</b><small>{words or '&nbsp;'}</small>"
    else:
        name = {"failed": "Failed", "stopped": "Stopped"}.get(state, "Waiting")
        said = f"<b>{name}</b><small>{why[:60] or '&nbsp;'}</small>"
    return f'<div class="vl-figures"><div title="{why}">{said}</div></div>'


@cache.kept
def _compositions(run_id: str) -> tuple[str, str]:
    """The compositions of a run: their names, and what they do in words."""
    from ssrl_core.runs.folder.run_folder import RunFolder

    try:
        terms = RunFolder(run_id).spec().terms
    except SSRLError as error:
        return run_id, error.message
    several = len(terms) > 1
    said = [
        f"{term.weight:g} × ({term.composition.sentence()})" if several else term.composition.sentence()
        for term in terms
    ]
    text = " + ".join(said)
    return " + ".join(term.composition.name for term in terms), text[:1].upper() + text[1:]


@cache.kept
def _pixel_references(run_id: str, finished_at: str) -> dict[str, float]:
    """kNN and AMI of raw pixels, as far as the run has them."""
    from ssrl_core.runs.folder.run_folder import RunFolder

    try:
        pixels = RunFolder(run_id).results().reference("pixels")
    except SSRLError:
        return {}
    return {key: value for key, value in (("knn", pixels.knn), ("ami", pixels.ami)) if value is not None}


@cache.kept
def _map_file(run_id: str, finished_at: str) -> bytes | None:
    """The run's map, coloured by cluster, as a PNG; None where there is no layout."""
    from ssrl_core.datasets.pictures import png
    from ssrl_core.figures.style import palette
    from ssrl_core.runs.evaluation.clustering import stored_clusters
    from ssrl_core.runs.folder.run_folder import RunFolder

    folder = RunFolder(run_id)
    try:
        layouts = folder.layouts()
        counts = sorted(folder.results().counts)
        if not layouts or not counts:
            return None
        points, _ = layouts.get("umap") or layouts.get("tsne") or next(iter(layouts.values()))
        groups = stored_clusters(folder, counts[0]).ids
    except SSRLError:
        return None
    return png(thumbnail(points, groups, palette(counts[0])))


def _samples_of(dataset: str) -> bytes:
    """Some images of a set that is here already, as a PNG; else a dark ground."""
    from ssrl_core.datasets import store as image_sets
    from ssrl_core.datasets.pictures import png

    try:
        if image_sets.is_ready(dataset):
            return _samples_file(image_sets.load(dataset))
    except SSRLError:
        pass  # a set that was deleted or damaged: its page says so, a card need not
    return png(np.full((200, 320, 3), GROUND, np.uint8))


@cache.kept
def _samples_file(imageset: ImageSet) -> bytes:
    from ssrl_core.datasets.pictures import png, rgb_of

    ids = np.sort(np.random.default_rng(0).permutation(imageset.count)[:40])
    return png(samples(rgb_of(imageset, ids)))


def thumbnail(points: Array, groups: Array, colours: list[str], *, width: int = 320, height: int = 200) -> Array:
    """Points as dots on a dark ground, each in its group's colour.

    Args:
        points: (n, 2) float; rows that are not finite are left out.
        groups: (n,) int, place in `colours`; below 0 is left out.
        colours: `#rrggbb` by group.

    Returns:
        (height, width, 3) uint8.
    """
    picture = np.full((height, width, 3), GROUND, np.uint8)
    keep = np.isfinite(points).all(1) & (groups >= 0)
    if not keep.any():
        return picture
    points, groups = points[keep].astype(np.float64), groups[keep]
    low, high = np.percentile(points, [0.5, 99.5], axis=0)
    scale = min((width - 16) / max(high[0] - low[0], 1e-9), (height - 16) / max(high[1] - low[1], 1e-9))
    middle = (low + high) / 2
    x = np.rint((points[:, 0] - middle[0]) * scale + width / 2).astype(int)
    y = np.rint(-(points[:, 1] - middle[1]) * scale + height / 2).astype(int)
    table = np.array([ImageColor.getrgb(colour) for colour in colours], np.uint8)
    rows = table[groups % len(table)]
    reach = range(3 if len(points) < 2000 else 2)
    for dy, dx in ((dy, dx) for dy in reach for dx in reach):
        inside = (x + dx >= 0) & (x + dx < width) & (y + dy >= 0) & (y + dy < height)
        picture[(y + dy)[inside], (x + dx)[inside]] = rows[inside]
    return picture


def samples(rgb: Array, *, width: int = 320, height: int = 200) -> Array:
    """Pictures as tiles that fill the same space, for a run that has no map yet.

    Args:
        rgb: (B, H, W, 3) uint8, at least one.

    Returns:
        (height, width, 3) uint8.
    """
    from PIL import Image

    picture = np.full((height, width, 3), GROUND, np.uint8)
    columns, rows = width // _TILE, height // _TILE
    side = _TILE - 2
    for place in range(min(columns * rows, len(rgb))):
        tile = np.asarray(Image.fromarray(rgb[place]).resize((side, side)))
        top, left = place // columns * _TILE + 1, place % columns * _TILE + 1
        picture[top : top + side, left : left + side] = tile
    return picture
