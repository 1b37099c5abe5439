"""Names, colours and display windows of channels travel from files into the image set, and can be changed there."""

import json

import numpy as np
import pytest
import tifffile

from ssrl_core.datasets import cells, store
from ssrl_core.datasets.cells.field_lists import list_fields
from ssrl_core.datasets.cells.fields import file_facts
from ssrl_core.datasets.cells.settings import CellOptions
from ssrl_core.datasets.imageset import Channel
from ssrl_core.datasets.importing import import_source
from ssrl_core.datasets.pictures import SPARE, changed, display_limits, to_rgb
from ssrl_core.datasets.reading.ome import of_ome_xml, of_omero
from ssrl_core.errors import SpecError
from tests.datasets.cells.test_ome_zarr import set_attributes
from tests.kit import make_imageset, missing

BLUE, RED = 0x0000FFFF, -16776961  # OME writes red first, as a signed number of 32 bits
TWO = {"axes": "CYX", "Channel": {"Name": ["Hoechst", "F-actin"], "Color": [BLUE, RED]}}


def _pixels(n=2, side=40, dtype=np.uint16, seed=0):
    return np.random.default_rng(seed).integers(0, 200, (n, side, side)).astype(dtype)


def ome(path, pixels, metadata):
    tifffile.imwrite(path, pixels, ome=True, photometric="minisblack", metadata=metadata)
    return path


def test_ome_tiff_gives_names_and_colours_to_images_and_to_fields(tmp_path):
    (tmp_path / "in").mkdir()
    for n in range(3):
        ome(tmp_path / "in" / f"{n}.ome.tif", _pixels(seed=n), TWO)
    wanted = (Channel("Hoechst", "#0000ff"), Channel("F-actin", "#ff0000"))
    assert import_source(tmp_path / "in", "images").channels == wanted
    listed = list_fields(tmp_path / "in", channels=["F-actin", "Hoechst"])
    assert listed.as_channels(windows=True) == list(wanted[::-1])


def test_colours_without_names_and_names_without_colours(tmp_path):
    said = file_facts(ome(tmp_path / "a.ome.tif", _pixels(), {"axes": "CYX", "Channel": {"Color": [BLUE, RED]}}))
    assert (said.names, [c.colour for c in said.said]) == (None, ["#0000ff", "#ff0000"])
    made = import_source(tmp_path / "a.ome.tif", "bare")
    assert made.channels == (Channel("channel-1", "#0000ff"), Channel("channel-2", "#ff0000"))
    ome(tmp_path / "b.ome.tif", _pixels(), {"axes": "CYX", "Channel": {"Name": ["tubulin", "other"]}})
    assert import_source(tmp_path / "b.ome.tif", "named").channels == (
        Channel("tubulin", "#3ddc5a"),
        Channel("other", SPARE[1]),
    )


@pytest.mark.parametrize(
    ("colours", "names"), [([-1, -1], ["a", "b"]), ([BLUE, BLUE], ["a", "b"]), ([0x000000FF, 0x000000FF], ["a", "b"])]
)
def test_colours_that_tell_no_channel_from_another_are_not_taken(tmp_path, colours, names):
    path = ome(tmp_path / "a.ome.tif", _pixels(), {"axes": "CYX", "Channel": {"Name": names, "Color": colours}})
    made = import_source(path, "plain")
    assert [c.name for c in made.channels] == names
    assert len({c.colour for c in made.channels}) == 2
    assert "#000000" not in {c.colour for c in made.channels}


def test_imagej_gives_names_colours_and_ranges(tmp_path):
    ramp = np.arange(256, dtype=np.uint8)
    tables = [np.stack([0 * ramp, 0 * ramp, ramp]), np.stack([ramp, ramp, 0 * ramp])]
    path = tmp_path / "a.tif"
    meta = {"axes": "CYX", "Labels": ["DNA", "ER"], "LUTs": tables, "Ranges": (10.0, 150.0, 0.0, 90.0)}
    tifffile.imwrite(path, _pixels(), imagej=True, metadata={**meta, "mode": "composite"})
    made = import_source(path, "j")
    assert made.channels == (Channel("DNA", "#0000ff", (10, 150)), Channel("ER", "#ffff00", (0, 90)))
    assert display_limits(made).tolist() == [[10, 150], [0, 90]]


