from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from ssrl_core import stores
from ssrl_core.cli import main
from ssrl_core.specs.composition import load, preset_names
from tests.kit import make_imageset, shared


def run(capsys, *words: str):
    """Exit code and the document."""
    code = main([*words, "--json"])
    return code, json.loads(capsys.readouterr().out)


def lay_weights() -> None:
    name = "alexnet_features.safetensors"
    shutil.copy(shared(f"data/weights/{name}"), stores.weights_root() / name)


def test_list_has_every_preset_and_what_was_saved(capsys, tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("version: 1\nname: mine\nsteps: [{transform: rotation, degrees: 30}]\n")
    code, saved = run(capsys, "compose", "save", str(file))
    assert code == 0
    assert saved["data"]["name"] == "mine"
    code, listed = run(capsys, "compose", "list")
    assert code == 0
    assert [item["name"] for item in listed["data"]] == [*preset_names(), "mine"]
    assert all(set(item) == {"name", "steps", "source"} for item in listed["data"])
    assert listed["data"][-1] == {"name": "mine", "steps": ["rotation up to 30°, always"], "source": "saved"}
    assert main(["compose", "list"]) == 0
    assert "mnist-first-set" in capsys.readouterr().out


def test_show_prints_a_file_that_loads_again(capsys, tmp_path):
    assert main(["compose", "show", "mnist-first-set"]) == 0
    text = capsys.readouterr().out
    (tmp_path / "again.yaml").write_text(text)
    assert main(["compose", "show", str(tmp_path / "again.yaml")]) == 0
    assert text.startswith(capsys.readouterr().out.split("\n# Source")[0][:200])
    code, shown = run(capsys, "compose", "show", "cifar-base")
    assert code == 0
    assert shown["data"]["composition"]["name"] == "cifar-base"
    assert "appendix B.1" in shown["data"]["source"]


def test_preview_draws_a_grid_and_says_what_was_drawn(capsys, tmp_path):
    make_imageset(n=12, c=1, side=20, name="bars")
    out = tmp_path / "grid.png"
    words = ["compose", "preview", "mnist-second-set", "--dataset", "bars", "--out", str(out)]
    code, shown = run(capsys, *words, "--images", "3", "--views", "4")
    assert code == 0
    data = shown["data"]
    assert data["out"] == str(out)
    assert [len(item["views"]) for item in data["draws"]] == [4, 4, 4]
    assert any("turned" in text for view in data["draws"][0]["views"] for text in view)
    assert data["lpips"] is None
    assert "--lpips" in data["missing"]["lpips"]
    first = out.read_bytes()
    with Image.open(out) as picture:
        assert picture.width > picture.height
        assert np.asarray(picture).std() > 10
    assert main([*words, "--images", "3", "--views", "4"]) == 0
    assert "3 images, 4 views each" in capsys.readouterr().out
    assert out.read_bytes() == first
    assert main([*words, "--seed", "6"]) == 0
    assert out.read_bytes() != first


def test_preview_shows_groups_of_different_size_and_16_bit_images(capsys, tmp_path):
    make_imageset(n=5, c=3, side=24, dtype="uint16", name="wide")
    crops = {"name": "crops", "count": 2, "size": 10, "role": "local", "steps": [{"transform": "resized_crop"}]}
    views = [{"name": "whole", "count": 1, "steps": [{"transform": "invert"}]}, crops]
    file = tmp_path / "multi.json"
    file.write_text(json.dumps({"version": 1, "name": "multi", "views": views}))
    words = ["compose", "preview", str(file), "--dataset", "wide", "--out", str(tmp_path / "grid.png")]
    code, shown = run(capsys, *words, "--images", "2")
    assert code == 0
    assert [len(item["views"]) for item in shown["data"]["draws"]] == [3, 3]
    code, refused = run(capsys, *words, "--views", "3")
    assert code == 2
    assert refused["error"]["field"] == "--views"


def test_preview_measures_lpips_or_says_what_is_missing(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "nothing"))
    make_imageset(n=6, c=1, side=20, name="bars")
    words = ["compose", "preview", "mnist-first-set", "--dataset", "bars", "--out", str(tmp_path / "g.png"), "--lpips"]
    words += ["--images", "2", "--views", "2"]
    code, without = run(capsys, *words)
    assert code == 0
    assert without["data"]["lpips"] is None
    assert "alexnet_features.safetensors" in without["data"]["missing"]["lpips"]
    lay_weights()
    code, measured = run(capsys, *words)
    assert code == 0
    lpips = measured["data"]["lpips"]
    assert set(lpips) == {"mean", "sd", "n", "backbone", "size_px"}
    assert 0 < lpips["mean"] < 1
    assert (lpips["n"], lpips["backbone"], lpips["size_px"]) == (2, "alex", 64)
    assert measured["data"]["missing"] == {}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"composition": "no-such"}, "composition"),
        ({"--dataset": "no-such"}, "name"),
        ({"--out": "grid.jpg"}, "--out"),
        ({"--images": "0"}, "--images"),
        ({"--views": "0"}, "count"),
        ({"--seed": "-1"}, "--seed"),
    ],
)
def test_bad_input_is_answered_by_name_and_writes_nothing(capsys, tmp_path, monkeypatch, change, field):
    monkeypatch.chdir(tmp_path)
    make_imageset(n=4, c=1, side=16, name="bars")
    given = {"composition": "mnist-first-set", "--dataset": "bars", "--out": "grid.png"} | change
    words = ["compose", "preview", given.pop("composition"), *(word for pair in given.items() for word in pair)]
    code, answer = run(capsys, *words)
    assert code == 2
    assert answer["error"]["field"] == field
    assert not list(tmp_path.glob("grid.*"))


