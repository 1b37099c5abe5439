"""Compare: what does one run put together that the other does not?"""

import streamlit as st

from pages.ui import (
    choose_run,
    cluster_address,
    cluster_numbers,
    cluster_panel,
    compare_files,
    compare_maps,
    compare_matrix,
    compare_moved,
    compare_numbers,
    compare_recipes,
    compare_seeds,
    compare_splits,
    frame,
)
from pages.ui.compare_scene import Pair, choose_colour, choose_ks, choose_maps, choose_second, open_pair


@st.fragment
def look(pair: Pair, colour: str) -> None:
    """Both maps with one selection; below, the matrix that makes selections, and what is selected."""
    cluster_address.keep(pair.a.scene)
    compare_maps.maps(pair, colour)
    left, right = st.columns([3, 2], gap="medium")
    with left:
        frame.section("Which clusters share images")
        frame.quiet(
            "Rows: clusters of A, columns: of B, by matches. Shade: share of the row. A click selects the images."
        )
        compare_matrix.matrix(pair)
        compare_splits.separated(pair)
        compare_moved.moved_images(pair)
    with right, st.container(gap="xsmall"), frame.guard():
        compare_moved.selection(pair)


place = frame.open_page(
    "Compare",
    "What does one run put together that the other does not?",
    icon="compare",
    css=cluster_panel.CSS + cluster_numbers.CSS + compare_recipes.CSS,
)
columns = st.columns([3.2, 3.2, 1.9, 1.9], gap="medium", vertical_alignment="bottom")
with columns[0]:
    first = choose_run.choose_run("A", usable=choose_run.has_embedding)
with columns[1]:
    second = choose_second(first)
ks = choose_ks(first, second, columns[2:])
head = st.container()
looks = st.container(horizontal=True, vertical_alignment="bottom", gap="large")
with frame.guard():
    with looks:
        shown = choose_maps(first, second)
    with head:
        pair = open_pair(first, second, ks, shown)
    if pair is None:
        st.stop()
    with looks:
        colour = choose_colour(compare_maps.colours(pair))
    with head:
        compare_recipes.recipes(pair)
        found = compare_numbers.compared(pair)
        compare_numbers.numbers(pair, found)
    with place:
        compare_files.figures(pair, colour)
    compare_maps.send(pair, colour)
    cluster_address.restore(pair.a.scene)
    look(pair, colour)
    frame.section("Over seeds")
    compare_seeds.over_seeds(first, second, (pair.a.k, pair.b.k))
