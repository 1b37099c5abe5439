"""A zip of fields (OME-Zarr plates too): unpacked safely, read like its folder, resumed, and gone afterwards."""

import json
import os
import re
import threading
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from ssrl_core import stores
from ssrl_core.datasets import cells
from ssrl_core.datasets.cells.field_lists import list_fields
from ssrl_core.datasets.cells.fields import UnreadableField, read_field
from ssrl_core.datasets.cells.settings import CellOptions
from ssrl_core.datasets.made.simulation.crops import Camera, FieldSettings, draw_field
from ssrl_core.datasets.reading import archives
from ssrl_core.errors import DataError, SpecError, Stopped
from tests.datasets.cells.test_ome_zarr import set_attributes, write_image
from tests.datasets.files import zipped
from tests.kit import missing

try:
    import zarr
except ImportError:
    zarr = None


@pytest.fixture(autouse=True)
def _zarr_is_there():
    if zarr is None:
        missing("zarr", "pip install zarr")


def plate(root, wells=("B/3", "C/11"), layout=2):
    """A plate of drawn fields, one a well."""
    settings = FieldSettings(shape=(200, 220), camera=Camera(pixel_um=0.65), density_per_mm2=900)
    for number, well in enumerate(wells):
        values = draw_field(settings, seed=8, number=number).pixels
        write_image(root / well / "0", values, "cyx", layout=layout, names=("DNA", "actin", "tubulin"))
        set_attributes(root / well, {"well": {"images": [{"path": "0"}]}}, layout=layout)
    set_attributes(root, {"plate": {"name": "P7", "wells": [{"path": well} for well in wells]}}, layout=layout)
    return root


def _left():
    return [p.name for p in stores.data_root().iterdir() if p.name.startswith((".unpacked", ".cells"))]


@pytest.mark.parametrize("layout", [2, 3])
def test_a_zipped_plate_is_the_plate(tmp_path, layout):
    whole = plate(tmp_path / "in" / "plate-7.zarr", layout=layout)
    archive = zipped(whole, tmp_path / "plate.zip")
    listed, beside = list_fields(archive), list_fields(whole)
    assert [dict(row.columns) for row in listed.fields] == [dict(row.columns) for row in beside.fields]
    assert listed.source(listed.fields[0]) == "plate-7.zarr/B/3/0"
    assert (listed.where, listed.channels) == (str(archive), beside.channels)
    assert np.array_equal(read_field(listed.fields[1]), read_field(beside.fields[1]))
    made = cells.import_fields(archive, "cells", CellOptions(settings=cells.CellSettings(size=40)))
    assert set(made.table["well"]) == {"B03", "C11"}
    assert made.meta["source"].startswith("plate.zip")
    assert _left() == []


def test_a_zip_with_a_table_in_a_folder_of_folders(tmp_path):
    folder = tmp_path / "screen" / "run"
    plate(folder / "p.zarr")
    (folder / "fields.csv").write_text("image,compound\np.zarr/B/3/0,DMSO\np.zarr/C/11/0,taxol\n", encoding="utf-8")
    listed = list_fields(zipped(tmp_path / "screen", tmp_path / "a.zip"))
    assert [row.columns["compound"] for row in listed.fields] == ["DMSO", "taxol"]


def test_an_import_from_a_zip_goes_on_after_a_stop(tmp_path, monkeypatch):
    archive = zipped(plate(tmp_path / "p.zarr", wells=("A/1", "A/2", "A/3")), tmp_path / "p.zip")
    settings, stop = cells.CellSettings(size=40), threading.Event()
    stop.set()
    with pytest.raises(Stopped):
        cells.import_fields(archive, "cells", CellOptions(settings=settings), stop=stop)
    assert len(_left()) == 2
    monkeypatch.setattr(archives, "unpack", lambda *_: pytest.fail("it is unpacked already"))
    assert cells.import_fields(archive, "cells", CellOptions(settings=settings)).count > 0
    assert _left() == []


def test_a_damaged_chunk_is_named_and_does_not_become_black(tmp_path):
    archive = zipped(plate(tmp_path / "p.zarr"), tmp_path / "p.zip")
    with zipfile.ZipFile(archive) as opened:
        chunk = next(i for i in opened.infolist() if i.filename == "p.zarr/B/3/0/0/0.0.0")
    data = bytearray(archive.read_bytes())
    start = chunk.header_offset + 30 + len(chunk.filename) + 50
    data[start : start + 20] = bytes(20)
    archive.write_bytes(bytes(data))
    first, second = list_fields(archive).fields
    with pytest.raises(UnreadableField, match="the image is damaged"):
        read_field(first)
    assert read_field(second).any()


