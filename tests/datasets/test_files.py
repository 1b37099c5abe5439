"""Image files: every kind, depth and colour; what cannot be read is skipped with its reason."""

import io

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ssrl_core import stores
from ssrl_core.datasets.importing import ImportOptions, import_source
from ssrl_core.datasets.reading import image
from ssrl_core.datasets.reading.understanding import WAYS
from ssrl_core.errors import DataError, SpecError
from tests.datasets.files import class_folders, picture, png16_bytes, png_bytes, save


def test_class_folders_become_classes(tmp_path):
    made = import_source(class_folders(tmp_path / "set", {"cat": 10, "dog": 10, "emu": 10}), "animals")
    assert made.classes == ("cat", "dog", "emu")
    assert made.count == 30
    assert made.shape == (3, 12, 12)
    assert made.split_counts == {"train": 21, "val": 3, "test": 6}
    source = made.table["source"][11]
    assert np.array_equal(made.pixels[11], np.moveaxis(np.asarray(Image.open(tmp_path / "set" / source)), -1, 0))
    assert made.table["label"][11] == source.split("/")[0] == "dog"


def test_train_and_test_folders_are_given_splits(tmp_path):
    class_folders(tmp_path / "set" / "train", {"a": 16, "b": 16})
    class_folders(tmp_path / "set" / "test", {"a": 3, "b": 3})
    made = import_source(tmp_path / "set", "given")
    assert made.classes == ("a", "b")
    assert made.split_counts == {"train": 28, "val": 4, "test": 6}
    assert made.meta["splits"]["source"] == "given"


def test_one_class_two_images_and_no_class_at_all(tmp_path):
    one = import_source(class_folders(tmp_path / "one", {"cat": 5}), "one-class")
    assert one.classes == ("cat",)
    two = import_source(class_folders(tmp_path / "two", {"cat": 1, "dog": 1}), "two")
    assert two.count == 2
    assert two.empty_splits
    save(tmp_path / "flat" / "a.png", picture())
    save(tmp_path / "flat" / "b.png", picture())
    flat = import_source(tmp_path / "flat", "flat")
    assert flat.label is None
    assert flat.label_ids.tolist() == [-1, -1]


def test_images_beside_class_folders_have_no_label(tmp_path):
    root = class_folders(tmp_path / "set", {"cat": 2, "dog": 2})
    save(root / "stray.png", picture())
    made = import_source(root, "stray")
    assert sorted(made.label_ids) == [-1, 0, 0, 1, 1]


def test_what_cannot_be_read_is_skipped_with_its_reason(tmp_path):
    root = class_folders(tmp_path / "set", {"cat": 3})
    (root / "cat" / "text.png").write_text("I am text")
    (root / "cat" / "empty.jpg").write_bytes(b"")
    (root / "cat" / "notes.txt").write_text("about cats")
    (root / "cat" / "cut.png").write_bytes((root / "cat" / "0.png").read_bytes()[:200])
    whole = io.BytesIO()
    tifffile.imwrite(whole, picture(64, 64, 1, np.uint16))
    (root / "cat" / "cut.tif").write_bytes(whole.getvalue()[:4000])
    (root / "cat" / "head.tif").write_bytes(whole.getvalue()[:6])
    (root / ".DS_Store").write_bytes(b"junk")
    made = import_source(root, "mended")
    assert made.count == 3
    reasons = {item["file"].split("/")[-1]: item["reason"] for item in made.skipped}
    assert set(reasons) == {"text.png", "empty.jpg", "notes.txt", "cut.png", "cut.tif", "head.tif"}
    assert reasons["empty.jpg"] == "the file is empty"
    assert "not an image" in reasons["text.png"]
    assert "not an image" in reasons["notes.txt"]
    assert "damaged" in reasons["cut.tif"]
    assert "damaged" in reasons["cut.png"]


@pytest.mark.parametrize("name", ["text.png", "text.tif", "text.webp"])
def test_a_folder_with_nothing_readable_is_refused_and_leaves_nothing(tmp_path, name):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / name).write_text("I am text")
    with pytest.raises(DataError, match=name):
        import_source(tmp_path / "set", "nothing")
    with pytest.raises(DataError, match=name):
        import_source(tmp_path / "set" / name, "nothing")
    assert [path.name for path in stores.data_root().iterdir()] == [".locks"]


