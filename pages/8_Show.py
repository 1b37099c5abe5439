"""Show: which kinds of cells are there, and what do the compounds do to them? For those who study the cells."""

import streamlit as st

from pages.ui.clusters.scene import load_scene, stamp_of
from pages.ui.kit import frame
from pages.ui.show import choice as show_choice
from pages.ui.show import files, parts, pictures, plate
from pages.ui.show import paper as show_paper
from pages.ui.show import scene as show_scene

place = frame.open_page(
    "Which kinds of cells are there?",
    "And what do the compounds do to them?",
    icon="co_present",
    css=parts.CSS + pictures.CSS + show_paper.CSS,
)
with st.container(key="show-choices", horizontal=True, horizontal_alignment="right"):
    folded = st.popover("Change what is shown", icon=":material/tune:")
with folded:
    run_id = show_choice.choose_experiment()
with frame.guard():
    scene = load_scene(run_id, stamp_of(run_id))
    with folded:
        choice = show_choice.choices(scene)
    told = show_scene.told(scene, choice.k, compounds=choice.compounds, doses=choice.doses)
    with place:
        files.table_file(told)
    parts.galleries(told, choice.look, choice.count)
    paper = show_paper.Paper()
    parts.doses(told, paper)
    plate.plate(told, choice.look, choice.count, paper)
    parts.compare(told)
    files.methods(told)
    paper.lay()
