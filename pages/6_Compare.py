"""Compare: what does one run put together that the other does not?"""

import streamlit as st

from pages.ui import (
    choose,
    cluster_numbers,
    cluster_panel,
    compare_files,
    compare_maps,
    compare_matrix,
    compare_moved,
    compare_numbers,
    compare_recipes,
    frame,
)
from pages.ui.compare_scene import Pair, choose_ks, choose_second, open_pair


@st.fragment
def look(pair: Pair, colour: str) -> None:
    """Both maps with one selection; below, the matrix that makes selections, and what is selected."""
    compare_maps.maps(pair, colour)
    left, right = st.columns([3, 2], gap="medium")
    with left:
        frame.section("Which clusters share images")
        frame.quiet(
            "Rows: clusters of A, columns: of B, by matches. Shade: share of the row. A click selects the images."
        )
        compare_matrix.matrix(pair)
        compare_moved.moved_images(pair)
    with right, st.container(gap="xsmall"), frame.guard():
        compare_moved.selection(pair)


place = frame.open_page(
    "Compare",
    "What does one run put together that the other does not?",
    icon="compare",
    css=cluster_panel.CSS + cluster_numbers.CSS + compare_recipes.CSS,
)
columns = st.columns([3.2, 3.2, 1.8, 2.6], vertical_alignment="bottom")
with columns[0]:
    first = choose.choose_run("A")
with columns[1]:
    second = choose_second(first)
with columns[3], st.container(horizontal=True, gap="medium"):
    ks = choose_ks(first, second)
with frame.guard():
    pair = open_pair(first, second, ks)
    if pair is None:
        st.stop()
    with columns[2]:
        options = compare_maps.colours(pair)
        if st.session_state.get("both") not in options:
            st.session_state["both"] = options[0]
        colour = st.selectbox("Colour both by", options, key="both", bind="query-params")
    compare_recipes.recipes(pair)
    found = compare_numbers.compared(pair)
    compare_numbers.numbers(pair, found)
    with place:
        compare_files.figures(pair)
    compare_maps.send(pair, colour)
    look(pair, colour)
    frame.section("Over seeds")
    compare_numbers.over_seeds(pair)
