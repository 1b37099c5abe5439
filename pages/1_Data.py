"""Data: which images there are to learn from, and a way to bring in more."""

import streamlit as st

from pages.ui import (
    choose,
    data_cell_pictures,
    data_cells,
    data_facts,
    data_import,
    data_samples,
    data_subset,
    data_unmade,
    frame,
)
from ssrl_core.datasets import store as image_sets

CSS = data_samples.CSS + data_facts.CSS

place = frame.open_page("Data", "Which images are there to learn from?", icon="photo_library", css=CSS)
with place, st.container(horizontal=True, horizontal_alignment="right"):
    part = st.container(width="content")
    data_cells.button()
    data_import.button()

with st.container(key="vl-choices"):
    chosen, split, images, channel = st.columns(4)
name = ""
with frame.guard(), chosen:
    name = choose.choose_dataset()
if not name:
    st.stop()
if not image_sets.is_ready(name):
    data_unmade.offer(name)
    st.stop()

with frame.guard():
    imageset = image_sets.load(name)
    with part:
        data_subset.button(imageset)
    with split:
        split_name = data_samples.choose_split()
    with images:
        which = data_samples.choose_images(imageset)
    with channel:
        shown = data_samples.choose_channel(imageset)
    picture, facts = st.columns([0.68, 0.32], gap="large")
    with picture:
        data_samples.samples(imageset, split_name, which, shown)
    with facts:
        data_facts.panel(imageset)
    data_cell_pictures.dropped(imageset)
    data_facts.details(imageset)
