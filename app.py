"""The front door: one's newest runs, a finished example, what to do next."""

import sys

if "streamlit" not in sys.modules:  # `python app.py`: see to the environment and the worker, then come back in the app
    from ssrl_core.start import main

    sys.exit(main())

import streamlit as st

from pages.ui.home import example, runs
from pages.ui.kit import frame

SENTENCE = "See what image transformations do, train with them, and look at what the network then tells apart."
TRAIN = "pages/3_Train.py"

place = frame.open_page("Viewloom", SENTENCE, css=runs.CSS + example.CSS)
own = [run for run in frame.known_runs() if not run.get("demo")]
if own:
    if frame.page_exists(TRAIN) and place.button("Train", icon=":material/model_training:", type="primary"):
        st.switch_page(TRAIN)
    frame.section("Newest runs")
    runs.newest()
    runs.more()
if example.is_here():
    example.show(tour=not own)
elif not own:
    frame.empty("No runs yet. Three steps lead to the first clusters.", drawing="loom", stop=False)
    runs.first_steps()
