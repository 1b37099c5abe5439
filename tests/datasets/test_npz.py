"""`.npz`: every layout and type that the contract names, and clear words for the others."""

import struct
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssrl_core import stores
from ssrl_core.datasets.importing import ImportOptions, import_source
from ssrl_core.datasets.reading import archives as npz_arrays
from ssrl_core.datasets.reading import npz as layouts
from ssrl_core.errors import DataError, SpecError


@pytest.fixture
def npz(tmp_path):
    def make(**arrays):
        path = tmp_path / "source.npz"
        np.savez_compressed(path, **arrays)
        return path

    return make


def _x(*shape, dtype=np.uint8, seed=0):
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, shape, dtype=dtype, endpoint=True)


@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        ((9, 12, 14), lambda x: x[:, None]),
        ((9, 12, 14, 3), lambda x: np.moveaxis(x, -1, 1)),
        ((9, 12, 14, 1), lambda x: np.moveaxis(x, -1, 1)),
        ((9, 3, 12, 14), lambda x: x),
        ((9, 1, 12, 14), lambda x: x),
        ((9, 5, 12, 12), lambda x: x),
        ((9, 8, 8, 3), lambda x: np.moveaxis(x, -1, 1)),
        ((9, 40, 68, 68), lambda x: x),
    ],
)
def test_layouts_are_read_from_the_sides(npz, shape, axes):
    x = _x(*shape)
    made = import_source(npz(x=x), "one")
    assert np.array_equal(made.pixels, axes(x))


@pytest.mark.parametrize("shape", [(9, 3, 32, 3), (9, 3, 3, 3), (9, 4, 28, 3), (9, 8, 8, 8), (9, 20, 30, 40)])
def test_an_ambiguous_layout_is_an_error_that_names_the_option(npz, shape):
    source = npz(x=_x(*shape))
    with pytest.raises(DataError, match="--layout"):
        import_source(source, "one")
    last = import_source(source, "last", ImportOptions(layout="NHWC"))
    first = import_source(source, "first", ImportOptions(layout="nchw"))
    assert last.shape == (shape[3], shape[1], shape[2])
    assert first.shape == shape[1:]


def test_a_layout_that_does_not_fit_is_refused(npz):
    with pytest.raises(SpecError, match="--layout"):
        import_source(npz(x=_x(4, 8, 8)), "one", ImportOptions(layout="NCHW"))


@given(st.integers(1, 16), st.integers(17, 40), st.integers(17, 40))
def test_few_channels_and_larger_sides_are_never_ambiguous(channels, height, width):
    assert layouts.find_layout([(5, channels, height, width)], None, "x") == "NCHW"
    assert layouts.find_layout([(5, height, width, channels)], None, "x") == "NHWC"


def test_train_and_test_are_kept_and_columns_travel(npz):
    made = import_source(
        npz(
            x_train=_x(80, 6, 6),
            y_train=np.arange(80) % 2,
            x_test=_x(20, 6, 6),
            y_test=np.arange(20) % 2,
            names=np.array(["cat", "dog"]),
            plate_train=np.array(["p1"] * 80),
            plate_test=np.array(["p2"] * 20),
            serial=np.arange(100),
        ),
        "kept",
    )
    assert made.split_counts == {"train": 70, "val": 10, "test": 20}
    assert made.split_ids("test").tolist() == list(range(80, 100))
    assert made.classes == ("cat", "dog")
    assert made.label == "label"
    assert made.table["label"].tolist()[:2] == ["cat", "dog"]
    assert set(made.table["plate"][80:]) == {"p2"}
    assert made.table["serial"].tolist() == list(range(100))
    assert made.meta["splits"]["source"] == "given"
    assert made.table["source"][80] == "source.npz#x_test[0]"


def test_train_alone_is_split_by_seed(npz):
    made = import_source(npz(x_train=_x(50, 6, 6), y_train=np.zeros(50, int)), "alone")
    assert made.split_counts == {"train": 35, "val": 5, "test": 10}


