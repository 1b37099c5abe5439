"""Columns that tell images apart."""

import pandas as pd

from ssrl_core.datasets.columns import informative_columns


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
