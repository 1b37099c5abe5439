"""Descriptors measure what was drawn."""

import numpy as np
import pytest

from ssrl_core.analysis.descriptors import DESCRIPTORS, describe, descriptor, descriptors_of
from ssrl_core.analysis.descriptors.images import ImageBatch, otsu


def drawn(*boxes, side=40, ground=20, ink=200):
    image = np.full((1, 1, side, side), ground, np.uint8)
    for top, left, height, width in boxes:
        image[0, 0, top : top + height, left : left + width] = ink
    return image


def one(image):
    return {name: float(v[0]) for name, v in describe(image, max_value=255).items()}


def test_two_boxes_are_two_objects_of_known_area():
    found = one(drawn((4, 4, 10, 10), (22, 22, 12, 12)))
    assert found["objects"] == 2
    assert found["area"] == pytest.approx((100 + 144) / 1600)
    assert found["elongation"] == pytest.approx(1, abs=1e-5)
    assert found["brightness"] == pytest.approx((20 * 1356 + 200 * 244) / 1600 / 255, rel=1e-5)


def test_a_long_box_is_as_elongated_as_it_is():
    found = one(drawn((10, 4, 5, 30)))
    assert found["elongation"] == pytest.approx(6, rel=1e-5)
    turned = one(drawn((4, 10, 30, 5)))
    assert turned["elongation"] == pytest.approx(6, rel=1e-5)


def test_dark_things_on_a_bright_ground_are_the_objects():
    found = one(drawn((8, 8, 12, 12), ground=220, ink=30))
    assert found["objects"] == 1
    assert found["area"] == pytest.approx(144 / 1600)


def test_specks_are_no_objects():
    assert one(drawn((5, 5, 1, 1), (20, 20, 10, 10)))["objects"] == 1


def test_objects_of_one_image_never_join_those_of_the_next():
    images = np.concatenate([drawn((10, 10, 20, 20))] * 5)
    assert describe(images, max_value=255)["objects"].tolist() == [1] * 5


def test_an_empty_image_has_nothing_to_measure_and_says_so():
    found = one(np.full((1, 1, 16, 16), 7, np.uint8))
    assert np.isnan(found["elongation"])
    assert np.isnan(found["texture"])
    assert found["objects"] == 0
    assert found["contrast"] == 0


def test_noise_is_finer_grained_than_a_slope():
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 255, (1, 1, 32, 32)).astype(np.uint8)
    slope = np.tile(np.linspace(0, 255, 32), (1, 1, 32, 1)).astype(np.uint8)
    assert one(noise)["texture"] > 0.8
    assert one(slope)["texture"] < 0.1


def test_otsu_agrees_with_its_slow_twin():
    rng = np.random.default_rng(1)
    grey = np.concatenate([rng.normal(0.2, 0.05, 300), rng.normal(0.7, 0.1, 100)]).reshape(1, 20, 20).astype(np.float32)
    flat = grey.ravel().astype(float)
    edges = flat.min() + (flat.max() - flat.min()) * np.arange(1, 64) / 64

    def between(threshold):
        low, high = flat[flat <= threshold], flat[flat > threshold]
        return len(low) * len(high) * (low.mean() - high.mean()) ** 2

    best = max(edges, key=between)
    assert otsu(grey)[0] == pytest.approx(best, abs=2 * (flat.max() - flat.min()) / 64)


def test_the_largest_object_is_the_largest():
    batch = ImageBatch(drawn((2, 2, 6, 6), (20, 20, 15, 15)).astype(np.float32) / 255)
    assert batch.largest.sum() == 225


def test_every_row_has_words_and_measures_a_batch():
    images = np.concatenate([drawn((8, 8, 12, 12)), drawn((8, 8, 20, 6))])
    for name, row in DESCRIPTORS.items():
        assert row.name == name
        assert row.more
        assert row.less
        assert row.sentence.endswith(".")
        assert row.cost_s > 0
        values = row.measure(ImageBatch(images.astype(np.float32) / 255))
        assert values.shape == (2,)


def plain(red, green, blue, side=8):
    return np.broadcast_to(np.array([red, green, blue], np.uint8)[None, :, None, None], (1, 3, side, side)).copy()


@pytest.mark.parametrize(
    ("colour", "hue", "saturation"),
    [
        ((200, 0, 0), 0, 1),
        ((255, 255, 0), 60, 1),
        ((0, 90, 0), 120, 1),
        ((0, 200, 200), 180, 1),
        ((100, 100, 200), 240, 0.5),
        ((200, 0, 160), -48.3, 1),
    ],
)
def test_plain_colours_have_their_hue_and_saturation(colour, hue, saturation):
    found = one(plain(*colour))
    assert found["hue"] == pytest.approx(hue, abs=2)
    assert found["saturation"] == pytest.approx(saturation, abs=1e-5)


def test_grey_images_have_no_hue_and_one_channel_has_no_colour():
    assert np.isnan(one(plain(90, 90, 90))["hue"])
    assert one(plain(90, 90, 90))["saturation"] == 0
    assert one(plain(0, 0, 0))["saturation"] == 0
    for channels in (1, 2, 5):
        found = one(np.random.default_rng(0).integers(0, 255, (1, channels, 16, 16)).astype(np.uint8))
        assert np.isnan(found["hue"])
        assert np.isnan(found["saturation"])


