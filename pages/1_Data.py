"""Data: which images there are to learn from, and a way to bring in more."""

import streamlit as st

from pages.ui.data import cells, derived, importing, understood
from pages.ui.data import facts as data_facts
from pages.ui.kit import choices, frame
from ssrl_core.datasets import store as image_sets

CSS = understood.SAMPLES_CSS + data_facts.CSS + understood.CSS

place = frame.open_page("Data", "Which images are there to learn from?", css=CSS)
with place, st.container(horizontal=True, horizontal_alignment="right"):
    part = st.container(width="content")
    cells.button()
    importing.button()

with st.container(key="vl-choices"):
    chosen, split, images, channel = st.columns(4)
name = ""
with frame.guard(), chosen:
    name = choices.choose_dataset()
if not name:
    st.stop()
if not image_sets.is_ready(name):
    importing.offer_built_in(name)
    st.stop()

with frame.guard():
    imageset = image_sets.load(name)
    with part:
        derived.part_button(imageset)
    with split:
        split_name = understood.choose_split()
    with images:
        which = understood.choose_images(imageset)
    with channel:
        shown = understood.choose_channel(imageset)
    data_facts.warnings(imageset)
    picture, facts = st.columns([0.68, 0.32], gap="large")
    with picture:
        understood.samples(imageset, split_name, which, shown)
    with facts:
        with st.container(horizontal=True, gap="medium"):
            frame.link("pages/2_Compose.py", "Use in Compose", icon="tune", dataset=name)
            frame.link("pages/3_Train.py", "Train on it", icon="model_training", dataset=name)
        data_facts.panel(imageset)
        with st.container(horizontal=True, gap="small"):
            derived.buttons(imageset)
    with frame.guard():
        cells.dropped(imageset)
    data_facts.details(imageset)
