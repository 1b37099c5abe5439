"""The kernels of the CPU against their slow twin, the torch functions that a GPU runs.

Stated tolerance: contracts C4 (2e-3 on 99.9 % of pixels, mean 1e-4) for anything; 2e-5 for each transform alone,
but for the places where a value sits on a threshold or a hue near grey turns on the last bit.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ssrl_core.compositions import views as making
from ssrl_core.compositions.draws import draw
from ssrl_core.compositions.kernels import values as words
from ssrl_core.compositions.kernels.values import turn_round
from ssrl_core.compositions.random_numbers import philox
from ssrl_core.compositions.views import make_views
from ssrl_core.specs.composition import load, preset_names
from tests.compositions.test_any_composition import any_composition
from tests.compositions.test_views import EVERYTHING, mixed
from tests.compositions.workbench import cells, composition, noise, photographs, step, view
from tests.kit import ROOT


@pytest.fixture
def both(monkeypatch):
    """The same views with kernels and with torch."""

    def make(images, made, top, seed=5):
        drawn = draw(made, np.arange(len(images)), seed=seed, epoch=0)
        fast = make_views(images, drawn, made, max_value=top)
        monkeypatch.setattr(making, "_compiles", lambda source: False)
        slow = make_views(images, drawn, made, max_value=top)
        monkeypatch.undo()
        return [(a, b) for a, b in zip(fast, slow, strict=True)]

    return make


@pytest.mark.parametrize("name", [*preset_names(), "mixed"])
def test_whole_compositions(both, name):
    made = mixed() if name == "mixed" else load(name)
    for images, top in ((photographs(6, 64), 255), (cells(6), 65535), (noise(6, 3, 31, 45), 1)):
        for fast, slow in both(images, made, top):
            apart = (fast - slow).abs()
            assert (apart <= 2e-3).float().mean() >= 0.999
            assert apart.mean() <= 1e-4


@pytest.mark.parametrize("name", EVERYTHING)
@pytest.mark.parametrize("shape", [(40, 40), (33, 21)])
def test_each_transform(both, name, shape):
    for fast, slow in both(noise(8, 3, *shape), composition(step(name, **EVERYTHING[name])), 1):
        apart = (fast - slow).abs()
        assert (apart <= 2e-5).float().mean() >= 0.9995


@pytest.mark.parametrize(("shape", "size"), [((211, 187), 20), ((96, 130), 9), ((300, 40), 8)])
def test_images_that_shrink_and_turn(both, shape, size):
    """Crops of 20 to 100 % make several factors by which members are resized first, within one composition."""
    steps = (
        step("rotation", p=0.8, degrees=180, fill=0.6),
        step("resized_crop", scale=[0.2, 1.2], overflow="pad", fill=0.3),
        step("vertical_flip", p=0.5),
    )
    for fast, slow in both(noise(12, 3, *shape), composition(*steps, size=size), 1):
        assert (fast - slow).abs().max() <= 2e-5


@pytest.mark.parametrize("seed", range(100, 140))
def test_any_composition(both, seed):
    rng = np.random.default_rng(seed)
    made = any_composition(rng)
    images = noise(4, 3, *rng.integers(1, 40, 2))
    for fast, slow in both(images, made, 1, seed):
        assert ((fast - slow).abs() <= 2e-3).float().mean() >= 0.97  # equalize and solarize flip whole steps


def test_words_are_those_of_the_slow_generator():
    ids = np.array([0, 1, 77, 2**32 - 1])
    out = np.empty((3, 2, 4, 4), np.int64)
    words.words(ids, 9, 3, 64, 2**32 - 1, 4, out)
    for b in range(3):
        for v in range(2):
            expected = np.stack(philox((ids, 9, 3 + v, 64 + b), (2**32 - 1, 4)), axis=-1)
            assert np.array_equal(out[b, v], expected)


def test_compiled_code_is_kept_in_the_store():
    """Another process finds it there; nothing is written beside the sources."""
    view(noise(), step("invert"))
    kept = Path(turn_round.stats.cache_path)
    assert list(kept.glob("values.turn_round*.nbi"))
    assert ROOT / "ssrl_core" not in kept.parents