LABELS = {
    "slices of a stack": ("ZYX", ["exp.czi - z:1", "exp.czi - z:2", "exp.czi - z:3"], ("grey",)),
    "one slice": ("YX", ["z:4/9 - exp"], ("grey",)),
    "a file's name": ("YX", ["exp_w1.TIF"], ("grey",)),
    "places of channels": ("CYX", ["c:1/2 - exp", "c:2/2 - exp"], ("channel-1", "channel-2")),
    "another for each slice": ("ZCYX", ["a", "b", "c", "d", "e", "f"], ("channel-1", "channel-2")),
    "channels of each slice": ("ZCYX", ["DNA", "ER", "DNA", "ER", "DNA", "ER"], ("DNA", "ER")),
    "channels of the first slice": ("ZCYX", ["DNA", "ER"], ("DNA", "ER")),
    "a label of two lines": ("YX", ["DNA\nexposure 20 ms"], ("DNA",)),
}


@pytest.mark.parametrize("kind", LABELS)
def test_a_label_of_a_slice_names_no_channel(tmp_path, kind):
    axes, labels, wanted = LABELS[kind]
    shape = [{"Z": 3, "C": 2}.get(axis, 40) for axis in axes]
    pixels = np.random.default_rng(0).integers(0, 200, shape).astype(np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", pixels, imagej=True, metadata={"axes": axes, "Labels": labels})
    assert tuple(c.name for c in import_source(tmp_path / "a.tif", "j").channels) == wanted


def _zarr(path, pixels, channels):
    try:
        import zarr
    except ImportError:
        missing("zarr", "pip install zarr")
    group = zarr.open_group(str(path), mode="a", zarr_format=2)
    group.create_array("0", data=pixels, chunks=pixels.shape)
    axes = [{"name": "c"}, {"name": "y"}, {"name": "x"}]
    scales = [{"version": "0.4", "axes": axes, "datasets": [{"path": "0"}]}]
    set_attributes(path, {"multiscales": scales, "omero": {"channels": channels}}, layout=2)


OMERO = [
    {"label": "DNA", "color": "3D7DFF", "window": {"start": 40, "end": 180, "min": 0, "max": 65535}},
    {"label": "Mito", "color": "ffaa00", "window": {"start": 0, "end": 65535, "min": 0, "max": 65535}},
]


def test_ome_zarr_gives_label_colour_and_window(tmp_path):
    _zarr(tmp_path / "a.zarr", _pixels(), OMERO)
    assert list_fields(tmp_path / "a.zarr").as_channels(windows=True) == [
        Channel("DNA", "#3d7dff", (40, 180)),
        Channel("Mito", "#ffaa00"),
    ]


def test_cells_keep_them_and_stretched_values_drop_the_window(tmp_path):
    field = np.zeros((2, 120, 120), np.uint16)
    y, x = np.indices((120, 120))
    field[:, (y - 60) ** 2 + (x - 60) ** 2 < 120] = 3000
    field += _pixels(2, 120)
    _zarr(tmp_path / "a.zarr", field, OMERO)
    for normalise, window in (("none", (40.0, 180.0)), ("plate", None)):
        settings = cells.CellSettings(size=32, normalise=normalise)
        made = cells.import_fields(tmp_path / "a.zarr", f"cells-{normalise}", CellOptions(settings=settings))
        assert made.channels == (Channel("DNA", "#3d7dff", window), Channel("Mito", "#ffaa00"))
    kept = json.loads((made.folder / "imageset.json").read_text(encoding="utf-8"))["channels"]
    assert kept[0] == {"name": "DNA", "colour": "#3d7dff"}


def test_a_file_for_each_channel_gives_its_colour(tmp_path):
    for name, colour in (("DNA", 0x00FFFFFF), ("actin", RED)):
        meta = {"axes": "YX", "Channel": {"Name": "whatever", "Color": colour}}
        ome(tmp_path / f"{name}.ome.tif", _pixels(1)[0], meta)
    (tmp_path / "fields.csv").write_text("DNA,actin\nDNA.ome.tif,actin.ome.tif\n", encoding="utf-8")
    assert list_fields(tmp_path / "fields.csv").as_channels(windows=True) == [
        Channel("DNA", "#00ffff"),
        Channel("actin", "#ff0000"),
    ]


def test_windows_speak_of_whole_numbers_as_they_are_kept(tmp_path):
    assert of_omero(OMERO, 2, np.dtype("float32"))[0].window is None
    deep, flat = tmp_path / "in" / "a.tif", tmp_path / "in" / "b.tif"
    deep.parent.mkdir()
    meta = {"axes": "CYX", "Labels": ["DNA", "ER"], "Ranges": (10.0, 150.0, 0.0, 90.0)}
    for path, dtype in ((deep, np.uint16), (flat, np.uint8)):
        tifffile.imwrite(path, _pixels(dtype=dtype), imagej=True, metadata=meta)
    made = import_source(deep.parent, "mixed")  # 8 bit is raised to 16: the range of one is not that of the other
    assert [c.window for c in made.channels] == [None, None]


@pytest.mark.parametrize("text", ["", "<OME", "<!DOCTYPE x><OME/>", "<OME><Image/></OME>", "<OME/>"])
def test_damaged_metadata_say_nothing(text):
    assert of_ome_xml(text) == []


def test_odd_omero_says_nothing():
    odd = [{"label": None, "color": "blue", "window": {"start": "x"}}, {"label": "b", "color": 7}]
    assert of_omero(odd, 2, np.dtype("uint16")) == ()
    assert of_omero(OMERO, 3, np.dtype("uint16")) == ()


@pytest.mark.parametrize(
    "window",
    [
        {"min": 0, "max": 65535},
        {"min": 10, "max": 90},
        {"start": 0, "end": 65535},
        {"start": 0, "end": 4095, "min": 0, "max": 4095},
        {"start": None, "end": 90, "min": 0, "max": 200},
        {"end": 90, "max": 200},
        {"start": float("-inf"), "end": 5},
        {"start": 5, "end": float("inf")},
        {"start": float("nan"), "end": 5},
        {"start": [1], "end": 5},
        {"start": 9, "end": 5},
        [0, 90],
        "wide",
    ],
)
def test_a_window_that_says_nothing_of_the_pixels_is_not_taken(tmp_path, window):
    _zarr(tmp_path / "a.zarr", _pixels(), [{"label": "DNA", "window": window}, OMERO[1]])
    made = import_source(tmp_path / "a.zarr", "plain")
    assert [(c.name, c.window) for c in made.channels] == [("DNA", None), ("Mito", None)]


def test_a_window_below_zero_and_one_at_the_ends_of_8_bit_are_told_apart():
    said = [{"label": "a", "window": {"start": -5, "end": 90}}, {"label": "b", "window": {"start": 0, "end": 255}}]
    assert [c.window for c in of_omero(said, 2, np.dtype("uint16"))] == [(-5, 90), (0, 255)]
    assert [c.window for c in of_omero(said, 2, np.dtype("uint8"))] == [(-5, 90), None]


def test_ranges_of_fractions_do_not_speak_of_the_values_that_are_kept(tmp_path):
    (tmp_path / "in").mkdir()
    values = np.random.default_rng(0).uniform(0, 1, (2, 20, 20)).astype(np.float32)
    meta = {"axes": "CYX", "Labels": ["DNA", "ER"], "Ranges": (0.0, 0.5, 0.0, 0.9)}
    tifffile.imwrite(tmp_path / "in" / "a.tif", values, imagej=True, metadata=meta)
    wanted = [Channel("DNA", ""), Channel("ER", "")]
    assert list_fields(tmp_path / "in").as_channels(windows=True) == wanted
    made = import_source(tmp_path / "in", "fractions")
    assert [(c.name, c.window) for c in made.channels] == [("DNA", None), ("ER", None)]


def test_channels_are_changed_and_the_pictures_with_them():
    made = make_imageset(n=6, c=3, side=8)
    before = made.fingerprint
    new = changed(made.channels, names=["x", "y", "z"], windows=[(0, 10), None, None], where="t")
    again = store.set_channels(made.name, changed(new, colours=["#FFFFFF", "#00ff00", "#0000ff"], where="t"))
    assert (again.fingerprint, [c.name for c in again.channels]) == (before, ["x", "y", "z"])
    assert again.channels[0] == Channel("x", "#ffffff", (0.0, 10.0))
    limits = display_limits(again)
    assert limits.tolist() == [[0, 10], [0, 255], [0, 255]]
    full = np.full((1, 3, 2, 2), 10, np.uint8)
    full[:, 1:] = 0
    assert (to_rgb(full, again.channels, limits=limits) == 255).all()


@pytest.mark.parametrize(
    ("bad", "field"),
    [
        ({"names": ["a", "a", "b"]}, "names"),
        ({"names": ["a", "", "b"]}, "names"),
        ({"names": ["a"]}, "names"),
        ({"colours": ["red", "#000000", "#000000"]}, "colours"),
        ({"windows": [(5, 5), None, None]}, "windows"),
        ({"windows": [(5, float("nan")), None, None]}, "windows"),
        ({"windows": [(float("-inf"), 5), None, None]}, "windows"),
        ({"windows": [(5, float("inf")), None, None]}, "windows"),
    ],
)
def test_what_cannot_be_shown_is_refused_and_nothing_changes(bad, field):
    made = make_imageset(n=6, c=3, side=8)
    with pytest.raises(SpecError, match=field):
        changed(made.channels, where="t", **bad)
    with pytest.raises(SpecError, match="channels must be 3"):
        store.set_channels(made.name, made.channels[:2])
    assert store.load(made.name).channels == made.channels
