"""OME-Zarr imported as images: every field one, with its channels, and what cannot be read named."""

import numpy as np
import pytest

from ssrl_core import stores
from ssrl_core.datasets.imageset import Channel
from ssrl_core.datasets.importing import ImportOptions, import_source
from ssrl_core.errors import DataError
from tests.datasets.cells.test_ome_zarr import write_image
from tests.datasets.cells.test_packed_fields import plate
from tests.datasets.files import class_folders, picture, save, zipped
from tests.datasets.test_channel_facts import OMERO, _zarr


@pytest.mark.parametrize("packed", [False, True])
def test_a_plate_becomes_images_that_know_their_wells(tmp_path, packed):
    whole = plate(tmp_path / "in" / "p.zarr")
    made = import_source(
        zipped(whole, tmp_path / "p.zip") if packed else whole.parent, "fields", ImportOptions(label="well")
    )
    assert (made.count, made.shape, made.classes) == (2, (3, 200, 220), ("B03", "C11"))
    assert [c.name for c in made.channels] == ["DNA", "actin", "tubulin"]
    assert made.table["source"].tolist() == ["p.zarr/B/3/0", "p.zarr/C/11/0"]
    assert not list(stores.data_root().glob(".unpacked-*"))


def test_colours_and_windows_come_along_and_sizes_are_made_one(tmp_path):
    _zarr(tmp_path / "in" / "a.zarr", np.full((2, 30, 40), 7, np.uint16), OMERO)
    _zarr(tmp_path / "in" / "b.zarr", np.full((2, 50, 40), 7, np.uint16), OMERO)
    made = import_source(tmp_path / "in", "two")
    assert made.channels == (Channel("DNA", "#3d7dff", (40, 180)), Channel("Mito", "#ffaa00"))
    assert made.shape == (2, 224, 224)
    assert "fitted to 224 px (crop)" in made.meta["source"]
    assert import_source(tmp_path / "in", "small", ImportOptions(size=16, fit="pad")).shape == (2, 16, 16)


def test_what_cannot_be_read_is_named_and_the_others_go_through(tmp_path):
    for name, dtype in (("a", np.uint16), ("b", np.uint8), ("c", np.int32)):
        values = np.full((1, 20, 20), -1 if dtype == np.int32 else 9, dtype)
        write_image(tmp_path / "in" / f"{name}.zarr", values, "cyx", layout=2)
    made = import_source(tmp_path / "in", "some")
    assert made.count == 1
    reasons = {item["file"]: item["reason"] for item in made.skipped}
    assert reasons["b.zarr"] == "it is uint8 where the first field is uint16"
    assert reasons["c.zarr"].startswith("int32 values from -1")
    with pytest.raises(DataError, match="not one field in it can be read"):
        import_source(tmp_path / "in" / "c.zarr", "none")


@pytest.mark.parametrize("packed", [False, True])
def test_a_zarr_among_class_folders_takes_nothing_from_them_and_is_named(tmp_path, packed):
    whole = class_folders(tmp_path / "mix", {"cat": 3, "dog": 3})
    write_image(whole / "notes.zarr", np.full((1, 12, 12), 9, np.uint8), "cyx", layout=2)
    save(whole / "notes.zarr" / "thumbnail.png", picture())
    made = import_source(zipped(whole, tmp_path / "mix.zip") if packed else whole, "mix")
    assert (made.count, made.classes) == (6, ("cat", "dog"))
    assert [item["file"].rsplit("/", 1)[-1] for item in made.skipped] == ["notes.zarr"]
    assert "import it by itself" in made.skipped[0]["reason"]


def test_a_picture_inside_a_zarr_folder_does_not_make_it_a_folder_of_pictures(tmp_path):
    write_image(tmp_path / "in" / "a.zarr", np.full((2, 12, 12), 9, np.uint8), "cyx", layout=3)
    save(tmp_path / "in" / "a.zarr" / "thumbnail.png", picture())
    for name, source in (("folder", tmp_path / "in"), ("image", tmp_path / "in" / "a.zarr")):
        assert import_source(source, name).shape == (2, 12, 12)
    assert import_source(zipped(tmp_path / "in", tmp_path / "in.zip"), "packed").shape == (2, 12, 12)


def test_pictures_behind_a_link_count_beside_a_zarr(tmp_path):
    class_folders(tmp_path / "far", {"cat": 2, "dog": 2})
    write_image(tmp_path / "mix" / "notes.zarr", np.full((1, 12, 12), 9, np.uint8), "cyx", layout=2)
    try:
        (tmp_path / "mix" / "all").symlink_to(tmp_path / "far", target_is_directory=True)
    except OSError:
        pytest.skip("this system lets nobody make links")
    assert import_source(tmp_path / "mix", "linked").classes == ("cat", "dog")
