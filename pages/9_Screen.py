"""Screen: which compounds do something, which are alike, and is it more than plates and the number of cells?"""

from pages.ui.kit import frame
from pages.ui.screen import sections
from pages.ui.screen.opened import choose_look, choose_screen, open_screen

place = frame.open_page(
    "Screen",
    "Which compounds do something, which are alike, and is it more than plates and the number of cells?",
    css=".vl-answer p { font-size: 1.15rem; line-height: 1.5; margin: 0 0 .4rem; max-width: 80ch } "
    ".vl-answer-more p { font-size: 1rem }",
)
run_id = choose_screen()
with frame.guard():
    opened = open_screen(run_id)
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
