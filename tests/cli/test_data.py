"""`data …` on the command line: one JSON document each, exit codes, and words for people."""

import json

import numpy as np
import pytest

from ssrl_core import stores
from ssrl_core.cli import main
from ssrl_core.datasets import store
from tests.datasets.files import class_folders, picture, save
from tests.kit import make_imageset

ITEM = {"name", "title", "count", "shape", "dtype", "classes", "splits", "label", "fingerprint"}


@pytest.fixture
def run(capsys):
    def call(*words):
        code = main([*map(str, words)])
        out, err = capsys.readouterr()
        return code, out, err

    return call


def _document(out):
    assert out.count("\n") == 1
    return json.loads(out)


def test_list_has_every_set_and_says_which_are_not_made(run):
    make_imageset(12)
    code, out, _ = run("data", "list", "--json")
    document = _document(out)
    assert code == 0
    assert document["ok"] is True
    assert document["command"] == "data list"
    assert all(set(item) == ITEM for item in document["data"])
    items = {item["name"]: item for item in document["data"]}
    assert items["kit"]["splits"] == {"train": 6, "val": 3, "test": 3}
    assert items["mnist"]["fingerprint"] is None
    assert items["mnist"]["count"] == 70_000
    code, out, _ = run("data", "list")
    assert "on first use" in out
    assert "kit" in out


def test_a_damaged_set_does_not_hide_the_others(run):
    made = make_imageset(12)
    (made.folder / "imageset.json").write_text("{")
    code, out, err = run("data", "list", "--json")
    assert code == 0
    assert "strokes" in [item["name"] for item in _document(out)["data"]]
    assert "imageset.json" in err


def test_import_describe_delete(run, tmp_path):
    folder = class_folders(tmp_path / "set", {"cat": 10, "dog": 10})
    (folder / "cat" / "text.png").write_text("I am text")
    code, out, _ = run("data", "import", folder, "--name", "animals", "--title", "My animals", "--json")
    imported = _document(out)["data"]
    assert code == 0
    assert set(imported) == ITEM | {"skipped", "understood", "warnings"}
    assert imported["count"] == 20
    assert imported["title"] == "My animals"
    assert imported["skipped"][0]["file"] == "cat/text.png"
    code, out, _ = run("data", "describe", "animals", "--json")
    assert _document(out)["data"] == imported
    code, out, _ = run("data", "describe", "animals")
    assert "cat, dog" in out
    assert "text.png" in out
    code, out, _ = run("data", "delete", "animals", "--json")
    assert code == 0
    assert not store.is_ready("animals")


def test_a_dry_run_says_what_the_import_then_does_and_writes_nothing(run, tmp_path):
    for split in ("train", "test"):
        class_folders(tmp_path / "set" / split, {"cat": 4, "dog": 4})
    (tmp_path / "set" / "notes.txt").write_text("mine")
    code, out, _ = run("data", "import", tmp_path / "set", "--dry-run", "--size", "8", "--json")
    understood = _document(out)["data"]["understood"]
    assert code == 0
    assert not any(path.name == "imageset.json" for path in stores.data_root().glob("*/*"))
    assert understood["layout"] == {**understood["layout"], "kind": "folders", "split_level": 1, "class_level": 2}
    assert {guess["what"] for guess in understood["guessed"]} == {"split", "label"}
    assert [column["name"] for column in understood["columns"]] == ["split", "label"]
    code, out, _ = run("data", "import", tmp_path / "set", "--name", "animals", "--size", "8", "--json")
    assert _document(out)["data"]["understood"] == understood
    assert "guessed split" in run("data", "describe", "animals")[1]
    assert run("data", "import", tmp_path / "set", "--dry-run", "--name", "both")[0] == 2


def test_channels_are_shown_and_changed(run):
    make_imageset(12, c=3)
    assert [c["name"] for c in _document(run("data", "channels", "kit", "--json")[1])["data"]["channels"]]
    words = ("--names", "DNA, actin, ER", "--colours", "#0000FF,#ff0000,#00ff00", "--windows", "5:90,auto,auto")
    code, out, _ = run("data", "channels", "kit", *words, "--json")
    assert code == 0
    assert _document(out)["data"]["channels"][0] == {"name": "DNA", "colour": "#0000ff", "window": [5.0, 90.0]}
    assert [channel.name for channel in store.load("kit").channels] == ["DNA", "actin", "ER"]
    assert "5..90" in run("data", "channels", "kit")[1]
    for bad in (
        ("--names", "a,b"),
        ("--windows", "5,6,7"),
        ("--windows=-inf:5,auto,auto",),
        ("--colours", "blue,red,green"),
    ):
        code, out, _ = run("data", "channels", "kit", *bad, "--json")
        assert (code, _document(out)["ok"]) == (2, False)
    assert [channel.name for channel in store.load("kit").channels] == ["DNA", "actin", "ER"]
    assert run("data", "channels", "kit", "--names", '"DAPI, 405",actin,ER')[0] == 0
    assert [channel.name for channel in store.load("kit").channels] == ["DAPI, 405", "actin", "ER"]


def test_options_reach_the_import(run, tmp_path):
    path = tmp_path / "x.npz"
    np.savez(path, x=np.zeros((12, 4, 28, 3), np.uint16), kind=np.array(list("ab") * 6), plate=np.arange(12) // 2)
    code, out, _ = run("data", "import", path, "--name", "one", "--json")
    assert code == 2
    assert "--layout" in _document(out)["error"]["remedy"]
    words = [
        "--layout",
        "NCHW",
        "--label",
        "kind",
        "--group",
        "plate",
        "--seed",
        "7",
        "--size",
        "8",
        "--fit",
        "pad",
        "--max-value",
        "4095",
    ]
    code, out, err = run("data", "import", path, "--name", "one", "--json", *words)
    made = store.load("one")
    assert code == 0
    assert made.shape == (4, 8, 8)
    assert made.max_value == 4095
    assert made.classes == ("a", "b")
    assert made.meta["splits"] == {**made.meta["splits"], "seed": 7, "group": "plate"}
    assert "fitted to 8 px (pad)" in err


def test_several_sizes_are_reported_on_stderr(run, tmp_path):
    save(tmp_path / "set" / "a.png", picture(30, 40))
    save(tmp_path / "set" / "b.png", picture(50, 20))
    code, out, err = run("data", "import", tmp_path / "set", "--name", "sizes", "--json")
    assert code == 0
    assert _document(out)["data"]["shape"] == [3, 224, 224]
    assert "224" in err


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        (("data", "describe", "nothing"), "SpecError"),
        (("data", "delete", "nothing"), "SpecError"),
        (("data", "import", "nowhere", "--name", "x"), "DataError"),
        (("data", "import", "nowhere", "--name", "Bad Name"), "SpecError"),
        (("data", "import", "nowhere"), "SpecError"),
    ],
)
def test_bad_input_is_exit_code_2_with_and_without_json(run, words, kind):
    code, out, err = run(*words, "--json")
    document = _document(out)
    assert code == 2
    assert document["ok"] is False
    assert document["error"]["type"] == kind
    assert document["error"]["message"]
    code, out, err = run(*words)
    assert code == 2
    assert out == ""
    assert "Traceback" not in err
    assert err.strip()


def test_a_set_without_labels_and_with_empty_splits_is_described(run):
    make_imageset(2, classes=0)
    code, out, _ = run("data", "describe", "kit")
    assert code == 0
    assert "label none" in out
    assert "empty: val" in out
