"""`results.json`, typed: of today, of a version before a part existed, of a run that was never measured."""

from __future__ import annotations

import pytest

from ssrl_core import stores
from ssrl_core.runs.folder.results import Results, Scores
from ssrl_core.runs.folder.run_folder import RunFolder
from tests.kit import make_run

ACCURACY = {"a": {"n": 4, "correct": 3, "accuracy": 0.75, "low": 0.3, "high": 0.95}}
FULL = {
    "split": "test",
    "n": 4,
    "dim": 8,
    "clusters": {"5": {"ami": 0.2, "silhouette": 0.1, "sizes": [2, 2], "file": "c.npy"}, "9": None, "10": {"ami": 0.4}},
    "knn": {"top1": 0.75, "k": 3, "temperature": 0.07, "classes": ACCURACY},
    "linear": None,
    "finetune": {"0.1": {"top1": 0.5, "mode": "finetune", "classes": ACCURACY, "confusion": [[3, 1]]}, "1": None},
    "references": {"pixels": {"knn": 0.5, "ami": None}, "untrained": {"knn": 0.4, "ami": 0.1}},
    "view": {"knn": 0.6, "ami": 0.3, "references": {"pixels": {"knn": 0.2, "ami": 0.0}}},
    "layouts": {"pca": "l.npy"},
    "missing": {"linear": "why"},
}


def test_everything_that_was_measured_is_typed():
    found = Results(FULL)
    assert found.counts == [5, 9, 10]
    assert found.clusters.keys() == {5, 10}
    assert (found.clusters[5].sizes, found.clusters[10].silhouette) == ((2, 2), None)
    assert found.knn.settings == {"k": 3, "temperature": 0.07}
    assert found.linear is None
    assert found.missing["linear"] == "why"
    assert found.probes.keys() == {"knn", "finetune-0.1"}
    assert found.finetune["0.1"].confusion == [[3, 1]]
    assert found.view == Scores(0.6, 0.3)
    assert found.reference("pixels") == Scores(0.5, None)
    assert found.reference("pixels", of_views=True) == Scores(0.2, 0.0)
    assert found.reference("untrained", of_views=True) == Scores()
    assert found.entry("clusters", "10") == {"ami": 0.4}


def test_tables_take_the_first_clustering_and_the_list_the_best():
    measured = {"top1": None, "knn_top1": 0.75, "ami": 0.2, "silhouette": 0.1}
    screened = ("activity", "consistency", "nsc", "nscb", "plate_read")
    assert Results(FULL).columns() == measured | dict.fromkeys(("read", *screened))
    assert Results(FULL).listed() == {"knn_top1": 0.75, "ami": 0.4}


@pytest.mark.parametrize("data", [{}, {"n": 3, "split": "test"}, {"clusters": {}, "knn": None, "references": None}])
def test_what_is_not_there_is_empty(data):
    found = Results(data)
    assert bool(found) == bool(data)
    assert (found.clusters, found.probes, found.layouts, found.view) == ({}, {}, {}, Scores())
    assert found.reference("pixels") == Scores()
    assert set(found.columns().values()) == {None}


def test_a_run_without_results_is_not_an_error():
    folder = make_run()
    assert RunFolder(folder.name).results().n == stores.read_json(folder / "results.json")["n"]
    (folder / "results.json").unlink()
    assert not RunFolder(folder.name).results()
