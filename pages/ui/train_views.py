"""A look at what the network will see: some images, and two views of each under every term's composition."""

from __future__ import annotations

from typing import Any

import numpy as np
import streamlit as st

from pages.ui import frame, train_draft
from ssrl_core.specs.composition import dump, parse

_IMAGES = 10
_LARGEST = 96


def strip(draft: train_draft.Draft) -> None:
    """One picture: the images in the first row, then a row for each view."""
    from ssrl_core.datasets import store as image_sets

    if not image_sets.is_ready(draft["dataset"]["name"]):
        return
    with frame.guard():
        spec = train_draft.spec_of(draft)
        from ssrl_core.runs.rows import imageset_of

        imageset = imageset_of(spec)
        texts = tuple(dump(term.composition) for term in spec.terms)
        picture = _picture(imageset, imageset.name, imageset.fingerprint, texts, spec.seed)
        st.image(picture, width="stretch", alt="Images and their views")
        said = [f"{term.composition.name}: {term.composition.sentence()}" for term in spec.terms]
        frame.quiet(
            f"First row: images as they are. Below: two views of each, as the training draws them. {'. '.join(said)}."
        )


@st.cache_data(max_entries=32, show_spinner=False)
def _picture(_imageset: Any, name: str, fingerprint: str, texts: tuple[str, ...], seed: int) -> bytes:
    import torch

    from ssrl_core.compositions.draws import draw
    from ssrl_core.compositions.views import make_views
    from ssrl_core.datasets.pictures import montage, png, to_rgb

    chosen = np.sort(np.random.default_rng(0).permutation(_imageset.split_ids("all"))[:_IMAGES])
    pixels, channels = np.array(_imageset.pixels[chosen]), _imageset.channels
    side = min(max(_imageset.shape[1:]), _LARGEST)
    rows = [_fitted(torch.from_numpy(pixels.astype(np.float32) / _imageset.max_value), side)]
    for number, text in enumerate(texts):
        composition = parse(text)
        drawn = draw(composition, chosen, seed=seed, epoch=0, term=number)
        first = make_views(torch.from_numpy(pixels), drawn, composition, max_value=_imageset.max_value)[0]
        rows += [_fitted(views, side) for views in first[:2]]
    tiles = np.concatenate([to_rgb(row, channels, max_value=1) for row in rows])
    return png(montage(tiles, columns=len(chosen), scale=max(1, _LARGEST // side)))


def _fitted(images: Any, side: int) -> Any:
    """(B,C,H,W) in 0..1 as (B,C,side,side), float32."""
    from torch.nn.functional import interpolate

    small = interpolate(images, size=(side, side), mode="bilinear", antialias=True, align_corners=False)
    return small.clamp(0, 1).numpy()
