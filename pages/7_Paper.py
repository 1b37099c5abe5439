"""Paper: every table and figure, published beside ours, with its cost and two buttons."""

import streamlit as st

from pages.ui import frame, paper_item, paper_list

place = frame.open_page(
    "Paper",
    "What did the paper show, does it show here, and what does it take to see it again?",
    icon="article",
    css=paper_list.CSS + paper_item.CSS,
)
with place:
    paper_list.export()
left, right = st.columns([1, 2.2], gap="large")
with left:
    chosen = paper_list.choose()
with right, frame.guard():
    paper_item.show(chosen)
paper_list.follow(paper_list.now())
