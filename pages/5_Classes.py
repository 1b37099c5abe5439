"""Classes: which classes win and which lose: in one run, in another, as a transformation's parameter moves?"""

from pages.ui import class_look, class_run, class_sweep, class_views, frame

place = frame.open_page(
    "Classes",
    "Which classes win and which lose when a transformation changes?",
    icon="bar_chart",
    css=class_views.CSS + class_sweep.CSS,
)
look = class_look.choose_look()
if look == "run":
    class_run.page(place)
else:
    class_sweep.page(place, look)
