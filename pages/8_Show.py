"""Show: which kinds of cells are there, and what do the compounds do to them? For those who study the cells."""

import streamlit as st

from pages.ui import frame, show_choice, show_files, show_paper, show_parts, show_pictures, show_plate, show_scene
from pages.ui.cluster_scene import load_scene, stamp_of

place = frame.open_page(
    "Which kinds of cells are there?",
    "And what do the compounds do to them?",
    icon="co_present",
    css=show_parts.CSS + show_pictures.CSS + show_paper.CSS,
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
        show_files.table_file(told)
    show_parts.galleries(told, choice.look, choice.count)
    paper = show_paper.Paper()
    show_parts.doses(told, paper)
    show_plate.plate(told, choice.look, choice.count, paper)
    show_parts.compare(told)
    show_files.methods(told)
    paper.lay()
