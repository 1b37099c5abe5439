"""Pixels of a set are brought to one scale; TIFF files are seen as their tags say."""

import numpy as np
import pytest
import tifffile
from PIL import Image

from ssrl_core.datasets.cells.field_lists import list_fields
from ssrl_core.datasets.cells.fields import read_field
from ssrl_core.datasets.importing import import_source, understand

GREY = np.arange(256, dtype=np.uint8).reshape(16, 16)[:, ::-1]


def _folder(path, **files):
    path.mkdir(parents=True)
    for name, values in files.items():
        tifffile.imwrite(path / f"{name}.tif", values, photometric="minisblack")
    return path


@pytest.mark.parametrize("dtype", [np.float32, np.int32, np.uint32, np.int16])
def test_bytes_of_another_type_are_bytes_alone_and_beside_bytes(tmp_path, dtype):
    values = GREY.astype(dtype)
    for name, files in (("alone", {"a": values, "b": values}), ("beside", {"a": values, "b": GREY})):
        made = import_source(_folder(tmp_path / name, **files), name)
        assert (made.pixels.dtype, made.max_value) == (np.uint8, 255)
        assert np.array_equal(made.pixels[0, 0], GREY)
        assert np.array_equal(made.pixels[1, 0], GREY)


def test_the_depth_of_a_camera_is_inferred_for_the_set_and_said(tmp_path):
    dim = np.full((16, 16), 200, np.uint16)
    bright = np.full((16, 16), 3000, np.uint16)
    folder = _folder(tmp_path / "in", a=dim, b=bright)
    assert understand(folder).max_value == 4095
    made = import_source(folder, "twelve")
    assert made.max_value == 4095
    assert sorted(made.pixels[:, 0, 0, 0]) == [200, 3000]
    assert "4095" in [g["taken"] for g in made.meta["understood"]["guessed"]]
    np.savez(tmp_path / "x.npz", x=np.stack([dim, bright]))
    assert import_source(tmp_path / "x.npz", "array").max_value == 4095


def test_floats_share_one_scale_and_say_their_range(tmp_path):
    low = np.linspace(0, 0.9, 256, dtype=np.float32).reshape(16, 16)
    high = np.linspace(0, 5, 256, dtype=np.float32).reshape(16, 16)
    folder = _folder(tmp_path / "in", a=low, b=high)
    made = import_source(folder, "floats")
    assert made.pixels[0].max() == round(0.9 / 5 * 65535)
    assert made.pixels[1].max() == 65535
    assert "from 0 to 5" in made.meta["source"]
    assert "a.tif: nothing above 1" in made.meta["source"]
    listed = list_fields(folder)
    assert [int(read_field(row).max()) for row in listed.fields] == [round(0.9 / 5 * 65535), 65535]
    assert any("from 0 to 5" in note for note in listed.notes)


def test_fractions_among_whole_floats_and_negative_numbers_are_left_out_with_the_reason(tmp_path):
    whole = GREY.astype(np.float32)
    folder = _folder(tmp_path / "in", a=whole, b=whole / 255, c=whole - 7)
    made = import_source(folder, "some")
    assert made.count == 1
    reasons = {item["file"]: item["reason"] for item in made.skipped}
    assert "fractions up to 1" in reasons["b.tif"]
    assert "from -7 to 248" in reasons["c.tif"]


@pytest.mark.parametrize("turn", range(1, 9))
def test_a_tiff_is_turned_as_other_photographs_are(tmp_path, turn):
    values = np.random.default_rng(0).integers(0, 255, (12, 12, 3), dtype=np.uint8)
    (tmp_path / "in").mkdir()
    tifffile.imwrite(tmp_path / "in" / "a.tif", values, photometric="rgb", extratags=[(274, "H", 1, turn, True)])
    exif = Image.Exif()
    exif[274] = turn
    Image.fromarray(values).save(tmp_path / "in" / "b.png", exif=exif)
    made = import_source(tmp_path / "in", f"turned-{turn}")
    assert np.array_equal(made.pixels[0], made.pixels[1])


