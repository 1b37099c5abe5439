"""What the network will see: the same images under every term's composition, side by side, and the steps that fight."""

from __future__ import annotations

import html
from typing import Any

import numpy as np
import streamlit as st

from pages.ui.compose import fights
from pages.ui.kit import cache, frame, theme
from pages.ui.kit.pictures import shown_limits
from pages.ui.train import draft as train_draft
from ssrl_core.specs.composition import Composition
from ssrl_core.specs.run import Term

CSS = (
    fights.CSS
    + f"""
.train-term {{ font-weight: 600; margin: .2rem 0 0; }}
.train-term small {{ font-weight: 400; color: {theme.QUIET}; font-size: .84rem; }}
"""
)
_IMAGES = {1: 10, 2: 6, 3: 4, 4: 3}
_LARGEST = 96


def strip(draft: train_draft.Draft) -> None:
    """For each term one picture: the images in the first row, then a row for each view."""
    from ssrl_core.datasets import store as image_sets

    if not image_sets.is_ready(draft["dataset"]["name"]):
        return
    with frame.guard():
        spec = train_draft.spec_of(draft)
        from ssrl_core.runs.folder.run_folder import imageset_of

        imageset = imageset_of(spec)
        count = len(spec.terms)
        for number, (column, term) in enumerate(zip(st.columns(count), spec.terms, strict=True)):
            with column:
                if count > 1:
                    st.html(_heading(term))
                images = _IMAGES.get(count, 3)
                picture = _picture(imageset, term.composition, number, spec.seed, images)
                alt = f"Images and their views under {term.composition.name}"
                st.image(picture, width="stretch", alt=alt)
                frame.quiet(f"{term.composition.name}: {term.composition.sentence()}.")
        fights.show([term.composition for term in spec.terms])
        frame.quiet("First row: images as they are. Below: two views of each, as the training draws them.")


def _heading(term: Term) -> str:
    name = html.escape(term.composition.name)
    return f'<p class="train-term">{name} <small>weight {term.weight:g}</small></p>'


@cache.kept
def _picture(imageset: Any, composition: Composition, term: int, seed: int, images: int) -> bytes:
    import torch

    from ssrl_core.compositions.draws import draw
    from ssrl_core.compositions.views import make_views
    from ssrl_core.datasets.pictures import montage, png, to_rgb

    chosen = np.sort(np.random.default_rng(0).permutation(imageset.split_ids("all"))[:images])
    pixels, channels = np.array(imageset.pixels[chosen]), imageset.channels
    side = min(max(imageset.shape[1:]), _LARGEST)
    rows = [_fitted(torch.from_numpy(pixels.astype(np.float32) / imageset.max_value), side)]
    drawn = draw(composition, chosen, seed=seed, epoch=0, term=term)
    groups = make_views(torch.from_numpy(pixels), drawn, composition, max_value=imageset.max_value)
    rows += [_fitted(view, side) for group in groups for view in group][:2]
    limits = shown_limits(pixels, channels, imageset.max_value)  # of the images, for their views too
    tiles = np.concatenate([to_rgb(row, channels, max_value=1, limits=limits) for row in rows])
    return png(montage(tiles, columns=len(chosen), scale=max(1, _LARGEST // side)))


def _fitted(images: Any, side: int) -> Any:
    """(B,C,H,W) in 0..1 as (B,C,side,side), float32."""
    from torch.nn.functional import interpolate

    small = interpolate(images, size=(side, side), mode="bilinear", antialias=True, align_corners=False)
    return small.clamp(0, 1).numpy()
