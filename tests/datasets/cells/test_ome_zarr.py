"""OME-Zarr as a source of fields: both layouts of Zarr, every way of nesting, and what is said where one is broken."""

import json
import sys

import numpy as np
import pytest

from ssrl_core.datasets import cells
from ssrl_core.datasets.cells.field_lists import list_fields
from ssrl_core.datasets.cells.fields import UnreadableField, read_field
from ssrl_core.datasets.cells.ome_zarr import read_zarr, zarr_facts
from ssrl_core.datasets.cells.settings import CellOptions
from ssrl_core.datasets.made.simulation.crops import Camera, FieldSettings, draw_field
from ssrl_core.datasets.reading.ome import in_um
from ssrl_core.errors import DataError
from tests.kit import missing

try:
    import zarr
except ImportError:
    zarr = None
FORMATS = pytest.mark.parametrize("layout", [2, 3])
NAMES = ("DNA", "actin", "tubulin")


@pytest.fixture(autouse=True)
def _zarr_is_there():
    if zarr is None:
        missing("zarr", "pip install zarr")


@pytest.fixture(scope="module")
def field():
    settings = FieldSettings(shape=(260, 300), camera=Camera(pixel_um=0.65), density_per_mm2=900)
    return draw_field(settings, seed=8).pixels


def write_image(path, values, axes, *, layout, names=None, scale=None, unit="micrometer"):
    """An image of one resolution with the attributes of NGFF 0.4 (Zarr 2) or 0.5 (Zarr 3)."""
    group = zarr.open_group(str(path), mode="a", zarr_format=layout)
    group.create_array("0", data=values, chunks=tuple(min(n, 128) for n in values.shape))
    dataset = {"path": "0"}
    if scale is not None:
        dataset["coordinateTransformations"] = [{"type": "scale", "scale": scale}]
    said = [{"name": a, **({"type": "space", "unit": unit} if a in "yx" and unit else {})} for a in axes]
    attributes = {"multiscales": [{"version": "0.4", "axes": said, "datasets": [dataset]}]}
    if names:
        attributes["omero"] = {"channels": [{"label": name, "color": "0000FF"} for name in names]}
    set_attributes(path, attributes, layout=layout)


def set_attributes(path, attributes, *, layout):
    group = zarr.open_group(str(path), mode="a", zarr_format=layout)
    group.attrs.update({"ome": {"version": "0.5", **attributes}} if layout == 3 else attributes)


@FORMATS
def test_an_image_gives_its_channels_names_and_pixel_size(tmp_path, field, layout):
    path = tmp_path / "a.ome.zarr"
    write_image(path, field, "cyx", layout=layout, names=NAMES, scale=[1, 0.65, 0.65])
    listed = list_fields(path, nuclei="DNA")
    assert (listed.channels, listed.pixel_um, len(listed.fields)) == (NAMES, 0.65, 1)
    assert np.array_equal(read_field(listed.fields[0]), field)
    assert listed.source(listed.fields[0]) == "a.ome.zarr"
    assert np.array_equal(read_field(list_fields(path, channels=["tubulin"]).fields[0]), field[2:])


@FORMATS
def test_every_time_point_is_a_field_and_depth_is_flattened(tmp_path, layout):
    values = np.random.default_rng(0).integers(0, 60_000, (2, 3, 4, 20, 30), dtype=np.uint16)
    write_image(tmp_path / "stack.zarr", values, "tczyx", layout=layout)
    listed = list_fields(tmp_path / "stack.zarr")
    assert len(listed.fields) == 2
    assert any("depth of 1 files was flattened" in note for note in listed.notes)
    for number, row in enumerate(listed.fields):
        assert np.array_equal(read_field(row), values[number].max(axis=1))
    assert [listed.source(row) for row in listed.fields] == ["stack.zarr#0", "stack.zarr#1"]


@FORMATS
def test_a_plate_tells_its_wells_and_sites(tmp_path, field, layout):
    plate = tmp_path / "in" / "plate-7.zarr"
    for well in ("B/3", "C/11"):
        for site in ("0", "1"):
            write_image(plate / well / site, field, "cyx", layout=layout, names=NAMES)
        images = {"well": {"images": [{"path": "0"}, {"path": "1"}]}}
        set_attributes(plate / well, images, layout=layout)
    wells = [{"path": "B/3"}, {"path": "C/11"}, {"path": "D/1"}]  # the last was planned and never taken
    set_attributes(plate, {"plate": {"name": "P7", "wells": wells}}, layout=layout)
    for source in (plate, plate.parent):
        listed = list_fields(source)
        assert [dict(row.columns) for row in listed.fields] == [
            {"plate": "P7", "well": well, "site": site} for well in ("B03", "C11") for site in (1, 2)
        ]
        assert listed.source(listed.fields[2]) == "plate-7.zarr/C/11/0"
    made = cells.import_fields(
        plate, "screen", CellOptions(settings=cells.CellSettings(size=48), where={"well": ["C11"]})
    )
    assert set(made.table["well"]) == {"C11"}
    assert [channel.name for channel in made.channels] == list(NAMES)