def test_a_box_lies_where_it_was_drawn():
    found = one(drawn((4, 20, 10, 12)))
    assert found["place_x"] == pytest.approx(26 / 40)
    assert found["place_y"] == pytest.approx(9 / 40)


def bar(angle_deg, side=64, long=24, short=4):
    """A bar turned counter-clockwise from the horizontal about the middle."""
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    turn = np.radians(angle_deg)
    along, across = x * np.cos(turn) - y * np.sin(turn), x * np.sin(turn) + y * np.cos(turn)
    return np.where((np.abs(along) < long) & (np.abs(across) < short), 200, 20).astype(np.uint8)[None, None]


@pytest.mark.parametrize("angle", [-60, -30, 0, 20, 45, 80])
def test_the_orientation_of_a_bar_is_its_angle(angle):
    assert one(bar(angle))["orientation"] == pytest.approx(angle, abs=1)


def test_round_things_have_no_orientation():
    assert np.isnan(one(drawn((10, 10, 12, 12)))["orientation"])
    assert np.isnan(one(np.full((1, 1, 16, 16), 7, np.uint8))["slant"])


@pytest.mark.parametrize("slant", [-25, 0, 10, 30])
def test_the_slant_of_a_sheared_stroke_is_that_of_the_shear(slant):
    image = np.full((1, 1, 80, 80), 10, np.uint8)
    for row in range(10, 70):
        left = round(38 - (row - 39.5) * np.tan(np.radians(slant)))
        image[0, 0, row, left : left + 4] = 220
    assert one(image)["slant"] == pytest.approx(slant, abs=1)


@pytest.mark.parametrize("width", [1, 2, 3, 4, 7, 8])
def test_the_thickness_of_a_stroke_is_its_width(width):
    image = drawn((8, 20, 4, 2), side=200)
    image[:] = 20
    image[0, 0, 20:180, 100 : 100 + width] = 200
    off = 0 if width % 2 == 0 else 1 / width
    assert one(image)["stroke_thickness"] == pytest.approx(width + off, abs=0.05 * width)


def test_a_mirror_image_of_itself_is_symmetric():
    rng = np.random.default_rng(0)
    half = rng.integers(0, 255, (1, 1, 32, 16)).astype(np.uint8)
    assert one(np.concatenate([half, half[..., ::-1]], axis=-1))["symmetry"] == pytest.approx(1)
    assert one(np.concatenate([half, 255 - half[..., ::-1]], axis=-1))["symmetry"] == pytest.approx(-1, abs=0.02)
    assert abs(one(rng.integers(0, 255, (1, 1, 64, 64)).astype(np.uint8))["symmetry"]) < 0.1


def test_waves_have_the_frequency_that_they_have():
    x = np.arange(64)
    slow, fast = (128 + 100 * np.sin(2 * np.pi * f * x / 64) for f in (4, 24))
    slow, fast = (np.tile(w, (1, 1, 64, 1)).astype(np.uint8) for w in (slow, fast))
    assert one(slow)["high_frequency"] < 0.01
    assert one(fast)["high_frequency"] > 0.99
    assert np.isnan(one(slow[..., :4, :4])["high_frequency"])


def test_local_patterns_agree_with_the_definition():
    image = np.random.default_rng(0).integers(0, 9, (20, 20)).astype(np.uint8)
    irregular = []
    for i in range(1, 19):
        for j in range(1, 19):
            around = [(0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1), (1, -1), (1, 0), (1, 1)]
            ring = [image[i + a, j + b] >= image[i, j] for a, b in around]
            irregular.append(sum(p != q for p, q in zip(ring, ring[1:] + ring[:1], strict=True)) > 2)
    found = one(image[None, None])["local_patterns"]
    assert found == pytest.approx(np.mean(irregular))
    assert one(np.tile(np.arange(20, dtype=np.uint8), (1, 1, 20, 1)))["local_patterns"] == 0


def test_homogeneity_is_that_of_scikit_image():
    from skimage.feature import graycomatrix, graycoprops

    image = np.random.default_rng(0).integers(0, 256, (24, 24)).astype(np.uint8)
    levels = np.minimum((image / 255 * 32).astype(int), 31).astype(np.uint8)
    matrix = graycomatrix(levels, [1], [0, np.pi / 4, np.pi / 2, 3 * np.pi / 4], 32, symmetric=True, normed=True)
    assert one(image[None, None])["homogeneity"] == pytest.approx(graycoprops(matrix, "homogeneity").mean(), rel=1e-3)
    assert one(np.full((1, 1, 16, 16), 7, np.uint8))["homogeneity"] == 1


def test_images_of_a_batch_do_not_touch_each_other():
    rng = np.random.default_rng(0)
    images = np.concatenate([drawn((4, 4, 10, 10)), bar(30)[..., :40, :40], rng.integers(0, 255, (1, 1, 40, 40))])
    images = images.astype(np.uint8)
    together = describe(images, max_value=255)
    for i in range(3):
        alone = describe(images[i : i + 1], max_value=255)
        for name, values in together.items():
            assert values[i] == pytest.approx(alone[name][0], rel=1e-5, nan_ok=True), name


