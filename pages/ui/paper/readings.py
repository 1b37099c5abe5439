"""Table 2 only: every reading of its LPIPS column beside the published values, the nearest first."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from pages.ui.kit import frame
from ssrl_core.paper import words
from ssrl_core.paper.evidence import PUBLISHED, Evidence

_RANGES = {"-1..1": "−1 to 1, as LPIPS asks for", "0..1": "0 to 1", "normalised": "normalised by MNIST's mean and sd"}
_PAIRS = {"views": "two views", "image and view": "an image and its view"}


def show(evidence: Evidence) -> None:
    """The readings that were measured; nothing for an item without them."""
    found = evidence.measure("lpips readings") if "lpips readings" in evidence.plan.measures else None
    if not found:
        return
    with st.expander("Which reading of the LPIPS column fits?", icon=":material/straighten:"):
        frame.quiet(
            f"The paper says neither the size of the images, nor the range of their numbers, nor which pairs. All "
            f"{len(found['readings'])} readings on {found['n']} test images, the nearest to the published values first."
        )
        st.dataframe(table(found["readings"]), hide_index=True, key="paper-readings")


def table(readings: list[dict[str, Any]]) -> pd.DataFrame:
    """A row a reading, the published values first; in order: as the published values."""
    named = {name: words.named(name) for name in PUBLISHED}
    first = {"size": "", "numbers": "", "pairs": "published", **{named[k]: v for k, v in PUBLISHED.items()}}
    rows = [
        {
            "size": f"{row['size_px']} px",
            "numbers": _RANGES[row["range"]],
            "pairs": _PAIRS[row["pairs"]],
            "mean difference": round(row["distance"], 3),
            "in order": "yes" if row["in_order"] else "no",
            **{named[name]: round(value, 3) for name, value in row["values"].items()},
        }
        for row in readings
    ]
    return pd.DataFrame([first, *rows], columns=list(rows[0]) if rows else list(first))