def test_files_that_fail_only_when_decoded_leave_nothing(tmp_path):
    save(tmp_path / "set" / "a.jpg", picture(200, 200), quality=95)
    data = (tmp_path / "set" / "a.jpg").read_bytes()
    (tmp_path / "set" / "a.jpg").write_bytes(data[: len(data) // 2])
    with pytest.raises(DataError, match=r"a\.jpg"):
        import_source(tmp_path / "set", "cut")
    assert [path.name for path in stores.data_root().iterdir()] == [".locks"]


def test_an_empty_folder_and_a_missing_path_say_so(tmp_path):
    (tmp_path / "set").mkdir()
    with pytest.raises(DataError, match="no images"):
        import_source(tmp_path / "set", "empty")
    with pytest.raises(DataError, match="no such file"):
        import_source(tmp_path / "nowhere", "empty")


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".webp", ".tif"])
def test_every_kind_of_file_is_read(tmp_path, suffix):
    smooth = np.tile(np.linspace(0, 255, 32).astype(np.uint8)[None, :, None], (32, 1, 3))
    made = import_source(save(tmp_path / f"a{suffix}", smooth), "kind")
    assert made.shape == (3, 32, 32)
    assert np.abs(made.pixels[0].astype(int) - np.moveaxis(smooth, -1, 0)).max() <= 4


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_sixteen_bits_stay_sixteen_bits(tmp_path, suffix):
    values = picture(10, 11, 1, np.uint16)
    made = import_source(save(tmp_path / f"a{suffix}", values), "deep")
    assert made.dtype == "uint16"
    assert np.array_equal(made.pixels[0, 0], values)


@pytest.mark.parametrize("samples", [2, 3, 4])
@pytest.mark.parametrize("filters", ["mixed", 0, 1, 2, 3, 4])
def test_sixteen_bit_colour_png_agrees_with_a_slow_encoder(samples, filters):
    values = picture(7, 9, samples, np.uint16, seed=samples)
    values[..., 0] = np.arange(9) * 700  # smooth in one channel, noise in the others
    kinds = np.arange(7) % 5 if filters == "mixed" else np.full(7, filters)
    decoded = image.decode(io.BytesIO(png16_bytes(values, kinds)))
    facts = image.facts(io.BytesIO(png16_bytes(values, kinds)))
    colours = samples - (samples % 2 == 0)
    expected = values[..., :colours].astype(float)
    if colours < samples:
        expected *= values[..., -1:] / 65535
    assert np.array_equal(decoded[0], np.moveaxis(np.rint(expected).astype(np.uint16), -1, 0))
    assert (facts.channels, facts.height, facts.width, facts.sixteen) == (colours, 7, 9, True)


def test_damaged_sixteen_bit_colour_png_is_named_so():
    data = png16_bytes(picture(7, 9, 3, np.uint16), np.zeros(7, int))
    for broken in (data[:60], data[:45] + b"xxxx" + data[49:], data[:28] + b"\1" + data[29:]):
        with pytest.raises(DataError, match=r"damaged|interlaced"):
            image.decode(io.BytesIO(broken))
    assert image.is_deep_png(data[:64])


def test_tiff_channels_and_pages(tmp_path):
    stack = picture(16, 17, 4, np.uint16).transpose(2, 0, 1)
    tifffile.imwrite(tmp_path / "channels.tif", stack, imagej=True, metadata={"axes": "CYX"})
    assert np.array_equal(import_source(tmp_path / "channels.tif", "channels").pixels[0], stack)
    tifffile.imwrite(tmp_path / "pages.tif", stack, photometric="minisblack")
    pages = import_source(tmp_path / "pages.tif", "pages")
    assert pages.count == 4
    assert np.array_equal(pages.pixels[:, 0], stack)
    assert pages.table["source"].tolist()[1] == "pages.tif#1"
    both = np.stack([stack, stack[::-1]])
    tifffile.imwrite(tmp_path / "both.ome.tif", both, metadata={"axes": "ZCYX"})
    assert np.array_equal(import_source(tmp_path / "both.ome.tif", "both").pixels, both)


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate", "packbits"])
def test_compressed_tiff_is_read(tmp_path, compression):
    for name, values in (("grey", picture(20, 20, 1, np.uint16)), ("rgb", picture(20, 20, 3))):
        made = import_source(save(tmp_path / f"{name}.tif", values, compression=compression), name)
        expected = values[None] if values.ndim == 2 else np.moveaxis(values, -1, 0)
        assert np.array_equal(made.pixels[0], expected)


