"""`evaluate.input`: a network is measured on what the composition's fixed steps leave of an image, or on all of it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from ssrl_core.compositions.draws import shown_of, shown_view
from ssrl_core.errors import SpecError
from ssrl_core.exports.card import card
from ssrl_core.learning.encoders import load_encoder
from ssrl_core.learning.solving import bank_alone, solve_run
from ssrl_core.runs.evaluation import baseline
from ssrl_core.runs.evaluation.images import EvaluationImages, Features, embedding_of, encoder_features, extract
from ssrl_core.runs.evaluation.parts import Evaluation, missing_parts, references, view
from ssrl_core.runs.folder.run_folder import RunFolder, imageset_of
from ssrl_core.runs.queue import submitting
from ssrl_core.specs.composition import Composition, load
from ssrl_core.specs.run import RunSpec, dump_run
from ssrl_core.specs.yaml_files import parse_yaml
from tests.kit import make_imageset
from tests.runs.test_phases import work

CROP = {"transform": "center_crop", "p": 1.0, "side": [0.5, 0.5]}
FLIP = {"transform": "horizontal_flip", "p": 0.5}


def _composition(*steps, **more):
    return {"version": 1, "name": "some", "steps": list(steps), **more}


def _spec(input="fixed_steps", terms=None, **evaluate):
    asked = {"clusters": [3], "layouts": [], "linear": {"epochs": 2}, "knn": {"k": 5}, "input": input, **evaluate}
    return RunSpec.from_mapping(
        {
            "dataset": "kit",
            "method": {"name": "spectral", "bank": "live", "views": 3, "dim": 6},
            "terms": terms or [{"composition": _composition(FLIP, CROP)}],
            "device": "cpu",
            "evaluate": asked,
        }
    )


def _run(spec):
    run = RunFolder(submitting.submit(spec, start=False)["id"])
    return run, work(run)


def _batches(spec, images, ids):
    return torch.cat(list(EvaluationImages(spec, images).batches(ids)))


def test_images_are_the_centre_pixel_for_pixel():
    images = make_imageset(40, 2, side=24)
    ids = np.arange(7)
    shown = _batches(_spec(terms=[{"composition": _composition(FLIP, CROP, size=12)}]), images, ids)
    np.testing.assert_allclose(shown.numpy(), images.pixels[ids][:, :, 6:18, 6:18] / images.max_value, atol=1e-6)
    whole = _batches(_spec("whole"), images, ids)
    np.testing.assert_allclose(whole.numpy(), images.pixels[ids] / images.max_value, atol=1e-6)


def test_sixteen_bit_images_are_shown_in_the_same_way():
    images = make_imageset(40, 1, side=24, dtype="uint16")
    spec = _spec(terms=[{"composition": _composition(CROP, size=12)}])
    found = _batches(spec, images, np.arange(3))
    expected = images.pixels[:3][:, :, 6:18, 6:18] / images.max_value
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-6)


def test_without_a_fixed_step_images_are_whole():
    images = make_imageset(40, side=24)
    spec = _spec(terms=[{"composition": _composition(FLIP)}])
    assert shown_of(spec) is None
    assert torch.equal(_batches(spec, images, np.arange(3)), _batches(_spec("whole"), images, np.arange(3)))


def test_of_a_weighted_sum_the_first_term_with_a_fixed_step_says_what_is_shown():
    left, right = load("cells-figure6-left"), load("cells-figure6-right")
    fixed = shown_view([left, right])
    assert fixed is not None
    assert [step.transform for step in fixed.views[0].steps] == ["center_crop"]
    assert shown_view([left]) is None
    weightless = _spec(terms=[{"composition": _composition(CROP), "weight": 0.0}, {"composition": _composition(FLIP)}])
    assert shown_of(weightless) is None


def test_steps_with_chance_are_not_shown():
    steps = [
        FLIP,
        {"transform": "gaussian_noise", "p": 1.0, "sigma": [0.1, 0.1]},
        {"transform": "rotation", "degrees": 9},
    ]
    assert shown_view([Composition.from_mapping(_composition(*steps))]) is None


def test_embedding_references_and_probes_see_the_same_images(monkeypatch):
    make_imageset(90, side=24)
    for mode in ("cached", "paper"):
        asked = {"linear": {"mode": mode, "epochs": 2}, "finetune": [1.0]}
        run, _ = _run(_spec(**asked))
        spec = run.spec()
        images = EvaluationImages(spec, imageset_of(spec))
        x, ids = run.embedding()
        encoder = load_encoder(run.path / "encoder.safetensors")
        with torch.inference_mode():
            small = torch.from_numpy(np.array(images.imageset.pixels[ids][:, :, 6:18, 6:18])).float() / 255
            sides = {"size": (24, 24), "mode": "bilinear", "antialias": True}
            made = encoder(torch.nn.functional.interpolate(small, **sides))
        np.testing.assert_allclose(x, made.numpy(), atol=2e-2 * np.abs(x).max())
        here = embedding_of(images, encoder, "cpu", lambda share: None)
        np.testing.assert_allclose(here.of(ids), x, atol=1e-4)
        monkeypatch.setattr("ssrl_core.runs.evaluation.images._IN_MEMORY", 0)
        there = embedding_of(images, encoder, "cpu", lambda share: None, run.path)
        assert isinstance(there.x, np.memmap)
        np.testing.assert_array_equal(there.x, here.x)
        assert run.results().linear.settings["mode"] == mode
        assert "1" in run.results().finetune


def test_what_a_solved_network_and_its_bank_say_comes_of_one_pass_and_is_what_two_give():
    images = EvaluationImages(_spec(), make_imageset(90, side=24))
    encoder = solve_run(images.spec, images.imageset)
    features = embedding_of(images, encoder, "cpu", lambda share: None)
    alone = extract(
        images.batches(images.every), {"": encoder_features(bank_alone(images.spec, images.imageset), "cpu")}
    )
    np.testing.assert_allclose(features.alone, alone[""], atol=1e-4)
    run = RunFolder("none")
    once, twice = (Evaluation(run, images, x, encoder, "cpu", lambda share: None) for x in (features, _bare(features)))
    assert references.make(once) == references.make(twice)
    own = {"own": encoder_features(encoder, "cpu"), **references.unlearnt(once)}
    found, _ = references.measured(images, lambda ids: images.views(ids, "cpu"), own)
    assert view.make(once)[0] == {**found.pop("own"), "references": found}


def _bare(features):
    return Features(features.ids, features.x)


def test_references_of_the_centre_are_others_than_those_of_whole_images():
    """Classes that only the border tells apart are lost to pixels and network alike."""
    images = make_imageset(120, side=24, classes=3)
    pixels = np.array(images.pixels)
    inside = np.random.default_rng(0).integers(0, 255, (120, 1, 12, 12))
    pixels[:] = (60 * images.label_ids)[:, None, None, None]
    pixels[:, :, 6:18, 6:18] = inside
    from ssrl_core.datasets.creation import Metadata, create

    create("bordered", pixels, pd.DataFrame({"label": images.label_ids.astype(str)}), Metadata(label="label"))
    found = {}
    for input in ("whole", "fixed_steps"):
        data = _spec(input).to_mapping() | {"dataset": {"name": "bordered"}, "seed": 5 if input == "whole" else 6}
        run, _ = _run(RunSpec.from_mapping(data))
        found[input] = run.results()
        assert run.results().input == input
    whole, centre = found["whole"].reference("pixels").knn, found["fixed_steps"].reference("pixels").knn
    assert whole > 0.95 > 0.7 > centre
    assert found["fixed_steps"].knn.top1 < 0.7 < found["whole"].knn.top1


def test_asked_for_with_the_other_input_a_run_is_measured_anew_and_not_trained_again():
    make_imageset(90, side=24)
    run, _ = _run(_spec("whole"))
    before, encoder = run.results().data, (run.path / "encoder.safetensors").read_bytes()
    (run.path / "scores_kmeans_s0.json").write_text("{}")
    assert missing_parts(run, _spec("whole"), imageset_of(_spec())) == []
    assert "train" not in missing_parts(run, _spec(), imageset_of(_spec()))
    again, told = _run(_spec())
    assert again.id == run.id
    assert told.said[0].startswith("to do: embed, clusters.3, knn")
    after = run.results()
    assert after.input == "fixed_steps"
    assert after.data["clusters"]["3"]["inertia"] != before["clusters"]["3"]["inertia"]
    assert (run.path / "encoder.safetensors").read_bytes() == encoder
    assert not (run.path / "scores_kmeans_s0.json").exists()


def test_results_from_before_there_was_a_choice_are_of_whole_images():
    make_imageset(90, side=24)
    run, _ = _run(_spec("whole"))
    from ssrl_core import stores

    old = dict(run.results().data)
    del old["input"]
    stores.write_json(run.path / "results.json", old)
    assert run.results().input == "whole"
    assert missing_parts(run, _spec("whole"), imageset_of(_spec())) == []


def test_the_choice_is_read_written_and_not_hashed():
    fixed, whole = _spec(), _spec("whole")
    assert fixed.spec_hash("f") == whole.spec_hash("f")
    assert RunSpec.from_mapping(parse_yaml(dump_run(fixed), "spec")) == fixed
    plain = fixed.to_mapping()
    del plain["evaluate"]["input"]
    assert RunSpec.from_mapping(plain).evaluate.input == "whole"
    with pytest.raises(SpecError, match="input must be"):
        _spec("half")


def test_baselines_beside_a_run_are_shown_the_same():
    make_imageset(90, side=24)
    run, _ = _run(_spec("whole"))
    whole, name = baseline.make(run, "pixels"), baseline.path_of(run, "pixels")
    _run(_spec())
    assert baseline.path_of(run, "pixels") != name
    assert not np.allclose(baseline.make(run, "pixels")[:, :2], whole[:, :2])


def test_the_card_says_what_the_network_is_shown():
    make_imageset(90, side=24)
    run, _ = _run(_spec())
    assert "to be used, on images with these steps: centre crop to 50 % of the side." in card(run)