def test_alpha_is_what_the_tags_call_so_and_a_fourth_grey_sample_is_a_channel(tmp_path):
    rgba = np.random.default_rng(1).integers(0, 255, (12, 12, 4), dtype=np.uint8)
    (tmp_path / "alpha").mkdir()
    tifffile.imwrite(tmp_path / "alpha" / "a.tif", rgba, photometric="rgb", extrasamples=["unassalpha"])
    Image.fromarray(rgba).save(tmp_path / "alpha" / "b.png")
    seen = import_source(tmp_path / "alpha", "alpha")
    assert seen.shape == (3, 12, 12)
    assert np.abs(seen.pixels[0].astype(int) - seen.pixels[1]).max() <= 1
    (tmp_path / "four").mkdir()
    tifffile.imwrite(tmp_path / "four" / "a.tif", rgba, photometric="minisblack", planarconfig="contig")
    four = import_source(tmp_path / "four", "four")
    assert np.array_equal(four.pixels[0], np.moveaxis(rgba, -1, 0))


@pytest.mark.parametrize("mode", ["CMYK", "LAB"])
def test_inks_and_lab_become_the_colours_that_they_stand_for(tmp_path, mode):
    from PIL import ImageCms

    rgb = Image.fromarray(np.full((12, 12, 3), (200, 100, 50), np.uint8))
    if mode == "LAB":
        profiles = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
        other = ImageCms.profileToProfile(rgb, *profiles, outputMode="LAB")
    else:
        other = rgb.convert("CMYK")
    (tmp_path / "in").mkdir()
    other.save(tmp_path / "in" / "a.tif")
    made = import_source(tmp_path / "in", "colours")
    assert np.abs(made.pixels[0, :, 5, 5].astype(int) - (200, 100, 50)).max() <= 3


def test_as_few_pages_in_every_file_are_channels(tmp_path):
    stack = np.random.default_rng(2).integers(0, 60000, (3, 12, 12), dtype=np.uint16)
    made = import_source(_folder(tmp_path / "in", a=stack, b=stack[::-1]), "paged")
    assert (made.count, made.shape) == (2, (3, 12, 12))
    assert np.array_equal(made.pixels[0], stack)
    assert made.meta["understood"]["guessed"][-1]["what"] == "channels"


def test_the_planes_of_a_stack_stay_in_one_split(tmp_path):
    (tmp_path / "in").mkdir()
    for i in range(8):
        stack = np.random.default_rng(i).integers(0, 60000, (6, 12, 12), dtype=np.uint16)
        tifffile.imwrite(tmp_path / "in" / f"s{i}.tif", stack, imagej=True, metadata={"axes": "ZYX"})
    made = import_source(tmp_path / "in", "stacks")
    assert made.count == 48
    assert made.table.groupby("file")["split"].nunique().max() == 1
    assert min(made.split_counts.values()) >= 6
    assert "one file stay in one split" in made.meta["source"]


def test_y_of_numbers_are_places_in_names_even_where_names_are_digits(tmp_path):
    x = np.zeros((6, 8, 8), np.uint8)
    np.savez(tmp_path / "a.npz", x=x, y=[0, 1, 2, 0, 1, 2], names=["1", "2", "0"])
    made = import_source(tmp_path / "a.npz", "places")
    assert [made.classes[i] for i in made.label_ids] == ["1", "2", "0", "1", "2", "0"]


def test_the_arrays_of_medmnist_are_known(tmp_path):
    arrays = {f"{split}_images": np.zeros((n, 8, 8), np.uint8) for split, n in (("train", 8), ("val", 2), ("test", 4))}
    labels = {f"{split}_labels": np.arange(n)[:, None] % 2 for split, n in (("train", 8), ("val", 2), ("test", 4))}
    np.savez(tmp_path / "a.npz", **arrays, **labels)
    made = import_source(tmp_path / "a.npz", "med")
    assert made.split_counts == {"train": 8, "val": 2, "test": 4}
    assert made.label_ids[:4].tolist() == [0, 1, 0, 1]
