"""Nuclei against the truth of generated fields, at settings of the generator that its author did not choose, too."""

from dataclasses import replace

import numpy as np
import pytest
import tifffile
from scipy.ndimage import binary_dilation, gaussian_filter, zoom

from ssrl_core.datasets.cells import NucleusSettings, agreement, cut, detect, measure_diameter
from ssrl_core.datasets.cells.illumination import FieldLight, PlateSums, corrected, measured
from ssrl_core.datasets.cells.nuclei import measured as measured_nuclei
from ssrl_core.datasets.cells.nuclei import usual_of
from ssrl_core.datasets.cells.settings import CellSettings, Usual
from ssrl_core.datasets.made.simulation.crops import Camera, FieldSettings, draw_field
from ssrl_core.errors import DataError, SpecError
from tests.kit import shared

CASES = {
    "as it comes": FieldSettings(),
    "crowded": FieldSettings(density_per_mm2=1200, clearance=0.85),
    "dim and noisy": FieldSettings(camera=Camera(photons=(80, 80, 60), read_noise=8)),
    "8 bit, half the magnification": FieldSettings(camera=Camera(pixel_um=0.65, bits=8, offset=6, gain=0.2)),
    "uneven light, blurred": FieldSettings(camera=Camera(shading=0.6), defocus_um=1.5),
    "large, in pieces": FieldSettings(compound="sim-taxol", dose=3.0),
}


@pytest.mark.parametrize("case", CASES)
def test_nuclei_agree_with_the_truth(case):
    drawn = draw_field(_small(CASES[case]), seed=41)
    found = agreement(drawn.nuclei, detect(drawn.pixels[0]), smallest=40)
    assert found.matched + found.missed > 25
    assert found.f1 >= 0.93, found  # a field of this size has some fifty nuclei: one more or less is 0.02


def _small(settings):
    side = round(250 / settings.camera.pixel_um)  # µm
    return replace(settings, shape=(side, side))


def test_an_empty_field_has_no_nuclei():
    noise = np.random.default_rng(0).normal(200, 10, (300, 400)).astype(np.uint16)
    assert detect(noise, NucleusSettings(diameter_px=30)).max() == 0
    assert detect(np.full((64, 64), 7, np.uint8)).max() == 0


def test_the_usual_diameter_is_measured():
    drawn = draw_field(_small(FieldSettings()), seed=3)
    area = drawn.cells["nuclear_area_um2"].median() / 0.32**2
    assert measure_diameter([drawn.pixels[0]]) == pytest.approx(np.sqrt(4 / np.pi * area), rel=0.2)


def test_labels_count_in_reading_order_without_gaps():
    labels = detect(draw_field(_small(FieldSettings()), seed=5).pixels[0])
    first = [np.flatnonzero(labels == k)[0] for k in range(1, labels.max() + 1)]
    assert first == sorted(first)


def test_a_real_field_has_sensible_nuclei():
    dna = tifffile.imread(shared("data/fields/AS_09125_050116030001_D03f00d0.tif"))
    labels = detect(dna)
    assert 270 <= labels.max() <= 340  # counted by eye: about 300
    area = np.bincount(labels.ravel())[1:]
    assert 90 < np.median(area) < 190
    assert dna[labels > 0].mean() > 3 * dna[labels == 0].mean()


@pytest.mark.parametrize("bad", [{"threshold": "best"}, {"sensitivity": 0}, {"splitting": 2}, {"diameter_px": True}])
def test_settings_out_of_range_are_refused(bad):
    with pytest.raises(SpecError, match="cells"):
        detect(np.zeros((20, 20), np.uint8), NucleusSettings(**bad))
    with pytest.raises(SpecError):
        CellSettings.from_mapping({"nuclei": bad})