STAINED = ("DNA", "actin")


def cells(*discs, side=64, squash=1.0):
    """Two channels: nuclei (row, column, radius) in the first, the second evenly half as bright."""
    y, x = np.mgrid[:side, :side]
    dna = np.full((side, side), 10, np.uint8)
    for row, column, radius in discs:
        dna[np.hypot(y - row, (x - column) * squash) <= radius] = 180
    return np.stack([dna, np.full_like(dna, 90)])[None]


def of_cells(image, **ways):
    return {name: float(v[0]) for name, v in describe(image, max_value=255, channels=STAINED, **ways).items()}


@pytest.mark.parametrize("radius", [5, 8, 12])
def test_a_disc_has_its_area_and_is_round(radius):
    found = of_cells(cells((32, 32, radius)))
    assert found["nuclear_area"] == pytest.approx(np.pi * radius**2, rel=0.06)
    assert found["nuclear_eccentricity"] < 0.15
    assert found["nuclear_intensity"] == pytest.approx(180 / 255, abs=0.01)
    assert found["nuclear_texture"] < 0.05
    assert found["neighbour_count"] == 0
    assert np.isnan(found["neighbour_distance"])
    assert found["intensity actin"] == pytest.approx(90 / 255, abs=1e-4)
    smaller = of_cells(cells((32, 32, radius)), px=3.0)  # a third of the side of what is stored
    assert smaller["nuclear_area"] == pytest.approx(9 * found["nuclear_area"])


def test_an_ellipse_has_its_eccentricity_and_a_ring_of_bites_its_solidity():
    from skimage.measure import regionprops

    ellipse = cells((32, 32, 14), squash=2.0)
    found = of_cells(ellipse)
    twin = regionprops((ellipse[0, 0] > 100).astype(int))[0]
    assert found["nuclear_eccentricity"] == pytest.approx(np.sqrt(0.75), abs=0.01)
    assert found["nuclear_eccentricity"] == pytest.approx(twin.eccentricity, abs=0.01)
    assert found["nuclear_solidity"] == pytest.approx(twin.solidity, abs=0.03)
    box = np.full((1, 2, 40, 40), 10, np.uint8)
    box[0, 0, 10:30, 10:30] = 200
    box[0, 0, 10:20, 10:20] = 10  # a quarter bitten out: 300 of a hull of 350
    assert of_cells(box)["nuclear_solidity"] == pytest.approx(300 / 350, abs=0.03)


@pytest.mark.parametrize("others", [(), ((12, 32),), ((12, 32), (50, 50)), ((12, 12), (12, 50), (50, 12), (50, 50))])
def test_neighbours_are_counted_and_the_nearest_is_as_far_as_it_was_drawn(others):
    found = of_cells(cells((32, 32, 7), *((row, column, 6) for row, column in others)))
    assert found["neighbour_count"] == len(others)
    if others:
        nearest = min(np.hypot(row - 32, column - 32) for row, column in others)
        assert found["neighbour_distance"] == pytest.approx(nearest, abs=0.6)


def test_nuclei_that_touch_are_two_and_the_one_in_the_middle_counts():
    found = of_cells(cells((32, 32, 8), (32, 47, 8)))
    assert found["neighbour_count"] == 1
    assert found["neighbour_distance"] == pytest.approx(15, abs=1)
    assert found["nuclear_area"] == pytest.approx(np.pi * 64, rel=0.08)
    off_centre = of_cells(cells((20, 28, 9), (55, 55, 4)))
    assert off_centre["nuclear_area"] == pytest.approx(np.pi * 81, rel=0.08)


def test_grains_are_granular_and_a_large_disc_is_not():
    disc = cells((32, 32, 16))
    grains = cells(*((row, column, 0.5) for row in range(4, 64, 8) for column in range(4, 64, 8)))
    assert of_cells(disc)["granularity"] < 0.1
    assert of_cells(grains)["granularity"] > 0.8


def test_images_without_nuclei_or_without_their_channel_are_answered():
    empty = of_cells(cells())
    assert all(np.isnan(empty[name]) for name in ("nuclear_area", "nuclear_solidity", "neighbour_count"))
    assert set(descriptors_of(["red", "green", "blue"])) & {"nuclear_area", "granularity"} == set()
    assert "intensity green" in descriptors_of(["red", "green", "blue"])
    assert "intensity DNA" not in descriptors_of(["DNA"])
    assert descriptor("intensity DNA").title == "intensity of DNA"
    assert descriptor("compound") is None


def test_cells_of_one_batch_are_those_of_each_alone():
    images = np.concatenate([cells((32, 32, 8), (12, 12, 5)), cells((30, 33, 6)), cells()])
    whole = describe(images, max_value=255, channels=STAINED)
    for number, image in enumerate(images):
        alone = describe(image[None], max_value=255, channels=STAINED)
        assert all(np.array_equal(whole[name][number], alone[name][0], equal_nan=True) for name in whole)