def test_colour_steps_on_grey_images_are_refused_with_the_alternative(capsys, tmp_path):
    make_imageset(n=4, c=1, side=16, name="bars")
    words = ["compose", "preview", "cifar-base", "--dataset", "bars", "--out", str(tmp_path / "g.png")]
    code, answer = run(capsys, *words)
    assert code == 2
    assert "step 2 color_jitter" in answer["error"]["where"]
    assert "brightness and contrast" in answer["error"]["remedy"]


def test_lpips_of_the_authors_example_images(capsys):
    lay_weights()
    files = [str(shared(f"data/weights/lpips_check/{name}.png")) for name in ("ex_ref", "ex_p0", "ex_p1")]
    code, answer = run(capsys, "lpips", *files)
    assert code == 0
    assert answer["data"]["distances"] == pytest.approx([0.7219, 0.1376], abs=5.1e-5)
    assert (answer["data"]["backbone"], answer["data"]["size_px"]) == ("alex", 64)
    assert main(["lpips", *files]) == 0
    assert "0.7219" in capsys.readouterr().out


def test_lpips_refuses_other_sizes_and_what_is_no_image(capsys, tmp_path):
    lay_weights()
    small, large, text = tmp_path / "small.png", tmp_path / "large.png", tmp_path / "text.png"
    Image.new("L", (40, 30)).save(small)
    Image.new("RGB", (80, 60)).save(large)
    text.write_text("no image")
    code, answer = run(capsys, "lpips", str(small), str(small))
    assert code == 0
    assert answer["data"]["distances"] == [0.0]
    for bad, words in ((large, "40 × 30 px, as the reference"), (text, "not an image"), ("none.png", "can be read")):
        code, answer = run(capsys, "lpips", str(small), str(bad))
        assert code == 2
        assert words in answer["error"]["message"]


def test_exported_and_imported_again(capsys, tmp_path):
    out = tmp_path / "symmetric.yaml"
    code, answer = run(capsys, "compose", "export", "sololearn-symmetric", "--to", "solo-learn", "--out", str(out))
    assert code == 0
    assert out.read_text() == answer["data"]["text"]
    code, answer = run(capsys, "compose", "import", str(out))
    assert code == 0
    assert answer["data"]["name"] == "symmetric"
    assert load("symmetric").steps == load("sololearn-symmetric").steps
    assert any("bicubic" in note for note in answer["data"]["notes"])
    code, answer = run(capsys, "compose", "export", "cifar-base", "--to", "torchvision")
    assert code == 0
    compile(answer["data"]["text"], "exported", "exec")


def test_export_refuses_by_step_and_import_by_place(capsys, tmp_path):
    code, answer = run(capsys, "compose", "export", "cells-first-set", "--to", "solo-learn", "--size", "96")
    assert code == 2
    assert "step 1 affine" in answer["error"]["where"]
    code, answer = run(capsys, "compose", "export", "identity", "--to", "keras")
    assert (code, answer["error"]["field"]) == (2, "format")
    code, answer = run(capsys, "compose", "import", str(tmp_path / "none.yaml"))
    assert (code, answer["error"]["field"]) == (2, "file")
    bad = tmp_path / "bad.yaml"
    bad.write_text("- grayscale: {prob: 3}\n")
    code, answer = run(capsys, "compose", "import", str(bad))
    assert (code, answer["error"]["field"]) == (2, "prob")
    assert "pipeline 1, grayscale" in answer["error"]["where"]


def test_lpips_by_class_and_by_step(capsys):
    lay_weights()
    make_imageset(n=12, c=3, side=32, classes=3, name="bars")
    words = ["compose", "lpips", "cifar-base", "--dataset", "bars", "--images", "8", "--by", "class", "--by", "step"]
    code, answer = run(capsys, *words)
    assert code == 0
    data = answer["data"]
    assert data["low"] <= data["mean"] <= data["high"]
    assert (data["n"], data["size_px"]) == (8, 64)
    assert sum(mean["n"] for mean in data["classes"].values()) == 8
    steps = load("cifar-base").steps
    assert [step["transform"] for step in data["steps"]] == [step.transform for step in steps]
    for step in data["steps"]:
        assert step["drop"]["mean"] == pytest.approx(data["mean"] - step["without"]["mean"], abs=1e-9)
    assert max(step["drop"]["mean"] for step in data["steps"]) > 0
    code, answer = run(capsys, "compose", "lpips", "cifar-base", "--dataset", "bars", "--size", "8")
    assert (code, answer["error"]["field"]) == (2, "size")
