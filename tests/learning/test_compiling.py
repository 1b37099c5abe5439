"""A compiled network: chosen by trying, kept by the checkpoint, refused where there is no compiler, named as before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from ssrl_core.datasets import store
from ssrl_core.errors import SpecError
from ssrl_core.learning import compiling
from ssrl_core.learning.compiling import COMPILED, GRAPHS, PLAIN
from ssrl_core.learning.loop import fit
from ssrl_core.learning.methods.base import plainly
from ssrl_core.learning.ranks import Ranks
from ssrl_core.learning.training import Training
from tests.kit import missing
from tests.learning.tiny_runs import assert_same_run, events, final_state, small_images, small_spec, stop_at


@pytest.fixture
def took(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """Seconds that a step is said to take by way; a way that is not there cannot be compiled."""
    said: dict[str, float] = {PLAIN: 1.0}
    tried: list[str] = []

    def runner(way: str) -> Any:
        tried.append(way)
        return plainly

    def seconds(device: torch.device, made: Any) -> float:
        if tried[-1] not in said:
            raise RuntimeError("no C++ compiler\nlong tale")
        return said[tried[-1]]

    monkeypatch.setattr(compiling, "runner", runner)
    monkeypatch.setattr(compiling, "_seconds", seconds)
    return said


def training(compile: str = "auto", epochs: int = 10_000) -> Training:
    images = store.load("kit") if store.is_ready("kit") else small_images()
    return Training(small_spec(epochs=epochs, compile=compile), images)


@pytest.mark.parametrize(
    ("compiled", "way", "words"),
    [
        (0.5, COMPILED, "compiled: forward and backward of a batch took plain 1000 ms, compiled 500 ms"),
        (0.99, PLAIN, "plain: forward"),
        (2.0, PLAIN, "compiled 2000 ms"),
        (None, PLAIN, "compiled: RuntimeError: no C++ compiler)"),
    ],
)
def test_what_is_faster_is_taken(took: dict[str, float], compiled: float | None, way: str, words: str) -> None:
    if compiled is not None:
        took[COMPILED] = compiled
    chosen = compiling.settle(training(), None, 0)
    assert chosen is not None
    assert chosen.way == way
    assert words in chosen.sentence


def test_a_short_training_is_not_compiled_and_no_way_is_tried_by_one_that_does_not_ask(took: dict[str, float]) -> None:
    took.update({PLAIN: 0.001, COMPILED: 0.0001})
    chosen = compiling.settle(training(epochs=3), None, 0)
    assert chosen is not None
    assert chosen.way == PLAIN
    assert "too few to pay" in chosen.sentence
    assert compiling.settle(training("never"), None, 0) is None


def test_unless_told_otherwise_a_card_tries_and_a_processor_does_not(took: dict[str, float]) -> None:
    took[COMPILED] = 0.1
    here = training("gpu")
    assert small_spec().compile == "gpu"
    assert compiling.settle(here, None, 0) is None
    here.device = torch.device("cuda")
    assert (compiling._asked(here), compiling._ways(here.device)) == ("auto", (GRAPHS, COMPILED))


def test_one_compiled_way_is_enough_and_the_next_is_tried_where_it_cannot_be_had(
    took: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiling, "_ways", lambda device: (GRAPHS, COMPILED))
    took[COMPILED] = 0.5
    found = compiling.settle(training(), None, 0)
    assert found is not None
    assert found.way == COMPILED
    assert "(compiled, as a CUDA graph: RuntimeError: no C++ compiler)" in found.sentence
    took[GRAPHS] = 0.6
    found = compiling.settle(training(), None, 0)
    assert found is not None
    assert (found.way, "500 ms" in found.sentence) == (GRAPHS, False)


def test_a_checkpoint_says_the_way_and_one_that_cannot_be_had_any_more_is_told(took: dict[str, float]) -> None:
    took[COMPILED] = 5.0
    again = compiling.settle(training(), COMPILED, 3)
    lost = compiling.settle(training(), GRAPHS, 3)
    assert again is not None
    assert lost is not None
    assert (again.way, lost.way) == (COMPILED, PLAIN)
    assert "no longer is" in lost.sentence


def test_where_the_networks_way_is_lost_views_go_plainly_too(took: dict[str, float]) -> None:
    """The checkpoint would say plain of views that are compiled, and what goes on from it would differ once more."""
    here = training()
    lost = compiling.settle(here, GRAPHS + compiling.VIEWS, 3)
    assert lost is not None
    assert (lost.way, here.carry) == (PLAIN, None)


@pytest.mark.parametrize(
    ("gave", "told"),
    [
        ((2.03, 1.0), ""),
        ((2.05, 1.0), "its loss is 2.05, 2 when plain"),
        ((2.0, 1.2), "its gradient's length is 1.2, 1 when plain"),
        ((float("nan"), 1.0), "its loss is nan, 2 when plain"),
    ],
)
def test_a_compiled_way_that_gives_something_else_is_not_taken(
    took: dict[str, float], monkeypatch: pytest.MonkeyPatch, gave: tuple[float, float], told: str
) -> None:
    took[COMPILED] = 0.1
    answers = iter([(2.0, 1.0), gave])
    monkeypatch.setattr(compiling, "_gave", lambda spare, losses: next(answers))
    found = compiling.settle(training(), None, 0)
    assert found is not None
    assert found.way == (PLAIN if told else COMPILED)
    assert told in found.sentence


def test_what_a_way_gave_is_its_loss_and_the_length_of_its_gradient() -> None:
    here = training()
    made = here.rehearsal(here.method)
    loss, length = compiling._gave(here.method, made())
    gradients = [p.grad.flatten() for p in here.method.encoder.parameters() if p.grad is not None]
    assert length == pytest.approx(float(torch.cat(gradients).norm()), rel=1e-5)
    total, _, _ = here._forward(here._rows(0), 0)
    assert loss == pytest.approx(float(total.detach()), rel=1e-5)


def test_compiled_views_that_are_others_are_not_taken(took: dict[str, float], monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(*given: Any) -> torch.Tensor:
        return compiling.graphs.carried(*given) + 0.01

    seconds = {True: 1.0, False: 0.4}
    monkeypatch.setattr(compiling, "_views_seconds", lambda training, carry: seconds[carry is None])
    monkeypatch.setattr(compiling.graphs, "compiled", lambda backend: wrong)
    here = training()
    found = compiling._with_views(here, compiling.Choice(PLAIN, "The network is plain."), 0)
    assert (found.way, here.carry) == (PLAIN, None)
    assert found.sentence == "The network is plain. Views are not compiled: they are 0.01 apart from plain."


def test_views_are_compiled_on_a_card_where_that_is_faster(
    took: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = {True: 1.0, False: 0.4}
    monkeypatch.setattr(compiling, "_views_seconds", lambda training, carry: seconds[carry is None])
    monkeypatch.setattr(compiling.graphs, "compiled", lambda backend: compiling.graphs.carried)
    here = training()
    network = compiling.Choice(PLAIN, "The network is plain.")
    found = compiling._with_views(here, network, 0)
    assert (found.way, here.carry) == ("plain+views", compiling.graphs.carried)
    assert found.sentence.endswith("Views are compiled: views took 1000 ms, compiled 400 ms.")
    again = training()
    kept = compiling.settle(again, found.way, 5)
    assert (kept, again.carry) == (
        compiling.Choice(found.way, "The network is plain, views are compiled, as before."),
        compiling.graphs.carried,
    )
    seconds[True] = 0.3
    assert compiling._with_views(training(), network, 0).way == PLAIN
    assert compiling._with_views(training(epochs=3), network, 0) == network


def test_always_is_refused_where_nothing_can_be_compiled(took: dict[str, float]) -> None:
    with pytest.raises(SpecError, match=r"never or auto here.*no C\+\+ compiler"):
        compiling.settle(training("always"), None, 0)
    several = training("always")
    several.ranks = Ranks(0, 2)
    with pytest.raises(SpecError, match="several devices"):
        compiling.settle(several, None, 0)


def test_trying_changes_nothing_of_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiling, "WORTH_S", 0.0)
    monkeypatch.setattr(compiling, "_ways", lambda device: ())  # the plain way alone is tried
    images = small_images()
    fit(small_spec("moco_v2_plus"), images, tmp_path / "never")
    fit(small_spec("moco_v2_plus", compile="auto"), images, tmp_path / "auto")
    assert_same_run(tmp_path / "never", tmp_path / "auto")
    assert len(events(tmp_path / "auto", "compile")) == 1


@pytest.mark.slow
def test_a_compiled_run_goes_on_bit_for_bit_under_the_same_names(tmp_path: Path) -> None:
    try:
        torch._inductor.cpp_builder.get_cpp_compiler()
    except Exception:  # noqa: BLE001 (torch says it in a class of its own)
        missing("g++", "install your system's C++ compiler")
    said: list[str] = []
    images, spec = small_images(), small_spec(compile="always", epochs=2)
    fit(spec, images, tmp_path / "whole", say=said.append)
    assert said[0].startswith("The network is compiled")
    stop_at(tmp_path / "broken", spec, images, 7)
    assert final_state(tmp_path / "broken")["way"] == COMPILED
    fit(small_spec(compile="auto", epochs=2), images, tmp_path / "broken", say=said.append)  # the checkpoint's way
    assert said[-1] == "The network is compiled, as before."
    assert_same_run(tmp_path / "whole", tmp_path / "broken")
    fit(small_spec(epochs=2), images, tmp_path / "plain")
    compiled, plain = (load_file(tmp_path / name / "encoder.safetensors") for name in ("whole", "plain"))
    assert compiled.keys() == plain.keys()
    for name, weight in plain.items():
        torch.testing.assert_close(compiled[name], weight, rtol=0.05, atol=5e-3)
