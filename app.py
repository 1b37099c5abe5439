"""The front door: newest runs, what runs now, what to do next."""

import sys

if "streamlit" not in sys.modules:  # `python app.py`: see to the environment and the worker, then come back in the app
    from ssrl_core.start import main

    sys.exit(main())

import streamlit as st

from pages.ui.home import runs
from pages.ui.kit import frame

SENTENCE = "See what image transformations do, train with them, and look at what the network then tells apart."
TRAIN = "pages/3_Train.py"

place = frame.open_page("Viewloom", SENTENCE, css=runs.CSS)
if frame.known_runs():
    if frame.page_exists(TRAIN) and place.button("Train", icon=":material/model_training:", type="primary"):
        st.switch_page(TRAIN)
    frame.section("Newest runs")
    runs.newest()
    runs.more()
else:
    frame.empty("No runs yet. Three steps lead to the first clusters.", drawing="loom", stop=False)
    runs.first_steps()
