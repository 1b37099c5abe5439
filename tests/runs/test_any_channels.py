"""Images of any number of 16-bit channels go all the way: views, training, embedding, pictures, exports."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pages.ui.kit.gallery import thumbnails
from pages.ui.map.evaluated import open_run
from ssrl_core.compositions.draws import draw
from ssrl_core.compositions.perceptual import prepared
from ssrl_core.compositions.views import make_views
from ssrl_core.datasets import store
from ssrl_core.exports import export
from ssrl_core.paper.galleries import picture
from ssrl_core.runs.child import train
from ssrl_core.runs.folder.run_folder import RunFolder
from ssrl_core.runs.queue import submitting
from ssrl_core.specs.composition import Composition
from tests.runs.conftest import spec
from tests.screen_kit import make_screen

STEPS = [
    {"transform": "color_jitter", "p": 1.0, "brightness": 0.4, "contrast": 0.4, "saturation": 0.0, "hue": 0.0},
    {"transform": "rotation", "p": 1.0, "degrees": 180},
    {"transform": "resized_crop", "p": 1.0, "scale": [0.5, 1.0]},
]
COMPOSITION = {"version": 1, "name": "any-channels", "steps": STEPS}


@pytest.mark.slow
@pytest.mark.parametrize("channels", [1, 2, 3, 5])
def test_a_run_on_any_channels_ends_with_all_its_results(channels, tmp_path):
    made = make_screen(channels=channels, side=16, dtype="uint16")
    run = RunFolder(
        submitting.submit(
            spec(
                terms=[{"composition": COMPOSITION, "weight": 1.0}],
                epochs=1,
                batch_size=32,
                limit_train=64,
                device="cpu",
                keep={"embedding": "test"},
                evaluate={"clusters": [2], "layouts": ["pca"], "linear": {"epochs": 2}},
            ),
            start=False,
        )["id"]
    )
    assert train.main([str(run.path)]) == 0, run.log_tail()
    results = run.results().data
    assert results["dim"] == 128
    assert results["knn"]["top1"] > 0.8, "round and flat are far apart in the pixels already"
    seen = open_run(run.id)
    assert seen.x.shape == (len(made.split_ids("test")), 128)
    with Image.open(io.BytesIO(picture(seen.imageset, seen.ids[:6]))) as file:
        assert np.asarray(file).max() > 100, "16-bit cells are not shown black"
    small = thumbnails(seen.imageset, seen.ids[:4], (16, 16))
    assert small.shape[0] == 4
    assert small.max() > 100
    export(run.id, "profiles", tmp_path / "p.csv")
    assert len(pd.read_csv(tmp_path / "p.csv")) == len(seen.ids)


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_views_of_any_channels_stay_in_range_and_keep_channels_apart(channels):
    import torch

    made = make_screen(channels=channels, side=16, dtype="uint16")
    pixels = np.array(made.pixels[:8])
    composition = Composition.from_mapping(COMPOSITION)
    draws = draw(composition, np.arange(8), seed=3, epoch=0)
    (views,) = make_views(torch.from_numpy(pixels), draws, composition, max_value=made.max_value)
    assert views.shape == (2, 8, channels, 16, 16)
    assert 0 <= float(views.min()) <= float(views.max()) <= 1
    geometry = Composition.from_mapping({"version": 1, "name": "turn", "steps": STEPS[1:]})
    draws = draw(geometry, np.arange(8), seed=3, epoch=0)
    (views,) = make_views(torch.from_numpy(pixels), draws, geometry, max_value=made.max_value)
    for c in range(channels):  # a channel alone gives what it gives among others
        (alone,) = make_views(torch.from_numpy(pixels[:, c : c + 1]), draws, geometry, max_value=made.max_value)
        assert torch.equal(views[:, :, c : c + 1], alone)


@pytest.mark.parametrize("channels", [1, 2, 3, 5])
def test_lpips_sees_three_channels_whatever_there_are(channels):
    import torch

    images = torch.rand(4, channels, 64, 64, generator=torch.Generator().manual_seed(0))
    mapped = prepared(images)
    assert mapped.shape == (4, 3, 64, 64)
    brighter = prepared(images * 0.5)
    assert float((mapped - brighter).abs().mean()) > 0.05


def test_a_run_may_take_some_channels_only():
    make_screen(channels=5, side=16, dtype="uint16")
    part = store.load("kit").select(["mito", "DNA"])
    assert [c.name for c in part.channels] == ["mito", "DNA"]
    assert np.array_equal(np.asarray(part.pixels[:3])[:, 1], np.asarray(store.load("kit").pixels[:3])[:, 0])
