import numpy as np
import pytest
from skimage.color import rgb2lab

from ssrl_core.figures.style import OKABE_ITO, VIRIDIS, palette
from tests.figures.distinct import EYES, extend, lab, least_distance, rgb


def test_lab_agrees_with_scikit_image():
    colours = rgb(palette(60))
    np.testing.assert_allclose(lab(colours), rgb2lab(colours[None])[0], atol=0.02)


@pytest.mark.parametrize(
    ("count", "all_cones", "two_kinds"), [(8, 25, 15), (20, 25, 14), (50, 16, 8), (100, 11, 5.5), (200, 7.9, 3.8)]
)
def test_palette_stays_apart_for_all_kinds_of_eyes(count, all_cones, two_kinds):
    colours = palette(count)
    assert len(set(colours)) == count
    assert least_distance(colours) >= all_cones
    for eye in list(EYES)[1:]:
        assert least_distance(colours, eye) >= two_kinds


def test_palette_starts_with_okabe_and_ito_and_never_changes_when_it_grows():
    assert palette(8) == list(OKABE_ITO)
    assert palette(200)[:10] == palette(10)
    assert len(palette(230)) == 230
    assert palette(0) == []


def test_palette_is_what_its_generator_makes():
    assert extend(OKABE_ITO, 40) == palette(40)


def test_every_colour_is_seen_on_white_and_on_a_dark_page():
    lightness = lab(rgb(palette(200)))[:, 0]
    assert lightness.min() > 41
    assert lightness.max() < 94


def test_viridis_runs_from_dark_to_light():
    lightness = lab(rgb(list(VIRIDIS)))[:, 0]
    assert (np.diff(lightness) > 0).all()
