"""What a step is said to hold is what torch's allocator counts when it is taken."""

from __future__ import annotations

import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from ssrl_core.learning.memory import RESERVE, largest_batch, step_bytes
from ssrl_core.learning.training import Training
from tests.kit import make_imageset
from tests.learning.tiny_runs import small_images, small_spec


def counted_bytes(training: Training) -> int:
    """What is held between steps, the views, and the peak of the allocator's own messages during a step."""
    training.step(0)
    views = training._views(training._rows(0), 0)
    training._views = lambda rows, epoch: views  # type: ignore[method-assign]
    kept = [*training.method.state_dict().values(), *(view for term in views for view in term.all)]
    kept += [value for state in training.optimizer.state.values() for value in state.values()]
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        training.step(0)
    events = [event for event in seen.profiler.kineto_results.events() if event.name() == "[memory]"]
    now = peak = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        now += event.nbytes()
        peak = max(peak, now)
    return peak + sum(value.numel() * value.element_size() for value in kept if isinstance(value, torch.Tensor))


@pytest.mark.parametrize(("method", "backbone"), [("simclr", "tiny_cnn"), ("byol", "resnet18")])
def test_a_step_holds_what_was_forecast(method: str, backbone: str) -> None:
    images = make_imageset(96, side=16)
    spec = small_spec(method, backbone=backbone, batch_size=32)
    forecast = step_bytes(spec, images, 32)
    assert forecast == pytest.approx(counted_bytes(Training(spec, images)), rel=0.15)


@pytest.mark.parametrize("method", ["swav", "moco_v2_plus", "deepcluster_v2", "w_mse", "vicreg"])
def test_a_forecast_grows_with_the_batch(method: str) -> None:
    images = small_images(24)
    spec = small_spec(method)
    few, many = (step_bytes(spec, images, count) for count in (256, 512))
    assert 0 < few < many


def test_the_largest_batch_holds_what_is_free() -> None:
    images, spec = small_images(24), small_spec()
    found = largest_batch(spec, images, RESERVE + 200e6)
    assert step_bytes(spec, images, found) == pytest.approx(200e6, rel=0.1)
    assert largest_batch(spec, images, 1e6) == 0
