"""The Classes page for one run, or for two side by side."""

from __future__ import annotations

from typing import Any

import streamlit as st

from pages.ui.classes import views
from pages.ui.classes.scene import choose_beside, choose_probe, load, why_no_probe
from pages.ui.kit import frame
from pages.ui.runs import choosing


def page(place: Any) -> None:
    """Everything under the heading.

    Args:
        place: where the page's primary action stands.
    """
    columns = st.columns([4, 4, 3], vertical_alignment="bottom")
    with columns[0]:
        run_id = choosing.choose_run()
    with columns[1]:
        other = choose_beside(run_id)
    with frame.guard():
        first = load(run_id)
        second = load(other) if other else None
        with columns[2]:
            probe = choose_probe([first, second] if second else [first])
        if second is None:
            views.tops(first)
        else:
            for run, column in zip((first, second), st.columns(2, gap="large"), strict=True):
                with column:
                    views.tops(run, named=True)
        if probe is None:
            frame.empty(why_no_probe([first, second] if second else [first]), icon="photo_library")
        if second is not None:
            views.beside(first, second, probe)
        else:
            views.alone(first, probe)
        with place:
            st.download_button(
                "Table",
                views.table_of(first, second, probe).to_csv(index=False).encode(),
                f"{run_id}-classes-{probe}.csv",
                "text/csv",
                icon=":material/download:",
                type="primary",
                on_click="ignore",
            )
