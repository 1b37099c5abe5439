"""`method: spectral` is a run like any other: solved, measured, exported, swept; never called trained."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ssrl_core import exports
from ssrl_core.exports.card import card
from ssrl_core.learning.encoders import load_encoder
from ssrl_core.runs.evaluation.parts import missing_parts
from ssrl_core.runs.folder.run_folder import RunFolder, imageset_of
from ssrl_core.runs.queue import submitting, sweeps
from ssrl_core.runs.worker.estimate import estimate, seconds_per_view
from ssrl_core.specs.run import RunSpec
from ssrl_core.specs.sweep import SweepSpec
from tests.kit import make_imageset, missing
from tests.runs.test_phases import work

ASKED = {"clusters": [3], "layouts": ["pca"], "linear": {"epochs": 2}, "knn": {"k": 5}}
FLIPS = {"version": 1, "name": "flips", "steps": [{"transform": "horizontal_flip", "p": 0.5}]}
METHOD = {"name": "spectral", "bank": "live", "views": 3, "dim": 6}


def _spec(**changes):
    return RunSpec.from_mapping(
        {
            "dataset": "kit",
            "method": METHOD,
            "terms": "mnist-rotation-crop",
            "device": "cpu",
            "evaluate": ASKED,
            **changes,
        }
    )


@pytest.fixture
def solved():
    """A finished solved run."""
    make_imageset(90, side=20)
    run = RunFolder(submitting.submit(_spec(), start=False)["id"])
    work(run)
    return run


def test_a_solved_run_has_everything_that_a_trained_one_has(solved):
    spec = _spec()
    assert not missing_parts(solved, spec, imageset_of(spec))
    results = solved.results().data
    assert solved.id.startswith("kit-spectral-live-s5-")
    assert results["dim"] == 6
    assert results["seconds"]["train"] > 0
    assert results["knn"]["top1"] > 0.6
    assert results["references"]["untrained"] is not None
    assert results["view"] is not None
    assert {"3"} == set(results["clusters"])
    x, _ = solved.embedding()
    assert x.shape[1] == 6
    assert len(solved.metrics()) == 0
    assert 0 < seconds_per_view(spec, imageset_of(spec)) < 1
    assert estimate(spec, imageset_of(spec)).train_s > 1


def test_the_log_and_the_card_say_solved_not_trained(solved):
    other = RunFolder(submitting.submit(_spec(seed=6), start=False)["id"])
    quiet = work(other)
    assert any("solved in closed form, not trained" in text for text in quiet.said)
    assert quiet.fields["epochs"] == 0
    text = card(solved)
    assert "solved, not trained" in text
    assert "trained with" not in text


def test_the_lines_of_the_card_load_the_network_without_us(solved, tmp_path):
    made = exports.export(solved.id, "safetensors", tmp_path / "encoder.safetensors")
    assert made
    code = card(solved).split("```python\n")[1].split("```")[0]
    assert "ssrl_core" not in code
    names: dict = {}
    exec(code.replace("encoder.safetensors", str(tmp_path / "encoder.safetensors")), names)
    encoder = load_encoder(solved.path / "encoder.safetensors")
    x = torch.rand(4, 1, encoder.side, encoder.side)
    torch.testing.assert_close(names["embed"](x), encoder(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("side", [20, 64])
def test_onnx_gives_the_same_numbers(side, tmp_path):
    try:
        import onnxruntime
    except ImportError:
        missing("onnxruntime", "pip install onnx onnxscript onnxruntime")
    make_imageset(90, side=side)
    method = {**METHOD, "bank": "random"}
    run = RunFolder(submitting.submit(_spec(method=method, terms=FLIPS), start=False)["id"])
    work(run)
    exports.export(run.id, "onnx", tmp_path / "encoder.onnx")
    encoder = load_encoder(run.path / "encoder.safetensors")
    x = torch.rand(3, 1, encoder.side, encoder.side)
    assert encoder.side == side
    session = onnxruntime.InferenceSession(tmp_path / "encoder.onnx", providers=["CPUExecutionProvider"])
    with torch.inference_mode():
        wanted = encoder(x).numpy()
    np.testing.assert_allclose(session.run(None, {"images": x.numpy()})[0], wanted, rtol=1e-3, atol=1e-4)


def test_a_sweep_over_compositions_and_settings_of_solved_runs():
    make_imageset(60, side=20)
    vary = {"terms": ["mnist-rotation-crop", "mnist-second-set"], "method.mu": [0.01, 1.0]}
    data = {**_spec().to_mapping(), "vary": vary, "seeds": [5, 6]}
    told = sweeps.submit(SweepSpec.from_mapping(data), start=False)
    rows = sweeps.members(told["id"])
    assert len({row["id"] for row in rows}) == 8
    assert all(row["id"].startswith("kit-spectral-live-s") for row in rows)
