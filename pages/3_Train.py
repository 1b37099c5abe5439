"""Train: write a run as a sentence, start it, follow it."""

import streamlit as st

from pages.ui.kit import frame
from pages.ui.train import actions, form, run_list, sheet, start, sweep
from pages.ui.train import queue as train_queue

CSS = form.CSS + train_queue.CSS + sheet.CSS + sweep.CSS + start.CSS
CSS += run_list.CSS
QUESTION = "What should a network learn, from which images and under which transformations?"

place = frame.open_page("Train", QUESTION, css=CSS)
actions.page_drawn()
address = st.query_params
opened, swept, beside = address.get("run"), address.get("sweep"), address.get("compare")
listed = "list" in address and not (opened or swept or beside)
draft = actions.current()

with place:
    if opened or swept or beside or listed:
        frame.action("New run", "add", actions.close_run, key="train-new", type="primary")
    else:
        start.launch_button(draft)

if beside:
    run_list.compared_runs(beside)
elif listed:
    run_list.every_run()
else:
    work, queue = st.columns([1.9, 1], gap="large")
    with work:
        if opened:
            sheet.sheet(opened)
        elif swept:
            sweep.sheet(swept)
        else:
            with st.container(horizontal=True, gap="small"):
                start.presets_popover()
                start.file_popover(draft)
            form.sentence(draft)
            sweep.vary(draft)
            cost = st.container()
            form.settings(draft)
            pictures = st.container()
    with queue:
        frame.section("Queue")
        train_queue.queue()
    if not opened and not swept:
        with cost:  # last: what solving takes is tried, and the first views take the time to load what makes them
            start.cost(draft)
        with pictures:
            start.strip(draft)
