"""Fields to image sets: every way in, what is skipped and why, resuming, and memory."""

import json
import shutil
import threading

import numpy as np
import pandas as pd
import psutil
import pytest
import tifffile

from ssrl_core import stores
from ssrl_core.datasets import cells, store
from ssrl_core.datasets.cells import cutting
from ssrl_core.datasets.cells.settings import CellOptions, CellSettings
from ssrl_core.datasets.made.simulation.crops import Camera, FieldSettings, draw_field
from ssrl_core.errors import DataError, SpecError, Stopped
from tests.kit import shared

SETTINGS = cells.CellSettings(size=48)


@pytest.fixture(scope="module")
def fields():
    """Five fields (3, 260, 300) uint16."""
    settings = FieldSettings(shape=(260, 300), camera=Camera(pixel_um=0.65), density_per_mm2=900)
    return [draw_field(settings, seed=8, number=n).pixels for n in range(5)]


def _table(folder, fields, *, compound=("DMSO", "taxol"), **columns):
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for n, field in enumerate(fields):
        row = {}
        for c, name in enumerate(("DNA", "actin", "tubulin")):
            row[name] = f"f{n}_{name}.tif"
            tifffile.imwrite(folder / row[name], field[c])
        row |= {"Metadata_Plate": f"p{n % 2}", "Metadata_Well": f"B0{n + 1}", "compound": compound[n % 2]}
        rows.append({**row, "concentration": float(n), **{k: v[n] for k, v in columns.items()}})
    pd.DataFrame(rows).to_csv(folder / "fields.csv", index=False)
    return folder / "fields.csv"


def _leftovers():
    return [
        p.name for p in stores.data_root().iterdir() if p.name.startswith(".cells-") or p.name.startswith(".making")
    ]


