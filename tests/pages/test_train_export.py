"""Taking the network of a finished run home from its sheet."""

import pytest
import torch
from streamlit.testing.v1 import AppTest

from pages.ui.train import sheet as train_sheet
from ssrl_core import exports, stores
from ssrl_core.cli import main
from ssrl_core.learning.backbones import build
from ssrl_core.learning.encoders import save_encoder
from ssrl_core.runs import jobs
from ssrl_core.runs.folder.run_folder import RunFolder
from tests.kit import ROOT, make_run


def learnt(backbone: str = "tiny_cnn") -> RunFolder:
    run = RunFolder(make_run(spec={"backbone": backbone}).name)
    encoder = build(backbone, channels=1, side=16, stem="auto", mean=[0.3], sd=[0.2], seed=3).eval()
    save_encoder(run.path / "encoder.safetensors", encoder, {"spec_hash": "abc", "version": "1"})
    return run


def sheet(run: RunFolder) -> AppTest:
    test = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60).run().switch_page("pages/3_Train.py")
    test.query_params["run"] = run.id
    test.run()
    assert not test.exception
    return test


def text_of(test: AppTest) -> str:
    return " ".join(str(block.proto.body) for block in test.get("html"))


def downloads(test: AppTest) -> list[str]:
    return [button.proto.label for button in test.get("download_button") if "train-export" in button.proto.id]


def test_each_format_has_its_button_or_says_why_not():
    test = sheet(learnt())
    assert downloads(test) == ["Encoder, safetensors", "Model card"]
    refused = test.button(key="train-export-torchvision")
    assert refused.disabled
    assert "one that torchvision has" in text_of(test)
    assert test.button(key=next(b.key for b in test.button if b.key.startswith("job-onnx"))).label == "Make ONNX"
    assert "load_file" not in " ".join(block.value for block in test.code)
    test.session_state["train-export-code"] = True
    test.run()
    assert any("def embed(images)" in block.value for block in test.code)


def test_a_run_without_a_network_says_so_for_every_format():
    test = sheet(RunFolder(make_run().name))
    assert downloads(test) == []
    assert text_of(test).count("there is no encoder yet") == 4


def test_onnx_is_made_by_a_job_and_offered_once_it_is_there(monkeypatch):
    started = []
    monkeypatch.setattr(jobs, "start", lambda name, words: started.append((name, words)))
    run = learnt()
    test = sheet(run)
    test.button(key=f"job-onnx-{run.id}").click().run()
    out = stores.exports_root() / f"{run.id}.onnx"
    assert started == [(f"onnx-{run.id}", ["export", run.id, "--to", "onnx", "--out", str(out)])]
    jobs._write(jobs.file_of(f"onnx-{run.id}"), "failed", 0.0, "the exporter met a layer it does not know", 1)
    assert "the exporter met a layer" in sheet(run).error[0].value
    out.write_bytes(b"a graph")
    jobs._write(jobs.file_of(f"onnx-{run.id}"), "done", 1.0, "", 1)
    assert "Encoder, ONNX" in downloads(sheet(run))


@pytest.mark.slow
def test_the_command_of_the_job_writes_the_graph_and_reports(monkeypatch):
    run = learnt()
    report = jobs.file_of(f"onnx-{run.id}")
    monkeypatch.setenv(jobs.VARIABLE, str(report))
    out = stores.exports_root() / f"{run.id}.onnx"
    assert main(["export", run.id, "--to", "onnx", "--out", str(out)]) == 0
    assert jobs.state_of(f"onnx-{run.id}")["state"] == "done"
    assert out.stat().st_size > 1000
    assert main(["export", run.id, "--to", "torchvision", "--out", str(out)]) == 2
    assert "one that torchvision has" in jobs.state_of(f"onnx-{run.id}")["message"]


def test_what_is_downloaded_loads_in_torchvision(tmp_path):
    import torchvision

    run = learnt("resnet18")
    assert train_sheet.AT_ONCE == ("safetensors", "torchvision", "card")
    file = tmp_path / "e.pth"
    file.write_bytes(exports.content(run.id, "torchvision"))
    network = torchvision.models.resnet18()
    network.conv1 = torch.nn.Conv2d(1, 64, 3, padding=1, bias=False)
    network.maxpool, network.fc = torch.nn.Identity(), torch.nn.Identity()
    network.load_state_dict(torch.load(file, weights_only=True))
