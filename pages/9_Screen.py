"""Screen: which compounds do something, which are alike, and is it more than plates and the number of cells?"""

import streamlit as st

from pages.ui.kit import frame
from pages.ui.screen import opened as tables
from pages.ui.screen import sections
from pages.ui.screen.opened import choose_look, choose_recipe, choose_screen, open_screen, open_table

place = frame.open_page(
    "Screen",
    "Which compounds do something, which are alike, and is it more than plates and the number of cells?",
    css=".vl-answer p { font-size: 1.15rem; line-height: 1.5; margin: 0 0 .4rem; max-width: 80ch } "
    ".vl-answer-more p { font-size: 1rem }",
)
with place:
    tables.button()
table = tables.brought()
left, right = st.columns([3, 1])
with left:
    run_id = choose_screen() if table is None else tables.heading(table)
with right:
    recipe = choose_recipe("as the run asks" if table is None else "default")
with frame.guard():
    opened = open_screen(run_id, recipe) if table is None else open_table(table, recipe)
    sections.answer(opened)
    sections.taught(opened)
    sections.scores(opened)
    of = choose_look(opened)
    with place:
        sections.tables_file(of)
    sections.activity(of)
    sections.nearest(of)
    sections.alike(of)
    sections.mechanisms(of)
    sections.plate(of)
    sections.reading(of)
    sections.how(of)
