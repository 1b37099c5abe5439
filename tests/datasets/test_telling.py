"""Columns that tell images apart."""

import pandas as pd

from ssrl_core.datasets.telling import telling_columns


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
    assert telling_columns(table, "kind") == ["kind", "plate", "dose"]
    assert telling_columns(table, None) == ["plate", "dose", "kind"]
