"""Compare: what does one run put together that the other does not?"""

import streamlit as st

from pages.ui.compare import maps
from pages.ui.compare import pair as matrix
from pages.ui.compare.pair import Pair, choose_alike, choose_ks, choose_layout, choose_second, open_pair
from pages.ui.kit import frame
from pages.ui.map import panel, selection
from pages.ui.runs import choosing


@st.fragment
def look(pair: Pair, colour: str) -> None:
    """Both maps with one selection; below, the matrix that makes selections, and what is selected."""
    selection.write_address(pair.a.run)
    maps.maps(pair, colour)
    left, right = st.columns([3, 2], gap="medium")
    with left:
        frame.section(
            "Which clusters share images",
            "Rows: clusters of A. Columns: clusters of B, in the order of their matches. Shade: share of the row. A "
            "click selects the images.",
        )
        matrix.matrix(pair)
        matrix.separated_clusters(pair)
        matrix.moved_images(pair)
    with right, st.container(gap="xsmall"), frame.guard():
        matrix.selected_images(pair)


place = frame.open_page(
    "Compare",
    "What does one run put together that the other does not?",
    css=panel.CSS + maps.CSS,
)
choosing.need_a_run()
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
        layout = choose_layout(first, second)
        alike = choose_alike(first, second, layout)
    with head:
        pair = open_pair(first, second, ks, layout, alike=alike)
    if pair is None:
        st.stop()
    with looks:
        colour = maps.choose_colour(pair)
    with head:
        maps.recipes(pair)
        maps.scores(pair)
    with place:
        maps.figures(pair, colour)
    maps.send(pair, colour)
    selection.read_address(pair.a.run)
    look(pair, colour)
    frame.section("Over seeds")
    maps.seeds(first, second, (pair.a.k, pair.b.k))