@pytest.mark.parametrize(("side", "specks", "taken", "times"), [(420, 40, 4, 1.3), (700, 150, 18, 1.6)])
def test_debris_or_larger_nuclei_do_not_change_which_cells_are_kept(side, specks, taken, times):
    """A compound that only leaves specks, or only enlarges nuclei, must not draw a dose curve."""
    drawn = draw_field(replace(FieldSettings(), shape=(side, side)), seed=31)
    dna, truth = drawn.pixels[0], drawn.nuclei
    usual = usual_of([measured_nuclei(dna, NucleusSettings())])
    settings = CellSettings(size=32, keep_border=True).fitted(usual)
    plain, cells = _kept(dna, truth, settings)
    littered, more = _kept(_with_specks(dna, truth, usual, specks), truth, settings)
    assert littered == plain
    assert more - cells <= taken, "of the specks"
    wide = zoom(dna.astype(float), times, order=1).astype(dna.dtype)
    large, _ = _kept(wide, zoom(truth, times, order=0), settings)
    assert large >= plain


def _kept(dna, truth, settings):
    labels = detect(dna, settings.nuclei)
    table = cut(dna[None], labels, settings).table
    return agreement(truth, np.where(np.isin(labels, table["nucleus_id"]), labels, 0)).matched, len(table)


def _with_specks(dna, truth, usual, count):
    """Discs of a quarter to half a nucleus's width, a fifth to twice as bright, beside the nuclei."""
    rng, out = np.random.default_rng(0), dna.astype(float)
    free = np.argwhere(~binary_dilation(truth > 0, iterations=int(usual.diameter_px / 2)))
    y, x = np.indices(dna.shape)
    for cy, cx in free[rng.choice(len(free), count, replace=False)]:
        disc = np.hypot(y - cy, x - cx) <= usual.diameter_px * rng.uniform(0.12, 0.24)
        out += gaussian_filter(disc.astype(float), 1) * usual.brightness * rng.uniform(0.2, 2)
    return np.clip(out, 0, np.iinfo(dna.dtype).max).astype(dna.dtype)


def test_crops_follow_the_size_of_the_nuclei_unless_told():
    usual = Usual(20.0, 100.0, 0.15)
    assert CellSettings().fitted(usual).size == 80
    assert CellSettings(size=196).fitted(usual).size == 196
    assert CellSettings(span_um=32.0, pixel_um=0.5).fitted(usual).side_px == (64, 64)
    assert CellSettings().fitted(usual).focus_limit == 0.33
    assert CellSettings().fitted(replace(usual, edge=0.3)).focus_limit == 0.6, "a set that is blurred as a whole"


def test_a_glow_does_not_hide_its_nuclei():
    y, x = np.mgrid[:256, :256]
    glow = 80 * np.exp(-((x - 190) ** 2 + (y - 120) ** 2) / (2 * 55.0**2))
    truth = np.zeros((256, 256), np.int32)
    places = [(40, 60), (60, 180), (150, 120), (185, 90), (190, 150), (225, 120), (205, 200), (150, 40)]
    for number, (cx, cy) in enumerate(places, 1):
        truth[np.hypot(x - cx, y - cy) <= 10] = number
    image = 8 + glow + 60 * gaussian_filter((truth > 0).astype(float), 1.5)
    dna = np.clip(image + np.random.default_rng(0).normal(0, 1, image.shape), 0, 255).astype(np.uint8)
    assert agreement(truth, detect(dna)).f1 >= 0.9


def test_a_picture_of_several_channels_is_no_dna_image():
    with pytest.raises(DataError, match="DNA image"):
        detect(np.zeros((3, 20, 20), np.uint8))


def _discs(places, radius=6, shape=(120, 160), value=200):
    y, x = np.mgrid[: shape[0], : shape[1]]
    image, labels = np.full(shape, 10, np.uint8), np.zeros(shape, np.int32)
    for k, (px, py) in enumerate(places):
        inside = (x - px) ** 2 + (y - py) ** 2 <= radius**2
        image[inside], labels[inside] = value, k + 1
    return image, labels


def test_a_crop_has_its_nucleus_in_the_middle_and_counts_neighbours():
    image, labels = _discs([(40, 50), (55, 50), (120, 60), (5, 5)])
    crops = cut(image[None], labels, CellSettings(size=32, contrast_limit=None, focus_limit=None))
    assert crops.dropped == {"border": 1}
    assert crops.table["x_px"].tolist() == [40, 55, 120]
    assert crops.table["neighbours"].tolist() == [1, 1, 0]
    for pixels, (_, row) in zip(crops.pixels, crops.table.iterrows(), strict=True):
        left, top = round(row["x_px"] - 15.5), round(row["y_px"] - 15.5)
        assert np.array_equal(pixels[0], image[top : top + 32, left : left + 32])
    assert crops.table["nuclear_area_px"].nunique() == 1


