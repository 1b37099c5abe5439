"""Classes: which classes win and which lose: in one run, in another, as a transformation's parameter moves?"""

from pages.ui.classes import runs, sweep
from pages.ui.kit import frame

place = frame.open_page(
    "Classes",
    "Which classes win and which lose when a transformation changes?",
    css=runs.CSS + sweep.CSS,
)
look = sweep.choose_look()
if look == "run":
    runs.page(place)
else:
    sweep.page(place, look)
