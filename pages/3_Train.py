"""Train: write a run as a sentence, start it, follow it."""

import streamlit as st

from pages.ui import (
    frame,
    train_actions,
    train_form,
    train_queue,
    train_settings,
    train_sheet,
    train_start,
    train_state,
    train_views,
)

CSS = train_form.CSS + train_queue.CSS + train_sheet.CSS + train_views.CSS
QUESTION = "What shall a network learn, on which images and under which transformations?"

place = frame.open_page("Train", QUESTION, icon="model_training", css=CSS)
opened = st.query_params.get("run")
draft = train_state.current()
work, queue = st.columns([1.9, 1], gap="large")

with place:
    if opened:
        st.button("New run", icon=":material/add:", type="primary", key="train-new", on_click=train_actions.close_run)
    else:
        train_start.launch_button(draft)

with work:
    if opened:
        train_sheet.sheet(opened)
    else:
        with st.container(horizontal=True, gap="small"):
            train_start.presets_popover()
            train_start.file_popover(draft)
        train_form.sentence(draft)
        train_start.cost(draft)
        train_settings.settings(draft)
        pictures = st.container()

with queue:
    frame.section("Queue")
    train_queue.queue()

if not opened:
    with pictures:  # last: the first views take the time to load what makes them
        train_views.strip(draft)
