"""Names of files say plate, well, site and channel; a naming that is not known is refused with what was seen."""

import numpy as np
import pytest
import tifffile

from ssrl_core.datasets.cells.field_lists import list_fields
from ssrl_core.datasets.cells.fields import read_field
from ssrl_core.datasets.importing import understand
from ssrl_core.errors import DataError, SpecError


def _files(folder, names):
    """One file a name; the pixels of the i-th are i."""
    folder.mkdir()
    for i, name in enumerate(names):
        tifffile.imwrite(folder / name, np.full((8, 8), i, np.uint16))
    return folder


def _seen(listed):
    """(well, site, pixel value of each channel) of every field."""
    columns = [row.columns for row in listed.fields]
    values = [read_field(row)[:, 0, 0].tolist() for row in listed.fields]
    return [(c.get("well"), c["site"], v) for c, v in zip(columns, values, strict=True)]


def test_metamorph_names_wavelengths_with_their_stains_and_ten_of_them(tmp_path):
    names = [f"exp_w{w}{stain}_s{s}_t1.TIF" for s in (1, 2) for w, stain in ((1, "DAPI"), (2, "GFP"), (10, "Cy5"))]
    listed = list_fields(_files(tmp_path / "p", names))
    assert listed.channels == ("DAPI", "GFP", "Cy5")
    assert _seen(listed) == [(None, 1, [0, 1, 2]), (None, 2, [3, 4, 5])]
    assert listed.fields[0].columns["plate"] == "exp"
    bare = list_fields(_files(tmp_path / "q", ["exp_w1_s1.tif", "exp_w2_s1.tif"]))
    assert bare.channels == ("w1", "w2")


def test_incell(tmp_path):
    names = [f"A - {c:02d}(fld {f} wv {w}).tif" for c in (1, 2) for f in (1, 2) for w in ("FITC - FITC", "DAPI - DAPI")]
    listed = list_fields(_files(tmp_path / "p", names))
    assert listed.channels == ("DAPI", "FITC")
    assert _seen(listed)[:3] == [("A01", 1, [1, 0]), ("A01", 2, [3, 2]), ("A02", 1, [5, 4])]
    other = list_fields(_files(tmp_path / "q", ["B - 11(fld 1 wv UV - DAPI).tif", "B - 11(fld 1 wv Blue - FITC).tif"]))
    assert other.channels == ("UV - DAPI", "Blue - FITC")


@pytest.mark.parametrize(
    ("names", "channels", "seen"),
    [
        (["DAPI--W00001--P00002--Z00000--T00000--DAPI.tif", "DAPI--W00001--P00002--Z00000--T00000--Cy3.tif"],
         ("DAPI", "Cy3"), [("W00001", 2, [0, 1])]),
        (["W0003F0002T0001Z001C1.tif", "W0003F0002T0001Z001C2.tif"], ("C1", "C2"), [("W0003", 2, [0, 1])]),
        (["B2_01_1_4_DAPI_001.tif", "B2_01_2_4_GFP_001.tif"], ("DAPI", "GFP"), [("B02", 4, [0, 1])]),
    ],
)  # fmt: skip
def test_scanr_cq1_and_cytation(tmp_path, names, channels, seen):
    listed = list_fields(_files(tmp_path / "p", names))
    assert (listed.channels, _seen(listed)) == (channels, seen)


def test_plain_names_with_a_stain_are_fields_with_channels(tmp_path):
    names = [f"field{f}_{c}.tif" for f in (1, 2, 10) for c in ("GFP", "DAPI")]
    listed = list_fields(_files(tmp_path / "p", names))
    assert listed.channels == ("DAPI", "GFP")
    assert _seen(listed) == [(None, 1, [1, 0]), (None, 2, [3, 2]), (None, 10, [5, 4])]
    lacking = list_fields(_files(tmp_path / "s", names[:-1]))
    assert (len(lacking.fields), lacking.skipped[0]["reason"]) == (2, "its field has no file for channel DAPI")
    wells = [f"{w}_s{s}_{c}.tif" for w in ("A01", "B02") for s in (1, 2) for c in ("DNA", "ER")]
    assert _seen(list_fields(_files(tmp_path / "q", wells)))[2] == ("B02", 1, [4, 5])
    first = [f"{c}-{f}.tif" for f in (1, 2) for c in ("c1", "c2")]
    assert list_fields(_files(tmp_path / "r", first)).channels == ("c1", "c2")


def test_fields_that_are_only_counted_stay_fields_of_one_channel(tmp_path):
    listed = list_fields(_files(tmp_path / "p", [f"{w}_s{s}.tif" for w in ("Q7x1", "Q7x2") for s in (1, 2)]))
    assert len(listed.fields) == 4
    assert len(list_fields(_files(tmp_path / "q", ["img001.tif", "img002.tif"])).fields) == 2


def test_words_that_may_be_channels_are_refused_with_what_was_seen_and_how_to_say_it(tmp_path):
    folder = _files(tmp_path / "p", [f"{f}_{c}.tif" for f in (1, 2) for c in ("probeA", "probeB")])
    with pytest.raises(DataError, match=r"probeA, probeB.*--pattern '\{site\}_\{channel\}\.tif'"):
        list_fields(folder)
    listed = list_fields(folder, pattern="{site}_{channel}.tif")
    assert listed.channels == ("probeA", "probeB")
    assert _seen(listed) == [(None, 1, [0, 1]), (None, 2, [2, 3])]
    assert len(list_fields(folder, pattern="{site}_{any}.tif").fields) == 4
    for wrong in ("{site}_{x}.tif", "{site}_{site}.tif", "{well}-{channel}.tif"):
        with pytest.raises(SpecError, match="--pattern"):
            list_fields(folder, pattern=wrong)


def test_an_import_of_images_says_that_names_tell_of_channels(tmp_path):
    folder = _files(tmp_path / "p", [f"field{f}_{c}.tif" for f in (1, 2) for c in ("GFP", "DAPI")])
    assert any("channels DAPI, GFP" in note and "data cells" in note for note in understand(folder).notes)
    assert understand(_files(tmp_path / "q", ["a1.tif", "a2.tif"])).notes == []
