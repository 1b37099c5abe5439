"""A cell's field put together again from the crops of its cells: each lies where it was cut out."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from ssrl_core.datasets.cells.field_lists import list_fields
from ssrl_core.datasets.cells.fields import read_field
from ssrl_core.datasets.cells.importing import BOXES_FILE, import_fields, report_of
from ssrl_core.datasets.cells.in_field import in_field, is_cut, ringed
from ssrl_core.datasets.cells.nuclei import detect
from ssrl_core.datasets.cells.settings import CellOptions, CellSettings
from ssrl_core.datasets.made.simulation.crops import write_fields
from ssrl_core.datasets.subsets import split_anew
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
    _outlines_are_those_of_the_nuclei(made, found, table)
    _a_set_made_of_it_keeps_them(made)
    (made.folder / BOXES_FILE).unlink()  # a set of before outlines were kept
    circles = in_field(made, 0)
    assert circles is not None
    assert circles.nuclei == ()
    assert (ringed(rgb, circles, np.full((made.count, 3), 200, np.uint8), thick=np.full(made.count, 2.0)) > 0).any()


def _outlines_are_those_of_the_nuclei(made, found, table):
    """Each kept mask is the nucleus that is found in the field, and its outline lies around it in the picture."""
    listed = list_fields(table)
    field = read_field(listed.fields[0])
    labels = detect(field[listed.nuclei], CellSettings.from_mapping(report_of(made.folder)["settings"]).nuclei)
    for (mask, down, right), number, x, y in zip(
        found.nuclei, made.table["nucleus_id"], made.table["x_px"], made.table["y_px"], strict=True
    ):
        top, left = round(y + down), round(x + right)
        here = labels[top : top + mask.shape[0], left : left + mask.shape[1]]
        assert np.array_equal(here == number, mask)
        assert mask.sum() == (labels == number).sum()
    one = np.zeros((*found.picture.shape[1:], 3), np.uint8)
    thick = np.where(np.arange(made.count) == 1, 1.0, 0.0)
    drawn = ringed(one, found, np.full((made.count, 3), 200, np.uint8), thick=thick)[..., 0] > 0
    inside = ndimage.binary_fill_holes(drawn) & ~drawn
    assert abs(inside.sum() - found.nuclei[1][0].sum()) <= 2
    rows, columns = np.nonzero(inside)
    assert abs(rows.mean() - found.y[1]) < 1
    assert abs(columns.mean() - found.x[1]) < 1


def _a_set_made_of_it_keeps_them(made):
    """Field and nuclei of cells that were copied into a set of their own are those of the cells before."""
    apart = split_anew(made, "apart", "nucleus_id")
    before, after = in_field(made, 2), in_field(apart, 2)
    np.testing.assert_array_equal(after.picture, before.picture)
    for (mask, *place), (own, *own_place) in zip(before.nuclei, after.nuclei, strict=True):
        np.testing.assert_array_equal(mask, own)
        assert place == own_place
    assert report_of(apart.folder)["settings"] == report_of(made.folder)["settings"]


def test_images_that_were_not_cut_out_of_fields_have_none():
    assert in_field(make_imageset(), 3) is None
    assert not is_cut(make_imageset(name="other"))
