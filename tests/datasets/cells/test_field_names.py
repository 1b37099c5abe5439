"""Names of files say plate, well, site and channel; a naming that is not known is refused with what was seen."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from ssrl_core.datasets.cells.field_lists import list_fields
from ssrl_core.datasets.cells.field_names import fields_by_name, parts_of_names
from ssrl_core.datasets.cells.fields import read_field
from ssrl_core.datasets.importing import understand
from ssrl_core.errors import DataError, SpecError


def _files(folder, names):
    """One file a name; the pixels of the i-th are i."""
    folder.mkdir()
    for i, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        picture = np.full((8, 8), i, np.uint16)
        if name.endswith(".png"):
            Image.fromarray(picture.astype(np.uint8)).save(folder / name)
        else:
            tifffile.imwrite(folder / name, picture)
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


_G = "ABCDEF01-1111-2222-3333-44445555666"
_TWO = ("DAPI", "GFP")
# names of one well or two, in the order of their channels -> channels, and (well, site) of every field
WRITTEN = {
    "incell, words close": (
        [f"A-01(fld1wv{c}).tif" for c in ("DAPI-DAPI", "FITC-FITC")],
        ("DAPI", "FITC"),
        [("A01", 1)],
    ),
    "incell, plate": ([f"p1_B - 02(fld 1 wv {c} - {c}).tif" for c in _TWO], _TWO, [("B02", 1)]),
    "incell, numbers": ([f"AA - 47(fld 2 wv {c}).tif" for c in (405, 488)], ("405", "488"), [("AA47", 2)]),
    "incell, no field": ([f"A - 01(wv {c} - {c}).tif" for c in _TWO], _TWO, [("A01", 1)]),
    "incell, planes": (
        [f"H - 12(fld 03 wv {c} z {z:02d} time 02 - 9 ms).tif" for c in _TWO for z in (1, 2)],
        _TWO,
        [("H12", 3)],
    ),
    "phenix without sk": ([f"r27c03f01p01-ch{c}.tiff" for c in (1, 2)], ("ch1", "ch2"), [("AA03", 1)]),
    "harmony, flat": ([f"r02c02f01-ch{c}.tif" for c in (1, 2)], ("ch1", "ch2"), [("B02", 1)]),
    "columbus": ([f"001002-3-001001{c:03d}.tif" for c in (1, 2)], ("c1", "c2"), [("A02", 3)]),
    "imagexpress": ([f"week 1_A01_s1_w{c}{_G}{c % 9}.TIF" for c in (1, 2, 10)], ("w1", "w2", "w10"), [("A01", 1)]),
    "imagexpress, no plate": (
        [f"B02_s{s}_w{c}.png" for s in (1, 2) for c in (1, 2)],
        ("w1", "w2"),
        [("B02", 1), ("B02", 2)],
    ),
    "imagexpress, bbbc006": (
        [f"mcf-z_a{w:02d}_s1_w{c}{_G}{c}.tif" for w in (1, 24) for c in (1, 2)],
        ("w1", "w2"),
        [("A01", 1), ("A24", 1)],
    ),
    "metamorph, wavelengths": (
        [f"e_w{c}_s1.TIF" for c in ("1405 DAPI", "2CSU 488", "10Cy5")],
        ("405 DAPI", "CSU 488", "Cy5"),
        [(None, 1)],
    ),
    "metamorph, marks": (
        [f"e_w{c}_s1_t2.tif" for c in ("1DAPI_conf", "2GFP-conf")],
        ("DAPI_conf", "GFP-conf"),
        [(None, 1)],
    ),
    "yokogawa": (
        [f"AssayPlate_Greiner_#655090_B02_T0001F00{f}L01A0{c}Z01C0{c}.tif" for f in (1, 2) for c in (1, 2)],
        ("C1", "C2"),
        [("B02", 1), ("B02", 2)],
    ),
    "cq1": ([f"W0001F0001T0001Z001C{c}_Max.tif" for c in (1, 2)], ("C1", "C2"), [("W0001", 1)]),
    "cytation, montage": (
        [f"A1_-1_{c}_1_Stitched[{n} 377,447]_001.tif" for c, n in enumerate(_TWO)],
        ("DAPI 377,447", "GFP 377,447"),
        [("A01", 1)],
    ),
    "cytation, planes": ([f"A1_01_1_1Z{z}_{c}_001.tif" for c in _TWO for z in (0, 1)], _TWO, [("A01", 1)]),
    "scanr": ([f"B02--W00014--P00001--Z00000--T00000--CH{c}.tif" for c in (1, 2)], ("CH1", "CH2"), [("B02", 1)]),
    "scanr, channel first": ([f"{c}--W00014--P00001--Z00000--T00000--{c}.tif" for c in _TWO], _TWO, [("W00014", 1)]),
    "leica": (
        [f"image--L00--S00--U01--V02--J08--X00--Y00--T0000--Z00--C0{c}.tif" for c in (0, 1)],
        ("C0", "C1"),
        [("C02", 1)],
    ),
    "nikon": (
        [f"WellA{w:02d}_Channel{c}_Seq{2 * w + i:04d}.tif" for w in (1, 2) for i, c in enumerate(_TWO)],
        _TWO,
        [("A01", 1), ("A02", 1)],
    ),
    "nikon, points": (
        [f"WellA01_PointA01_000{p}_Channel{c}_Seq0001.tif" for p in (0, 1) for c in _TWO],
        _TWO,
        [("A01", 0), ("A01", 1)],
    ),
    "nikon, short": (
        [f"t01xy{f:02d}z{z}c{c}.tif" for f in (1, 2) for c in (1, 2) for z in (1, 2)],
        ("c1", "c2"),
        [(None, 1), (None, 2)],
    ),
    "keyence": (
        [f"1_XY01_0000{f}_Z001_CH{c}.tif" for f in (1, 2) for c in (1, 4)],
        ("CH1", "CH4"),
        [(None, 1), (None, 1)],
    ),
    "stain last": ([f"img{f}{c}.tif" for f in (1, 2) for c in _TWO], _TWO, [(None, 1), (None, 2)]),
    "words": ([f"Well A01, Field {f}, {c}.tif" for f in (1, 2) for c in _TWO], _TWO, [("A01", 1), ("A01", 2)]),
    "incucyte": (
        [f"VID1_{c}_A1_1_2021y03m02d_10h00m.tif" for c in ("green", "phase")],
        ("green", "phase"),
        [("A01", 1)],
    ),
    "celigo": (
        [f"e_Target {i} ({c})_A{w:02d}_10x.tif" for w in (1, 2) for i, c in enumerate(_TWO)],
        _TWO,
        [("A01", 1), ("A02", 1)],
    ),
    "evos": (
        [f"scan_Plate_R_p00_0_A01f0{f}d{c}.TIF" for f in (0, 1) for c in (0, 1)],
        ("d0", "d1"),
        [("A01", 0), ("A01", 1)],
    ),
    "micro-manager": (
        [f"img_channel00{c}_position001_time000000000_z00{z}.tif" for c in (0, 1) for z in (0, 1)],
        ("channel000", "channel001"),
        [(None, 1)],
    ),
    "micro-manager 1": ([f"img_000000000_{c}_000.tif" for c in _TWO], _TWO, [(None, 1)]),
    "squid": ([f"A1_2_0_Fluorescence_{c}_nm_Ex.tiff" for c in (405, 488)], ("405", "488"), [("A01", 2)]),
    "zeiss": ([f"exp-01_s{s}c{c}_ORG.tif" for s in (1, 2) for c in (1, 2)], ("c1", "c2"), [(None, 1), (None, 2)]),
    "las x": ([f"P1_B2_t00_z0{z}_ch0{c}.tif" for c in (0, 1) for z in (0, 1)], ("ch00", "ch01"), [("B02", 1)]),
    "stains of two words": (
        [f"A1_{f}_{c}.tif" for f in (1, 2) for c in ("DAPI", "Texas Red", "Alexa Fluor 488")],
        ("DAPI", "Alexa Fluor 488", "Texas Red"),
        [("A01", 1), ("A01", 2)],
    ),
    "wells of folders": (
        [f"plate 1/{w}/field_{f}/{c}.tif" for w in ("A01", "B02") for f in (1, 2) for c in _TWO],
        _TWO,
        [("A01", 1), ("A01", 2), ("B02", 1), ("B02", 2)],
    ),
    "channels of folders": ([f"{c}/field{f}.tif" for f in (1, 2) for c in _TWO], _TWO, [(None, 1), (None, 2)]),
    "plates of folders": ([f"P{p}/A01_{c}.tif" for p in (1, 2) for c in _TWO], _TWO, [("A01", 1), ("A01", 1)]),
    "one well however written": (
        ["A1_s1_DAPI.tif", "A1_s1_GFP.tif", "a01_s2_DAPI.tif", "A01_s2_GFP.tif"],
        _TWO,
        [("A01", 1), ("A01", 2)],
    ),
    "incell 3000": (
        [f"Channel{c}-0{i}-A-0{i}.BMP" for i in (1, 2) for c in (1, 2)],
        ("ch1", "ch2"),
        [("A01", 1), ("A02", 1)],
    ),
    "metamorph stacks": ([f"e_w{c}_s1.stk" for c in ("1DAPI", "2GFP")], _TWO, [(None, 1)]),
    "the four of the atlas": (
        [f"{i * 8}-bb9b-11e8_{c}.png" for i in "ab" for c in ("blue", "green", "red", "yellow")],
        ("blue", "green", "red", "yellow"),
        [(None, 1), (None, 1)],
    ),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_names_of_many_makers(name):
    names, channels, seen = WRITTEN[name]
    named = fields_by_name([Path("/set") / n for n in names])
    assert named.channels == channels
    assert [(row.columns.get("well"), row.columns["site"]) for row in named.fields] == seen
    assert named.skipped == []
    files = [[path.name for path in channel] for row in named.fields for channel in row.files]
    assert sum(map(len, files)) == len(names), "planes of a stack are one field; no file is lost"


def test_a_table_of_wells_beside_the_files_tells_compounds_and_doses(tmp_path):
    folder = _files(
        tmp_path / "p", [f"{p}_{w}_s1_w{c}.tif" for p in ("P1", "P2") for w in ("A01", "B02") for c in (1, 2)]
    )
    (folder / "map.csv").write_text("Plate,Well,Compound,Dose (nM)\nP1,a1,taxol,300\nP1,B2,DMSO,0\nP2,A1,DMSO,0\n")
    listed = list_fields(folder)
    said = [tuple(row.columns.get(c) for c in ("plate", "well", "compound")) for row in listed.fields]
    assert said[:3] == [("P1", "A01", "taxol"), ("P1", "B02", "DMSO"), ("P2", "A01", "DMSO")]
    assert said[3][2] is None
    assert listed.fields[0].columns["dose"] == 300
    assert any("map.csv tells" in note and "3 of 4 fields, by plate and well" in note for note in listed.notes)
    for text, why in (("Well,Compound\nA1,x\nA1,y\n", "several rows"), ("Plate,Well,x\n7,A1,1\n8,A1,2\n", "plates"),
                      ("note\nhello\n", "neither image files nor wells")):  # fmt: skip
        (folder / "map.csv").write_text(text)
        assert any("map.csv is not used" in note and why in note for note in list_fields(folder).notes)


def test_a_table_over_experiments_whose_plates_are_called_alike_tells_fields_apart(tmp_path):
    """As RxRx1 has it: plate 1 of an experiment is the folder Plate1 in the experiment's."""
    every = [(e, p, w) for e in ("HEPG2-01", "U2OS-01") for p in (1, 2) for w in ("B02", "C03")]
    folder = _files(tmp_path / "r", [f"images/{e}/Plate{p}/{w}_s1_w{c}.png" for e, p, w in every for c in (1, 2)])
    rows = [f"{e},{p},{w},1,{i}" for i, (e, p, w) in enumerate(every)]
    (folder / "metadata.csv").write_text("experiment,plate,well,site,sirna\n" + "\n".join(rows) + "\n")
    said = {(row.columns["plate"], row.columns["well"]): row.columns["sirna"] for row in list_fields(folder).fields}
    assert said == {(f"{e}/Plate{p}", w): i for i, (e, p, w) in enumerate(every)}


