"""An encoder leaves in other people's formats and comes back the same."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from ssrl_core import stores
from ssrl_core.cli import main
from ssrl_core.errors import DataError, RunError, SpecError
from ssrl_core.exports import EXPORTS, content, export, refusal
from ssrl_core.exports.encoder_file import loading_code
from ssrl_core.learning.backbones import build
from ssrl_core.learning.backbones.encoder import Encoder
from ssrl_core.learning.encoders import load_encoder, save_encoder
from ssrl_core.runs.folder.run_folder import RunFolder
from tests.kit import make_run, missing


def _encoder(name: str, *, channels: int = 1, side: int = 16, stem: str = "auto") -> Encoder:
    """Weights, and running statistics of batch norm, that are not those of a fresh network."""
    encoder = build(name, channels=channels, side=side, stem=stem, mean=[0.3] * channels, sd=[0.2] * channels, seed=3)
    generator = torch.Generator().manual_seed(0)
    for module in encoder.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.copy_(0.1 * torch.randn(module.num_features, generator=generator))
            module.running_var.copy_(1 + torch.rand(module.num_features, generator=generator))
    return encoder.eval()


def _learnt(name: str = "tiny_cnn", **settings: Any) -> RunFolder:
    run = RunFolder(make_run(spec={"backbone": name}).name)
    encoder = _encoder(name, **settings)
    save_encoder(run.path / "encoder.safetensors", encoder, {"spec_hash": "abc", "version": "1"})
    return run


def _images(encoder: Encoder) -> torch.Tensor:
    return torch.rand(3, encoder.channels, encoder.side, encoder.side, generator=torch.Generator().manual_seed(1))


CASES = [
    ("resnet18", 1, 28, "small"),
    ("resnet18", 3, 64, "standard"),
    ("vgg11", 1, 16, "auto"),
    pytest.param("convnext_tiny", 3, 16, "small", marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("name", "channels", "side", "stem"), CASES)
def test_torchvision_itself_loads_the_state_dict_and_embeds_the_same(
    name: str, channels: int, side: int, stem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = _learnt(name, channels=channels, side=side, stem=stem)
    told = export(run.id, "torchvision", tmp_path / "encoder.pth")
    monkeypatch.chdir(tmp_path)
    assert "ssrl_core" not in told["code"]
    _assert_code_embeds_the_same(told["code"], run)


def test_lines_of_the_model_card_load_a_tiny_cnn_without_us(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = _learnt()
    export(run.id, "safetensors", tmp_path / "encoder.safetensors")
    export(run.id, "card", tmp_path / "card.md")
    text = (tmp_path / "card.md").read_text(encoding="utf-8")
    code = text.split("```python\n")[1].split("```")[0]
    monkeypatch.chdir(tmp_path)
    _assert_code_embeds_the_same(code, run)


def _assert_code_embeds_the_same(code: str, run: RunFolder) -> None:
    made: dict[str, Any] = {}
    exec(compile(code, "card", "exec"), made)  # the lines that the card tells a stranger to run
    encoder = load_encoder(run.path / "encoder.safetensors")
    images = _images(encoder)
    with torch.inference_mode():
        wanted = encoder(images)
    torch.testing.assert_close(made["embed"](images), wanted, rtol=1e-4, atol=1e-5)


def test_safetensors_is_the_runs_own_file(tmp_path: Path) -> None:
    run = _learnt()
    told = export(run.id, "safetensors", tmp_path / "e.safetensors")
    assert (tmp_path / "e.safetensors").read_bytes() == (run.path / "encoder.safetensors").read_bytes()
    assert (told["backbone"], told["dim"], told["bytes"]) == (
        "tiny_cnn",
        128,
        (tmp_path / "e.safetensors").stat().st_size,
    )


def test_card_says_data_spec_figures_and_who_loses(tmp_path: Path) -> None:
    run = _learnt()
    export(run.id, "card", tmp_path / "card.md")
    text = (tmp_path / "card.md").read_text(encoding="utf-8")
    for said in (
        "300 images",
        "SimCLR",
        "`identity`",
        "0.950",
        "raw pixels | 0.500",
        "worst of 3 classes",
        "batch_size: 8",
    ):
        assert said in text, said


def test_onnx_gives_the_same_embedding_for_any_number_of_images(tmp_path: Path) -> None:
    try:
        import onnxruntime
    except ImportError:
        missing("onnxruntime", "pip install onnx onnxscript onnxruntime")
    run = _learnt()
    told = export(run.id, "onnx", tmp_path / "encoder.onnx")
    assert told["output"] == {"embedding": ["batch", 128]}
    encoder = load_encoder(run.path / "encoder.safetensors")
    session = onnxruntime.InferenceSession(tmp_path / "encoder.onnx", providers=["CPUExecutionProvider"])
    for count in (1, 3):
        images = _images(encoder)[:count]
        with torch.inference_mode():
            wanted = encoder(images).numpy()
        assert np.allclose(session.run(None, {"images": images.numpy()})[0], wanted, rtol=1e-4, atol=1e-5)


def test_a_backbone_that_torchvision_has_not_is_refused_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="Export to safetensors"):
        export(_learnt().id, "torchvision", tmp_path / "e.pth")
    assert not (tmp_path / "e.pth").exists()


def test_what_cannot_be_exported_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = RunFolder(make_run(state="running").name)
    with pytest.raises(RunError, match="no encoder yet"):
        export(run.id, "safetensors", tmp_path / "e.safetensors")
    with pytest.raises(SpecError, match="one of safetensors"):
        export(run.id, "pickle", tmp_path / "e")
    with pytest.raises(SpecError, match="Make the folder first"):
        export(run.id, "card", tmp_path / "nowhere" / "card.md")
    monkeypatch.setitem(EXPORTS, "onnx", type(EXPORTS["onnx"])("", ".onnx", "", ("no_such_package",)))
    with pytest.raises(SpecError, match="pip install no_such_package"):
        export(run.id, "onnx", tmp_path / "e.onnx")


def test_a_refusal_is_known_before_anything_is_written() -> None:
    run = _learnt()
    assert [to for to in ("safetensors", "torchvision", "onnx", "card") if refusal(run.id, to)] == ["torchvision"]
    assert "Export to safetensors" in str(refusal(run.id, "torchvision"))
    assert isinstance(refusal(make_run(spec={"seed": 8}).name, "card"), RunError)  # no encoder
    assert isinstance(refusal("nothing-here", "card"), SpecError)
    (run.path / "encoder.safetensors").write_bytes(b"not weights")
    for to in ("safetensors", "torchvision", "onnx", "card"):
        assert isinstance(refusal(run.id, to), DataError)


def test_content_is_the_file_and_leaves_nothing_behind(tmp_path: Path) -> None:
    run = _learnt("resnet18")
    for to in ("safetensors", "card"):
        export(run.id, to, tmp_path / "out")
        assert content(run.id, to) == (tmp_path / "out").read_bytes()
    state = torch.load(io.BytesIO(content(run.id, "torchvision")), weights_only=True)
    assert set(state) == set(load_file(run.path / "encoder.safetensors"))
    assert list(stores.exports_root().iterdir()) == []


def test_every_row_has_its_writer() -> None:
    import importlib

    for name, row in EXPORTS.items():
        module = importlib.import_module(f"ssrl_core.exports.{row.module or name}")
        assert callable(getattr(module, f"write_{name}"))


def test_command_answers_with_one_document(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = _learnt()
    assert main(["export", run.id[:8], "--to", "card", "--out", str(tmp_path / "c.md"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["data"]
    assert (told["run"], told["to"]) == (run.id, "card")
    assert main(["export", run.id, "--to", "docx", "--out", str(tmp_path / "c"), "--json"]) == 2
    assert not json.loads(capsys.readouterr().out)["ok"]


def test_code_of_a_pth_is_read_weights_only() -> None:
    metadata = {"backbone": "resnet18", "channels": "3", "side_px": "32", "dim": "512", "stem": "small"}
    code = loading_code({**metadata, "mean": "[0.5]", "sd": "[0.2]"}, [], "e.pth")
    assert "weights_only=True" in code