@FORMATS
def test_a_collection_of_series_is_a_list_of_fields(tmp_path, layout):
    values = np.arange(2 * 16 * 18, dtype=np.uint8).reshape(2, 16, 18)
    for number in (0, 1, 10):
        write_image(tmp_path / "many.zarr" / str(number), values + number, "cyx", layout=layout)
    zarr.open_group(str(tmp_path / "many.zarr"), mode="a", zarr_format=layout)
    rows = list_fields(tmp_path / "many.zarr").fields
    assert [row.files[0][0].name for row in rows] == ["0", "1", "10"]
    assert np.array_equal(read_field(rows[2]), values + 10)
    with pytest.raises(DataError, match="it holds 3 images"):
        zarr_facts(tmp_path / "many.zarr")


@FORMATS
def test_a_table_may_name_them_and_carry_compounds(tmp_path, field, layout):
    for name in "ab":
        write_image(tmp_path / f"{name}.zarr", field, "cyx", layout=layout, names=NAMES)
    (tmp_path / "fields.csv").write_text("image,compound\na.zarr,DMSO\nb.zarr,taxol\nc.zarr,taxol\n", encoding="utf-8")
    made = cells.import_fields(tmp_path / "fields.csv", "screen", CellOptions(settings=cells.CellSettings(size=48)))
    assert set(made.table["compound"]) == {"DMSO", "taxol"}
    assert made.shape == (3, 48, 48)
    assert [item["file"] for item in made.skipped] == ["c.zarr"]
    assert "no such file" in made.skipped[0]["reason"]


def test_images_of_the_first_versions_name_no_axes(tmp_path):
    values = np.arange(2 * 12 * 14, dtype=np.uint16).reshape(1, 2, 1, 12, 14)
    group = zarr.open_group(str(tmp_path / "old.zarr"), mode="w", zarr_format=2)
    group.create_array("0", data=values)
    group.attrs.update({"multiscales": [{"datasets": [{"path": "0"}]}]})
    assert np.array_equal(read_zarr(tmp_path / "old.zarr"), values[0, :, 0])
    assert zarr_facts(tmp_path / "old.zarr").pixel_um is None


def test_tiffs_beside_them_are_fields_too(tmp_path, field):
    import tifffile

    write_image(tmp_path / "a.zarr", field, "cyx", layout=2)
    tifffile.imwrite(tmp_path / "b.tif", field, ome=True, metadata={"axes": "CYX"}, photometric="minisblack")
    listed = list_fields(tmp_path)
    assert [path.name for row in listed.fields for path in row.files[0]] == ["a.zarr", "b.tif"]


def test_deconvolved_floats_are_the_same_pixels_as_in_a_tiff(tmp_path):
    import tifffile

    values = np.random.default_rng(0).uniform(-0.2, 4000, (2, 20, 30)).astype(np.float32)
    write_image(tmp_path / "a.zarr", values, "cyx", layout=3)
    tifffile.imwrite(tmp_path / "b.tif", values, ome=True, metadata={"axes": "CYX"}, photometric="minisblack")
    ours, theirs = (read_field(row) for row in list_fields(tmp_path).fields)
    assert ours.dtype == np.uint16
    assert np.array_equal(ours, theirs)


BROKEN = {
    "no image": (lambda p: set_attributes(p, {"labels": []}, layout=2), "without the attributes of OME-Zarr"),
    "strange axes": (lambda p: write_image(p, np.zeros((2, 9, 9), "u1"), "qyx", layout=2), "axes are q, y, x"),
    "axes that do not fit": (lambda p: write_image(p, np.zeros((9, 9), "u1"), "cyx", layout=3), "2 axes where 3"),
    "no array": (lambda p: _without_array(p), "cannot be opened"),
    "attributes cut short": (lambda p: _cut_short(p), "cannot be read"),
}


MALFORMED = {
    "an axis without a name": {"multiscales": [{"axes": [{"type": "space"}], "datasets": [{"path": "0"}]}]},
    "a resolution without a path": {"multiscales": [{"datasets": [{}]}]},
    "resolutions that are a word": {"multiscales": [{"datasets": "0"}]},
    "images that are a mapping": {"multiscales": {"0": {"datasets": []}}},
    "a scale that is a word": {
        "multiscales": [
            {
                "axes": ["y", {"name": "x", "unit": "micrometer"}],
                "datasets": [{"path": "0", "coordinateTransformations": [{"type": "scale", "scale": ["wide"]}]}],
            }
        ]
    },
    "channels that are a list of words": {
        "multiscales": [{"axes": ["y", "x"], "datasets": [{"path": "0"}]}],
        "omero": {"channels": ["DNA"]},
    },
    "a plate that is a list": {"plate": ["A/1"]},
    "a list": [],
}


def _without_array(path):
    write_image(path, np.zeros((1, 9, 9), np.uint8), "cyx", layout=2)
    (path / "0" / ".zarray").unlink()


