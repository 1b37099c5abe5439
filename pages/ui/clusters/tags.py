"""Selections that were kept under a name: tag what is selected, select what was tagged."""

from __future__ import annotations

import numpy as np
import streamlit as st

from pages.ui.clusters import names, state
from pages.ui.clusters.scene import Scene
from pages.ui.clusters.state import Selected
from pages.ui.kit import frame
from ssrl_core.runs.folder.annotations import LONGEST_NAME


def keep(scene: Scene, now: Selected) -> None:
    """A popover that keeps the selection under a name; it stays with the run."""
    with st.popover("Tag", icon=":material/label:", type="tertiary"):
        name = st.text_input("Name of this selection", key="tag-name", max_chars=LONGEST_NAME)
        st.button(
            "Tag",
            key="tag-keep",
            disabled=not name.strip(),
            on_click=names.tag,
            args=(scene, name, [int(i) for i in now.image_ids]),
        )
        kept(scene)


def kept(scene: Scene) -> None:
    """What was tagged, to be selected again or forgotten."""
    tags = names.tags(scene)
    if tags:
        frame.quiet("Tagged selections of this run")
    for at, tag in enumerate(tags):
        with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
            st.button(
                f"{tag['name']} · {len(tag['image_ids'])}",
                icon=":material/label:",
                key=f"tag-{at}",
                on_click=state.select,
                args=(scene.images, np.array(tag["image_ids"], np.int64), f"tagged “{tag['name']}”"),
            )
            st.button(
                "",
                icon=":material/close:",
                key=f"untag-{at}",
                type="tertiary",
                help="Forget this tag",
                on_click=names.untag,
                args=(scene, tag["name"]),
            )
