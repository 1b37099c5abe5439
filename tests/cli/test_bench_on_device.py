"""What `bench training --device cuda` and `bench views --device cuda` print, tried on the processor."""

from __future__ import annotations

import numpy as np
import pytest

from bench import bench_views
from bench.support import on_device
from bench.support.images import Pictures
from bench.support.measuring import Options
from ssrl_core.cli import main

QUICK = {"rounds": 1, "seconds": 0.01, "device": "cpu"}


def pictures(count: int = 32) -> Pictures:
    return Pictures(np.random.default_rng(0).integers(0, 256, (count, 3, 32, 32), dtype=np.uint8), "noise")


@pytest.mark.slow
def test_steps_are_measured_beside_a_loader_and_their_losses_beside_the_processors() -> None:
    options = Options(**QUICK, only=("float32",))
    found = {item.case: item for item in on_device.training_items("training", pictures(4), "resnet18", 2, options)}
    name = "cpu-resnet18-batch2-float32"
    assert list(found) == [f"{name}-{part}" for part in ("step", "step-ms", "views-ms", "curve")]
    assert found[f"{name}-step"].ratio is not None
    assert found[f"{name}-step"].peer_name == "a PIL loader's loop"
    assert found[f"{name}-curve"].ours == 0.0  # the processor beside itself
    assert 0 < found[f"{name}-views-ms"].ours < found[f"{name}-step-ms"].ours


def test_views_are_measured_beside_kornia_and_pil(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("kornia")
    case = "cifar-32-crop-flip-jitter-grey"
    monkeypatch.setitem(bench_views.CASES, case, (pictures, "basic"))
    found = list(bench_views.on_device(Options(**QUICK, only=(case,)), most=40))
    assert [(item.case, item.peer_name) for item in found] == [(f"cpu-{case}", "pil"), (f"cpu-{case}", "kornia")]
    assert all(item.ours > 0 and item.peer and item.ratio for item in found)


def test_a_card_that_is_not_there_and_a_bench_without_one_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "layout", "--device", "cuda"]) == 2
    assert "On a card there is: views, training" in capsys.readouterr().err
    assert main(["bench", "training", "--device", "cuda:77"]) == 2
    assert "a device of this machine" in capsys.readouterr().err
