"""Columns that tell images apart."""

import pandas as pd

from ssrl_core.datasets.columns import informative_columns, says_where_from


def test_names_and_constants_and_bookkeeping_do_not_tell_images_apart():
    table = pd.DataFrame(
        {
            "image_id": range(8),
            "split": "test",
            "name": [f"cell {i}" for i in range(8)],
            "plate": ["a", "b"] * 4,
            "dose": range(8),
            "one": "x",
            "kind": ["u", "v"] * 4,
        }
    )
    assert informative_columns(table, "kind") == ["kind", "plate", "dose"]
    assert informative_columns(table, None) == ["plate", "dose", "kind"]


def test_columns_that_say_where_an_image_comes_from_are_told_by_their_names():
    where = "replicate Plate Metadata_Well field Metadata_FieldID ImageNumber cell_id Site"
    assert all(says_where_from(name) for name in where.split())
    what = "area nuclei cell_count number_of_cells dose compound thickness_px x_px order size"
    assert not any(says_where_from(name) for name in what.split())
