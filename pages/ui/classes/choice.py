"""Small choices that several views of a sweep share, each kept over visits to other pages."""

from __future__ import annotations

import streamlit as st

POINTS = {"means": "Mean over seeds", "runs": "Every run"}
CORRECTION = {"plain": "Uncorrected", "fdr": "False discoveries corrected"}
LEVELS = {"superclasses": "Superclasses", "classes": "Classes"}


def pick(label: str, options: dict[str, str], key: str) -> str:
    """One of a few options; the first where nothing was chosen yet."""
    first = next(iter(options))
    chosen = st.segmented_control(
        label,
        list(options),
        key=f"classes-{key}",
        default=first,
        format_func=options.__getitem__,
        required=True,
        persist_state="session",
    )
    return str(chosen or first)
