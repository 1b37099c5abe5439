"""Compose: assemble transformations, see their views, and read how far they move the images."""

from pages.ui.compose import files, meaning, recipe, workbench
from pages.ui.kit import frame

CSS = recipe.CSS + workbench.CSS + meaning.CSS

place = frame.open_page(
    "Compose", "What do these transformations keep of an image, and what do they throw away?", css=CSS
)
workbench.workbench()
with place:  # after the workbench, which suggests the name
    files.train_button()
    files.save_popover()
