"""Fast ways over fields give what their definitions give, to the last bit."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter, label

from ssrl_core.datasets.cells import outlines
from ssrl_core.datasets.cells.candidates import _weighed, candidates, numbers_of, with_parts
from ssrl_core.datasets.cells.cutting import shapes
from ssrl_core.datasets.cells.illumination import Lighting, corrected
from ssrl_core.datasets.cells.nuclei import _tile_percentiles, binned
from tests.datasets.cells import slow_outlines


@given(st.integers(0, 10_000), st.sampled_from([1, 2, 3]), st.sampled_from([0.3, 0.5, 0.8]))
def test_crumbs_and_holes_are_those_of_the_definition(seed, kinds, share):
    """Random confetti: many pieces, holes in holes, holes between two regions, regions at the edge."""
    rng = np.random.default_rng(seed)
    regions = np.where(rng.random((24, 31)) < share, rng.integers(1, kinds + 1, (24, 31)), 0).astype(np.int32)
    assert np.array_equal(outlines.tidied(regions), slow_outlines.tidied(regions))


def test_a_ring_is_filled_and_a_ring_around_another_nucleus_is_not():
    regions = np.zeros((20, 30), np.int32)
    regions[2:9, 2:9], regions[4:7, 4:7] = 1, 0
    regions[2:13, 12:23], regions[4:11, 14:21] = 2, 0
    regions[6:9, 16:19] = 3
    found = outlines.tidied(regions)
    assert found[5, 5] == found[2, 2]
    assert found[4, 14] == 0, "this gap lies between two nuclei"
    assert np.array_equal(found, slow_outlines.tidied(regions))


@given(st.integers(0, 10_000), st.sampled_from([2, 3, 5]), st.floats(0.7, 6))
def test_outlines_found_in_parts_are_those_of_the_whole_image(seed, times, sd_px):
    rng = np.random.default_rng(seed)
    small = (9, 13)
    shape = (small[0] * times - int(rng.integers(times)), small[1] * times - int(rng.integers(times)))
    rough = rng.integers(0, 4, small).astype(np.int32) * (rng.random(small) < 0.6)
    dna = rng.integers(0, 60_000, shape).astype(np.uint16)
    level = rng.uniform(20_000, 40_000, 4).astype(np.float32)
    fast = outlines.outlined_anew(rough.astype(np.int32), times, dna, level, sd_px)
    assert np.array_equal(fast, slow_outlines.outlined_anew(rough, times, dna, level, sd_px))


@pytest.mark.parametrize(("seed", "sd"), [(0, 1.0), (1, 2.0), (2, 4.0)])
def test_candidates_are_the_pieces_of_every_level_and_what_their_pixels_come_to(seed, sd):
    rng = np.random.default_rng(seed)
    smooth = gaussian_filter(rng.normal(0, 1, (40, 52)), sd).astype(np.float32) + 1e-3
    found = candidates(smooth, 0.05 * float(smooth.std()), 8.0)
    piece = 0
    for k, level in enumerate(found.levels):
        pieces, count = label(smooth >= level)
        for number in range(1, count + 1):
            y, x = np.nonzero(pieces == number)
            v = smooth[y, x].astype(float)
            sums = [len(x), x.sum(), y.sum(), (x * x).sum(), (y * y).sum(), (x * y).sum(), v.sum(), (v * v).sum()]
            assert found.sums[:, piece] == pytest.approx(sums, rel=1e-6)
            if k:
                below = found.pieces[k - 1][found.places[k - 1] == y[0] * smooth.shape[1] + x[0]]
                assert found.parent[piece] == below[0]
            piece += 1
    assert piece == len(found.parent)


@pytest.mark.parametrize("seed", range(6))
def test_no_choice_without_overlap_is_worth_more(seed):
    """Against every choice there is: each piece whole, or its parts, or the best of what it holds."""
    rng = np.random.default_rng(seed)
    smooth = gaussian_filter(rng.normal(0, 1, (30, 36)), 2).astype(np.float32) + 1e-3
    found = candidates(smooth, 0.05 * float(smooth.std()), 8.0)
    numbers = numbers_of(found.sums, found.level, found.growth(), found.diameter)
    worth = _weighed(with_parts(found, numbers), numbers, 1.0, 1.0, True)

    def best(piece):
        held = sum(best(child) for child in np.flatnonzero(found.parent == piece))
        return max(worth.whole[piece], worth.parts.get(piece, np.zeros(1)).sum(), held)

    for root in range(found.first[1]):
        assert worth.best[root] == pytest.approx(best(root), abs=1e-6)


@pytest.mark.parametrize("times", [1, 2, 3, 7])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_means_of_blocks(times, dtype):
    image = np.random.default_rng(times).integers(0, np.iinfo(dtype).max, (61, 44), dtype, endpoint=True)
    assert np.array_equal(binned(image, times), slow_outlines.block_means(image, times))


def test_low_percentiles_of_tiles():
    image = np.random.default_rng(0).normal(100, 10, (103, 157)).astype(np.float32)
    grid = _tile_percentiles(image, 40)
    ys, xs = (np.linspace(0, n, k + 1).astype(int) for n, k in zip(image.shape, grid.shape, strict=True))
    for i, j in np.ndindex(grid.shape):
        assert grid[i, j] == np.float32(np.percentile(image[ys[i] : ys[i + 1], xs[j] : xs[j + 1]], 10))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_light_is_divided_out_pixel_by_pixel(dtype):
    rng = np.random.default_rng(0)
    image = rng.integers(0, np.iinfo(dtype).max, (2, 150, 40), dtype, endpoint=True)
    surface = np.array([[1.0, 0.1, -0.2, -0.1, 0.05, 0.02], [0.9, 0.0, 0.1, 0.1, 0.0, 0.1]])
    light = Lighting(np.array([12.0, 3.0]), surface, np.array([[10.0, 200.0], [0.0, 250.0]]))
    found = corrected(image, light)
    y, x = np.meshgrid(np.linspace(-1, 1, 150), np.linspace(-1, 1, 40), indexing="ij")
    for c, (low, high) in enumerate(light.limits):
        s = surface[c]
        lamp = np.maximum(s[0] + s[1] * x + s[2] * y + s[3] * x * x + s[4] * x * y + s[5] * y * y, 0.2)
        even = (image[c].astype(float) - light.dark[c]) / lamp + light.dark[c]
        whole = np.clip(np.rint((even - low) * np.iinfo(dtype).max / (high - low)), 0, np.iinfo(dtype).max)
        assert np.abs(found[c].astype(float) - whole).max() <= 1
        assert (found[c] == whole).mean() > 0.99


def test_shapes_are_moments_of_the_pixels():
    labels = np.random.default_rng(0).integers(0, 4, (30, 41)).astype(np.int32)
    x, y, area, eccentricity = shapes(labels)
    for k in (1, 2, 3):
        rows, columns = np.nonzero(labels == k)
        assert (x[k - 1], y[k - 1], area[k - 1]) == (columns.mean(), rows.mean(), len(rows))
        low, high = np.linalg.eigvalsh(np.cov([columns, rows], bias=True))
        assert eccentricity[k - 1] == pytest.approx(np.sqrt(1 - low / high))
