"""What is often wrong with a set of images is said after every import, and by `data check`."""

import numpy as np
import pandas as pd
import pytest

from ssrl_core.datasets import store
from ssrl_core.datasets.checks import CHECKS, Looked, check, torn_wells
from ssrl_core.datasets.creation import Metadata, create
from ssrl_core.datasets.importing import ImportOptions, import_source
from tests.datasets.files import class_folders, picture, save


def _set(name, pixels, **columns):
    return create(name, pixels, pd.DataFrame(columns), Metadata(label="label" if "label" in columns else None))


def _noise(count, channels=1, side=24, seed=0):
    return np.random.default_rng(seed).integers(0, 255, (count, channels, side, side), dtype=np.uint8)


def _smooth(count, side=32, seed=0):
    """Images whose coarse parts differ."""
    coarse = np.random.default_rng(seed).integers(20, 200, (count, 1, 4, 4), dtype=np.uint8)
    return coarse.repeat(side // 4, 2).repeat(side // 4, 3)


def test_nothing_is_said_of_a_plain_set():
    made = _set("plain", _noise(40), label=["a", "b"] * 20)
    assert check(made) == []
    assert len(CHECKS) == 10


def test_classes_that_read_like_splits_or_folders(tmp_path):
    made = _set("folders", _noise(30), label=["train", "test", "images"] * 10)
    said = check(made, pixels=False)
    assert said == [
        "the classes test, train read like splits, not like classes",
        "the class 'images' reads like a folder of files, not like a class",
    ]


def test_a_split_that_was_not_used():
    made = _set("unused", _noise(20), label=["a", "b"] * 10, fold=["Train"] * 15 + ["test"] * 5)
    assert "column 'fold' names train and test" in check(made, pixels=False)[0]


def test_images_twice_and_nearly_twice_across_splits():
    pixels = np.concatenate([_smooth(20), _smooth(20)[:1], _smooth(20)[1:2]])
    pixels[21] = np.clip(pixels[21] * 0.9 + np.random.default_rng(3).normal(0, 2, pixels[21].shape), 0, 255)
    split = ["train"] * 15 + ["val"] * 5 + ["test"] * 2
    made = _set("twins", pixels, label=["a", "b"] * 10 + ["b", "b"], split=split)
    said = check(made)
    assert said[0].startswith("1 images are there twice or more, pixel by pixel (such as #0 and #20)")
    assert said[1].startswith("1 of these lie in two splits")
    assert said[2].startswith("1 of these have two labels (#0 and #20)")
    assert said[3] == "1 pairs of images of two splits are nearly the same (such as #1 and #21)"


def test_plates_that_share_images_and_a_channel_that_is_empty_or_constant():
    pixels = _noise(12, channels=3)
    pixels[6] = pixels[0]
    pixels[:, 1], pixels[:, 2] = 0, 7
    made = _set("plates", pixels, plate=["P1"] * 6 + ["P2"] * 6)
    said = "; ".join(check(made))
    assert "1 images are the same on two plates (such as #0 and #6)" in said
    assert "is empty" in said
    assert "is 7 everywhere" in said


def test_a_class_in_one_split_and_labels_that_are_all_different():
    split = ["train"] * 20 + ["test"] * 10
    made = _set("one", _noise(30), label=["a"] * 20 + ["b"] * 5 + ["c"] * 5, split=split)
    assert "2 classes are in one split only: b (test), c (test)" in check(made, pixels=False)
    names = _set("names", _noise(30), label=[f"image {i}" for i in range(30)])
    assert "30 classes among 30 images: the label reads like a name of each image" in check(names, pixels=False)


def test_class_and_plate_that_go_together():
    made = _set("confounded", _noise(40), label=["a"] * 20 + ["b"] * 20, plate=["P1"] * 20 + ["P2"] * 20)
    assert any("label and plate are confounded" in said for said in check(made, pixels=False))


@pytest.fixture
def wells(tmp_path):
    """A table of 4 wells of each of two compounds on two plates, six images each."""
    rows = [
        (c, p, f"{row}0{n}")
        for c, row in (("x", "B"), ("y", "C"))
        for p in ("P1", "P2")
        for n in (1, 2)
        for _ in range(6)
    ]
    table = pd.DataFrame(rows, columns=["compound", "plate", "well"])
    table.insert(0, "file", [save(tmp_path / f"{i}.png", picture(seed=i)).name for i in range(len(rows))])
    table.to_csv(tmp_path / "t.csv", index=False)
    return tmp_path / "t.csv"


def test_wells_stay_whole_by_default_and_torn_ones_are_said(wells):
    made = import_source(wells, "whole", ImportOptions(label="compound"))
    assert torn_wells(made.table) == (0, 8)
    assert made.meta["splits"]["group"] == "well"
    for compound in ("x", "y"):  # every class is learned and tested
        assert {"train", "test"} <= set(made.table["split"][made.table["compound"] == compound])
    assert store.describe("whole")["warnings"] == []
    torn = import_source(wells, "torn", ImportOptions(label="compound", group="none"))
    assert torn_wells(torn.table)[0] > 0
    assert torn.meta["splits"]["group"] is None
    said = store.describe("torn")["warnings"]
    assert any("of 8 wells lie in two splits" in warning for warning in said)
    assert torn.meta["warnings"] == said


def test_a_torn_well_is_said_beside_every_score(capsys):
    from streamlit.testing.v1 import AppTest

    from ssrl_core import library
    from ssrl_core.cli import main
    from ssrl_core.datasets.creation import Metadata, create
    from ssrl_core.runs.folder.run_folder import RunFolder
    from tests.kit import make_run

    table = pd.DataFrame(
        {"label": [f"class {i % 3}" for i in range(300)], "well": [f"A{i % 5:02d}" for i in range(300)]}
    )
    pixels = np.random.default_rng(0).integers(0, 255, (300, 1, 16, 16)).astype(np.uint8)
    create("kit", iter([pixels]), table, Metadata(title="Kit", label="label"))
    run = RunFolder(make_run().name)
    said = "5 of 5 wells lie in two splits: scores may tell wells apart, not compounds."
    assert store.torn_words("kit") == said
    assert store.torn_words("no-such-set") == ""
    assert said in library.run(run.id).verdict
    for command in (["runs", "show", run.id], ["runs", "list"], ["cluster", run.id, "-k", "3"]):
        code, written = main(command), capsys.readouterr()
        assert (code, said in written.out + written.err) == (0, True), written

    def page():
        from pages.ui.runs import choosing

        choosing.choose_run()

    shown = AppTest.from_function(page).run()
    assert any(said in html.value for html in shown.get("html")), [html.value for html in shown.get("html")]


def test_val_is_made_of_whole_wells_where_the_given_split_has_none(wells):
    table = pd.read_csv(wells)
    table["split"] = np.where(table["well"].str.endswith("02"), "test", "train")
    table["well"] = [f"{well}{i // 2 % 3}" for i, well in enumerate(table["well"])]
    table.to_csv(wells, index=False)
    made = import_source(wells, "given", ImportOptions(label="compound"))
    assert made.split_counts["val"] > 0
    assert torn_wells(made.table)[0] == 0
    assert set(made.table["compound"][made.table["split"] == "val"]) == {"x", "y"}


def test_where_wells_are_too_few_images_are_split_and_it_is_said(tmp_path):
    table = pd.DataFrame({"compound": ["x"] * 10, "well": ["A01"] * 10})
    table.insert(0, "file", [save(tmp_path / f"{i}.png", picture(seed=i)).name for i in range(10)])
    table.to_csv(tmp_path / "t.csv", index=False)
    made = import_source(tmp_path / "t.csv", "few")
    assert min(made.split_counts.values()) > 0
    assert "1 of 1 wells lie in two splits" in made.meta["warnings"][0]


def test_warnings_are_said_by_the_import_and_by_the_command(tmp_path, capsys):
    from ssrl_core.cli import main

    root = class_folders(tmp_path / "set", {"cat": 6, "images": 6})
    heard = []
    made = import_source(root, "heard", report=lambda done, total, what: heard.append(what))
    assert "the class 'images' reads like a folder of files, not like a class" in heard
    capsys.readouterr()
    assert main(["data", "check", "heard"]) == 0
    assert capsys.readouterr().out.strip() == "\n".join(made.meta["warnings"])


def _wells():
    return ["A01"] * 15 + ["A02"] * 5 + ["A03"] * 10


def _planted(name):
    """An image set with what a check looks for (30 images, 20 of them train), and the same without it."""
    split, label = ["train"] * 20 + ["test"] * 10, (["a", "b"] * 15)
    clean = {"label": label, "split": split}
    near = _smooth(30)
    twin = near.copy()
    twin[29] = np.clip(near[0] * 0.9 + np.random.default_rng(3).normal(0, 2, near[0].shape), 0, 255)
    dull = _noise(30, 2)
    dull[:, 1] = 9
    twice = _noise(30)
    twice[29] = twice[0]
    plates = ["P1", "P1", "P2"] * 10
    return {
        "classes that read like folders": (
            (_noise(30), {**clean, "label": ["train", "test"] * 15}),
            (_noise(30), {**clean, "label": ["training shoe", "test tube"] * 15}),
        ),
        "a split column that was not used": (
            (_noise(30), {"label": label, "fold": split}),
            (_noise(30), {"label": label, "fold": ["1", "2"] * 15}),
        ),
        "a class in one split only": (
            (_noise(30), {"label": ["a"] * 20 + ["b"] * 10, "split": split}),
            (_noise(30), clean),
        ),
        "wells in two splits": (
            (_noise(30), {**clean, "well": ["A01"] * 25 + ["A02"] * 5}),
            (_noise(30), {**clean, "split": [*split[:15], *["val"] * 5, *split[20:]], "well": _wells()}),
        ),
        "class and plate confounded": (
            (_noise(30), {**clean, "plate": ["P" + c for c in label]}),
            (_noise(30), {**clean, "plate": plates}),
        ),
        "labels nearly all different": (
            (_noise(30), {"label": [f"{i}" for i in range(30)]}),
            (_noise(30), {"label": [f"{i % 10}" for i in range(30)]}),
        ),
        "images twice": ((twice, clean), (_noise(30), clean)),
        "near-duplicates across splits": ((twin, clean), (near, clean)),
        "plates that share images": (
            (twice, {**clean, "plate": ["P1"] * 20 + ["P2"] * 10}),
            (_noise(30), {**clean, "plate": plates}),
        ),
        "constant or empty channels": ((dull, clean), (_noise(30, 2), clean)),
    }[name]


@pytest.mark.parametrize("row", CHECKS, ids=lambda row: row.name)
def test_each_check_finds_what_was_planted_and_is_silent_without_it(row):
    for i, ((pixels, columns), expected) in enumerate(zip(_planted(row.name), (True, False), strict=True)):
        said = row.run(Looked(_set(f"set-{i}", pixels, **columns)))
        assert bool(said) is expected, said
