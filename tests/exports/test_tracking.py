"""Runs for TensorBoard and MLflow: what is written is what the folder holds; their packages are stood in for."""

from __future__ import annotations

import importlib.util
import json
import sys
import types

import pytest

from ssrl_core.cli import main
from ssrl_core.errors import SpecError
from ssrl_core.exports import tracking
from ssrl_core.runs.folder.run_folder import RunFolder
from tests.kit import make_run


@pytest.fixture
def run():
    return RunFolder(make_run().name)


@pytest.fixture
def installed(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())


def test_tensorboard_gets_every_point_of_the_curves_and_the_results(run, installed, monkeypatch, tmp_path):
    written = []

    class SummaryWriter:
        def __init__(self, folder):
            written.append(folder)

        def add_text(self, name, text):
            assert "tiny_cnn" in text

        def add_scalar(self, name, value, step):
            written.append((name, step, value))

        def close(self):
            written.append("closed")

    module = types.ModuleType("torch.utils.tensorboard")
    module.SummaryWriter = SummaryWriter
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    answer = tracking.track(run, "tensorboard", tmp_path)
    assert (written[0], written[-1]) == (str(tmp_path / run.id), "closed")
    losses = [(step, value) for name, step, value in written[1:-1] if name == "train/loss"]
    table = run.metrics()[["step", "loss"]].dropna()
    assert losses == list(zip(table["step"], table["loss"], strict=True))
    assert ("results/knn/top1", 4, run.results().data["knn"]["top1"]) in written
    assert answer["points"] == len(written) - 2


def test_mlflow_run_is_written_anew_each_time(run, installed, monkeypatch, tmp_path):
    calls = []

    class Client:
        def __init__(self, tracking_uri):
            assert tracking_uri.startswith("file://")

        def __getattr__(self, name):
            def call(*args, **kwargs):
                calls.append((name, args))
                info = types.SimpleNamespace(run_id="r1")
                answers = {
                    "get_experiment_by_name": None,
                    "create_experiment": "e1",
                    "search_runs": [types.SimpleNamespace(info=types.SimpleNamespace(run_id="old"))],
                    "create_run": types.SimpleNamespace(info=info),
                }
                return answers.get(name)

            return call

    module = types.ModuleType("mlflow")
    module.MlflowClient = Client
    monkeypatch.setitem(sys.modules, "mlflow", module)
    answer = tracking.track(run, "mlflow", tmp_path)
    assert ("delete_run", ("old",)) in calls
    assert ("log_param", ("r1", "method.name", "simclr")) in calls
    assert sum(name == "log_metric" for name, _ in calls) == answer["points"] > 3


def test_tracker_that_is_not_installed_or_unknown_is_said(run, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SpecError, match="pip install mlflow"):
        tracking.track(run, "mlflow", tmp_path)
    with pytest.raises(SpecError, match="to must be one of"):
        tracking.track(run, "wandb", tmp_path)


def test_command_tracks_a_run(run, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(tracking, "track", lambda run, to, out: {"run": run.id, "to": to, "out": str(out), "points": 3})
    assert main(["runs", "track", run.id, "--to", "tensorboard", "--out", str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["data"]["points"] == 3
