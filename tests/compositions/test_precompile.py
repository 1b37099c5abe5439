"""Kernels can be compiled ahead of the first look."""

from ssrl_core.compositions.views import precompile
from ssrl_core.specs.composition import preset_names


def test_every_preset_is_precompiled_for_colour_and_most_for_grey():
    assert len(preset_names()) < precompile() <= 2 * len(preset_names())