def test_float_tiff_is_taken_in_zero_to_one_only(tmp_path):
    tifffile.imwrite(tmp_path / "unit.tif", np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8))
    assert import_source(tmp_path / "unit.tif", "unit").pixels.max() == 65535
    tifffile.imwrite(tmp_path / "wild.tif", np.linspace(-3, 1, 64, dtype=np.float32).reshape(8, 8))
    with pytest.raises(DataError, match="save it as 8 or 16 bit"):
        import_source(tmp_path / "wild.tif", "wild")


def test_grey_among_colours_is_repeated_and_said(tmp_path):
    notes = []
    save(tmp_path / "set" / "grey.png", picture(channels=1))
    save(tmp_path / "set" / "rgb.png", picture())
    made = import_source(tmp_path / "set", "mix", report=lambda done, total, what: notes.append(what))
    assert made.shape[0] == 3
    grey = made.pixels[0]
    assert np.array_equal(grey[0], grey[2])
    assert any("grey" in note for note in notes)
    assert "grey" in made.meta["source"]


def test_eight_bit_among_sixteen_is_raised(tmp_path):
    save(tmp_path / "set" / "deep.png", picture(channels=1, dtype=np.uint16))
    save(tmp_path / "set" / "flat.png", np.full((12, 12), 255, np.uint8))
    made = import_source(tmp_path / "set", "depths")
    assert made.pixels[1].min() == 65535


def test_alpha_is_laid_over_black_and_palettes_become_colours(tmp_path):
    rgba = np.dstack([np.full((12, 12, 3), 200, np.uint8), np.full((12, 12), 128, np.uint8)])
    assert import_source(save(tmp_path / "rgba.png", rgba), "rgba").pixels.mean() == pytest.approx(
        200 * 128 / 255, abs=1
    )
    la = Image.fromarray(rgba).convert("LA")
    la.save(tmp_path / "la.png")
    grey = import_source(tmp_path / "la.png", "la")
    assert grey.shape[0] == 1
    assert grey.pixels.mean() == pytest.approx(100, abs=1)
    Image.fromarray(picture()).quantize(16).save(tmp_path / "palette.png")
    palette = import_source(tmp_path / "palette.png", "palette")
    assert palette.shape[0] == 3
    assert np.array_equal(
        palette.pixels[0], np.moveaxis(np.asarray(Image.open(tmp_path / "palette.png").convert("RGB")), -1, 0)
    )
    Image.fromarray(picture(channels=1)).convert("P").save(tmp_path / "greys.png")
    assert import_source(tmp_path / "greys.png", "greys").shape[0] == 1
    Image.fromarray(picture(channels=1) > 127).save(tmp_path / "bits.png")
    assert set(np.unique(import_source(tmp_path / "bits.png", "bits").pixels)) == {0, 255}


