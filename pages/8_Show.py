"""Show: what do the compounds do to the cells, and which kinds of cells are there? For those who study the cells."""

import streamlit as st

from pages.ui.kit import frame
from pages.ui.map.evaluated import open_run
from pages.ui.runs import choosing
from pages.ui.show import cells as pictures
from pages.ui.show import doses, files, groups
from pages.ui.show.cells import choices, choose_experiment, question, shown_cells

title, sentence = question()
place = frame.open_page(
    "Show",
    sentence,
    title=title,
    css=groups.CSS + pictures.CSS + files.CSS,
)
choosing.need_a_run()
with st.container(key="show-choices", horizontal=True, horizontal_alignment="right"):
    folded = st.popover("Change what is shown", icon=":material/tune:")
with folded:
    run_id = choose_experiment()
with frame.guard():
    run = open_run(run_id)
    with folded:
        choice = choices(run)
    cells = shown_cells(run, choice.k, compounds=choice.compounds, doses=choice.doses)
    with place:
        files.table_file(cells)
    printed = files.PrintedFigures()
    doses.answer(cells)
    choosing.say_torn([run.imageset.name])
    doses.doses(cells, printed)
    doses.plate(cells, choice.look, choice.count, printed)
    groups.galleries(cells, choice.look, choice.count)
    groups.compare(cells)
    files.methods(cells)
    printed.draw()