def test_border_cells_can_be_kept_with_black_outside():
    image, labels = _discs([(5, 5)])
    crops = cut(image[None], labels, CellSettings(size=32, keep_border=True, contrast_limit=None, focus_limit=None))
    assert crops.dropped == {}
    assert not crops.pixels[0, 0, :10].any()


def test_crops_are_dropped_for_saturation_blur_and_emptiness_each_with_a_picture():
    image, labels = _discs([(30, 30), (80, 30), (120, 30), (30, 90)])
    rng = np.random.default_rng(1)
    image = image + rng.normal(0, 2, image.shape)
    image[labels == 2] = 255
    blurred = gaussian_filter(image, 6)
    image[:60, 105:140] = blurred[:60, 105:140] + 8 * (labels[:60, 105:140] > 0)
    image[labels == 4] = 10 + rng.normal(0, 2, int((labels == 4).sum()))
    pixels = np.clip(np.rint(image), 0, 255).astype(np.uint8)[None]
    crops = cut(pixels, labels, CellSettings(size=24))
    assert crops.dropped == {"saturated": 1, "out of focus": 1, "empty": 1}
    assert {reason: crop.shape for reason, crop in crops.examples.items()} == dict.fromkeys(crops.dropped, (1, 24, 24))
    assert crops.table["nucleus_id"].tolist() == [1]


def test_span_in_micrometres_is_brought_to_the_size_and_needs_the_pixel_size():
    image, labels = _discs([(60, 60)])
    settings = CellSettings(size=32, span_um=32.0, contrast_limit=None, focus_limit=None)
    crops = cut(image[None], labels, settings, pixel_um=0.5)
    assert crops.pixels.shape == (1, 1, 32, 32)
    bright = (crops.pixels[0, 0] > 100).sum()
    assert bright == pytest.approx(np.pi * 36 / 4, rel=0.1)  # half as large as in the field
    assert crops.table["nuclear_area_um2"].iloc[0] == pytest.approx((labels > 0).sum() * 0.25)
    with pytest.raises(DataError, match="pixel size"):
        cut(image[None], labels, settings)


def test_uneven_light_is_divided_out():
    rng = np.random.default_rng(0)
    y, x = np.meshgrid(np.linspace(-1, 1, 200), np.linspace(-1, 1, 260), indexing="ij")
    lamp = 1 - 0.6 * (x**2 + y**2) / 2 + 0.1 * x
    sums, sharp = PlateSums(), []
    for _ in range(40):
        cells = 100 + 900 * (rng.random((20, 26)) < 0.4).repeat(10, 0).repeat(10, 1)
        sharp.append((50 + cells * lamp).astype(np.uint16)[None])
        sums.add(FieldLight.of(sharp[-1], range_too=False))
    even = np.mean([corrected(image, measured(sums, correct=True, stretch=False))[0] for image in sharp], axis=0)
    before = np.mean(sharp, axis=0)[0]
    assert _unevenness(before) > 0.12
    assert _unevenness(even) < 0.05
    assert even.mean() == pytest.approx(before.mean(), rel=0.1)


def _unevenness(image):
    blocks = image[:200, :260].reshape(5, 40, 5, 52).mean(axis=(1, 3))
    return blocks.std() / blocks.mean()


def test_plates_are_stretched_between_their_percentiles():
    rng = np.random.default_rng(0)
    sums, image = PlateSums(), rng.integers(300, 1300, (2, 100, 100)).astype(np.uint16)
    for _ in range(3):
        sums.add(FieldLight.of(image, range_too=True))
    out = corrected(image, measured(sums, correct=False, stretch=True))
    assert out.min() == 0
    assert out.max() == 65535
    assert np.corrcoef(out.ravel(), image.ravel())[0, 1] > 0.999