def test_photographs_are_turned_as_the_camera_says(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    wide = np.zeros((10, 20, 3), np.uint8)
    wide[:, :10] = 250
    save(tmp_path / "turned.png", wide, exif=exif)
    made = import_source(tmp_path / "turned.png", "turned")
    assert made.shape == (3, 20, 10)
    assert made.pixels[0, 0, :10].mean() == 250


def test_several_sizes_are_cropped_to_224_and_said_or_to_the_size_given(tmp_path):
    notes = []
    save(tmp_path / "set" / "a.png", picture(30, 40))
    save(tmp_path / "set" / "b.png", picture(50, 20))
    made = import_source(tmp_path / "set", "unsized", report=lambda done, total, what: notes.append(what))
    assert made.shape == (3, 224, 224)
    assert any("224" in note for note in notes)
    assert import_source(tmp_path / "set", "sized", ImportOptions(size=16, fit="stretch")).shape == (3, 16, 16)
    same = import_source(save(tmp_path / "c.png", picture(30, 40)), "same")
    assert same.shape == (3, 30, 40)


@pytest.mark.parametrize(("size", "fit"), [(0, "crop"), (5000, "crop"), (1.5, "crop"), (True, "crop"), (32, "squeeze")])
def test_bad_sizes_and_fits_are_refused(tmp_path, size, fit):
    with pytest.raises(SpecError, match=r"--size|--fit"):
        import_source(save(tmp_path / "a.png", picture()), "bad", ImportOptions(size=size, fit=fit))


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 24), st.sampled_from(WAYS))
def test_fitting_keeps_a_constant_image_and_its_shape(height, width, side, way):
    out = image.fitted(np.full((2, height, width), 1000, np.uint16), side, way)
    assert out.shape == (2, side, side)
    assert set(np.unique(out)) <= ({0, 1000} if way == "pad" else {1000})
    assert np.any(out == 1000)


def test_crop_keeps_the_middle_and_pad_keeps_all():
    wide = np.zeros((1, 10, 30), np.uint8)
    wide[:, :, 10:20] = 200
    assert np.all(image.fitted(wide, 10, "crop") == 200)
    padded = image.fitted(wide, 30, "pad")
    assert np.array_equal(padded[:, 10:20], wide)
    assert padded[:, :10].max() == padded[:, 20:].max() == 0


@pytest.mark.parametrize(("height", "width"), [(1, 300), (300, 1), (2, 90), (3, 31)])
def test_a_line_of_pixels_is_cropped_without_making_all_of_it(monkeypatch, height, width):
    """Its short side becomes the side asked for, so that the long one would be 9,999 times as long."""
    line = np.random.default_rng(0).integers(0, 256, (2, height, width), dtype=np.uint8)
    whole = image.fitted(line, 16, "crop")
    monkeypatch.setattr(image, "_LARGE", 0)
    assert np.abs(image.fitted(line, 16, "crop").astype(int) - whole).max() <= 1
    monkeypatch.undo()
    made = []
    resized = image._resized
    monkeypatch.setattr(image, "_resized", lambda *all_: made.append(resized(*all_)) or made[-1])
    image.fitted(np.zeros((1, 1, 9999), np.uint8), 224, "crop")
    assert [one.shape for one in made] == [(1, 224, 224)]


def test_a_picture_of_too_many_pixels_is_skipped_before_it_is_decoded(tmp_path, monkeypatch):
    monkeypatch.setattr(image, "MAX_PIXELS", 100)
    (tmp_path / "big.png").write_bytes(png_bytes(picture()))
    with pytest.raises(DataError, match="too many"):
        import_source(tmp_path / "big.png", "big")


def test_another_number_of_channels_is_skipped(tmp_path):
    for i in range(3):
        tifffile.imwrite(
            tmp_path / f"{i}.tif",
            picture(16, 17, 2, np.uint16).transpose(2, 0, 1),
            imagej=True,
            metadata={"axes": "CYX"},
        )
    save(tmp_path / "rgb.png", picture(16, 17))
    made = import_source(tmp_path, "odd")
    assert made.count == 3
    assert "channels" in made.skipped[0]["reason"]


def test_several_files_picked_by_hand(tmp_path):
    one, two = save(tmp_path / "a" / "x.png", picture()), save(tmp_path / "b" / "x.png", picture(seed=1))
    made = import_source([one, two], "picked")
    assert made.table["source"].tolist() == ["x.png", "x (2).png"]
    assert not np.array_equal(made.pixels[0], made.pixels[1])


