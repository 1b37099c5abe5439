"""Fields as other tools write them: every kind of TIFF, sets of several files, folders of time points and planes."""

import uuid
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from ssrl_core.datasets.cells.field_lists import list_fields
from ssrl_core.datasets.cells.field_names import fields_by_name
from ssrl_core.datasets.cells.fields import UnreadableField, read_field
from ssrl_core.datasets.imageset import Channel
from ssrl_core.datasets.importing import import_source
from ssrl_core.errors import DataError, SpecError

RNG = np.random.default_rng(0)
FIELD = RNG.integers(0, 4000, (3, 40, 50)).astype(np.uint16)
BYTES = (FIELD // 16).astype(np.uint8)
INDEX = RNG.integers(0, 8, (20, 21)).astype(np.uint8)
COLOURS = np.array([[30 * i, 255 - 30 * i, 10 * i] for i in range(8)], np.uint8)


def pyramid(path):
    with tifffile.TiffWriter(path, bigtiff=True) as tiff:
        tiff.write(FIELD, subifds=2, photometric="minisblack", metadata={"axes": "CYX"})
        for step in (2, 4):
            tiff.write(FIELD[:, ::step, ::step], subfiletype=1, photometric="minisblack")


def reduced_pages(path):
    with tifffile.TiffWriter(path) as tiff:
        tiff.write(FIELD[0], photometric="minisblack", metadata=None)
        tiff.write(FIELD[0, ::2, ::2], photometric="minisblack", subfiletype=1, metadata=None)


def palette(path, table=COLOURS, compression=None):
    image = Image.fromarray(INDEX, "P")
    image.putpalette(table.ravel().tolist() + [0] * (768 - table.size))
    image.save(path, compression=compression)


def _save(values, **how):
    return lambda path: tifffile.imwrite(path, values, **how)


def _lzw(path):
    first, *others = [Image.fromarray(plane) for plane in FIELD]
    first.save(path, save_all=True, append_images=others, compression="tiff_lzw")


GREY = np.repeat(np.arange(8, dtype=np.uint8)[:, None] * 30, 3, axis=1)
FIELDS = {
    "pyramid": (pyramid, FIELD),
    "reduced pages": (reduced_pages, FIELD[:1]),
    "palette": (palette, np.moveaxis(COLOURS[INDEX], -1, 0)),
    "palette, lzw": (lambda path: palette(path, compression="tiff_lzw"), np.moveaxis(COLOURS[INDEX], -1, 0)),
    "grey palette": (lambda path: palette(path, GREY), GREY[INDEX, 0][None]),
    "one bit": (lambda path: Image.fromarray(INDEX > 3).save(path), (INDEX > 3)[None] * np.uint8(255)),
    "one bit, fax": (
        lambda path: Image.fromarray(INDEX > 3).save(path, compression="group4"),
        (INDEX > 3)[None] * np.uint8(255),
    ),
    "white is zero": (_save(BYTES[0], photometric="miniswhite"), 255 - BYTES[:1]),
    "white is zero, 16 bit": (_save(FIELD[0], photometric="miniswhite"), 65535 - FIELD[:1]),
    "planar rgb": (_save(BYTES, photometric="rgb", planarconfig="separate"), BYTES),
    "rgb": (_save(np.moveaxis(BYTES, 0, -1), photometric="rgb"), BYTES),
    "lzw pages": (_lzw, FIELD),
    "big-endian": (_save(FIELD[0].astype(">u2"), byteorder=">", photometric="minisblack"), FIELD[:1]),
    "bigtiff, tiled": (_save(FIELD[0], bigtiff=True, tile=(16, 16)), FIELD[:1]),
    "int16": (_save(FIELD[0].astype(np.int16)), FIELD[:1]),
    "uint32": (_save(FIELD[0].astype(np.uint32)), FIELD[:1]),
    "float64": (_save(FIELD[0].astype(np.float64)), FIELD[:1]),
}


@pytest.mark.parametrize("kind", FIELDS)
def test_a_field_is_what_its_writer_meant(tmp_path, kind):
    write, expected = FIELDS[kind]
    write(tmp_path / "a.tif")
    listed = list_fields(tmp_path / "a.tif")
    assert (len(listed.fields), listed.skipped) == (1, [])
    found = read_field(listed.fields[0])
    assert found.dtype == expected.dtype
    assert np.array_equal(found, expected)


@pytest.mark.parametrize("kind", ["palette", "palette, lzw", "grey palette", "white is zero", "one bit, fax", "rgb"])
def test_an_image_is_imported_as_its_writer_meant(tmp_path, kind):
    write, expected = FIELDS[kind]
    write(tmp_path / "a.tif")
    assert np.array_equal(import_source(tmp_path / "a.tif", "one").pixels[0], expected)


REFUSED = {
    "complex": (_save(FIELD[0].astype(np.complex64)), "complex64 values"),
    "large uint32": (_save(FIELD[0].astype(np.uint32) * 100), "uint32 values from"),
    "negative": (_save(FIELD[0].astype(np.int16) - 9000), "int16 values from"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_no_picture_is_named_with_the_reason(tmp_path, kind):
    write, reason = REFUSED[kind]
    write(tmp_path / "a.tif")
    with pytest.raises(UnreadableField, match=reason):
        read_field(list_fields(tmp_path / "a.tif").fields[0])
    with pytest.raises(DataError, match=reason):
        import_source(tmp_path / "a.tif", "none")


@pytest.mark.parametrize("left", [0, 3, 4, 8, 60, 200])
def test_a_file_cut_anywhere_is_named_and_the_others_go_through(tmp_path, left):
    tifffile.imwrite(tmp_path / "good.tif", FIELD[0])
    tifffile.imwrite(tmp_path / "whole.tif", FIELD[1])
    (tmp_path / "bad.tif").write_bytes((tmp_path / "whole.tif").read_bytes()[:left])
    listed = list_fields(tmp_path)
    reasons = {item["file"]: item["reason"] for item in listed.skipped}
    for row in listed.fields:
        try:
            read_field(row)
        except UnreadableField as error:
            reasons[error.path.name] = error.reason
    assert list(reasons) == ["bad.tif"]
    assert reasons["bad.tif"]


def test_series_with_other_channels_are_named_and_other_sizes_go_through(tmp_path):
    path = tmp_path / "mix.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as tiff:
        tiff.write(FIELD, photometric="minisblack", metadata={"axes": "CYX"})
        tiff.write(FIELD[:, :20, :30], photometric="minisblack", metadata={"axes": "CYX"})
        tiff.write(FIELD[0], photometric="minisblack", metadata={"axes": "YX"})
    listed = list_fields(path)
    assert [read_field(row).shape for row in listed.fields] == [(3, 40, 50), (3, 20, 30)]
    assert listed.skipped == [
        {"file": "mix.ome.tif", "reason": "one of its series has 1 channel where the first has 3"}
    ]


NAMES = ("DNA", "actin", "tubulin")


def ome_xml(planes, ids, own, *, sizes):
    """OME-XML of one image whose planes lie in several files.

    Args:
        planes: (channel, depth, time, file, page).  sizes: of C, Z, T.
    """
    c, z, t = sizes
    where = "".join(
        f'<TiffData FirstC="{pc}" FirstZ="{pz}" FirstT="{pt}" IFD="{page}" PlaneCount="1">'
        f'<UUID FileName="{file}">{ids[file]}</UUID></TiffData>'
        for pc, pz, pt, file, page in planes
    )
    channels = "".join(
        f'<Channel ID="Channel:0:{i}" Name="{NAMES[i]}" Color="{(255 << 8 * (3 - i)) - (2**32 if i == 0 else 0) + 255}"'
        ' SamplesPerPixel="1"/>'
        for i in range(c)
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" '
        f'UUID="{ids[own]}"><Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint16" '
        f'SizeX="50" SizeY="40" SizeZ="{z}" SizeC="{c}" SizeT="{t}" PhysicalSizeX="0.5" PhysicalSizeXUnit="µm">'
        f"{channels}{where}</Pixels></Image></OME>"
    )


def spread(folder, stacks, planes, *, sizes, how="every"):
    """Files of a set; the metadata lie in every file, in the first alone, or in a companion."""
    folder.mkdir(exist_ok=True)
    ids = {name: f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, name)}" for name in [*stacks, "set.companion.ome"]}
    master = "set.companion.ome" if how == "companion" else next(iter(stacks))
    for name, values in stacks.items():
        text = ome_xml(planes, ids, name, sizes=sizes)
        if how != "every" and name != master:
            text = (
                '<?xml version="1.0" encoding="UTF-8"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" '
                f'UUID="{ids[name]}"><BinaryOnly MetadataFile="{master}" UUID="{ids[master]}"/></OME>'
            )
        tifffile.imwrite(folder / name, values, photometric="minisblack", description=text.encode(), metadata=None)
    if how == "companion":
        (folder / master).write_text(ome_xml(planes, ids, master, sizes=sizes), encoding="utf-8")
    return folder


@pytest.mark.parametrize("how", ["every", "first", "companion"])
def test_channels_in_several_ome_tiffs_are_one_field(tmp_path, how):
    stacks = {f"f_c{c}.ome.tif": FIELD[c] for c in range(3)}
    planes = [(c, 0, 0, f"f_c{c}.ome.tif", 0) for c in range(3)]
    folder = spread(tmp_path / "set", stacks, planes, sizes=(3, 1, 1), how=how)
    listed = list_fields(folder, channels=["tubulin", "DNA"], nuclei="DNA")
    assert (len(listed.fields), listed.nuclei, listed.skipped) == (1, 1, [])
    assert np.array_equal(read_field(listed.fields[0]), FIELD[[2, 0]])
    assert [c.colour for c in listed.as_channels(windows=True)] == ["#0000ff", "#ff0000"]
    if how != "companion":
        assert np.array_equal(read_field(list_fields(folder / "f_c0.ome.tif").fields[0]), FIELD)
    with pytest.raises(SpecError, match="--nuclei"):
        list_fields(folder, nuclei="ER")


def test_depth_and_time_in_several_ome_tiffs(tmp_path):
    stack = RNG.integers(0, 4000, (2, 2, 3, 40, 50)).astype(np.uint16)  # T, C, Z
    stacks = {f"c{c}_z{z}.ome.tif": stack[:, c, z] for c in range(2) for z in range(3)}
    planes = [(c, z, t, f"c{c}_z{z}.ome.tif", t) for c in range(2) for z in range(3) for t in range(2)]
    listed = list_fields(spread(tmp_path / "set", stacks, planes, sizes=(2, 3, 2)))
    assert len(listed.fields) == 2
    for t, row in enumerate(listed.fields):
        assert np.array_equal(read_field(row), stack[t].max(axis=1))
    assert len({listed.source(row) for row in listed.fields}) == 2


def test_a_set_that_lacks_a_file_says_which(tmp_path):
    stacks = {f"f_c{c}.ome.tif": FIELD[c] for c in range(3)}
    planes = [(c, 0, 0, f"f_c{c}.ome.tif", 0) for c in range(3)]
    folder = spread(tmp_path / "set", stacks, planes, sizes=(3, 1, 1))
    (folder / "f_c2.ome.tif").unlink()
    with pytest.raises(DataError, match=r"f_c0\.ome\.tif: its planes lie in f_c2\.ome\.tif too, which is not there"):
        list_fields(folder)


def test_files_that_name_each_other_but_hold_whole_fields_stay_fields(tmp_path):
    stacks = {f"f{n}.ome.tif": FIELD[:2] for n in range(2)}
    planes = [(c, 0, t, f"f{t}.ome.tif", c) for t in range(2) for c in range(2)]
    listed = list_fields(spread(tmp_path / "set", stacks, planes, sizes=(2, 1, 2)))
    assert sorted({row.files[0][0].name for row in listed.fields}) == ["f0.ome.tif", "f1.ome.tif"]
    assert all(len(row.planes or ()) == 2 for row in listed.fields)


LAYOUTS = {
    "no wavelength": (["run_B02_s1.TIF", "run_B02_s2.TIF"], 2, ("w1",), {"plate": "run", "well": "B02"}),
    "a time point in the name": (["run_B02_s1_w1_t1.tif", "run_B02_s1_w1_t2.tif"], 2, ("w1",), {"time_point": 1}),
    "folders of time points": (
        ["TimePoint_1/run_B02_s1_w1.tif", "TimePoint_2/run_B02_s1_w1.tif"],
        2,
        ("w1",),
        {"plate": "run", "site": 1},
    ),
    "folders of planes": (
        ["TimePoint_1/ZStep_1/run_B02_s1_w1.tif", "TimePoint_1/ZStep_2/run_B02_s1_w1.tif"],
        1,
        ("w1",),
        {"well": "B02"},
    ),
    "harmony, no index but stacks": (
        ["Images/r02c03f01p01-ch1sk1fk1fl1.tiff", "Images/r02c03f01p02-ch1sk1fk1fl1.tiff"],
        1,
        ("ch1",),
        {"well": "B03", "plate": "plate-9"},
    ),
    "harmony, channels": (
        ["Images/r02c03f01p01-ch1sk1fk1fl1.tiff", "Images/r02c03f01p01-ch2sk1fk1fl1.tiff"],
        1,
        ("ch1", "ch2"),
        {"well": "B03", "site": 1},
    ),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_folders_and_names_of_microscopes(tmp_path, layout):
    names, count, channels, known = LAYOUTS[layout]
    root = tmp_path / "plate-9"
    for n, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        tifffile.imwrite(root / name, FIELD[n])
    listed = list_fields(root)
    assert (len(listed.fields), listed.channels, listed.skipped) == (count, channels, [])
    assert known.items() <= dict(listed.fields[0].columns).items()
    first = read_field(listed.fields[0])
    stacked = count == 1 and len(channels) == 1
    assert np.array_equal(first[0], FIELD[:2].max(axis=0) if stacked else FIELD[0])


@pytest.mark.parametrize("axes", ["CYX", "TYX"])
def test_files_named_without_a_channel_may_hold_several_channels_or_fields(tmp_path, axes):
    for n in (1, 2):
        tifffile.imwrite(tmp_path / f"P1_A0{n}_s1.tif", FIELD, imagej=True, metadata={"axes": axes})
    tifffile.imwrite(tmp_path / "overview.tif", FIELD[0])
    listed = list_fields(tmp_path)
    images = [read_field(row) for row in listed.fields]
    if axes == "CYX":
        assert all(np.array_equal(image, FIELD) for image in images)
    else:
        assert np.array_equal(np.concatenate(images), np.concatenate([FIELD, FIELD]))
    assert listed.skipped == [
        {"file": "overview.tif", "reason": "its name does not follow the pattern of ImageXpress (MetaXpress)"}
    ]
    known = listed.fields[-1].columns
    assert (known["plate"], known["well"], known["site"]) == ("P1", "A02", 1)
    assert listed.notes == ["file names read as those of ImageXpress (MetaXpress)"]


def test_a_damaged_first_file_does_not_hide_what_the_others_hold(tmp_path):
    (tmp_path / "P1_A01_s1.tif").write_bytes(b"II*\0")
    tifffile.imwrite(tmp_path / "P1_A02_s1.tif", FIELD, imagej=True, metadata={"axes": "CYX"})
    listed = list_fields(tmp_path)
    assert [read_field(row).shape for row in listed.fields] == [(3, 40, 50)]
    assert [item["file"] for item in listed.skipped] == ["P1_A01_s1.tif"]


RAMP = np.arange(256)


def tinted(path, colour, values=BYTES[0]):
    """A picture of one channel whose palette runs from black to a colour."""
    table = np.stack([np.rint(RAMP * part / 255 * 257) for part in colour]).astype(np.uint16)
    tifffile.imwrite(path, values, photometric="palette", colormap=table)
    return path


@pytest.mark.parametrize(
    ("colour", "said"), [((0, 0, 255), "#0000ff"), ((0, 255, 255), "#00ffff"), ((255, 128, 7), "#ff8007")]
)
def test_a_palette_of_one_colour_is_a_channel_and_its_colour(tmp_path, colour, said):
    path = tinted(tmp_path / "a.tif", colour)
    listed = list_fields(path)
    assert np.array_equal(read_field(listed.fields[0]), BYTES[:1])
    assert [c.colour for c in listed.as_channels(windows=True)] == [said]
    made = import_source(path, "one")
    assert np.array_equal(made.pixels[0], BYTES[:1])
    assert made.channels == (Channel("grey", said),)


def test_a_file_for_each_channel_may_be_coloured(tmp_path):
    for n, colour in enumerate([(0, 0, 255), (0, 255, 0)]):
        tinted(tmp_path / f"P_A01_s1_w{n + 1}.tif", colour, BYTES[n])
    listed = list_fields(tmp_path)
    assert np.array_equal(read_field(listed.fields[0]), BYTES[:2])
    assert listed.as_channels(windows=True) == [Channel("w1", "#0000ff"), Channel("w2", "#00ff00")]


@pytest.mark.parametrize("tint", [(0, 0, 1), (1, 1, 1)])
def test_palettes_written_in_8_bit_are_not_black(tmp_path, tint):
    table = (RAMP * np.array(tint)[:, None]).astype(np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", BYTES[0], photometric="palette", colormap=table)
    assert np.array_equal(read_field(list_fields(tmp_path / "a.tif").fields[0]), BYTES[:1])


def test_coloured_pages_are_a_channel_each(tmp_path):
    listed = list_fields(tinted(tmp_path / "a.tif", (255, 0, 0), BYTES))
    assert np.array_equal(read_field(listed.fields[0]), BYTES)


FALLING, STEP, FIRE = RAMP[::-1], np.minimum(RAMP * 3, 255), np.maximum(RAMP * 3 - 255, 0).clip(0, 255)


@pytest.mark.parametrize("table", [[FALLING, 0 * RAMP, 0 * RAMP], [STEP, FIRE, 0 * RAMP], [RAMP, FALLING, 0 * RAMP]])
def test_a_palette_of_several_colours_stays_colours(tmp_path, table):
    tifffile.imwrite(
        tmp_path / "a.tif", BYTES[0], photometric="palette", colormap=np.stack(table).astype(np.uint16) * 257
    )
    expected = np.stack(table).astype(np.uint8)[:, BYTES[0]]
    assert np.array_equal(read_field(list_fields(tmp_path / "a.tif").fields[0]), expected)


@pytest.mark.parametrize(
    ("names", "wells", "channels"),
    [
        (["p_A01_s1_w1.tif", "p_Q02_s1_w1.tif", "p_AF48_s1_w1.tif"], ["A01", "AF48", "Q02"], ("w1",)),
        (
            ["r01c01f01p01-ch1.tiff", "r27c03f01p01-ch1.tiff", "r32c48f01p01-ch1.tiff"],
            ["A01", "AA03", "AF48"],
            ("ch1",),
        ),
        (
            [f"p_B02_s1_w{c}BEDC2073-A983-4B98-95E9-84466707A25D.tif" for c in (1, 2, 10)],
            ["B02"],
            ("w1", "w2", "w10"),
        ),
    ],
)
def test_plates_of_1536_wells_and_ten_wavelengths_are_known_by_name(names, wells, channels):
    named = fields_by_name([Path(name) for name in names])
    assert sorted(row.columns["well"] for row in named.fields) == wells
    assert named.channels == channels


def _load_data(folder, rows, head="PathName_DNA,FileName_DNA,Metadata_Plate,Metadata_Well"):
    (folder / "load_data.csv").write_text("\n".join([head, *rows]) + "\n")
    return folder / "load_data.csv"


def test_the_files_of_one_plate_never_stand_in_for_anothers(tmp_path):
    for name in ("A01.tif", "A02.tif"):
        tifffile.imwrite(tmp_path / name, FIELD[0])
    table = _load_data(tmp_path, ["/disk/P1,A01.tif,P1,A01", "/disk/P2,A01.tif,P2,A01", "/disk/P1,A02.tif,P1,A02"])
    listed = list_fields(table)
    assert [row.columns["well"] for row in listed.fields] == ["A02"]
    assert [item["file"] for item in listed.skipped] == ["/disk/P1/A01.tif", "/disk/P2/A01.tif"]
    with pytest.raises(DataError, match=r"not one of its fields is whole.*A01.tif"):
        list_fields(_load_data(tmp_path, ["/disk/P1,A01.tif,P1,A01", "/disk/P2,A01.tif,P2,A01"]))
    table = _load_data(tmp_path, ["/disk/P1,A01.tif,P1,A01", "/disk/P2,A01.tif,P2,A01", "/disk/P1,A02.tif,P1,A02"])
    (tmp_path / "P1").mkdir()
    (tmp_path / "A01.tif").rename(tmp_path / "P1" / "A01.tif")
    listed = list_fields(table)
    assert [listed.fields[0].columns[name] for name in ("plate", "well")] == ["P1", "A01"]
    assert listed.fields[1].files[0][0] == tmp_path / "/disk/P2/A01.tif"


def test_illumination_files_of_a_load_data_table_are_no_channels(tmp_path):
    for name in ("a.tif", "lamp.tif"):
        tifffile.imwrite(tmp_path / name, FIELD[0])
    head = "FileName_OrigDNA,FileName_IllumDNA,Metadata_Well"
    listed = list_fields(_load_data(tmp_path, ["a.tif,lamp.tif,A01"], head))
    assert listed.channels == ("OrigDNA",)
    assert dict(listed.fields[0].columns) == {"well": "A01"}
    assert any("IllumDNA" in note for note in listed.notes)
