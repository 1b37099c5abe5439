"""A field with the outlines of its nuclei, and a look at what an import dropped."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import streamlit as st

from pages.ui.kit import frame, theme
from pages.ui.data.samples import number
from ssrl_core.datasets import pictures
from ssrl_core.datasets.imageset import ImageSet

Array = np.ndarray[Any, Any]
_WIDEST = 1000
_KEPT, _DROPPED = (45, 212, 191), (230, 159, 0)


def overlay_html(dna: Array, labels: Array, kept: set[int]) -> str:
    """The DNA image with outlines: kept nuclei in teal, dropped ones in amber (which are dotted, too).

    Args:
        dna: (H, W) numbers.  labels: (H, W) nuclei 1..n.  kept: their numbers that become cells.
    """
    step = max(1, -(-max(dna.shape) // _WIDEST))
    small = dna[::step, ::step].astype(np.float32)
    low, high = np.percentile(small, [1, 99.7])
    grey = (255 * np.clip((small - low) / max(high - low, 1e-9), 0, 1) ** 0.7).astype(np.uint8)
    rgb = np.repeat(grey[..., None], 3, axis=2)
    edge, own = _outlines(labels[::step, ::step])
    good = np.isin(own, sorted(kept))
    y, x = np.indices(edge.shape)
    rgb[edge & good] = _KEPT
    rgb[edge & ~good & ((x + y) % 4 < 2)] = _DROPPED
    sheet = base64.b64encode(pictures.png(rgb)).decode()
    words = '<span style="color:#2dd4bf">―</span> kept &nbsp; <span style="color:#e69f00">┄</span> dropped'
    return (
        f'<img alt="a field with the outlines of its nuclei" style="max-width:100%;max-height:60vh;'
        f'background:{theme.IMAGE_GROUND};border-radius:6px" src="data:image/png;base64,{sheet}">'
        f'<div class="vl-quiet">{words}</div>'
    )


def dropped(imageset: ImageSet) -> None:
    """What was dropped of an import of fields, by reason, folded; nothing for other image sets."""
    from ssrl_core.datasets.cells import dropped_examples, report_of
    from ssrl_core.errors import SSRLError

    try:
        report = report_of(imageset.folder)
    except SSRLError:
        return
    lost = sum(report["dropped"].values())
    words = f"Cut out of {number(report['fields'])} fields · dropped {number(lost)}"
    with st.expander(words, icon=":material/grid_on:"):
        for note in report["notes"]:
            frame.quiet(note)
        examples = dropped_examples(imageset.folder)
        for reason, count in report["dropped"].items():
            st.html(f"<b>{reason}</b> · {number(count)}")
            if reason in examples:
                st.html(_strip(imageset, examples[reason]))


def _strip(imageset: ImageSet, crops: Array) -> str:
    limits = pictures.display_limits(imageset)
    rgb = pictures.to_rgb(crops, imageset.channels, max_value=imageset.max_value, limits=limits)
    side = 88
    if rgb.shape[1] > side:
        rgb = pictures.shrunk(rgb, side, side)
    sheet = base64.b64encode(pictures.png(pictures.montage(rgb, columns=12))).decode()
    return f'<img alt="" style="max-width:100%" src="data:image/png;base64,{sheet}">'


def _outlines(labels: Array) -> tuple[Array, Array]:
    """(H, W) bool: the last pixels inside each nucleus; and the nucleus that each pixel belongs to."""
    inside = labels > 0
    edge = np.zeros(labels.shape, bool)
    for axis in (0, 1):
        for shift in (1, -1):
            edge |= inside & (np.roll(labels, shift, axis) != labels)
    return edge, labels