@pytest.mark.parametrize(
    ("train", "test", "other"),
    [
        ("train", "test", "unlabeled"),
        ("seg_train/seg_train", "seg_test/seg_test", "seg_pred"),
        ("Training_set", "Test_set", "readme"),
        ("train.X1", "val.X", "extra"),
        ("TrainSet", "holdout set", "more"),
    ],
)
def test_split_folders_are_known_by_their_words_and_nothing_beside_them_is_a_class(tmp_path, train, test, other):
    class_folders(tmp_path / "set" / train, {"cat": 4, "dog": 4})
    class_folders(tmp_path / "set" / test, {"cat": 2, "dog": 2})
    save(tmp_path / "set" / other / "a.png", picture())
    save(tmp_path / "set" / "loose.png", picture())
    made = import_source(tmp_path / "set", "split")
    assert made.classes == ("cat", "dog")
    assert made.meta["splits"]["source"] == "given"
    inner = made.table["source"].str.startswith(train.split("/")[0])
    assert set(made.table["split"][inner]) <= {"train", "val"}
    assert inner.sum() == 8
    assert made.count == 12
    assert {item["file"] for item in made.skipped} == {f"{other}/a.png", "loose.png"}
    assert all("splits" in item["reason"] for item in made.skipped)


def test_words_of_splits_in_names_of_classes_stay_classes(tmp_path):
    root = class_folders(tmp_path / "set", {"bullet train": 2, "crash test": 2, "bus": 2})
    assert import_source(root, "trains").classes == ("bullet train", "bus", "crash test")
    root = class_folders(tmp_path / "vehicles", {"train": 2, "bus": 2})
    assert import_source(root, "vehicles").classes == ("bus", "train")


def test_images_below_a_split_are_no_class_and_masks_beside_them_no_images(tmp_path):
    for name in ("train/n01/images/a.png", "train/n02/images/b.png", "val/images/c.png", "test/images/d.png"):
        save(tmp_path / "tiny" / name, picture())
    made = import_source(tmp_path / "tiny", "tiny")
    assert made.classes == ("n01", "n02")
    assert dict(zip(made.table["source"], made.label_ids, strict=True)) == {
        "train/n01/images/a.png": 0, "train/n02/images/b.png": 1, "val/images/c.png": -1, "test/images/d.png": -1,
    }  # fmt: skip
    assert any("2 images lie in no class folder" in note for note in made.meta["understood"]["notes"])
    for name in ("images/a.png", "masks/a.png"):
        save(tmp_path / "unet" / name, picture())
    made = import_source(tmp_path / "unet", "unet")
    assert (made.count, made.label) == (1, None)
    assert made.skipped[0] == {
        "file": "masks/a.png",
        "reason": "it lies in a folder of masks or labels beside one of images",
    }


def test_names_of_folders_are_never_missing_and_come_in_one_form(tmp_path):
    root = class_folders(tmp_path / "set", {"none": 2, "null": 2, "NA": 2, "nan": 2})
    assert import_source(root, "words").classes == ("NA", "nan", "none", "null")
    class_folders(tmp_path / "two" / "train", {"cafe\u0301": 3, "Dog": 3})
    class_folders(tmp_path / "two" / "test", {"caf\u00e9": 3, "dog": 3})
    made = import_source(tmp_path / "two", "forms")
    assert made.classes == ("caf\u00e9", "Dog", "dog")
    assert "the classes 'Dog' and 'dog' look alike" in made.meta["understood"]["notes"]


def test_planes_of_a_metamorph_stack_are_read_where_they_lie(tmp_path):
    """One head, whose planes follow each other (tags UIC1 and UIC2 say so and how many)."""
    planes = np.arange(3 * 6 * 8, dtype=np.uint16).reshape(3, 6, 8) * 20
    uic = [(33628, 4, 2, [0, 0], True), (33629, 5, 3, [1, 1] * 3, True)]
    for i in range(2):
        tifffile.imwrite(tmp_path / f"{i}.tif", planes + i, metadata=None, photometric="minisblack", extratags=uic)
        (tmp_path / f"{i}.tif").rename(tmp_path / f"{i}.stk")
    every = import_source(tmp_path, "stacks")
    assert (every.pixels[:, 0] == np.concatenate([planes, planes + 1])).all()
    brightest = import_source(tmp_path, "brightest", ImportOptions(pages="brightest"))
    assert (brightest.pixels[1, 0] == planes[-1] + 1).all()


@pytest.mark.parametrize("name", ["set.tar.gz", "set.7z", "x.npy", "x.h5"])
def test_other_kinds_of_files_are_answered_with_what_to_do(tmp_path, name):
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(DataError, match=r"Unpack it and give|numpy\.savez_compressed"):
        import_source(tmp_path / name, "other")
