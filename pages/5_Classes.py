"""Classes: which classes win and which lose: in one run, in another, as a transformation's parameter moves?"""

from pages.ui.classes import look as class_look
from pages.ui.classes import run, sweep, views
from pages.ui.kit import frame

place = frame.open_page(
    "Classes",
    "Which classes win and which lose when a transformation changes?",
    icon="bar_chart",
    css=views.CSS + sweep.CSS,
)
look = class_look.choose_look()
if look == "run":
    run.page(place)
else:
    sweep.page(place, look)
