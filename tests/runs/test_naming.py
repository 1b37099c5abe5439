"""Names of clusters: kept, refused when stale, carried over k and runs, never doubled."""

import numpy as np
import pytest

from ssrl_core.errors import RunError, SpecError
from ssrl_core.runs.folder import annotations
from ssrl_core.runs.folder.annotations import Clusters, marks_of
from ssrl_core.runs.folder.run_folder import RunFolder
from tests.kit import make_run

STEM = "clusters_kmeans_k3_s0"


@pytest.fixture
def run():
    return RunFolder(make_run(n=60).name)


def clusters(run, stem=STEM, ids=None):
    own = np.load(run.path / f"{STEM}.npy")
    return Clusters(run, stem, run.embedding_ids(), own if ids is None else ids)


def test_what_is_said_of_a_cluster_is_kept(run):
    content = annotations.mark(
        run, 0, STEM, 1, name="  spindles  two ", colour="#AABBCC", note="look again", excluded=True
    )
    assert content["revision"] == 1
    mark = marks_of(clusters(run), [])[1]
    assert (mark.name, mark.colour, mark.note, mark.excluded) == ("spindles two", "#aabbcc", "look again", True)
    assert annotations.read(run)["clusters"][STEM]["1"]["name"] == "spindles two"


def test_a_stale_change_is_refused_and_changes_nothing(run):
    annotations.mark(run, 0, STEM, 1, name="a")
    with pytest.raises(RunError, match="changed meanwhile"):
        annotations.mark(run, 0, STEM, 1, name="b")
    assert annotations.read(run)["clusters"][STEM]["1"]["name"] == "a"


def test_undo_goes_back_and_is_a_change_itself(run):
    before = annotations.read(run)
    after = annotations.mark(run, 0, STEM, 1, name="a")
    undone = annotations.restore(run, after["revision"], before)
    assert undone["clusters"] == {}
    assert undone["revision"] == 2


def test_a_name_follows_its_images_to_another_k(run):
    annotations.mark(run, 0, STEM, 1, name="ring")
    ids = clusters(run).ids
    finer = np.where(ids == 1, 4, ids)  # the same members under another number, and a splinter of them apart
    finer[np.flatnonzero(ids == 1)[:3]] = 1
    found = marks_of(clusters(run, "clusters_kmeans_k5_s0", finer), [])
    assert found[4].name == "ring"
    assert found[4].origin == "k = 3"
    assert 0.9 < found[4].shared < 1
    assert 1 not in found


def test_a_cluster_that_fell_apart_has_no_successor(run):
    annotations.mark(run, 0, STEM, 0, name="gone")
    ids = np.arange(60) % 9
    assert marks_of(clusters(run, "clusters_kmeans_k9_s0", ids), []) == {}


def test_a_name_follows_its_images_to_another_run(run):
    annotations.mark(run, 0, STEM, 2, name="bars")
    other = RunFolder(make_run(n=60, spec={"seed": 7}).name)
    found = marks_of(clusters(other), [run])
    assert found[2].name == "bars"
    assert run.id in found[2].origin


def test_what_is_said_here_wins_and_no_name_is_given_twice(run):
    annotations.mark(run, 0, STEM, 1, name="ring")
    annotations.mark(run, 1, "clusters_kmeans_k5_s0", 3, name="ring")
    ids = clusters(run).ids
    found = marks_of(clusters(run, "clusters_kmeans_k5_s0", ids), [])
    assert [c for c, mark in found.items() if mark.name == "ring"] == [3]
    annotations.mark(run, 2, "clusters_kmeans_k5_s0", 1, name="")
    assert marks_of(clusters(run, "clusters_kmeans_k5_s0", ids), [])[1].name == ""


def test_a_tag_keeps_images_under_a_name(run):
    annotations.tag(run, 0, "odd ones", [5, 3])
    content = annotations.tag(run, 1, "odd ones", [9])
    assert [(t["name"], t["image_ids"]) for t in content["tags"]] == [("odd ones", [9])]
    assert annotations.untag(run, 2, "odd ones")["tags"] == []
    with pytest.raises(SpecError, match="not empty"):
        annotations.tag(run, 3, " ", [1])


@pytest.mark.parametrize(("said", "rule"), [({"name": "x" * 81}, "at most 80"), ({"colour": "red"}, "#rrggbb")])
def test_what_cannot_be_kept_is_said(run, said, rule):
    with pytest.raises(SpecError, match=rule):
        annotations.mark(run, 0, STEM, 0, **said)


def test_a_demo_run_is_named_without_being_written_into(run, monkeypatch):
    from ssrl_core import stores

    monkeypatch.setattr(RunFolder, "is_demo", property(lambda self: True))
    annotations.mark(run, 0, STEM, 1, name="a")
    assert not (run.path / "annotations.json").exists()
    assert (stores.models_root() / "annotations" / f"{run.id}.json").is_file()
    assert marks_of(clusters(run), [])[1].name == "a"