def test_concentration_is_dose_and_a_label_can_be_chosen(npz):
    source = npz(x=_x(30, 6, 6), compound=np.array(["a", "b", "c"] * 10), concentration=np.arange(30.0))
    assert import_source(source, "plain").label is None
    made = import_source(source, "chosen", ImportOptions(label="compound", group="concentration"))
    assert made.table["dose"].tolist() == list(range(30))
    assert "concentration" not in made.table.columns
    assert made.classes == ("a", "b", "c")
    assert made.meta["splits"]["group"] == "dose"
    with pytest.raises(SpecError, match="compound"):
        import_source(source, "wrong", ImportOptions(label="compond"))


def test_y_of_numbers_words_and_gaps(npz):
    assert import_source(npz(x=_x(4, 6, 6), y=np.array([10, 2, -1, 2])), "n").classes == ("-1", "2", "10")
    assert import_source(npz(x=_x(4, 6, 6), y=np.array(["b", "a", "", "b"])), "w").label_ids.tolist() == [1, 0, -1, 1]
    gaps = import_source(npz(x=_x(4, 6, 6), y=np.array([[0], [1], [-1], [1]]), names=np.array(["u", "v", "w"])), "g")
    assert gaps.label_ids.tolist() == [0, 1, -1, 1]
    assert gaps.classes == ("u", "v", "w")
    with pytest.raises(DataError, match="names"):
        import_source(npz(x=_x(2, 6, 6), y=np.array([0, 7]), names=np.array(["u", "v"])), "far")


def test_scale_multiplies_and_max_value_is_kept(npz):
    x = _x(5, 6, 6, 3, dtype=np.uint16) // 16
    made = import_source(npz(x=x, scale=np.int32(16)), "scaled")
    assert np.array_equal(made.pixels, np.moveaxis(x * 16, -1, 1))
    assert made.max_value == 65535
    assert "scale" in made.meta["source"]
    assert import_source(npz(x=x, max_value=4095), "twelve").max_value == 4095
    assert import_source(npz(x=x), "told", ImportOptions(max_value=4095)).max_value == 4095
    with pytest.raises(DataError, match=r"0\.\.65535"):
        import_source(npz(x=_x(5, 6, 6, dtype=np.uint16), scale=16), "over")
    with pytest.raises(DataError, match="scale"):
        import_source(npz(x=x, scale=-1), "negative")


@pytest.mark.parametrize(
    ("values", "dtype", "expected"),
    [
        (np.array([0, 200], dtype=np.int64), "uint8", [0, 200]),
        (np.array([0, 4000], dtype=np.int32), "uint16", [0, 4000]),
        (np.array([0.0, 200.0]), "uint8", [0, 200]),
        (np.array([0.0, 1.0], dtype=np.float32), "uint8", [0, 255]),
        (np.array([0.0, 0.12345]), "uint16", [0, 8090]),
        (np.array([False, True]), "uint8", [0, 255]),
        (np.array([0, 500], dtype=">u2"), "uint16", [0, 500]),
    ],
)
def test_numbers_of_other_types_become_pixel_values(npz, values, dtype, expected):
    made = import_source(npz(x=np.resize(values, (2, 4, 4))), "typed")
    assert made.dtype == dtype
    assert np.unique(made.pixels).tolist() == expected


@pytest.mark.parametrize(
    "values", [[-1, 3], [0.5, 1.5], [0.0, np.nan], [0.0, np.inf], [0, 70_000], [1j, 0], ["a", "b"]]
)
def test_numbers_that_are_no_pixel_values_are_refused(npz, values):
    with pytest.raises(DataError, match="x"):
        import_source(npz(x=np.resize(np.array(values), (2, 4, 4))), "bad")


def test_pickled_objects_are_never_read(npz, tmp_path):
    class Bomb:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    source = npz(x=_x(2, 6, 6), extra=np.array([Bomb(), Bomb()], dtype=object))
    with pytest.raises(DataError, match="Python objects"):
        import_source(source, "pickled")
    assert not (tmp_path / "ran").exists()


