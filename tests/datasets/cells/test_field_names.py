"""Names of files say plate, well, site and channel; a naming that is not known is refused with what was seen."""

from pathlib import Path

import numpy as np
import pytest
import tifffile

from ssrl_core.datasets.cells.field_lists import list_fields
from ssrl_core.datasets.cells.field_names import parts_of_names
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


def test_a_pattern_is_tried_on_the_first_names():
    paths = [Path(f"P1_B0{w}_s{s}_{c}.tif") for w in (1, 2) for s in (1, 2) for c in ("DNA", "ER")] + [Path("odd.tif")]
    rows = parts_of_names(paths, "{plate}_{well}_s{site}_{channel}.tif", most=9)
    assert rows[0] == {"file": "P1_B01_s1_DNA.tif", "plate": "P1", "well": "B01", "site": "1", "channel": "DNA"}
    assert rows[8] == {"file": "odd.tif"}
    harmony = parts_of_names([Path("r02c03f01p01-ch2sk1fk1fl1.tiff")])
    assert harmony[0]["channel"] == "2"
    with pytest.raises(SpecError, match="--pattern"):
        parts_of_names(paths, "{sort}.tif")


def _harmony(folder: Path, head: str = "", *, planes: int = 2) -> Path:
    """A measurement of one well of two fields, two channels and some planes, as Harmony exports it."""
    images, value = [], 0
    (folder / "Images").mkdir(parents=True)
    for site in (1, 2):
        for plane in range(1, planes + 1):
            for channel, name in ((1, "Alexa 488"), (2, "HOECHST 33342")):
                url = f"r02c11f{site:02d}p{plane:02d}-ch{channel}sk1fk1fl1.tiff"
                tifffile.imwrite(folder / "Images" / url, np.full((16, 16), value, np.uint16))
                value += 1
                images.append(
                    f"<Image><id>x</id><State>Ok</State><URL>{url}</URL><Row>2</Row><Col>11</Col><FieldID>{site}</FieldID>"
                    f"<PlaneID>{plane}</PlaneID><TimepointID>0</TimepointID><ChannelID>{channel}</ChannelID>"
                    f'<ChannelName>{name}</ChannelName><ImageResolutionX Unit="m">5.98E-07</ImageResolutionX></Image>'
                )
    text = (
        f'<?xml version="1.0"?>{head}<EvaluationInputData xmlns="http://www.perkinelmer.com/PEHH/HarmonyV5">'
        "<Plates><Plate><PlateID>P7</PlateID><Name>HeLa 7</Name></Plate></Plates>"
        f"<Images>{''.join(images)}</Images></EvaluationInputData>"
    )
    (folder / "Images" / "Index.idx.xml").write_text(text)
    return folder


def test_an_index_of_harmony_names_wells_channels_planes_and_the_size_of_a_pixel(tmp_path):
    folder = _harmony(tmp_path / "m")
    (folder / "Images" / "r02c11f02p01-ch1sk1fk1fl1.tiff").unlink()
    listed = list_fields(folder)
    assert listed.channels == ("Alexa 488", "HOECHST 33342")
    assert listed.nuclei == 1
    assert listed.pixel_um == pytest.approx(0.598)
    assert [dict(row.columns) for row in listed.fields] == [{"plate": "HeLa 7", "well": "B11", "site": 1}]
    assert read_field(listed.fields[0])[:, 0, 0].tolist() == [2, 3]  # the brightest of two planes
    assert listed.skipped == [{"file": "r02c11f02p01-ch1sk1fk1fl1.tiff", "reason": "there is no such file"}]
    assert any("2 planes" in note for note in listed.notes)


@pytest.mark.parametrize(
    "head",
    [
        '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]>',
        '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>',
        "<unclosed>",
    ],
)
def test_a_hostile_or_odd_index_is_refused(tmp_path, head):
    with pytest.raises(DataError, match=r"index cannot be read"):
        list_fields(_harmony(tmp_path / "m", head))
    (tmp_path / "m" / "Images" / "Index.idx.xml").write_text("<a><b/></a>")
    with pytest.raises(DataError, match=r"names no images"):
        list_fields(tmp_path / "m")