def _cut_short(path):
    write_image(path, np.zeros((1, 9, 9), np.uint8), "cyx", layout=3)
    file = path / "zarr.json"
    file.write_text(file.read_text(encoding="utf-8")[:60], encoding="utf-8")


@pytest.mark.parametrize("case", BROKEN)
def test_broken_ones_are_named_with_the_reason_and_the_others_go_through(tmp_path, case):
    make, reason = BROKEN[case]
    make(tmp_path / "bad.zarr")
    write_image(tmp_path / "good.zarr", np.zeros((1, 9, 9), np.uint8), "cyx", layout=3)
    listed = list_fields(tmp_path)
    assert [row.files[0][0].name for row in listed.fields] == ["good.zarr"]
    assert [item["file"] for item in listed.skipped] == ["bad.zarr"]
    assert reason in listed.skipped[0]["reason"]
    with pytest.raises(DataError, match=r"bad\.zarr"):
        list_fields(tmp_path / "bad.zarr")


@pytest.mark.parametrize("case", MALFORMED)
def test_malformed_metadata_are_told_as_such_and_the_others_go_through(tmp_path, case):
    zarr.create_array(str(tmp_path / "bad.zarr" / "0"), data=np.zeros((9, 9), np.uint8), zarr_format=2)
    (tmp_path / "bad.zarr" / ".zattrs").write_text(json.dumps(MALFORMED[case]), encoding="utf-8")
    write_image(tmp_path / "good.zarr", np.zeros((1, 9, 9), np.uint8), "cyx", layout=3)
    listed = list_fields(tmp_path)
    assert [row.files[0][0].name for row in listed.fields] == ["good.zarr"]
    assert [item["file"] for item in listed.skipped] == ["bad.zarr"]
    assert "metadata are not those of OME-Zarr" in listed.skipped[0]["reason"]


@pytest.mark.parametrize("said", ["{", '{"well": {"images": ["0"]}}', '{"well": ["0"]}', "[]"])
def test_a_damaged_well_is_skipped_and_the_plate_goes_through(tmp_path, said):
    plate = tmp_path / "plate.zarr"
    for well in ("A/1", "A/2"):
        write_image(plate / well / "0", np.zeros((1, 9, 9), np.uint8), "cyx", layout=2)
        set_attributes(plate / well, {"well": {"images": [{"path": "0"}]}}, layout=2)
    set_attributes(plate, {"plate": {"name": "P", "wells": [{"path": "A/1"}, {"path": "A/2"}]}}, layout=2)
    (plate / "A" / "1" / ".zattrs").write_text(said, encoding="utf-8")
    listed = list_fields(plate)
    assert [row.columns["well"] for row in listed.fields] == ["A02"]
    assert [item["file"] for item in listed.skipped] == ["plate.zarr/A/1"]
    with pytest.raises(DataError, match="well A/1: its "):
        zarr_facts(plate)


def test_a_damaged_chunk_is_a_field_that_is_skipped(tmp_path):
    values = np.random.default_rng(0).integers(0, 255, (1, 64, 64), dtype=np.uint8)
    write_image(tmp_path / "a.zarr", values, "cyx", layout=3)
    chunk = next(p for p in (tmp_path / "a.zarr" / "0").rglob("*") if p.is_file() and p.name != "zarr.json")
    chunk.write_bytes(chunk.read_bytes()[:20])
    with pytest.raises(UnreadableField) as caught:
        read_field(list_fields(tmp_path / "a.zarr").fields[0])
    assert caught.value.reason.startswith("the image is damaged")


def test_numbers_that_are_no_pixels_are_refused(tmp_path):
    write_image(tmp_path / "a.zarr", np.full((1, 9, 9), -1, np.int32), "cyx", layout=3)
    with pytest.raises(UnreadableField, match="int32 values from -1"):
        read_field(list_fields(tmp_path / "a.zarr").fields[0])


def test_without_the_package_the_message_names_it(tmp_path, monkeypatch):
    write_image(tmp_path / "a.zarr", np.zeros((1, 9, 9), np.uint8), "cyx", layout=3)
    monkeypatch.setitem(sys.modules, "zarr", None)
    with pytest.raises(DataError, match="pip install zarr"):
        list_fields(tmp_path / "a.zarr")


def test_the_package_is_imported_only_for_such_a_folder(tmp_path):
    import subprocess

    code = "import sys, ssrl_core.datasets.cells.field_lists; print(json.dumps('zarr' in sys.modules))"
    found = subprocess.run([sys.executable, "-c", f"import json; {code}"], capture_output=True, text=True, check=True)
    assert json.loads(found.stdout) is False


@pytest.mark.parametrize(
    ("size", "unit", "um"),
    [(0.5, "micrometer", 0.5), (500, "nanometer", 0.5), (1, "pixel", None), (0, "µm", None), (1e-3, "mm", 1.0)],
)
def test_lengths_come_in_micrometres(size, unit, um):
    assert in_um(size, unit) == (None if um is None else pytest.approx(um))
