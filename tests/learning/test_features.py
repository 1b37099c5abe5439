"""Feature banks: every row can be built, takes any images, and gives the same numbers again."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from ssrl_core.errors import SpecError
from ssrl_core.learning import features
from ssrl_core.specs.backbones import BANKS, check_bank
from tests.kit import no_network

WEIGHTS = Path(os.environ.get("SSRL_SHARED", "../shared")) / "data" / "weights"


def _built(name, channels=1, side=28, seed=5, count=40):
    images = torch.rand(count, channels, side, side, generator=torch.Generator().manual_seed(1))
    bank = features.build(name, images, seed=seed, mean=[0.5] * channels, sd=[0.25] * channels)
    return bank, images


@pytest.fixture
def weights(tmp_path):
    """ImageNet weights where a user lays them."""
    from ssrl_core import stores

    for name in ("alexnet", "vgg16"):
        file = f"{name}_features.safetensors"
        if not (WEIGHTS / file).is_file():
            if os.environ.get("CI"):
                pytest.fail(f"{WEIGHTS / file} is missing")
            pytest.skip(f"lay {file} into {WEIGHTS}")
        (stores.weights_root() / file).symlink_to((WEIGHTS / file).resolve())


@pytest.mark.parametrize("name", [name for name, row in BANKS.items() if not row.weights])
@pytest.mark.parametrize(("channels", "side"), [(1, 28), (5, 40), (3, 196)])
def test_a_bank_takes_any_channels_and_sides(name, channels, side):
    bank, images = _built(name, channels, side)
    found = bank.features(images)
    assert found.shape == (len(images), bank.dim)
    assert bank.dim == BANKS[name].dim
    assert torch.isfinite(found).all()
    torch.testing.assert_close(found[3:5], bank.features(images[3:5]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["random", "patches"])
def test_the_seed_decides_the_weights_and_leaves_the_global_state_alone(name):
    before = torch.get_rng_state()
    one, again, other = (_built(name, seed=seed)[0] for seed in (5, 5, 6))
    assert torch.equal(before, torch.get_rng_state())
    images = _built(name)[1]
    assert torch.equal(one.features(images), again.features(images))
    assert not torch.allclose(one.features(images), other.features(images))


@pytest.mark.usefixtures("weights")
@pytest.mark.parametrize("name", [name for name, row in BANKS.items() if row.weights])
def test_stages_of_imagenet_networks_equal_those_of_torchvision(name):
    import torchvision

    bank, images = _built(name, channels=3, side=64, count=2)
    network = getattr(torchvision.models, name)().features.eval()
    network.load_state_dict({k.removeprefix("features."): v for k, v in bank.module.state_dict().items()})
    mean, sd = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    maps, means = (images - mean.view(1, 3, 1, 1)) / sd.view(1, 3, 1, 1), []
    with torch.no_grad():
        for layer in network:
            maps = layer(maps)
            means.append(maps.mean(dim=(2, 3)))
    ends = {"alexnet": (1, 4, 7, 9, 11), "vgg16": (3, 8, 15, 22, 29)}[name]
    torch.testing.assert_close(bank.features(images), torch.cat([means[end] for end in ends], 1), rtol=1e-4, atol=1e-4)
    assert bank.dim == BANKS[name].dim


@pytest.mark.parametrize("name", ["alexnet", "vgg16"])
def test_missing_weights_are_named_with_their_place(name, monkeypatch):
    monkeypatch.setattr("urllib.request.urlopen", no_network)
    with pytest.raises(SpecError, match="weights"):
        _built(name, channels=3)


def test_a_finished_run_is_a_bank(tmp_path):
    from ssrl_core import stores
    from ssrl_core.learning.backbones import build
    from ssrl_core.learning.encoders import save_encoder

    encoder = build("tiny_cnn", channels=1, side=28, mean=[0.1], sd=[0.2], seed=3).eval()
    folder = stores.runs_root() / "some-run"
    folder.mkdir()
    save_encoder(folder / "encoder.safetensors", encoder, {})
    bank, images = _built("run:some-run")
    with torch.no_grad():
        torch.testing.assert_close(bank.features(images), encoder(images), rtol=1e-4, atol=1e-5)
    with pytest.raises(SpecError, match="channels must be 1"):
        _built("run:some-run", channels=3)
    with pytest.raises(SpecError, match="whose encoder is there"):
        _built("run:no-run")


@pytest.mark.parametrize("wrong", ["randm", "", None, 3, "run:../x", "timm/a b"])
def test_an_unknown_bank_is_refused_with_the_nearest(wrong):
    with pytest.raises(SpecError, match="bank must be one of random"):
        check_bank(wrong, "Method spectral")


def test_backbones_and_timm_are_banks():
    assert check_bank("resnet18", "x") == "resnet18"
    assert check_bank("timm/resnet10t", "x") == "timm/resnet10t"
