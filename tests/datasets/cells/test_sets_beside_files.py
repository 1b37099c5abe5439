"""OME-TIFF sets of several files beside files that hold whole fields: neither hides the other."""

import numpy as np
import tifffile

from ssrl_core.datasets.cells.field_lists import list_fields
from ssrl_core.datasets.cells.fields import read_field
from ssrl_core.datasets.imageset import Channel
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