def test_a_table_of_how_names_begin_tells_what_their_fields_are(tmp_path):
    ids = [f"{i * 7919:08x}-bb9b-{i}" for i in range(3)]
    folder = _files(tmp_path / "h", [f"train/{name}_{c}.png" for name in ids for c in ("red", "green")])
    (folder / "train.csv").write_text("Id,Target\n" + "\n".join(f"{name},{i}" for i, name in enumerate(ids)))
    assert [row.columns["Target"] for row in list_fields(folder).fields] == [0, 1, 2]


def test_a_table_that_cannot_be_read_does_not_hide_the_fields_beside_another(tmp_path):
    folder = _files(tmp_path / "p", [f"P1_A01_s1_w{c}.tif" for c in (1, 2)])
    (folder / "log.csv").write_text("")
    with pytest.raises(DataError, match=r"log\.csv"):
        list_fields(folder)
    (folder / "map.csv").write_text("Well,Compound\nA1,taxol\n")
    listed = list_fields(folder)
    assert listed.fields[0].columns["compound"] == "taxol"
    assert any("log.csv is not used: it cannot be read" in note for note in listed.notes)


def test_no_file_stands_for_a_plane_of_another(tmp_path):
    """Two files whose names say one field and channel are no stack."""
    names = ["B02_s1_w1.tif", "b02_s1_w1.tif", "B02_s1_w2.tif", "B02_s2_w1.tif", "B02_s2_w2.tif"]
    named = fields_by_name([Path("/set") / n for n in names])
    assert [[len(files) for files in row.files] for row in named.fields] == [[1, 1], [1, 1]]
    assert "same field and channel as B02_s1_w1.tif" in named.skipped[0]["reason"]
    said = list_fields(_files(tmp_path / "p", ["x1y.tif", "x2y.tif"])).notes
    assert any("each file is a field by itself" in note for note in said)


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
