"""Compose: assemble transformations, see their views, and read how far they move the images."""

from pages.ui import compose_bench, compose_files, compose_meaning, compose_recipe, frame

CSS = compose_recipe.CSS + compose_bench.CSS + compose_meaning.CSS

place = frame.open_page(
    "Compose", "What do these transformations keep of an image, and what do they throw away?", icon="tune", css=CSS
)
compose_bench.workbench()
with place:  # after the workbench, which suggests the name
    compose_files.save_popover()
