"""OME-TIFF sets of several files beside files that hold whole fields: neither hides the other."""

import tracemalloc

import numpy as np
import pytest
import tifffile

from ssrl_core.datasets.cells.field_lists import list_fields
from ssrl_core.datasets.cells.fields import read_field
from ssrl_core.datasets.imageset import Channel
from ssrl_core.errors import DataError
from tests.datasets.cells.test_foreign_files import FIELD, spread


def _beside(folder, fields, *, channels=2, files=2):
    """A set of one field in a file a channel, and files that hold all channels of a field each."""
    stacks = {f"set_c{c}.ome.tif": FIELD[c] for c in range(files)}
    spread(folder, stacks, [(c, 0, 0, name, 0) for c, name in enumerate(stacks)], sizes=(files, 1, 1))
    for n in range(fields):
        tifffile.imwrite(folder / f"f{n}.ome.tif", FIELD[:channels] + n, ome=True, photometric="minisblack",
                         metadata={"axes": "CYX"})  # fmt: skip
    return folder


def _skipped(listed):
    return {item["file"]: item["reason"] for item in listed.skipped}


def test_both_kinds_are_fields_where_their_channels_are_as_many(tmp_path):
    folder = _beside(tmp_path / "in", 3)
    listed = list_fields(folder, channels=["actin", "DNA"], nuclei="DNA")
    assert (len(listed.fields), listed.skipped, listed.nuclei) == (4, [], 1)
    found = [read_field(row) for row in listed.fields]
    wanted = [FIELD[[1, 0]] + n for n in (0, 0, 1, 2)]
    assert all(np.array_equal(*pair) for pair in zip(found, wanted, strict=True))
    assert listed.as_channels(windows=True) == [Channel("actin", "#00ff00"), Channel("DNA", "#ff0000")]
    assert {listed.source(row) for row in listed.fields} == {
        "set_c0.ome.tif", "f0.ome.tif", "f1.ome.tif", "f2.ome.tif"
    }  # fmt: skip
    assert listed.pixel_um == 0.5


def test_the_more_frequent_kind_decides_where_they_differ(tmp_path):
    listed = list_fields(_beside(tmp_path / "files", 4, channels=3))
    assert [read_field(row).shape for row in listed.fields] == [(3, 40, 50)] * 4
    assert _skipped(listed) == {"set_c0.ome.tif": "it has 2 channels where the others have 3"}
    listed = list_fields(_beside(tmp_path / "set", 1, channels=3))
    assert np.array_equal(read_field(listed.fields[0]), FIELD[:2])
    assert (len(listed.fields), _skipped(listed)) == (1, {"f0.ome.tif": "it has 3 channels where the others have 2"})


def test_a_set_that_lacks_a_file_hides_no_file(tmp_path):
    folder = _beside(tmp_path / "in", 2)
    (folder / "set_c1.ome.tif").unlink()
    (folder / "torn.ome.tif").write_bytes(b"")
    listed = list_fields(folder)
    assert [read_field(row).shape for row in listed.fields] == [(2, 40, 50)] * 2
    assert set(_skipped(listed)) == {"set_c0.ome.tif", "torn.ome.tif"}


def test_a_channel_of_a_huge_number_is_named_as_missing_and_takes_no_memory(tmp_path):
    stacks = {f"c{c}.ome.tif": FIELD[c] for c in range(2)}
    planes = [(0, 0, 0, "c0.ome.tif", 0), (1_000_000, 0, 0, "c1.ome.tif", 0)]
    folder = spread(tmp_path / "set", stacks, planes, sizes=(2, 1, 1))
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match="its metadata name no plane of channel 2"):
            list_fields(folder)
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


def test_a_broken_set_does_not_say_how_many_channels_the_others_have(tmp_path):
    for name, files in (("a", 3), ("b", 2)):
        stacks = {f"{name}_c{c}.ome.tif": FIELD[c] for c in range(files)}
        spread(tmp_path / "in", stacks, [(c, 0, 0, at, 0) for c, at in enumerate(stacks)], sizes=(files, 1, 1))
    (tmp_path / "in" / "a_c2.ome.tif").unlink()
    listed = list_fields(tmp_path / "in")
    assert np.array_equal(read_field(listed.fields[0]), FIELD[:2])
    assert list(_skipped(listed)) == ["a_c0.ome.tif"]
