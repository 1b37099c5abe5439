"""Charts as files without a browser: every kind, vectors with their fonts, drawn as Plotly was told."""

import io

import numpy as np
import pytest
from PIL import Image

from ssrl_core.analysis.doses import DoseCurve, dose_shares, dose_summary, fit_curve
from ssrl_core.analysis.plates import plate_shares
from ssrl_core.errors import SpecError
from ssrl_core.figures.curves import over_k_table, score_over_k
from ssrl_core.figures.screens import dose_figure, plate_figure
from ssrl_core.figures.sheets import figure_file


@pytest.fixture(scope="module")
def figure():
    rng = np.random.default_rng(0)
    doses = np.repeat([0.0, 0.01, 0.1, 1.0, 10.0], 120)
    flat = rng.random(600) < np.where(doses > 0, 0.9 / (1 + (0.3 / np.maximum(doses, 1e-9))), 0.02)
    shares = dose_shares(flat.astype(int), doses, np.tile(["a", "b", "c"], 200), 2).query("group == 1")
    curve = fit_curve(shares["dose"], shares["share"], shares["cells"])
    assert isinstance(curve, DoseCurve)
    return dose_figure(shares, dose_summary(shares), colour="#0072b2", title="Half at 0.3 µM & $5", curve=curve)


def test_a_vector_holds_its_fonts_and_a_picture_has_300_dpi(figure):
    svg = figure_file(figure, "svg", caption="Share of cells.")
    assert svg.startswith(b"<?xml")
    assert b"<text" not in svg, "text is drawn as outlines"
    assert figure_file(figure, "pdf").startswith(b"%PDF")
    with Image.open(io.BytesIO(figure_file(figure, "png", width_mm=120, height_mm=75))) as image:
        assert image.size[0] == pytest.approx(120 / 25.4 * 300, abs=2)


def test_the_same_figure_gives_the_same_file(figure):
    for kind in ("svg", "pdf", "png"):
        assert figure_file(figure, kind) == figure_file(figure, kind)


def test_the_colours_of_the_chart_are_in_the_file(figure):
    with Image.open(io.BytesIO(figure_file(figure, "png"))) as image:
        pixels = np.asarray(image.convert("RGB")).reshape(-1, 3)
    blue = np.abs(pixels.astype(int) - [0, 0x72, 0xB2]).max(axis=1) < 8
    assert blue.sum() > 500


def test_a_plate_is_drawn_with_its_scale():
    wells = plate_shares(["A01", "A01", "H12"], [1, 0, 1], 1)
    fig = plate_figure(wells, (8, 12), title="Plate 1", picked="A01")
    assert [row[0] for row in fig.data[1].customdata] == ["A01", "H12"]
    assert (fig.data[0].z[0][0], fig.data[0].z[7][11], fig.data[0].z[3][3]) == (0.5, 1.0, None)
    assert [(shape.x0, shape.y0) for shape in fig.layout.shapes] == [(-0.5, -0.5)], "the picked well is marked"
    with Image.open(io.BytesIO(figure_file(fig, "png"))) as image:
        pixels = np.asarray(image.convert("RGB")).astype(int).reshape(-1, 3)
    assert (np.abs(pixels - [0xFD, 0xE7, 0x25]).max(axis=1) < 10).any(), "a well full of the group is yellow"


def test_untreated_cells_stand_left_of_the_lowest_dose(figure):
    assert min(figure.data[1].x) < 0.01
    assert figure.layout.xaxis.ticktext[0] == "0"


def test_scores_over_k_are_drawn_with_the_names_of_their_lines_and_as_a_table():
    scores = {k: {"ami": 0.1 * k, "silhouette": 0.5 - 0.05 * k, "inertia": 9.0} for k in (2, 4, 3)}
    scores[4]["ami"] = None
    fig = score_over_k(scores, chosen=3)
    assert [note.text for note in fig.layout.annotations] == ["AMI", "silhouette"]
    named = figure_file(fig, "png")
    fig.layout.annotations = ()
    assert named != figure_file(fig, "png")
    table = over_k_table(scores)
    assert table["k"].tolist() == [2, 3, 4]
    assert table["ami"].isna().tolist() == [False, False, True]


def test_another_kind_is_refused(figure):
    with pytest.raises(SpecError, match="svg, pdf, png"):
        figure_file(figure, "gif")
