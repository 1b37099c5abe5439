"""Images that say what a forecast means: the groups that k-means finds, as a map and by typical images, and what a
bar is about, from one extreme to the other."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from pages.ui.kit import frame, gallery
from pages.ui.kit.gallery import ImageRow
from ssrl_core.figures.style import palette

if TYPE_CHECKING:
    from ssrl_core.forecast import Forecast

Array = np.ndarray[Any, Any]
_WIDE, _HIGH, _EDGE, _DOT = 320, 220, 6, 2.4
_TYPICAL = 6
_BETWEEN = 18
_MOSTLY = 0.5
_OLD = "Of the composition before the last edit; the new ones come with the refined bars."

CSS = f"""
.vl-groups-map {{ width: 100%; border: 1px solid {frame.LINE}; border-radius: 4px; display: block; }}
"""


def groups(imageset: Any, found: Forecast, *, old: bool) -> None:
    """The section.

    Args:
        old: of the composition before the last edit; said, so that nobody takes it for the new one.
    """
    k, agreement = int(found.clusters["k"]), found.clusters["ami"]
    with st.container(key="vl-groups", gap="small"):
        with st.container(gap="xxsmall"):
            st.markdown("**Groups it would find**")
            agree = "" if agreement is None else f" They agree with the classes by AMI {max(agreement, 0.0):.2f}."
            images = frame.count(len(found.image_ids), "test image")
            about = f"Map of {images}, coloured by the {k} groups that k-means finds."
            frame.quiet(_OLD if old else f"{about}{agree}")
        colours = palette(k)
        faded = f"<style>.st-key-vl-groups {{ opacity: {0.4 if old else 1}; }}</style>"
        st.html(faded + map_html(flattened(found.embedding), found.cluster_ids, colours))
        gallery.show_rows(imageset, _image_rows(imageset, found, colours), key="compose-groups", columns=_TYPICAL)


def extremes(imageset: Any, ids: Array, values: Array, about: str) -> None:
    """Images of the set from the lowest to the highest value of a thing, evenly over their ranks.

    Args:
        ids, values: (n,) the images and what was measured of them; NaN is left out.
    """
    chosen = ranked(values, _BETWEEN)
    tips = tuple(f"{values[place]:.3g}" for place in chosen)
    low, high = tips[0], tips[-1]
    row = ImageRow(ids[chosen], title=f"{low} to {high}, from left to right and down", tips=tips, said=about)
    gallery.show_rows(imageset, [row], key="compose-extremes", columns=_TYPICAL)


def ranked(values: Array, most: int) -> Array:
    """Places of values from the lowest to the highest, at most so many, evenly over their ranks."""
    known = np.flatnonzero(np.isfinite(values))
    order = known[np.argsort(values[known], kind="stable")]
    chosen: Array = order[np.linspace(0, len(order) - 1, min(most, len(order))).round().astype(int)]
    return chosen


def flattened(embedding: Array) -> Array:
    """(n,k) embeddings to (n,2): the two directions in which they spread most (PCA)."""
    centred = embedding - embedding.mean(axis=0)
    _, _, directions = np.linalg.svd(centred, full_matrices=False)
    places: Array = centred @ directions[:2].T
    return np.pad(places, ((0, 0), (0, 2 - places.shape[1])))


def map_html(places: Array, cluster_ids: Array, colours: Sequence[str]) -> str:
    """The map as a picture; the furthest percent of points sit on its edge and do not press the rest together.

    Args:
        places: (n,2).
    """
    low, high = np.quantile(places, [0.01, 0.99], axis=0)
    shares = np.clip((places - low) / np.maximum(high - low, 1e-9), 0, 1)
    x, y = _EDGE + shares[:, 0] * (_WIDE - 2 * _EDGE), _HIGH - _EDGE - shares[:, 1] * (_HIGH - 2 * _EDGE)
    dots = "".join(
        f'<circle cx="{a:.1f}" cy="{b:.1f}" r="{_DOT}" fill="{colours[group]}" fill-opacity=".8"/>'
        for a, b, group in zip(x, y, cluster_ids, strict=True)
    )
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDE} {_HIGH}">{dots}</svg>'
    data = base64.b64encode(svg.encode()).decode()
    return f'<img class="vl-groups-map" alt="Map of the groups" src="data:image/svg+xml;base64,{data}">'


def nearest(embedding: Array, cluster_ids: Array, cluster: int, most: int) -> Array:
    """Places of the members that lie nearest to the middle of their group."""
    members = np.flatnonzero(cluster_ids == cluster)
    away = np.square(embedding[members] - embedding[members].mean(axis=0)).sum(axis=1)
    order: Array = members[np.argsort(away, kind="stable")][:most]
    return order


def _image_rows(imageset: Any, found: Forecast, colours: Sequence[str]) -> list[ImageRow]:
    """A row for each group, the largest first."""
    sizes = np.bincount(found.cluster_ids, minlength=len(colours))
    labels = np.asarray(imageset.label_ids)[found.image_ids]
    image_rows = []
    for cluster in np.argsort(-sizes, kind="stable"):
        if sizes[cluster]:
            ids = found.image_ids[nearest(found.embedding, found.cluster_ids, int(cluster), _TYPICAL)]
            share = f"{sizes[cluster] / len(labels):.0%} of the images"
            words = _mostly(labels[found.cluster_ids == cluster], imageset.classes)
            image_rows.append(ImageRow(ids, title=f"{share}{words}".replace("%", " %"), colour=colours[cluster]))
    return image_rows


def _mostly(labels: Array, classes: Sequence[str]) -> str:
    """`, 86% of them 7`, or "" where no class has half of the group."""
    known = labels[labels >= 0]
    if not len(known):
        return ""
    counts = np.bincount(known)
    share = counts.max() / len(labels)
    return f", {share:.0%} of them {classes[int(counts.argmax())]}" if share >= _MOSTLY else ""