def test_a_table_of_fields_becomes_cells_that_know_where_they_were(tmp_path, fields):
    made = cells.import_fields(_table(tmp_path / "in", fields), "screen", CellOptions(settings=SETTINGS))
    assert (made.shape, made.dtype, made.label) == ((3, 48, 48), "uint16", "compound")
    assert [c.name for c in made.channels] == ["DNA", "actin", "tubulin"]
    assert set(made.classes) == {"DMSO", "taxol"}
    assert {"plate", "well", "dose", "x_px", "y_px", "neighbours", "nuclear_area_px"} <= set(made.table.columns)
    assert made.max_value in (4095, 16383, 65535)
    for i in (0, made.count // 2, made.count - 1):  # no lighting was measured: the crop is in its field as it is
        row = made.table.iloc[i]
        field = fields[int(row["source"][1])]
        left, top = round(row["x_px"] - 23.5), round(row["y_px"] - 23.5)
        assert np.array_equal(made.pixels[i], field[:, top : top + 48, left : left + 48])
    report = cells.report_of(made.folder)
    assert report["cells"] == made.count
    assert report["dropped"]["border"] > 0
    by = report["dropped_by"]
    assert (by["column"], [row["value"] for row in by["rows"]]) == ("compound", ["DMSO", "taxol"])
    assert sum(row["border"] for row in by["rows"]) == report["dropped"]["border"]
    assert sum(row["kept"] for row in by["rows"]) == made.count
    assert store.describe("screen")["dropped_by"] == by
    assert cells.dropped_examples(made.folder)["border"].shape[1:] == made.shape
    assert _leftovers() == []


def test_what_all_fields_would_become_is_told_before(tmp_path, fields, capsys):
    from ssrl_core.cli import main

    table = _table(tmp_path / "in", fields)
    seen = cells.glance_cells(cells.list_fields(table), CellOptions(settings=SETTINGS), most=4)
    assert (seen.understood.label, seen.understood.group, seen.looked, seen.fields) == ("compound", "well", 4, 5)
    assert seen.found == seen.kept + sum(seen.dropped.values())
    assert {value: row[""] for value, row in seen.understood.counts.items()} == {
        row["value"]: row["kept"] for row in seen.dropped_by["rows"]
    }
    assert set(seen.table["label"]) == {"DMSO", "taxol"}
    assert seen.pixels.shape == (len(seen.table), 3, 48, 48)
    assert seen.examples["border"].shape[1:] == (3, 48, 48)
    with pytest.raises(SpecError, match="label"):
        cells.glance_cells(cells.list_fields(table), CellOptions(settings=SETTINGS, label="sort"))
    capsys.readouterr()
    assert main(["data", "cells", str(table), "--size", "48", "--dry-run"]) == 0
    assert "compound taxol: kept" in capsys.readouterr().out
    assert main(["data", "cells", str(table), "--size", "48"]) == 2
    assert _leftovers() == []
    assert not (stores.data_root() / "screen").exists()


def test_no_well_is_in_two_splits_if_asked(tmp_path, fields):
    made = cells.import_fields(_table(tmp_path / "in", fields), "screen", CellOptions(settings=SETTINGS, group="well"))
    assert (made.table.groupby("well")["split"].nunique() == 1).all()


def test_channels_are_chosen_and_the_nuclei_named(tmp_path, fields):
    table = _table(tmp_path / "in", fields[:2])
    made = cells.import_fields(table, "two", CellOptions(channels=["tubulin", "DNA"], nuclei="DNA", settings=SETTINGS))
    assert [c.name for c in made.channels] == ["tubulin", "DNA"]
    assert made.pixels[:, 1, 20:28, 20:28].mean() > made.pixels[:, 1, :4, :4].mean()
    with pytest.raises(SpecError, match="--nuclei"):
        cells.import_fields(table, "three", CellOptions(channels=["actin"], nuclei="DNA"))


def test_some_fields_only(tmp_path, fields):
    table = _table(tmp_path / "in", fields)
    made = cells.import_fields(table, "one", CellOptions(where={"compound": ["taxol"]}, settings=SETTINGS))
    assert set(made.table["compound"]) == {"taxol"}
    with pytest.raises(SpecError, match="where"):
        cells.import_fields(table, "none", CellOptions(where={"compound": ["aspirin"]}))


def test_bad_fields_are_named_with_their_reason_and_the_others_go_through(tmp_path, fields):
    folder = tmp_path / "in"
    table = _table(folder, fields)
    (folder / "f1_actin.tif").unlink()
    (folder / "f2_DNA.tif").write_bytes((folder / "f2_DNA.tif").read_bytes()[:5000])
    tifffile.imwrite(folder / "f3_tubulin.tif", fields[3][2, :100])
    made = cells.import_fields(table, "mended", CellOptions(settings=SETTINGS))
    reasons = {item["file"]: item["reason"] for item in made.skipped}
    assert set(reasons) == {"f1_actin.tif", "f2_DNA.tif", "f3_tubulin.tif"}
    assert "no such file" in reasons["f1_actin.tif"]
    assert "300×100 px where the first channel is 300×260" in reasons["f3_tubulin.tif"]
    assert set(made.table["source"]) == {"f0_DNA.tif", "f4_DNA.tif"}


def test_fields_of_another_depth_are_named(tmp_path, fields):
    folder = tmp_path / "in"
    table = _table(folder, fields)
    for name in ("DNA", "actin", "tubulin"):
        tifffile.imwrite(folder / f"f4_{name}.tif", (fields[4][0] // 256).astype(np.uint8))
    made = cells.import_fields(table, "deep", CellOptions(settings=SETTINGS))
    assert made.dtype == "uint16"
    assert [item["reason"] for item in made.skipped] == ["it is uint8 where most fields are uint16"]


WRITERS = {
    "big-endian": {"byteorder": ">"},
    "tiled": {"tile": (64, 64)},
    "deflate": {"compression": "zlib"},
    "bigtiff": {"bigtiff": True},
    "one strip a row": {"rowsperstrip": 1},
}


@pytest.mark.parametrize("kind", WRITERS)
def test_ome_tiff_of_several_series_is_read_whatever_wrote_it(tmp_path, fields, kind):
    path = tmp_path / "plate.ome.tif"
    with tifffile.TiffWriter(
        path, ome=True, **{k: v for k, v in WRITERS[kind].items() if k in ("byteorder", "bigtiff")}
    ) as tiff:
        for field in fields[:2]:
            tiff.write(
                field,
                photometric="minisblack",
                metadata={"axes": "CYX", "Channel": {"Name": ["DNA", "actin", "tubulin"]}, "PhysicalSizeX": 0.65},
                **{k: v for k, v in WRITERS[kind].items() if k not in ("byteorder", "bigtiff")},
            )
    listed = cells.list_fields(path)
    assert (len(listed.fields), listed.channels, listed.pixel_um) == (2, ("DNA", "actin", "tubulin"), 0.65)
    assert np.array_equal(cells.read_field(listed.fields[1]), fields[1])


def test_lzw_is_read(tmp_path, fields):
    from PIL import Image

    path = tmp_path / "a.tif"
    Image.fromarray(fields[0][0]).save(path, compression="tiff_lzw")
    listed = cells.list_fields(path)
    assert np.array_equal(cells.read_field(listed.fields[0])[0], fields[0][0])


def test_depth_is_flattened_to_its_maximum_and_said(tmp_path, fields):
    stack = np.stack([fields[0] // 2, fields[0], fields[0] // 3])  # (Z, C, Y, X)
    tifffile.imwrite(tmp_path / "z.ome.tif", stack, ome=True, photometric="minisblack", metadata={"axes": "ZCYX"})
    listed = cells.list_fields(tmp_path / "z.ome.tif")
    assert np.array_equal(cells.read_field(listed.fields[0]), fields[0])
    assert any("flattened" in note for note in listed.notes)


def test_float_images_are_taken_where_they_fit_and_refused_where_not(tmp_path, fields):
    folder = tmp_path / "in"
    folder.mkdir()
    names = {}
    for kind, field in (
        ("whole", fields[0][0].astype(np.float32)),
        ("share", (fields[1][0] / 65535).astype(np.float32)),
        ("nan", np.where(fields[2][0] > 4000, np.nan, fields[2][0]).astype(np.float32)),
    ):
        names[kind] = f"{kind}.tif"
        tifffile.imwrite(folder / names[kind], field)
    listed = cells.list_fields(folder)
    read = {}
    for row in listed.fields:
        try:
            read[row.files[0][0].name] = cells.read_field(row)
        except cells.UnreadableField as error:
            read[row.files[0][0].name] = error.reason
    assert np.array_equal(read["whole.tif"][0], fields[0][0])
    assert "share.tif" not in read  # one scale for all: beside whole numbers its fractions would vanish
    assert "fractions up to 1" in next(item["reason"] for item in listed.skipped if item["file"] == "share.tif")
    shutil.move(folder / "share.tif", tmp_path / "share.tif")
    alone = cells.read_field(cells.list_fields(tmp_path / "share.tif").fields[0])
    assert np.abs(alone[0].astype(int) - fields[1][0]).max() <= 1
    assert "NaN" in read["nan.tif"]


def test_a_truncated_ome_tiff_is_named(tmp_path, fields):
    folder = tmp_path / "in"
    folder.mkdir()
    for n in range(3):
        tifffile.imwrite(folder / f"{n}.ome.tif", fields[n], ome=True, metadata={"axes": "CYX"})
    data = (folder / "1.ome.tif").read_bytes()
    (folder / "1.ome.tif").write_bytes(data[: len(data) // 2])
    made = cells.import_fields(folder, "ome", CellOptions(settings=SETTINGS))
    assert [item["file"] for item in made.skipped] == ["1.ome.tif"]
    assert {s.split("#")[0] for s in made.table["source"]} == {"0.ome.tif", "2.ome.tif"}


NAMES = {
    "Opera / Operetta (Harmony)": "r0{r}c03f0{f}p01-ch{c}sk1fk1fl1.tiff",
    "ImageXpress (MetaXpress)": "run_B0{r}_s{f}_w{c}BEDC2073-A983-4B98-95E9-84466707A25D.tif",
    "Yokogawa (CellVoyager)": "plate_B0{r}_T0001F00{f}L01A01Z01C0{c}.tif",
    "Cellomics (ArrayScan)": "AS_09125_B0{r}f0{f}d{c}.TIF",
}


@pytest.mark.parametrize("maker", NAMES)
def test_file_names_of_microscopes_are_understood(tmp_path, fields, maker):
    folder = tmp_path / "plate-7"
    folder.mkdir()
    for r in (2, 3):
        for c in (1, 2, 3):
            tifffile.imwrite(folder / NAMES[maker].format(r=r, f=1, c=c), fields[r - 2][c - 1])
    (folder / NAMES[maker].format(r=3, f=1, c=2)).unlink()
    listed = cells.list_fields(folder)
    assert len(listed.fields) == 1
    assert np.array_equal(cells.read_field(listed.fields[0]), fields[0])
    assert listed.fields[0].columns["well"] in ("B02", "B03")
    assert maker in listed.notes[0]
    assert "no file for channel" in listed.skipped[0]["reason"]


def test_bbbc021s_own_table_is_read(tmp_path, fields):
    official = pd.read_csv(shared("data/bbbc021/BBBC021_v1_image.csv"), dtype=str)
    assert len(official) == 13_200
    official = official.iloc[:1000]
    some = official.iloc[[0, 1]]
    for n, row in enumerate(some.to_dict("records")):
        folder = tmp_path / row["Image_PathName_DAPI"]
        folder.mkdir(parents=True, exist_ok=True)
        for c, stain in enumerate(("DAPI", "Actin", "Tubulin")):
            tifffile.imwrite(folder / row[f"Image_FileName_{stain}"], fields[n][c])
    official.to_csv(tmp_path / "BBBC021_v1_image.csv", index=False)
    listed = cells.list_fields(tmp_path / "BBBC021_v1_image.csv")
    assert len(listed.fields) == 1000
    assert listed.channels == ("DAPI", "Tubulin", "Actin")
    known = listed.fields[0].columns
    assert {"plate", "well", "replicate", "compound", "dose", "dose_unit"} <= set(known)
    assert (known["compound"], known["dose_unit"]) == ("5-fluorouracil", "µM")
    assert np.array_equal(cells.read_field(listed.fields[1])[0], fields[1][0])


def test_loaddata_of_cellprofiler_is_read(tmp_path, fields):
    folder = tmp_path / "images"
    folder.mkdir()
    rows = []
    for n in range(2):
        row = {"Metadata_Plate": "P1", "Metadata_Well": f"C0{n + 1}", "Metadata_Site": n}
        for c, name in enumerate(("OrigDNA", "OrigER")):
            tifffile.imwrite(folder / f"{n}-{name}.tif", fields[n][c])
            row |= {f"FileName_{name}": f"{n}-{name}.tif", f"PathName_{name}": "D:\\screens\\images"}
        rows.append(row)
    pd.DataFrame(rows).to_csv(tmp_path / "load_data.csv", index=False)
    listed = cells.list_fields(tmp_path / "load_data.csv")
    assert listed.channels == ("OrigDNA", "OrigER")
    assert listed.fields[1].columns["site"] == 1
    assert np.array_equal(cells.read_field(listed.fields[1]), fields[1][:2])


def test_the_real_field_is_cut(tmp_path):
    folder = shared("data/fields/AS_09125_050116030001_D03f00d0.tif").parent
    made = cells.import_fields(folder, "real", CellOptions(settings=CellSettings(size=64)))
    assert 180 <= made.count <= 260
    assert made.table["well"].unique().tolist() == ["D03"]


def test_a_stopped_import_goes_on_and_gives_the_same_cells(tmp_path, fields, monkeypatch):
    table = _table(tmp_path / "in", fields)
    whole = cells.import_fields(table, "whole", CellOptions(settings=SETTINGS))
    stop, worked = threading.Event(), []
    cut_field = cutting.cut_field

    def counted(task, plan, shards):
        worked.append(task.number)
        if len(worked) == 2:
            stop.set()
        cut_field(task, plan, shards)

    monkeypatch.setattr(cutting, "cut_field", counted)
    with pytest.raises(Stopped):
        cells.import_fields(table, "parts", CellOptions(settings=SETTINGS), workers=1, stop=stop)
    assert not store.is_ready("parts")
    before = set(worked)
    worked.clear()
    parts = cells.import_fields(table, "parts", CellOptions(settings=SETTINGS), workers=1)
    assert before.isdisjoint(worked)
    assert before | set(worked) == set(range(5))
    assert parts.fingerprint == whole.fingerprint
    assert _leftovers() == []


def test_processes_cut_the_same_cells_as_threads(tmp_path, fields, monkeypatch):
    table = _table(tmp_path / "in", [*fields, *fields], Metadata_Plate=["p"] * 10)  # enough to even out the lighting
    threads = cells.import_fields(table, "threads", CellOptions(settings=SETTINGS))
    monkeypatch.setattr(cutting, "_FEWEST_FIELDS", 10)
    monkeypatch.setattr(cutting, "cut_field", lambda *_: pytest.fail("a field was cut here"))
    said = []
    processes = cells.import_fields(
        table, "processes", CellOptions(settings=SETTINGS), workers=2, report=lambda *s: said.append(s)
    )
    assert processes.fingerprint == threads.fingerprint
    assert processes.table.equals(threads.table)
    assert (10, 10, "cutting cells out of fields") in said
    assert _leftovers() == []


def test_a_process_that_is_ended_is_told_and_the_import_goes_on_where_it_was(tmp_path, fields, monkeypatch):
    table = _table(tmp_path / "in", [*fields, *fields])  # more than are given out at once
    whole = cells.import_fields(table, "whole", CellOptions(settings=SETTINGS))
    monkeypatch.setattr(cutting, "_FEWEST_FIELDS", 2)

    def end_them(done, total, what):
        if what.startswith("cutting") and done == 1:
            for child in psutil.Process().children(recursive=True):
                if "popen_loky" in " ".join(child.cmdline()):
                    child.kill()

    with pytest.raises(DataError, match="fewer workers"):
        cells.import_fields(table, "ended", CellOptions(settings=SETTINGS), workers=2, report=end_them)
    assert not store.is_ready("ended")
    again = cells.import_fields(table, "ended", CellOptions(settings=SETTINGS), workers=1)
    assert again.fingerprint == whole.fingerprint


def test_other_settings_begin_anew(tmp_path, fields):
    table, stop = _table(tmp_path / "in", fields), threading.Event()
    stop.set()
    with pytest.raises(Stopped):
        cells.import_fields(table, "x", CellOptions(settings=SETTINGS), workers=1, stop=stop)
    plan = json.loads((stores.data_root() / ".cells-x" / "plan.json").read_text())
    made = cells.import_fields(table, "x", CellOptions(settings=cells.CellSettings(size=40)), workers=1)
    assert plan["plan"]["settings"]["size"] == 48
    assert made.shape == (3, 40, 40)


def test_nothing_found_says_why_and_leaves_nothing(tmp_path):
    rng = np.random.default_rng(0)
    noise = rng.normal(500, 20, (3, 200, 200)).astype(np.uint16)
    with pytest.raises(DataError, match="not one cell was found in 2 fields"):
        cells.import_fields(_table(tmp_path / "in", [noise, noise]), "none")
    assert list(stores.data_root().glob("*none*")) == []


@pytest.mark.parametrize(
    ("text", "said"), [("a,b\n1,2\n", "names of image files"), ("DNA\n", "image files"), ("", "table")]
)
def test_a_table_without_fields_is_refused(tmp_path, text, said):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(DataError, match=said):
        cells.import_fields(tmp_path / "t.csv", "x")


def test_a_limit_a_field_is_chosen_by_seed_and_counted(tmp_path, fields):
    table = _table(tmp_path / "in", fields[:2])
    few = cells.import_fields(table, "few", CellOptions(settings=cells.CellSettings(size=48, per_field=3)))
    assert few.count == 6
    assert cells.report_of(few.folder)["dropped"]["over the limit"] > 0
