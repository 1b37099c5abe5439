"""What the map is sent, and what comes back from it."""

import io
import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pages.ui.kit import gallery
from pages.ui.map import payload
from pages.ui.map.view import combined, enclosed
from ssrl_core.errors import SpecError
from ssrl_core.figures.style import palette
from tests.kit import make_imageset


def block(points, image_ids=None):
    ids = np.arange(len(points)) if image_ids is None else image_ids
    return gallery.unpack(payload.pack_places(np.asarray(points, float), image_ids=ids, name="l"))


def packed(facet):
    return gallery.unpack(payload.pack_facet(facet, name="f"))


def test_places_come_back_within_one_step_of_the_grid():
    rng = np.random.default_rng(0)
    points = rng.normal(size=(500, 2)) * [30, 2] + 7
    header, parts = block(points)
    back = parts["places"].reshape(-1, 2) / 65535 * header["span"] + header["low"]
    assert np.abs(back - points).max() <= max(header["span"]) / 65535


def test_rows_without_a_place_are_said_to_have_none():
    points = np.array([[0, 0], [np.nan, np.nan], [1, 1]])
    header, parts = block(points)
    assert parts["placed"].tolist() == [1, 0, 1]
    assert header["low"] == [0, 0]


@pytest.mark.parametrize("points", [np.zeros((0, 2)), np.full((3, 2), np.nan), np.ones((4, 2))])
def test_no_points_lost_points_and_equal_points_are_packed(points):
    header, _ = block(points)
    assert header["n"] == len(points)
    assert all(span > 0 for span in header["span"])


@pytest.mark.parametrize(("names", "kind"), [(10, "uint8"), (254, "uint8"), (255, "uint16"), (400, "uint16")])
def test_groups_take_one_byte_while_they_can(names, kind):
    codes = np.arange(-1, names)
    header, parts = packed(payload.groups("g", codes, [str(i) for i in range(names)]))
    assert header["sections"]["codes"][2] == kind
    assert parts["codes"][0] == np.iinfo(kind).max
    assert parts["codes"][1:].tolist() == list(range(names))
    assert header["counts"] == [1] * names


@pytest.mark.parametrize(
    ("ids", "kind"),
    [
        ([3, 4, 200, 300], "uint8"),
        ([9000, 9001, 70000], "uint16"),
        ([5, 4], "uint32"),
        ([70000, 70001], "uint32"),
        ([], "uint8"),
    ],
)
def test_ids_take_as_few_bytes_as_they_can(ids, kind):
    header, parts = block(np.zeros((len(ids), 2)), np.array(ids, np.int64))
    assert header["sections"]["ids"][2] == kind
    back = parts["ids"] if kind == "uint32" else np.cumsum(parts["ids"], dtype=np.int64)
    assert back.tolist() == ids


def test_a_selection_among_a_million_points_is_small():
    chosen = np.arange(1_000_000) % 3 == 0
    data = payload.pack_map(places="p", facets=["f"], pictures="", selected=chosen)
    assert len(data) < 126_000
    _, parts = gallery.unpack(data)
    assert (np.unpackbits(parts["selected"], bitorder="little")[:1_000_000] == chosen).all()


def test_every_section_starts_on_a_multiple_of_four():
    data = gallery.pack({"a": "ü"}, {"x": np.arange(3, dtype=np.uint8), "y": b"12345", "z": np.arange(2, dtype="f4")})
    header, parts = gallery.unpack(data)
    assert all(start % 4 == 0 for start, _, _ in header["sections"].values())
    assert (4 + int.from_bytes(data[:4], "little")) % 4 == 0
    assert parts["y"] == b"12345"
    assert parts["z"].tolist() == [0, 1]


def test_a_million_points_with_cluster_label_and_a_scale_take_less_than_twelve_megabytes():
    n = 1_000_000
    rng = np.random.default_rng(0)
    places = payload.pack_places(rng.normal(size=(n, 2)), image_ids=np.arange(n), name="l")
    group = payload.pack_facet(payload.groups("g", np.zeros(n), ["a"]), name="g")
    scale = payload.pack_facet(payload.Facet("v", values=rng.normal(size=n)), name="v")
    assert len(places) + 2 * len(group) + len(scale) < 12e6


def test_columns_become_groups_or_a_scale():
    numbers = payload.facet_of("ink", pd.Series(np.linspace(0, 1, 50)))
    assert numbers.codes is None
    assert numbers.values.dtype == np.float32
    dose = payload.facet_of("dose", pd.Series([0.1, 10.0, 3.0, None]))
    assert dose.names == ("0.1", "3", "10")
    assert dose.codes.tolist() == [0, 2, 1, -1]
    words = payload.facet_of("drug", pd.Series(["b", "a", None, "b"]))
    assert words.names == ("a", "b")
    assert words.codes.tolist() == [1, 0, -1, 1]
    assert words.colours == tuple(palette(2))
    assert payload.facet_of("flag", pd.Series([True, False, True])).names == ("False", "True")