@pytest.mark.parametrize("name", ["../out.zarr/.zattrs", "/etc/x", "C:\\x\\y"])
def test_a_zip_that_leaves_its_folder_is_refused_and_nothing_is_written(tmp_path, name):
    archive = tmp_path / "evil.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr(name, "{}")
    with pytest.raises(DataError, match="a path in the archive must be inside it"):
        list_fields(archive)
    assert _left() == []


def test_a_file_that_is_no_zip_and_a_zip_without_images_are_named(tmp_path):
    (tmp_path / "no.zip").write_bytes(b"no zip")
    with pytest.raises(DataError, match=r"no\.zip: this is not a readable zip"):
        list_fields(tmp_path / "no.zip")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.txt").write_text("text", encoding="utf-8")
    with pytest.raises(DataError, match="there are no images in it") as caught:
        list_fields(zipped(tmp_path / "in", tmp_path / "text.zip"))
    assert ".unpacked" not in caught.value.message


def test_what_nobody_came_back_for_goes_after_a_week(tmp_path):
    old = stores.data_root() / ".unpacked-0123"
    old.mkdir()
    (old / "a").write_text("a", encoding="utf-8")
    week_ago = time.time() - 8 * 24 * 3600
    os.utime(old, (week_ago, week_ago))
    list_fields(zipped(plate(tmp_path / "p.zarr"), tmp_path / "p.zip"))
    assert not old.exists()
    assert len(_left()) == 1


