"""A cell's field put together again from the crops of its cells: each lies where it was cut out."""

from __future__ import annotations

import numpy as np

from ssrl_core.datasets.cells.importing import import_fields
from ssrl_core.datasets.cells.in_field import in_field, is_cut, ringed
from ssrl_core.datasets.cells.settings import CellOptions, CellSettings
from ssrl_core.datasets.made.simulation.fields import write_fields
from tests.kit import make_imageset


def test_a_field_is_put_together_from_its_cells(tmp_path):
    table = write_fields(tmp_path / "fields", 1, seed=3)
    made = import_fields(table, "cut", CellOptions(settings=CellSettings(size=64)), workers=1)
    found = in_field(made, made.count // 2)
    assert found is not None
    assert len(found.image_ids) == made.count
    assert is_cut(made)
    rows = made.table.iloc[found.image_ids]
    for at in (0, made.count // 2, made.count - 1):
        x, y = round(found.x[at]), round(found.y[at])
        own = made.pixels[found.image_ids[at]][:, 30:34, 30:34]
        shown = found.picture[:, y - 2 : y + 3, x - 2 : x + 3]
        assert shown.max() >= own.max() * 0.9
    apart = np.hypot(np.diff(found.x), np.diff(found.y))
    np.testing.assert_allclose(apart, np.hypot(np.diff(rows["x_px"]), np.diff(rows["y_px"])), atol=2)
    rgb = np.zeros((*found.picture.shape[1:], 3), np.uint8)
    drawn = ringed(rgb, found, np.full((made.count, 3), 200, np.uint8), thick=np.full(made.count, 2.0))
    assert 0 < (drawn > 0).mean() < 0.3


def test_images_that_were_not_cut_out_of_fields_have_none():
    assert in_field(make_imageset(), 3) is None
    assert not is_cut(make_imageset(name="other"))
