"""Train: write a run as a sentence, start it, follow it."""

import streamlit as st

from pages.ui import (
    frame,
    train_actions,
    train_compare,
    train_form,
    train_list,
    train_queue,
    train_settings,
    train_sheet,
    train_start,
    train_state,
    train_sweep,
    train_vary,
    train_views,
)

CSS = train_form.CSS + train_queue.CSS + train_sheet.CSS + train_sweep.CSS + train_views.CSS
CSS += train_compare.CSS
QUESTION = "What shall a network learn, on which images and under which transformations?"

place = frame.open_page("Train", QUESTION, icon="model_training", css=CSS)
train_state.arrived()
address = st.query_params
opened, swept, beside = address.get("run"), address.get("sweep"), address.get("compare")
listed = "list" in address and not (opened or swept or beside)
draft = train_state.current()

with place:
    if opened or swept or beside or listed:
        st.button("New run", icon=":material/add:", type="primary", key="train-new", on_click=train_actions.close_run)
    else:
        train_start.launch_button(draft)

if beside:
    train_compare.view(beside)
elif listed:
    train_list.view()
else:
    work, queue = st.columns([1.9, 1], gap="large")
    with work:
        if opened:
            train_sheet.sheet(opened)
        elif swept:
            train_sweep.sheet(swept)
        else:
            with st.container(horizontal=True, gap="small"):
                train_start.presets_popover()
                train_start.file_popover(draft)
            train_form.sentence(draft)
            train_vary.vary(draft)
            train_start.cost(draft)
            train_settings.settings(draft)
            pictures = st.container()
    with queue:
        frame.section("Queue")
        train_queue.queue()
    if not opened and not swept:
        with pictures:  # last: the first views take the time to load what makes them
            train_views.strip(draft)