DAMAGED = {
    "cut short": ("{", "cannot be read"),
    "no image": ("{}", "the collection names it"),
    "a list": ("[]", "metadata are not those of OME-Zarr"),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_a_damaged_image_of_a_collection_is_named_and_the_others_go_through(tmp_path, case):
    root = tmp_path / "many.zarr"
    for number in range(3):
        write_image(root / str(number), np.full((1, 9, 9), number, np.uint8), "cyx", layout=2)
    set_attributes(root / "OME", {"series": ["0", "1", "2"]}, layout=2)
    set_attributes(root, {"bioformats2raw.layout": 3}, layout=2)
    said, reason = DAMAGED[case]
    (root / "1" / ".zattrs").write_text(said, encoding="utf-8")
    listed = list_fields(root)
    assert [row.files[0][0].name for row in listed.fields] == ["0", "2"]
    assert [item["file"] for item in listed.skipped] == ["many.zarr/1"]
    assert reason in listed.skipped[0]["reason"]


def test_a_collection_of_which_nothing_can_be_read_says_why(tmp_path):
    root = tmp_path / "many.zarr"
    write_image(root / "0", np.zeros((1, 9, 9), np.uint8), "cyx", layout=2)
    set_attributes(root, {"bioformats2raw.layout": 3}, layout=2)
    (root / "0" / ".zattrs").write_text(json.dumps(["no"]), encoding="utf-8")
    with pytest.raises(DataError, match=r"many\.zarr/0: its metadata are not those of OME-Zarr"):
        list_fields(root)


def _names_outside(root, by, secret, way):
    """A plate, or a collection, whose second image is named by a path that leads out of it."""

    def place(below):
        return str(secret) if way == "absolute" else os.path.relpath(secret, below)

    first = root / "B" / "1" / "0" if by in ("wells", "images") else root / "0"
    write_image(first, np.full((1, 9, 9), 1, np.uint8), "cyx", layout=2)
    if by in ("wells", "images"):
        set_attributes(root / "B" / "1", {"well": {"images": [{"path": "0"}]}}, layout=2)
        set_attributes(root / "A" / "1", {"well": {"images": [{"path": place(root / "A" / "1")}]}}, layout=2)
        wells = [{"path": "B/1"}, {"path": place(root) if by == "wells" else "A/1"}]
        set_attributes(root, {"plate": {"wells": wells}}, layout=2)
        return
    scales = {"axes": [{"name": axis} for axis in "cyx"], "datasets": [{"path": f"{place(root / '1')}/0"}]}
    set_attributes(root / "1", {"multiscales": [scales]}, layout=2)
    set_attributes(root / "OME", {"series": ["0", place(root) if by == "series" else "1"]}, layout=2)
    set_attributes(root, {"bioformats2raw.layout": 3}, layout=2)


@pytest.mark.parametrize(
    ("by", "way"),
    [(by, way) for by in ("series", "wells", "images", "datasets") for way in ("absolute", "..")
     if (by, way) != ("wells", "absolute")],  # the slash before a well's path is taken away
)  # fmt: skip
def test_what_is_named_outside_the_folder_is_not_read(tmp_path, by, way):
    """A file that was sent must not show what else lies on the machine that reads it."""
    secret, root = tmp_path / "secret.zarr", tmp_path / "in" / "sent.zarr"
    write_image(secret, np.full((1, 9, 9), 200, np.uint8), "cyx", layout=2)
    set_attributes(secret, {"well": {"images": [{"path": ""}]}}, layout=2)
    _names_outside(root, by, secret, way)
    listed = list_fields(root)
    assert [int(read_field(row).max()) for row in listed.fields] == [1]
    (skipped,) = listed.skipped
    assert re.fullmatch(r"it names '.*secret\.zarr(/0)?', which lies outside it", skipped["reason"])


@pytest.mark.parametrize("names", [("a", "a/b.tif"), ("x" * 300 + ".tif",)])
def test_a_zip_whose_names_this_disk_does_not_take_is_named(tmp_path, names):
    archive = tmp_path / "odd.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        for name in names:
            opened.writestr(name, b"x")
    with pytest.raises(DataError, match=r"odd\.zip: .* cannot be laid on the disk"):
        list_fields(archive)
    assert _left() == []


def test_two_readers_of_one_zip_unpack_it_once(tmp_path, monkeypatch):
    archive = zipped(plate(tmp_path / "p.zarr", wells=("A/1",)), tmp_path / "p.zip")
    begun, real, calls = threading.Event(), archives.unpack, []

    def slowly(source, folder, report):
        calls.append(folder)
        begun.set()
        time.sleep(0.3)
        real(source, folder, report)

    monkeypatch.setattr(archives, "unpack", slowly)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(list_fields, archive)
        begun.wait(10)
        second = pool.submit(list_fields, archive)
        both = [first.result(), second.result()]
    assert len(calls) == 1
    assert all(read_field(listed.fields[0]).any() for listed in both)


def test_a_zip_that_two_imports_read_goes_with_the_last(tmp_path):
    archive = zipped(plate(tmp_path / "p.zarr", wells=("A/1",)), tmp_path / "p.zip")
    folder = archives.unpacked(archive, "slow")
    cells.import_fields(archive, "quick", CellOptions(settings=cells.CellSettings(size=40)))
    assert read_field(list_fields(archive).fields[0]).any()
    archives.forget(archive, "slow")
    assert not folder.exists()


@pytest.mark.parametrize("wrong", [{"channels": ["DNA", "nope"]}, {"where": {"nope": ["1"]}}, {"nuclei": "nope"}])
def test_a_wrong_choice_names_the_zip_and_leaves_nothing(tmp_path, wrong):
    archive = zipped(plate(tmp_path / "p.zarr", wells=("A/1",)), tmp_path / "p.zip")
    with pytest.raises(SpecError, match="nope") as caught:
        cells.import_fields(archive, "cells", CellOptions(**wrong))
    assert str(archive) in caught.value.message
    assert ".unpacked" not in caught.value.message + caught.value.where
    assert _left() == []


def test_what_a_killed_server_left_of_an_upload_goes_after_a_week():
    old, new = stores.data_root() / ".upload-0123", stores.data_root() / ".upload-4567"
    old.mkdir()
    new.mkdir()
    week_ago = time.time() - 8 * 24 * 3600
    os.utime(old, (week_ago, week_ago))
    archives.sweep()
    assert (old.exists(), new.exists()) == (False, True)


def test_unpacking_says_how_far_it_is(tmp_path):
    archive = tmp_path / "many.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for number in range(3):
            packed.writestr(f"{number}.bin", bytes(2 << 20))
    told = []
    archives.unpack(archive, tmp_path / "out", lambda done, total, what: told.append((done, total, what)))
    assert told == [
        (0, 6, "Unpacking many.zip, MB"),
        (2, 6, "Unpacking many.zip, MB"),
        (4, 6, "Unpacking many.zip, MB"),
    ]
