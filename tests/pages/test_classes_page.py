"""The Classes page: one run's classes, and two runs side by side."""

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from pages.ui.classes import class_table, runs
from pages.ui.classes.runs import load
from ssrl_core import stores
from ssrl_core.analysis.comparison import class_accuracy, compare_classes
from tests import paging
from tests.kit import make_imageset, make_run


def page(run=None, **address) -> AppTest:
    return paging.opened("pages/5_Classes.py", {"run": run, **address})


def text_of(test: AppTest) -> str:
    blocks = [str(block.proto.body) for block in test.get("html")]
    return " ".join([*blocks, *(m.value for m in test.markdown)])


def run_with(share_right: dict[str, float], seed: int) -> str:
    """A run of the kit whose linear probe gets these shares of each class right, of 200 images each."""
    folder = make_run(n=60, spec={"seed": seed})
    results = stores.read_json(folder / "results.json")
    names = list(share_right)
    truth = np.repeat(np.arange(len(names)), 200)
    right = np.concatenate([np.arange(200) < 200 * share_right[name] for name in names])
    found = np.where(right, truth, (truth + 1) % len(names))
    results["linear"] = {"mode": "cached", "epochs": 1, **class_accuracy(truth, found, names)}
    stores.write_json(folder / "results.json", results)
    return folder.name


def test_without_runs_the_page_says_so():
    assert "No finished runs yet." in text_of(page())


def test_a_run_is_shown_with_its_references_and_its_mistakes():
    run = run_with({"class 0": 0.9, "class 1": 0.7, "class 2": 1.0}, 1)
    test = page(run)
    text = text_of(test)
    assert "raw pixels 50 %" in text
    assert "untrained network 40 %" in text
    assert "*class 1* for *class 2* (60, 30 %)" in text
    assert len(test.get("plotly_chart")) == 2


def test_two_runs_name_winners_and_losers_and_never_the_best():
    first = run_with({"class 0": 0.9, "class 1": 0.5, "class 2": 0.8}, 1)
    second = run_with({"class 0": 0.5, "class 1": 0.9, "class 2": 0.8}, 2)
    text = text_of(page(first, beside=second))
    assert "*class 1* +40.0 (+31.5 to +47.7) gains; *class 0* −40.0" in text
    assert "1 of 3 classes stay" in text
    assert "say nothing of other seeds" in text
    assert "best" not in text.lower()


def test_runs_that_hardly_differ_are_said_to_hardly_differ():
    first = run_with({"class 0": 0.9, "class 1": 0.8, "class 2": 0.8}, 1)
    second = run_with({"class 0": 0.905, "class 1": 0.795, "class 2": 0.8}, 2)
    assert "no class of 3 changes by more than chance" in text_of(page(first, beside=second))


def test_images_without_labels_have_no_classes_and_say_why():
    make_imageset(100, classes=0)
    folder = make_run(n=20, classes=0)
    results = stores.read_json(folder / "results.json")
    results["linear"] = results["knn"] = None
    results["missing"] = {"linear": "the image set has no labels", "knn": "the image set has no labels"}
    stores.write_json(folder / "results.json", results)
    assert "No accuracy of classes: the image set has no labels." in text_of(page(folder.name))


def test_a_probe_that_only_one_run_has_is_not_offered():
    first = run_with({"class 0": 0.9, "class 1": 0.5, "class 2": 0.8}, 1)
    folder = make_run(spec={"seed": 2})
    results = stores.read_json(folder / "results.json")
    results["linear"] = None
    stores.write_json(folder / "results.json", results)
    test = page(first, beside=folder.name)
    assert test.session_state["choose-probe"] == "knn"


def test_a_fine_tuned_network_is_a_probe_like_the_others():
    run = run_with({"class 0": 0.9, "class 1": 0.5, "class 2": 0.8}, 1)
    file = stores.runs_root() / run / "results.json"
    results = stores.read_json(file)
    truth = np.repeat(np.arange(3), 200)
    found = np.where(np.arange(600) % 4 == 0, (truth + 1) % 3, truth)
    tuned = {"mode": "finetune", "epochs": 1, "labels": 6, **class_accuracy(truth, found, results["linear"]["classes"])}
    results["finetune"] = {"1": None, "0.01": tuned}
    results["missing"] = {"finetune.1": "no images of class 2"}
    stores.write_json(file, results)
    test = page(run, probe="finetune-0.01")
    text = text_of(test)
    assert test.session_state["choose-probe"] == "finetune-0.01"
    assert "Fine-tuned, 1 % of the labels, top-1" in text
    assert "75 %" in text
    assert "no images of class 2" in text  # a share that could not be had says why, and is not offered
    assert runs.table_of(load(run), None, "finetune-0.01")["correct"].tolist() == [150, 150, 150]


def test_two_runs_without_a_probe_in_common_say_so():
    first, second = run_with({"class 0": 0.9, "class 1": 0.5, "class 2": 0.8}, 1), make_run(spec={"seed": 2})
    for folder, probe in ((stores.runs_root() / first, "knn"), (second, "linear")):
        results = stores.read_json(folder / "results.json")
        results[probe] = None
        stores.write_json(folder / "results.json", results)
    assert "no probe in common" in text_of(page(first, beside=second.name))


def test_the_table_has_a_row_a_class():
    first, second = (load(run_with({"class 0": s, "class 1": 0.5, "class 2": 0.8}, i)) for i, s in ((1, 0.9), (2, 0.6)))
    alone = runs.table_of(first, None, "linear")
    assert alone[["class", "n", "correct"]].to_numpy().tolist()[0] == ["class 0", 200, 180]
    both = runs.table_of(first, second, "linear")
    assert both["difference"].tolist() == pytest.approx([0, 0, -0.3])


def test_names_of_classes_never_become_formatting():
    assert class_table.quoted("a*b_[c]") == "*a\\*b\\_\\[c\\]*"
    first = class_accuracy([0] * 100, [0] * 90 + [1] * 10, ["x*", "y"])["classes"]
    second = class_accuracy([0] * 100, [0] * 10 + [1] * 90, ["x*", "y"])["classes"]
    assert "*x\\**" in runs.winners_and_losers(compare_classes(first, second), "A", "B")
    assert runs.mistakes([]) == "No image is mistaken."