def test_more_than_two_hundred_groups_keep_the_largest():
    column = pd.Series([f"g{i}" for i in range(300) for _ in range(2 if i < 199 else 1)])
    facet = payload.facet_of("many", column)
    assert len(facet.names) == 200
    assert facet.names[-1] == "other"
    assert (facet.codes == 199).sum() == 101


def test_a_scale_leaves_out_its_outliers_and_marks_what_is_missing():
    values = np.concatenate([np.linspace(0, 1, 200), [1e6, np.nan]]).astype(np.float32)
    header, parts = packed(payload.Facet("v", values=values))
    assert header["high"] < 2
    assert header["missing"] == 1
    assert parts["values"][-2] == np.float32(1e6)
    assert np.isnan(parts["values"][-1])
    json.dumps(header, allow_nan=False)


def test_an_outline_takes_the_points_inside_it_but_not_the_hidden_ones():
    points, codes = np.array([[0, 0], [1, 1], [5, 5], [0.5, 0.2]]), np.array([0, 1, 0, 0])
    event = {"kind": "lasso", "outline": [[-1, -1], [2, -1], [2, 2], [-1, 2]], "how": "new", "hidden": []}
    assert enclosed(event, points, codes).tolist() == [True, True, False, True]
    assert enclosed(event | {"hidden": [1]}, points, codes).tolist() == [True, False, False, True]
    assert enclosed(event | {"hidden": [1]}, points, None).tolist() == [True, True, False, True]
    with pytest.raises(SpecError, match="a list of corners"):
        enclosed({"outline": "everything"}, points, codes)


def test_a_selection_grows_and_shrinks():
    before, found = np.array([True, True, False]), np.array([False, True, True])
    assert combined({"how": "new"}, found, before).tolist() == [False, True, True]
    assert combined({"how": "add"}, found, before).tolist() == [True, True, True]
    assert combined({"how": "remove"}, found, before).tolist() == [True, False, False]
    assert combined({"how": "remove"}, found, None).tolist() == found.tolist()


def test_thumbnails_are_those_of_their_rows():
    imageset = make_imageset(30, c=3, side=20, classes=3)
    ids = np.array([4, 17, 2, 29])
    header, parts = gallery.unpack(payload.all_pictures(imageset, ids, "n"))
    sheet = np.asarray(Image.open(io.BytesIO(parts["file"])).convert("RGB")).astype(int)
    (w, h), columns = header["side"], header["columns"]
    expected = gallery.thumbnails(imageset, ids, (h, w)).astype(int)
    for place in range(4):
        top, left = place // columns * h, place % columns * w
        assert np.abs(sheet[top : top + h, left : left + w] - expected[place]).mean() < 4


@pytest.mark.parametrize(
    ("count", "shape"), [(10, (28, 28)), (10_000, (196, 196)), (25_000, (68, 40)), (1, (3000, 10))]
)
def test_all_thumbnails_fit_into_one_image_a_browser_can_hold(count, shape):
    height, width = payload.sheet_side(count, *shape)
    assert height * width * count < 20_000_000
    assert height <= shape[0]
    assert abs(height / width - shape[0] / shape[1]) < 0.1 * shape[0] / shape[1] or min(height, width) == 1


def test_some_thumbnails_are_sent_with_their_rows():
    imageset = make_imageset(30)
    header, parts = gallery.unpack(payload.some_pictures(imageset, np.arange(10, 20), "n", [3, 9, 44, -1]))
    assert header["rows"] == [3, 9]
    sheet = np.asarray(Image.open(io.BytesIO(parts["file"])).convert("RGB")).astype(int)
    expected = gallery.thumbnails(imageset, np.array([13, 19]), (16, 16)).astype(int)
    assert np.abs(sheet[:16, :16] - expected[0]).mean() < 4
    assert payload.some_pictures(imageset, np.arange(10), "n", [99]) is None


def test_too_many_images_are_not_sent(monkeypatch):
    monkeypatch.setattr(payload, "MOST_IMAGES", 5)
    assert payload.all_pictures(make_imageset(12), np.arange(6), "n") is None
    assert payload.all_pictures(make_imageset(12, name="other"), np.arange(0), "n") is None


@pytest.mark.parametrize(("noise", "colour", "mime"), [(0, 1, "image/png"), (90, 3, "image/jpeg")])
def test_pictures_are_exact_where_that_is_cheap(noise, colour, mime):
    rng = np.random.default_rng(0)
    rgb = (rng.integers(0, noise + 1, (900, 900, colour)) * np.ones(3, int)).astype(np.uint8)
    assert gallery.encode(rgb)[1] == mime
