"""Strokes: the same seed draws the same digits, and what the table says is true of the ink."""

import numpy as np
import pytest

from ssrl_core.datasets import store
from ssrl_core.datasets.made import strokes


@pytest.fixture(scope="module")
def drawn():
    return strokes.draw_strokes(2000, seed=5)


def _ink(pixels):
    return pixels[:, 0].astype(float) / 255


def test_the_same_seed_draws_the_same_and_another_seed_does_not(drawn):
    pixels, table = strokes.draw_strokes(2000, seed=5)
    assert np.array_equal(pixels, drawn[0])
    assert table.equals(drawn[1])
    assert not np.array_equal(strokes.draw_strokes(2000, seed=6)[0], drawn[0])


def test_digits_come_equally_often():
    _, table = strokes.draw_strokes(1000, seed=1)
    assert table["digit"].value_counts().tolist() == [100] * 10


def test_every_writer_writes_every_digit_equally_often():
    place = strokes._shuffled(10_000, np.random.Generator(np.random.Philox(key=5)))
    pairs = (place // 10 % strokes.WRITERS) * 10 + place % 10
    assert np.all(np.bincount(pairs) == 10)


def test_no_digit_touches_the_edge_of_its_sheet(drawn):
    ink = _ink(drawn[0])
    assert max(ink[:, 0].max(), ink[:, -1].max(), ink[:, :, 0].max(), ink[:, :, -1].max()) < 0.6
    assert ink.max(axis=(1, 2)).min() > 0.9


def test_ink_is_the_length_of_the_path_times_its_width():
    glyph = next(g for g in strokes.GLYPHS if g.digit == 1 and g.name == "bar")
    path = strokes.path_of(glyph)
    samples = (path.basis @ path.points * 16 + 6)[None]
    for width in (2.0, 3.0, 4.0):
        radii = np.full(samples.shape[:2], width / 2)
        area = strokes.ink(samples, path.starts, radii, 28, 0.5).sum()
        assert area == pytest.approx(16 * width + np.pi * (width / 2) ** 2, rel=0.03)


def test_ink_of_a_digit_grows_with_the_thickness_that_the_table_says(drawn):
    pixels, table = drawn
    for digit in "0123456789":
        of = (table["digit"] == digit).to_numpy()
        per_height = _ink(pixels[of]).sum(axis=(1, 2)) / table["size"][of]
        assert np.corrcoef(per_height, table["thickness_px"][of])[0, 1] > 0.75


def test_height_of_the_ink_is_size_and_thickness(drawn):
    pixels, table = drawn
    rows = _ink(pixels).max(axis=2) > 0.5
    height = rows.sum(axis=1)
    expected = table["size"] + 0.85 * table["thickness_px"]
    assert np.corrcoef(height, expected)[0, 1] > 0.94
    assert np.abs(height - expected).mean() < 1


def test_centre_of_the_ink_is_where_the_table_says(drawn):
    pixels, table = drawn
    for axis, column in ((1, "x_px"), (2, "y_px")):
        line = _ink(pixels).max(axis=axis) > 0.5
        first, last = line.argmax(axis=1), 27 - line[:, ::-1].argmax(axis=1)
        assert np.abs((first + last) / 2 - table[column]).mean() < 0.4


def test_ones_lean_as_the_table_says(drawn):
    pixels, table = drawn
    bars = ((table["digit"] == "1") & (table["allograph"] == "bar")).to_numpy()
    ink = _ink(pixels[bars])
    y, x = np.mgrid[0:28, 0:28]
    mass = ink.sum(axis=(1, 2))
    cx, cy = (ink * x).sum(axis=(1, 2)) / mass, (ink * y).sum(axis=(1, 2)) / mass
    dx, dy = x - cx[:, None, None], y - cy[:, None, None]
    slope = -(ink * dx * dy).sum(axis=(1, 2)) / (ink * dy**2).sum(axis=(1, 2))
    assert np.corrcoef(np.degrees(np.arctan(slope)), table["slant_deg"][bars])[0, 1] > 0.9


def test_writers_differ_more_than_one_writer_does(drawn):
    table = drawn[1]
    for factor in ("thickness_px", "slant_deg"):
        within = table.groupby("writer")[factor].std().mean()
        assert table[factor].std() > 1.5 * within


def test_ink_agrees_with_the_slow_definition():
    rng = np.random.default_rng(0)
    samples, radii = rng.uniform(4, 16, (3, 4, 2)), rng.uniform(0.7, 2, (3, 4))
    starts = np.array([0, 2])  # the pen is up between samples 1 and 2
    fast = strokes.ink(samples, starts, radii, 20, 1.25)
    for b in range(3):
        for i in range(20):
            for j in range(20):
                depth = max(_depth(np.array([j, i]), samples[b], radii[b], s) for s in starts)
                assert fast[b, i, j] == pytest.approx(min(max(depth / 1.25 + 0.5, 0), 1), abs=1e-4)


def _depth(point, samples, radii, s):
    a, b = samples[s], samples[s + 1]
    t = min(max(np.dot(point - a, b - a) / np.dot(b - a, b - a), 0), 1)
    return radii[s] + t * (radii[s + 1] - radii[s]) - np.linalg.norm(point - a - t * (b - a))


def test_every_digit_has_its_glyphs_and_curves_go_through_their_points():
    assert {glyph.digit for glyph in strokes.GLYPHS} == set(range(10))
    for glyph in strokes.GLYPHS:
        path = strokes.path_of(glyph)
        assert path.basis.sum(axis=1) == pytest.approx(1)
        curve = path.basis @ path.points
        assert np.abs(curve[:, None] - path.points[None]).sum(-1).min(axis=0).max() < 1e-9


def test_strokes_are_made_on_first_use_and_keep_the_truth():
    made = store.load("strokes")
    assert (made.count, made.shape, made.label) == (10_000, (1, 28, 28), "digit")
    assert made.split_counts == {"train": 7000, "val": 1000, "test": 2000}
    assert {"writer", "thickness_px", "slant_deg", "size", "x_px", "y_px"} <= set(made.table.columns)
    assert made.meta["source"] == "built-in:strokes"
    promised = store.summary("strokes")
    store.delete("strokes")
    assert store.summary("strokes") == {**promised, "fingerprint": None}
