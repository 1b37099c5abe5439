"""Paper: every table and figure, published beside ours, with its cost and its buttons."""

import streamlit as st

from pages.ui.kit import frame
from pages.ui.paper import curves, item, items, runs

place = frame.open_page(
    "Paper",
    "What did the paper show, does it show here, and what does it take to see it again?",
    css=items.CSS + item.CSS,
)
with place:
    items.export()
    runs.all_of_it()
left, right = st.columns([1, 2.2], gap="large")
with left:
    chosen, under = items.choose()
with right, frame.guard():
    if chosen == curves.ID:
        curves.show()
    else:
        item.show(chosen)
items.tell(under)
items.follow(items.now())
