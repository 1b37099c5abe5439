"""`evaluate.embed`: what is embedded is the backbone's features, the projector's output, or the momentum network's."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ssrl_core.errors import DataError, SpecError
from ssrl_core.learning.encoders import load_encoder
from ssrl_core.learning.heads import embedder
from ssrl_core.learning.loop import fit
from ssrl_core.runs.folder.checking import damages
from ssrl_core.runs.folder.run_folder import RunFolder
from ssrl_core.runs.folder.verdict import in_words
from ssrl_core.runs.queue import submitting
from ssrl_core.specs.methods import METHODS
from ssrl_core.specs.run import HEADS_FILE, RunSpec, dump_run
from ssrl_core.specs.yaml_files import parse_yaml
from tests.kit import make_imageset
from tests.learning.tiny_runs import small_images, small_spec
from tests.runs.test_phases import SMALL, work

MOCO = {"name": "moco_v2_plus", "hidden_dim": 16, "projection_dim": 6, "queue_size": 8}
EVALUATE = {"clusters": [3], "layouts": [], "linear": None, "knn": {"k": 5}}


def _spec(embed="backbone", **changes):
    from tests.runs.conftest import spec

    evaluate = {**EVALUATE, **({} if embed is None else {"embed": embed}), **changes.pop("evaluate", {})}
    return spec(**{**SMALL, "method": MOCO, **changes, "evaluate": evaluate})


def _run(*args, **changes):
    run = RunFolder(submitting.submit(_spec(*args, **changes), start=False)["id"])
    return run, work(run)


@pytest.mark.parametrize("method", METHODS)
def test_the_heads_of_every_method_are_embedded_as_they_were_when_the_training_ended(method, tmp_path):
    images, has_teacher = small_images(32), METHODS[method].has_teacher
    spec = small_spec(method, epochs=1, evaluate={"embed": "teacher" if has_teacher else "head"})
    fit(spec, images, tmp_path)
    state = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    encoder = load_encoder(tmp_path / "encoder.safetensors")
    made = embedder(tmp_path, spec, encoder, 32)
    from ssrl_core.learning.training import Training

    training = Training(spec, images)
    training.load(state)
    held = training.method.eval()
    network, heads = (held.teacher["encoder"], held.teacher) if has_teacher else (held.encoder, held.heads)
    shown = torch.rand(5, 1, 16, 16)
    with torch.inference_mode():
        expected = held.projection(heads["projector"])(network(shown))
        np.testing.assert_allclose(made(shown), expected, atol=1e-5)
    assert made.dim == expected.shape[1] == spec.method["projection_dim"]
    (tmp_path / "checkpoint.pt").unlink()
    with torch.inference_mode():
        again = embedder(tmp_path, spec, encoder, 32)(shown)
    torch.testing.assert_close(again, made(shown))


def test_a_run_is_measured_on_what_is_embedded_and_says_so():
    make_imageset()
    run, _ = _run("teacher", evaluate={"finetune": [1.0]})
    x, _ = run.embedding()
    assert x.shape[1] == run.results().dim == 6
    assert run.results().embed == "teacher"
    assert "momentum network's output (6 numbers)" in in_words(run.results(), run.spec())
    assert run.results().finetune["1"].top1 is not None
    assert (run.path / HEADS_FILE).is_file()
    assert not (run.path / "checkpoint.pt").exists()


def test_asked_for_another_output_a_run_is_measured_anew_and_not_trained_again():
    make_imageset()
    run, _ = _run("head")
    encoder, head = (run.path / "encoder.safetensors").read_bytes(), run.embedding()[0]
    again, told = _run("backbone")
    assert again.id == run.id
    assert told.said[0].startswith("to do: embed, clusters.3")
    assert run.embedding()[0].shape[1] != head.shape[1]
    assert run.results().embed == "backbone"
    _run("head")
    np.testing.assert_array_equal(run.embedding()[0], head)
    assert (run.path / "encoder.safetensors").read_bytes() == encoder
    assert damages(run) == []


def test_heads_that_were_not_kept_are_refused_before_the_run_is_queued_again():
    make_imageset()
    run, _ = _run()
    with pytest.raises(SpecError, match="its heads were not kept"):
        _run("head")
    assert run.spec().evaluate.embed == "backbone"
    kept, _ = _run(seed=6, keep={"checkpoint": "always"})
    _run("head", seed=6)
    assert kept.results().dim == 6


def test_damaged_heads_are_named():
    make_imageset()
    run, _ = _run("head")
    path = run.path / HEADS_FILE
    content = bytearray(path.read_bytes())
    content[-3] ^= 255
    path.write_bytes(bytes(content))
    assert [found.file for found in damages(run)] == [HEADS_FILE]
    with pytest.raises(DataError, match="heads cannot be read"):
        embedder(run.path, run.spec(), load_encoder(run.path / "encoder.safetensors"), 16)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"embed": "teacher", "method": {"name": "simclr"}}, "which has no momentum network"),
        ({"embed": "head", "method": {"name": "spectral"}}, "which has no heads"),
        ({"embed": "head", "condition": "draws"}, "told what was drawn"),
        ({"embed": "tail"}, "embed must be"),
    ],
)
def test_what_a_method_does_not_have_is_said_before_the_queue(changes, said):
    with pytest.raises(SpecError, match=said):
        _spec(**changes)


def test_the_choice_is_written_where_it_is_made_and_not_hashed():
    backbone, head = _spec(), _spec("head")
    assert "embed" not in backbone.to_mapping()["evaluate"]
    assert RunSpec.from_mapping(parse_yaml(dump_run(head), "spec")) == head
    assert backbone.spec_hash("f") == head.spec_hash("f")
