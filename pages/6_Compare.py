"""Compare: what does one run put together that the other does not?"""

import streamlit as st

from pages.ui.clusters import address, panel
from pages.ui.clusters import numbers as cluster_numbers
from pages.ui.compare import files, maps, matrix, moved, recipes, seeds, splits
from pages.ui.compare import numbers as compare_numbers
from pages.ui.compare.scene import Pair, choose_colour, choose_ks, choose_maps, choose_second, open_pair
from pages.ui.kit import frame
from pages.ui.runs import choosing


@st.fragment
def look(pair: Pair, colour: str) -> None:
    """Both maps with one selection; below, the matrix that makes selections, and what is selected."""
    address.keep(pair.a.scene)
    maps.maps(pair, colour)
    left, right = st.columns([3, 2], gap="medium")
    with left:
        frame.section("Which clusters share images")
        frame.quiet(
            "Rows: clusters of A, columns: of B, by matches. Shade: share of the row. A click selects the images."
        )
        matrix.matrix(pair)
        splits.separated(pair)
        moved.moved_images(pair)
    with right, st.container(gap="xsmall"), frame.guard():
        moved.selection(pair)


place = frame.open_page(
    "Compare",
    "What does one run put together that the other does not?",
    icon="compare",
    css=panel.CSS + cluster_numbers.CSS + recipes.CSS,
)
columns = st.columns([3.2, 3.2, 1.9, 1.9], gap="medium", vertical_alignment="bottom")
with columns[0]:
    first = choosing.choose_run("A", usable=choosing.has_embedding)
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
        colour = choose_colour(maps.colours(pair))
    with head:
        recipes.recipes(pair)
        found = compare_numbers.compared(pair)
        compare_numbers.numbers(pair, found)
    with place:
        files.figures(pair, colour)
    maps.send(pair, colour)
    address.restore(pair.a.scene)
    look(pair, colour)
    frame.section("Over seeds")
    seeds.over_seeds(first, second, (pair.a.k, pair.b.k))
