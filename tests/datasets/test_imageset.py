"""An image set on disk: what goes in comes out, and small, odd or damaged ones say so."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssrl_core import stores
from ssrl_core.datasets import creation, imageset, store
from ssrl_core.datasets.creation import Metadata
from ssrl_core.errors import DataError, SpecError
from tests.kit import make_imageset

FIELDS = {
    *("version", "name", "title", "count", "shape", "dtype", "max_value", "channels", "pixel_size_um", "label"),
    *("classes", "splits", "fingerprint", "source", "licence", "citation", "created_at", "skipped"),
}


def _pixels(n=20, c=1, side=6, dtype="uint8", seed=0):
    top = np.iinfo(dtype).max
    return np.random.default_rng(seed).integers(0, top, (n, c, side, side), dtype=dtype, endpoint=True)


def _table(n=20, **columns):
    return pd.DataFrame({"kind": [f"k{i % 2}" for i in range(n)], **columns})


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("channels", [1, 2, 3, 5])
def test_pixels_and_table_come_back_as_they_were(dtype, channels):
    pixels = _pixels(c=channels, dtype=dtype)
    made = store.create("round", pixels, _table(dose=np.arange(20.0)), Metadata(label="kind", title="Round trip"))
    again = store.load("round")
    assert np.array_equal(again.pixels, pixels)
    assert again.pixels.dtype == np.dtype(dtype)
    assert not again.pixels.flags.writeable
    assert again.table["dose"].tolist() == list(range(20))
    assert again.classes == ("k0", "k1")
    assert again.label_ids.tolist() == [i % 2 for i in range(20)]
    assert again.max_value == np.iinfo(dtype).max
    assert len(again.channels) == channels
    assert made.fingerprint == again.fingerprint
    assert again.title == "Round trip"


def test_imageset_json_has_what_the_contract_says():
    made = store.create("contract", _pixels(), _table(), Metadata(label="kind"))
    kept = json.loads((made.folder / "imageset.json").read_text())
    assert set(kept) == FIELDS
    assert set(kept["splits"]) == {"source", "seed", "fractions", "group"}
    assert kept["version"] == 1
    assert made.table.columns[:5].tolist() == ["image_id", "source", "split", "order", "label_id"]
    assert np.load(made.folder / "pixels.npy").flags.c_contiguous


def test_chunks_that_come_one_by_one_make_the_same_set_as_one_array():
    pixels = _pixels(50)
    whole = store.create("whole", pixels, _table(50), Metadata(label="kind"))
    pieces = store.create(
        "pieces", (pixels[i : i + 7] for i in range(0, 50, 7)), lambda: _table(50), Metadata(label="kind")
    )
    assert np.array_equal(whole.pixels, pieces.pixels)
    assert whole.fingerprint == pieces.fingerprint


def test_fingerprint_tells_pixels_labels_seeds_and_max_value_apart_but_not_names():
    pixels = _pixels()
    base = store.create("base", pixels, _table(), Metadata(label="kind")).fingerprint
    other = pixels.copy()
    other[3, 0, 0, 0] ^= 1
    assert (
        store.create("same", pixels, _table(extra=range(20)), Metadata(label="kind", title="Other")).fingerprint == base
    )
    different = [
        store.create("d1", other, _table(), Metadata(label="kind")).fingerprint,
        store.create("d2", pixels, _table(), Metadata(label="kind", seed=6)).fingerprint,
        store.create("d3", pixels, _table(), Metadata(label="kind", max_value=200)).fingerprint,
        store.create("d4", pixels, _table()).fingerprint,
        store.create("d5", pixels, _table().iloc[::-1].reset_index(drop=True), Metadata(label="kind")).fingerprint,
    ]
    assert len({base, *different}) == 6


def test_limit_train_takes_the_lowest_order_and_more_than_there_are_means_all():
    made = make_imageset(60)
    order = made.table["order"].to_numpy()
    train, few = made.split_ids("train"), made.split_ids("train", limit_train=7)
    assert few.tolist() == sorted(few)
    assert order[few].max() == np.sort(order[train])[6]
    assert np.array_equal(made.split_ids("train", limit_train=10_000), train)
    assert np.array_equal(made.split_ids("test", limit_train=3), made.split_ids("test"))
    with pytest.raises(SpecError, match="limit_train"):
        made.split_ids("train", limit_train=0)
    with pytest.raises(SpecError, match="split"):
        made.split_ids("dev")


def test_splits_cover_every_image_once():
    made = make_imageset(60)
    ids = np.concatenate([made.split_ids(split) for split in ("train", "val", "test")])
    assert sorted(ids) == made.split_ids("all").tolist() == list(range(60))


@given(st.integers(1, 3), st.sampled_from(["uint8", "uint16"]))
def test_chunked_statistics_are_those_of_numpy(channels, dtype):
    pixels = _pixels(40, channels, dtype=dtype)
    ids = np.arange(0, 40, 3)
    mean, sd = imageset.stats_of(pixels, ids, 200)
    values = pixels[ids].astype(float) / 200
    assert mean == pytest.approx(values.mean(axis=(0, 2, 3)), rel=1e-12)
    assert sd == pytest.approx(values.std(axis=(0, 2, 3)), rel=1e-9)


def test_channel_statistics_are_of_train_and_kept_beside_the_pixels():
    made = make_imageset(60, c=2)
    mean, _ = made.channel_stats()
    assert mean == pytest.approx(made.pixels[made.split_ids("train")].mean(axis=(0, 2, 3)) / 255)
    path = made.folder / "channel_stats.json"
    kept = json.loads(path.read_text())
    path.write_text(json.dumps({**kept, "mean": [0.5, 0.5]}))
    assert store.load("kit").channel_stats()[0].tolist() == [0.5, 0.5]
    path.write_text(json.dumps({**kept, "fingerprint": "another"}))
    assert store.load("kit").channel_stats()[0] == pytest.approx(mean)
    path.write_text("damaged")
    assert store.load("kit").channel_stats()[0] == pytest.approx(mean)


@pytest.mark.parametrize("ids", [(0,), (2, 0), (0, 1, 3), (3, 2, 1, 0), (1, 0, 2)])
def test_selected_channels_are_those_channels_in_that_order(ids):
    made = make_imageset(12, c=4)
    names = [made.channels[i].name for i in ids]
    some = made.select(channels=names)
    assert some.shape == (len(ids), 16, 16)
    assert [channel.name for channel in some.channels] == names
    assert np.array_equal(some.pixels[[5, 1]], made.pixels[[5, 1]][:, ids])
    assert np.array_equal(np.asarray(some.pixels[3]), made.pixels[3][list(ids)])
    assert np.array_equal(np.asarray(some.pixels), made.pixels[:, ids])
    assert some.pixels[2:4, 0].shape == (2, 16, 16)
    assert some.channel_stats()[0] == pytest.approx(made.channel_stats()[0][list(ids)])
    assert some.fingerprint == made.fingerprint


def test_selected_images_keep_their_ids_and_statistics_are_theirs():
    made = make_imageset(60)
    some = made.select(where={"plate": ["p1"]})
    assert some.count == 30
    assert np.all(some.split_ids("all") % 2 == 1)
    assert set(some.split_ids("train")) <= set(made.split_ids("train"))
    expected = made.pixels[some.split_ids("train")].mean() / 255
    assert some.channel_stats()[0] == pytest.approx(expected)
    both = some.select(where={"kind": ["class 0"]})
    assert set(both.split_ids("all")) == {i for i in range(60) if i % 2 == 1 and i % 3 == 0}


def test_where_compares_numbers_and_their_names():
    made = store.create("doses", _pixels(), _table(dose=[0.0, 1.0] * 10))
    assert made.select(where={"dose": [1]}).count == made.select(where={"dose": ["1"]}).count == 10


@pytest.mark.parametrize(
    ("channels", "where", "match"),
    [
        (["violet"], {}, "violet"),
        ([], {}, "channels"),
        (["grey", "grey"], {}, "once"),
        (None, {"planet": ["p1"]}, "planet"),
        (None, {"plate": ["p9"]}, "match"),
    ],
)
def test_selecting_what_is_not_there_is_refused(channels, where, match):
    with pytest.raises(SpecError, match=match):
        make_imageset(12).select(channels, where)


def test_slices_take_exactly_the_channels():
    for ids in [(0,), (3,), (0, 1), (1, 0), (2, 0), (3, 2, 1, 0), (1, 3)]:
        piece = imageset.as_slice(ids)
        assert tuple(range(5))[piece] == ids
    assert imageset.as_slice((0, 1, 3)) is None


@pytest.mark.parametrize("count", [1, 2])
def test_a_set_of_one_or_two_images_says_which_split_is_empty(count):
    made = store.create("tiny", _pixels(count), _table(count), Metadata(label="kind"))
    assert made.empty_splits
    assert made.channel_stats()[0].shape == (1,)
    assert store.summary("tiny")["splits"] == made.split_counts


def test_one_class_and_no_labels_are_taken():
    one = store.create("one-class", _pixels(), pd.DataFrame({"kind": ["k"] * 20}), Metadata(label="kind"))
    assert one.classes == ("k",)
    none = store.create("no-label", _pixels(), pd.DataFrame(index=range(20)))
    assert none.classes == ()
    assert np.all(none.label_ids == -1)
    gaps = store.create("gaps", _pixels(), pd.DataFrame({"kind": ["a", None, "", np.nan] * 5}), Metadata(label="kind"))
    assert gaps.label_ids.tolist() == [0, -1, -1, -1] * 5


def test_a_failed_create_leaves_nothing():
    def chunks():
        yield _pixels(3)
        raise DataError("the second file is broken")

    with pytest.raises(DataError, match="broken"):
        store.create("broken", chunks(), _table(3))
    with pytest.raises(DataError, match="not one image"):
        store.create("empty", iter(()), _table(0))
    with pytest.raises(DataError, match="rows"):
        store.create("uneven", _pixels(3), _table(4))
    with pytest.raises(SpecError, match="label"):
        store.create("unknown", _pixels(3), _table(3), Metadata(label="sort"))
    with pytest.raises(DataError, match="one shape"):
        store.create("mixed", iter([_pixels(3), _pixels(3, side=7)]), _table(6))
    assert [path.name for path in stores.data_root().iterdir()] == [".locks"]


def test_a_full_disk_is_said_and_leaves_nothing(monkeypatch):
    def full(self, chunk):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(creation.PixelFile, "append", full)
    with pytest.raises(DataError, match="the disk is full"):
        store.create("full", _pixels(3), _table(3))
    assert not list(stores.data_root().glob("*full*"))


def test_what_a_killed_maker_left_is_cleared_away():
    left = stores.data_root() / ".making-fresh.abc"
    left.mkdir(parents=True)
    store.create("fresh", _pixels(3), _table(3))
    assert not left.exists()
    assert "fresh" in store.names()


def test_a_taken_name_is_refused_and_a_deleted_one_is_free():
    store.create("twice", _pixels(3), _table(3))
    with pytest.raises(SpecError, match="data delete twice"):
        store.create("twice", _pixels(3), _table(3))
    store.delete("twice")
    assert "twice" not in store.names()
    store.create("twice", _pixels(3), _table(3))
    with pytest.raises(SpecError, match="on disk"):
        store.delete("nothing")


@pytest.mark.parametrize("name", ["Upper", "../up", "con", "", "a b", "x" * 81, "downloads"])
def test_names_that_are_no_folder_names_are_refused(name):
    with pytest.raises(SpecError, match="name"):
        store.create(name, _pixels(3), _table(3))


def test_an_unknown_name_lists_the_known_ones():
    make_imageset(12)
    with pytest.raises(SpecError, match=r"strokes.*kit"):
        store.load("nothing")
    with pytest.raises(SpecError):
        store.load("../kit")


def test_damaged_files_are_named():
    made = make_imageset(12)
    with open(made.folder / "pixels.npy", "r+b") as file:
        file.truncate(500)
    with pytest.raises(DataError, match=r"pixels\.npy"):
        store.load("kit").pixels
    (made.folder / "table.parquet").write_bytes(b"nonsense")
    with pytest.raises(DataError, match=r"table\.parquet"):
        store.load("kit").table
    (made.folder / "imageset.json").write_text('{"version": 1}')
    with pytest.raises(DataError, match=r"imageset\.json"):
        store.load("kit")
    (made.folder / "imageset.json").write_text('{"version": 2}')
    with pytest.raises(SpecError, match="Update Viewloom"):
        store.load("kit")


def test_columns_with_our_names_travel_under_another():
    made = store.create("clash", _pixels(3), pd.DataFrame({"order": [7, 8, 9], "image_id": ["a", "b", "c"]}))
    assert made.table["order_given"].tolist() == [7, 8, 9]
    assert made.table["image_id_given"].tolist() == ["a", "b", "c"]


def test_columns_of_mixed_types_are_kept_as_text():
    made = store.create("mixed", _pixels(3), pd.DataFrame({"well": ["A1", 2, None]}, dtype="object"))
    assert made.table["well"].tolist()[:2] == ["A1", "2"]
    assert pd.isna(made.table["well"][2])


def test_classes_given_in_an_order_keep_it_and_strangers_are_refused():
    table = pd.DataFrame({"kind": ["b", "a", "b"]})
    assert store.create(
        "ordered", _pixels(3), table, Metadata(label="kind", classes=["b", "a", "c"])
    ).label_ids.tolist() == [
        0,
        1,
        0,
    ]
    with pytest.raises(DataError, match="class names"):
        store.create("strange", _pixels(3), table, Metadata(label="kind", classes=["b"]))


def test_numbers_sort_as_numbers_and_keep_no_point_zero():
    made = store.create("numbers", _pixels(4), pd.DataFrame({"y": [10.0, 2.0, np.nan, 1.0]}), Metadata(label="y"))
    assert made.classes == ("1", "2", "10")


@pytest.mark.parametrize("max_value", [0, 256, 1.5, True])
def test_bad_max_value_is_refused(max_value):
    with pytest.raises(SpecError, match="max_value"):
        store.create("bad", _pixels(3), _table(3), Metadata(max_value=max_value))


def test_channels_get_the_colours_of_their_stains():
    made = store.create("stained", _pixels(3, c=3), _table(3), Metadata(channels=["DNA", "actin", "tubulin"]))
    colours = [channel.colour for channel in made.channels]
    assert len(set(colours)) == 3
    assert all(len(colour) == 7 and colour.startswith("#") for colour in colours)
    with pytest.raises(SpecError, match="channels"):
        store.create("short", _pixels(3, c=3), _table(3), Metadata(channels=["DNA"]))


def test_images_taken_from_a_large_file_are_copies_and_the_same_each_time(monkeypatch):
    monkeypatch.setattr(imageset, "_LARGE", 10)
    pixels = _pixels(c=2)
    made = store.create("large", pixels, _table(), Metadata())
    for ids in (np.array([3, 4, 17]), np.array([19, 0]), np.array([], int)):
        taken = made.take(ids)
        assert np.array_equal(taken, pixels[ids])
        assert taken.flags.writeable
        assert not isinstance(taken, np.memmap)
    assert np.array_equal(made.pixels, pixels)
