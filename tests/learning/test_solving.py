"""A solved run's encoder is its bank and one linear map; it learns what views share, and comes back from its file."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from ssrl_core.datasets.creation import Metadata, create
from ssrl_core.datasets.made.strokes import draw_strokes
from ssrl_core.errors import SpecError, Stopped
from ssrl_core.learning.encoders import load_encoder, save_encoder
from ssrl_core.learning.loop import fit
from ssrl_core.learning.probes.knn import knn_top1
from ssrl_core.learning.solving import bank_alone, bank_for, features_of, moments_of, solve_run
from ssrl_core.specs.run import RunSpec, dump_run
from ssrl_core.specs.yaml_files import parse_yaml
from tests.kit import make_imageset


def _spec(composition="mnist-rotation-crop", dataset="kit", **method):
    settings = {"name": "spectral", "bank": "live", "views": 3, "dim": 8, **method}
    return RunSpec.from_mapping({"dataset": dataset, "method": settings, "terms": composition, "device": "cpu"})


@pytest.mark.parametrize("bank", ["live", "random", "patches"])
@pytest.mark.parametrize("channels", [1, 5])
def test_the_encoder_comes_back_from_its_file(bank, channels, tmp_path):
    images = make_imageset(60, channels, side=24)
    encoder = solve_run(_spec(bank=bank), images)
    save_encoder(tmp_path / "e.safetensors", encoder, {})
    again = load_encoder(tmp_path / "e.safetensors")
    x = torch.rand(3, channels, encoder.side, encoder.side)
    assert again.dim == 8
    assert again.name == f"solved/{bank}"
    torch.testing.assert_close(again(x), encoder(x))
    assert torch.equal(again(x), load_encoder(tmp_path / "e.safetensors")(x))


def test_a_run_that_was_solved_is_a_bank_for_another(tmp_path):
    from ssrl_core import stores

    images = make_imageset(60, side=24)
    for name, bank in (("one", "live"), ("two", "run:one"), ("three", "run:two")):
        encoder = solve_run(_spec(bank=bank), images)
        (stores.runs_root() / name).mkdir()
        save_encoder(stores.runs_root() / name / "encoder.safetensors", encoder, {})
    x = torch.rand(2, 1, encoder.side, encoder.side)
    torch.testing.assert_close(load_encoder(stores.runs_root() / "three" / "encoder.safetensors")(x), encoder(x))


def test_the_encoder_does_what_features_and_map_do():
    images = make_imageset(60, side=32)
    spec = _spec()
    encoder = solve_run(spec, images)
    ids = images.split_ids("train")
    bank = bank_for("live", images, ids, 32, seed=5)
    moments = moments_of(images, ids, spec.terms, bank, views=3, seed=5)
    from ssrl_core.learning.closed_form import solve

    found = solve(moments, mu=0.01, dim=8, power=1.0)
    features = features_of(images, ids, spec.terms[0].composition, bank)
    pixels = torch.from_numpy(np.array(images.pixels[ids])).float() / 255
    np.testing.assert_allclose(encoder(pixels).numpy(), found.embed(features), rtol=1e-3, atol=1e-3)


def test_the_reference_is_the_bank_alone():
    images = make_imageset(60, side=32)
    assert bank_alone(_spec(), images).dim == 576


def test_solving_beats_raw_pixels_and_the_bank_alone_on_strokes():
    pixels, table = draw_strokes(900, seed=7)
    images = create("some-strokes", pixels, table, Metadata(label="digit"))
    spec = _spec(dataset="some-strokes", dim=32, views=6)
    encoder, alone = solve_run(spec, images), bank_alone(spec, images)
    train, test = images.split_ids("train"), images.split_ids("test")

    def knn(made):
        x = torch.from_numpy(pixels).float() / 255
        if made is not None:
            x = torch.nn.functional.interpolate(x, (32, 32), mode="bilinear")
        x = x.flatten(1) if made is None else made(x)
        labels = images.label_ids
        return knn_top1(x[train].numpy(), labels[train], x[test].numpy(), labels[test], k=20)

    assert knn(encoder) > knn(alone) + 0.02
    assert knn(encoder) > knn(None) + 0.02


def test_a_solved_run_is_a_spec_of_its_own():
    spec = _spec()
    assert (spec.is_trained, spec.is_solved, spec.epochs, spec.backbone.name) == (False, True, 0, "live")
    assert RunSpec.from_mapping(parse_yaml(dump_run(spec), "spec")) == spec
    assert spec.run_id("f" * 8).startswith("kit-spectral-live-s5-")
    assert spec.spec_hash("f") != _spec(mu=0.02).spec_hash("f")
    same = {"dataset": "kit", "terms": "mnist-rotation-crop", "device": "cpu", "epochs": 9, "backbone": "resnet18"}
    named = {"name": "spectral", "bank": "live", "views": 3, "dim": 8}
    assert RunSpec.from_mapping({**same, "method": named}).spec_hash("f") == spec.spec_hash("f")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"bank": "randm"}, "Did you mean random"),
        ({"mu": 0}, "mu must be"),
        ({"views": 1}, "views must be"),
        ({"temperature": 1}, "a setting of method spectral"),
    ],
)
def test_wrong_settings_are_named(wrong, said):
    with pytest.raises(SpecError, match=said):
        _spec(**wrong)


def test_a_stop_leaves_nothing_behind_and_the_bytes_are_the_same_again(tmp_path):
    images = make_imageset(80, side=24)
    with pytest.raises(Stopped):
        fit(_spec(), images, tmp_path / "a", should_stop=lambda: True)
    assert not (tmp_path / "a").exists()
    shares = []
    for name in ("a", "b"):
        fit(_spec(), images, tmp_path / name, report=lambda p: shares.append(p.step / p.steps))
    one, other = ((tmp_path / name / "encoder.safetensors").read_bytes() for name in ("a", "b"))
    assert one == other
    assert shares[-1] == 1.0


def test_what_the_file_says_of_itself(tmp_path):
    from safetensors import safe_open

    images = make_imageset(60, side=24)
    fit(_spec(), images, tmp_path)
    with safe_open(tmp_path / "encoder.safetensors", framework="pt") as file:
        metadata = file.metadata()
    assert metadata["backbone"] == "solved/live"
    assert json.loads(metadata["spec"])["method"]["name"] == "spectral"