def test_files_that_are_no_npz_are_named(npz, tmp_path):
    text = tmp_path / "text.npz"
    text.write_text("hello")
    with pytest.raises(DataError, match="not a readable"):
        import_source(text, "bad")
    for arrays, match in [
        ({"z": _x(3, 6, 6)}, "x, or x_train"),
        ({"x": _x(3, 36)}, "N,H,W"),
        ({"x": _x(3, 6, 6), "y": np.arange(4)}, "one value for each"),
        ({"x": _x(0, 6, 6)}, "not one image"),
        ({"x_train": _x(3, 6, 6), "x_test": _x(3, 7, 7)}, "same sides"),
    ]:
        with pytest.raises(DataError, match=match):
            import_source(npz(**arrays), "bad")
    assert not list(stores.data_root().glob("*bad*"))


def test_a_cut_or_forged_archive_is_refused(npz, tmp_path):
    source = npz(x=_x(30, 6, 6))
    cut = tmp_path / "cut.npz"
    cut.write_bytes(source.read_bytes()[:-40])
    forged = tmp_path / "forged.npz"
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(forged, "w") as new:
        data = old.read("x.npy")
        new.writestr("x.npy", data[:-10])
    for path in (cut, forged):
        with pytest.raises(DataError, match=path.name):
            import_source(path, "bad")


def test_pixels_are_read_piece_by_piece_in_either_order(npz, monkeypatch):
    monkeypatch.setattr(npz_arrays, "_PIECE_BYTES", 100)
    x = _x(50, 6, 7)
    assert np.array_equal(import_source(npz(x=x), "pieces").pixels[:, 0], x)
    assert np.array_equal(import_source(npz(x=np.asfortranarray(x)), "fortran").pixels[:, 0], x)


def test_a_size_brings_all_images_to_a_square(npz):
    made = import_source(npz(x=_x(5, 20, 30, dtype=np.uint16)), "sized", ImportOptions(size=10, fit="pad"))
    assert made.shape == (1, 10, 10)
    assert made.dtype == "uint16"
    assert np.all(made.pixels[:, :, 0] == 0)
    assert "10 px" in made.meta["source"]


def test_a_header_whose_size_overflows_is_refused(tmp_path):
    """2³² × 2³² × 16 bytes are 0 in 64 bits, which is what the file holds."""
    head = b"{'descr': '|u1', 'fortran_order': False, 'shape': (4294967296, 4294967296, 16), }"
    head = b"\x93NUMPY\x01\x00" + struct.pack("<H", 118) + head.ljust(117) + b"\n"
    with zipfile.ZipFile(tmp_path / "huge.npz", "w") as archive:
        archive.writestr("x.npy", head)
    with pytest.raises(DataError, match="should have 295147905179352825984 bytes"):
        import_source(tmp_path / "huge.npz", "huge")


def test_y_of_one_hot_rows_of_some_parts_and_counted_from_one(npz):
    x = np.random.default_rng(0).integers(0, 255, (6, 8, 8), dtype=np.uint8)
    hot = import_source(npz(x=x, y=np.eye(3, dtype=int)[[0, 1, 2, 0, 1, 2]], names=np.array(["a", "b", "c"])), "hot")
    assert [hot.classes[i] for i in hot.label_ids] == ["a", "b", "c"] * 2
    part = import_source(npz(x_train=x, y_train=np.array([0, 1, 0, 1, 0, 1]), x_test=x[:2]), "part")
    assert [(part.table["split"] == "test").sum(), (part.label_ids == -1).sum()] == [2, 2]
    assert "x_test have no y" in part.meta["source"]
    ones = import_source(npz(x=x, y=np.array([1, 2, 3, 1, 2, 3]), names=np.array(["2", "3", "1"])), "ones")
    assert [ones.classes[i] for i in ones.label_ids] == ["2", "3", "1"] * 2
    assert "y counts from 1" in str(ones.meta["understood"]["guessed"])
    several = import_source(npz(x=x, y=np.ones((6, 2), int), names=np.array(["mass", "edema"])), "several")
    assert several.label is None
    assert several.table["edema"].tolist() == [1] * 6
