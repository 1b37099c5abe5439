"""Figures for a paper: three kinds, captions, many points, nothing to draw."""

import io

import numpy as np
import pytest
from PIL import Image

from ssrl_core.analysis.layouts import counts_of_codes
from ssrl_core.errors import SpecError
from ssrl_core.figures.sheets import counts_file, gallery_file, map_file, matrix_file

HEADS = {"svg": b"<?xml", "pdf": b"%PDF", "png": b"\x89PNG"}
POINTS = np.random.default_rng(0).normal(size=(300, 2))
GROUPS = {"codes": np.arange(300) % 3 - 1, "names": ("costs $5", "b"), "colours": ("#0072b2", "#e69f00")}


@pytest.mark.parametrize("kind", HEADS)
def test_a_map_is_a_file_of_each_kind(kind):
    file = map_file(POINTS, kind, **GROUPS, what="cluster", title="A map", caption="Of 300 images. " * 10)
    assert file.startswith(HEADS[kind])
    assert file == map_file(POINTS, kind, **GROUPS, what="cluster", title="A map", caption="Of 300 images. " * 10)


def test_a_scale_a_selection_and_points_without_a_place_are_drawn():
    values = np.linspace(0, 1, 300)
    values[::7] = np.nan
    lost = POINTS.copy()
    lost[5] = np.nan
    file = map_file(lost, "png", values=values, selected=np.arange(300) < 40, what="area")
    assert len(file) > 5000


@pytest.mark.parametrize("points", [np.zeros((0, 2)), np.full((3, 2), np.nan), np.ones((4, 2))])
def test_nothing_to_draw_is_no_error(points):
    assert map_file(points, "png", codes=np.zeros(len(points), int), names=("a",), colours=("#0072b2",))


def test_many_points_do_not_swell_a_vector_file():
    many = np.random.default_rng(0).normal(size=(30_000, 2))
    codes = np.zeros(30_000, int)
    file = map_file(many, "pdf", codes=codes, names=("a",), colours=("#0072b2",))
    assert len(file) < 1_500_000


@pytest.mark.parametrize("kind", HEADS)
def test_galleries_and_matrices_are_files(kind):
    images = np.random.default_rng(0).integers(0, 255, (4, 12, 12, 3)).astype(np.uint8)
    rows = [("ring", "4 images", "#0072b2", images), ("Cluster 1", "1 image", "#e69f00", images[:1])]
    assert gallery_file(rows, kind, title="t", caption="c").startswith(HEADS[kind])
    assert matrix_file(np.array([[3, 0], [1, 9]]), ["a", "b"], ["c", "d"], kind).startswith(HEADS[kind])


@pytest.mark.parametrize("kind", HEADS)
def test_what_a_selection_is_made_of_is_a_file(kind):
    counts = counts_of_codes(np.array([0, 0, 1, 2, -1]), ["taxol", "DMSO", "costs $5"], np.array([1, 1, 1, 0, 1], bool))
    assert counts_file(counts, kind, colours={"taxol": "#0072b2"}, caption="c").startswith(HEADS[kind])


def test_images_without_names_are_a_grid():
    images = np.random.default_rng(0).integers(0, 255, (12, 9, 9, 3)).astype(np.uint8)
    named = gallery_file([("ring", "", "#0072b2", images)], "png")
    grid = gallery_file([("", "", "", images), ("", "", "", images[:3])], "png")
    assert Image.open(io.BytesIO(grid)).size[0] < Image.open(io.BytesIO(named)).size[0]


def test_another_kind_is_refused():
    with pytest.raises(SpecError, match="svg, pdf, png"):
        map_file(POINTS, "gif", **GROUPS)
