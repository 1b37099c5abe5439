"""The child's work, in this process: what a run leaves, what is done again and what is not, images that are too few."""

from __future__ import annotations

import errno
import json

import numpy as np
import pytest

from ssrl_core import stores
from ssrl_core.datasets import store as image_sets
from ssrl_core.errors import RunError, SpecError, Stopped
from ssrl_core.runs.evaluation.clustering import stored_clusters
from ssrl_core.runs.evaluation.parts import missing_parts
from ssrl_core.runs.folder.results import ResultsFile
from ssrl_core.runs.folder.run_folder import RunFolder, imageset_of
from ssrl_core.runs.queue import registry, submitting
from tests.kit import make_imageset
from tests.runs.conftest import spec

SMALL = {
    "batch_size": 8,
    "epochs": 1,
    "limit_train": 16,
    "device": "cpu",
    "method": {"name": "simclr", "hidden_dim": 16, "projection_dim": 8},
    "optimizer": "adam",
    "evaluate": {"clusters": [3], "layouts": ["pca"], "linear": {"epochs": 2}, "knn": {"k": 5}},
}

PARTS = """
version id spec_hash split n input dim clusters knn linear finetune references
read forecast screen view layouts seconds missing
"""
SCORES = """
silhouette silhouette_projection silhouette_n ami ami_arithmetic ami_shuffled nmi ari homogeneity inertia sizes file
"""


class Quiet:
    """State, stop request and log of a child that nobody watches."""

    training = False

    def __init__(self, stop_before=()):
        self.fields, self.said, self.stop_before, self.asked = {}, [], list(stop_before), 0

    def update(self, *, now=False, **fields):
        self.fields |= fields

    def write(self, text):
        self.said.append(text)

    def wanted(self):
        self.asked += 1
        return self.asked in self.stop_before


def work(run, **kwargs):
    from ssrl_core.runs.child.phases import Phases

    quiet = Quiet(**kwargs)
    Phases(run.path, quiet, quiet, quiet).go()
    return quiet


def submit(**changes):
    return RunFolder(submitting.submit(spec(**{**SMALL, **changes}), start=False)["id"])


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A store with one finished run; copied for the tests that change it."""
    with pytest.MonkeyPatch.context() as patch:
        root = tmp_path_factory.mktemp("trained")
        patch.setenv("SSRL_DATA", str(root / "data"))
        patch.setenv("SSRL_MODELS", str(root / "models"))
        make_imageset()
        run = submit()
        quiet = work(run)
        return root, run.id, quiet


@pytest.fixture
def done(trained, monkeypatch, tmp_path):
    """The finished run, in a store of this test's own."""
    import shutil

    shutil.copytree(trained[0], tmp_path / "copy")
    monkeypatch.setenv("SSRL_DATA", str(tmp_path / "copy" / "data"))
    monkeypatch.setenv("SSRL_MODELS", str(tmp_path / "copy" / "models"))
    return RunFolder(trained[1])


def test_run_leaves_what_the_contract_says(done):
    assert set(done.files()) >= {
        "spec.yaml", "metrics.jsonl", "encoder.safetensors", "embedding.npy", "embedding_ids.npy", "results.json",
        "clusters_kmeans_k3_s0.npy", "clusters_kmeans_k3_s0.json",
    }  # fmt: skip
    assert not [name for name in done.files() if name.startswith("checkpoint")]
    results, imageset = done.results().data, image_sets.load("kit")
    asked = imageset.split_ids("test")
    x, ids = done.embedding()
    assert (x.shape, x.dtype) == ((60, 128), np.float32)
    assert np.array_equal(ids, np.arange(60))
    assert (results["n"], results["dim"], results["split"]) == (len(asked), 128, "test")
    assert set(results) == set(PARTS.split())
    assert set(results["clusters"]["3"]) == set(SCORES.split())
    assert set(results["linear"]) == {"top1", "mode", "epochs", "classes", "confusion", "pixels"}
    assert set(results["knn"]) == {"top1", "k", "temperature", "classes"}
    assert set(results["view"]) == {"knn", "ami", "references"}
    assert set(results["view"]["references"]) == set(results["references"]) == {"pixels", "untrained"}
    assert all(results["seconds"][name] is not None for name in ("train", "embed", "evaluate", "layout"))
    assert list(results["missing"]) == ["clusters.3.silhouette_projection"]


def test_arrays_follow_the_rows_of_the_embedding(done):
    asked = np.isin(done.embedding_ids(), image_sets.load("kit").split_ids("test"))
    assert np.array_equal(done.evaluated(), asked)
    points, info = done.layouts()["pca"]
    assert (points.shape, points.dtype) == ((60, 2), np.float32)
    assert np.array_equal(np.isfinite(points).all(axis=1), asked)
    assert info["parameters"]["fitted_n"] == asked.sum()
    found = stored_clusters(done, 3)
    assert (found.ids.shape, found.ids.dtype) == ((60,), np.int32)
    assert np.array_equal(found.ids >= 0, asked)
    assert list(found.sizes) == done.results().data["clusters"]["3"]["sizes"]


def test_clusters_of_another_k_are_made_once_and_kept(done):
    first = stored_clusters(done, 4)
    assert (done.path / "clusters_kmeans_k4_s0.npy").is_file()
    again = stored_clusters(done, 4)
    assert np.array_equal(first.ids, again.ids)
    np.testing.assert_allclose(first.centroids, again.centroids, atol=1e-4)
    assert again.inertia == pytest.approx(first.inertia, rel=1e-3)
    with pytest.raises(SpecError, match="k must be in"):
        stored_clusters(done, 1000)


def test_results_of_one_run_leave_nothing_in_those_of_the_next(tmp_path):
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        results = ResultsFile(tmp_path / name)
        results.begin(id=name)
        assert results.data["clusters"] == results.data["layouts"] == results.data["finetune"] == {}
        results.put("3", {"ami": 0.5}, under="clusters")


def test_finished_run_has_nothing_left_to_do(done):
    assert missing_parts(done, done.spec(), imageset_of(done.spec())) == []
    before = {name: (done.path / name).stat().st_mtime_ns for name in done.files()}
    assert work(done).said == []
    assert before == {name: (done.path / name).stat().st_mtime_ns for name in done.files()}


def test_only_what_is_added_to_evaluate_is_done(done):
    encoder = (done.path / "encoder.safetensors").stat().st_mtime_ns
    registry.list_runs()
    registry.change(done.id, state="done")
    more = SMALL["evaluate"] | {"clusters": [3, 4], "linear": {"epochs": 3}}
    assert submit(evaluate=more).id == done.id
    assert registry.require(done.id)["state"] == "queued"
    quiet = work(done)
    assert quiet.said[0] == "to do: clusters.4, linear"
    assert list(done.results().data["clusters"]) == ["3", "4"]
    assert done.results().data["linear"]["epochs"] == 3
    assert (done.path / "encoder.safetensors").stat().st_mtime_ns == encoder


def test_another_split_is_measured_anew_on_the_same_network(done):
    encoder = (done.path / "encoder.safetensors").stat().st_mtime_ns
    submit(evaluate=SMALL["evaluate"] | {"split": "val"})
    work(done)
    results = done.results().data
    assert (results["split"], results["n"]) == ("val", len(image_sets.load("kit").split_ids("val")))
    assert results["seconds"]["train"] > 0
    assert (done.path / "encoder.safetensors").stat().st_mtime_ns == encoder
    assert len(list(done.path.glob("layout_pca_*.npy"))) == 1


@pytest.mark.parametrize("moment", [2, 3, 5, 7])
def test_attempt_that_was_cut_short_goes_on_with_what_is_missing(done, moment):
    whole = done.results().data
    for name in ("results.json", "embedding.npy", "embedding_ids.npy", "clusters_kmeans_k3_s0.npy"):
        (done.path / name).unlink()
    with pytest.raises(Stopped):
        work(done, stop_before=[moment])
    half = done.results().data
    work(done)
    again = done.results().data
    for name in ("clusters", "knn", "linear", "references", "view"):
        assert again[name] == whole[name]
    assert half.get("knn") in (None, whole["knn"])


def test_only_the_test_rows_are_kept_when_asked(kit_images):
    run = submit(keep={"embedding": "test"})
    work(run)
    assert np.array_equal(run.embedding_ids(), kit_images.split_ids("test"))
    assert run.evaluated().all()
    assert len(run.embedding()[0]) == len(run.layouts()["pca"][0]) == len(stored_clusters(run, 3).ids)


def test_no_embedding_is_kept_when_asked(kit_images):
    run = submit(keep={"embedding": "none", "checkpoint": "always"})
    work(run)
    assert not (run.path / "embedding.npy").exists()
    assert (run.path / "checkpoint.pt").exists()
    assert run.results().data["knn"] is not None
    assert missing_parts(run, run.spec(), kit_images) == []
    stores.write_json(run.path / "state.json", run.state() | {"state": "done"})
    with pytest.raises(RunError, match="was not kept"):
        run.embedding()


def test_images_without_labels_are_clustered_and_the_rest_is_said_to_be_missing():
    make_imageset(classes=0)
    run = submit()
    work(run)
    results = run.results().data
    assert results["knn"] is None
    assert results["linear"] is None
    assert results["clusters"]["3"]["ami"] is None
    assert results["clusters"]["3"]["silhouette"] is not None
    assert results["missing"]["knn"] == results["missing"]["linear"] == "the image set has no labels"
    assert results["missing"]["view.references.pixels.ami"] == "the image set has no labels"
    assert results["missing"]["clusters.3.ami"] == "the image set has no labels"
    assert missing_parts(run, run.spec(), imageset_of(run.spec())) == []


def test_one_class_only_is_answered():
    make_imageset(classes=1)
    run = submit()
    work(run)
    results = run.results().data
    assert results["knn"]["top1"] == 1.0
    assert results["linear"] is None
    assert "two classes" in results["missing"]["linear"]
    assert "label" in results["missing"]["clusters.3.ami"]


def test_five_images_are_enough(monkeypatch):
    make_imageset(5)
    run = submit(batch_size=2, limit_train=None)
    work(run)
    results = run.results().data
    assert results["n"] >= 1
    assert "there are only" in results["missing"]["knn.k"]
    assert missing_parts(run, run.spec(), imageset_of(run.spec())) == []


def test_some_channels_and_rows_of_an_image_set(kit_images):
    make_imageset(c=3, name="colours")
    run = submit(dataset={"name": "colours", "where": {"plate": ["p1"]}})
    work(run)
    ids = run.embedding_ids()
    assert len(ids) == 30
    assert set(image_sets.load("colours").table["plate"].to_numpy()[ids]) == {"p1"}


def test_image_set_that_was_changed_since_is_refused(kit_images):
    run = submit()
    image_sets.delete("kit")
    make_imageset(seed=1)
    with pytest.raises(SpecError, match="was changed since"):
        work(run)


def test_full_disk_leaves_nothing_half_written(done, monkeypatch):
    for name in ("embedding.npy", "embedding_ids.npy"):
        (done.path / name).unlink()
    before = done.files()

    def full(file, array, **kwargs):
        file.write(b"x" * 1000)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(OSError, match="No space left"):
        work(done)
    assert not [path for path in done.path.iterdir() if path.name.endswith(".tmp")]
    assert set(done.files()) <= set(before)


def test_error_of_every_kind_is_put_in_words():
    from ssrl_core.runs.child.train import in_words

    full = in_words(OSError(errno.ENOSPC, "No space left on device", "/x/checkpoint.pt"), "r")
    assert full["message"].startswith("The disk is full (/x/checkpoint.pt). Make room")
    assert "memory" in in_words(MemoryError("17 GB"), "r")["message"]
    assert "bug" in in_words(ZeroDivisionError("1/0"), "r")["remedy"]
    assert in_words(SpecError("bad", where="here", remedy="mend it"), "r") == {
        "type": "SpecError", "where": "here", "message": "bad", "remedy": "mend it",
    }  # fmt: skip


def test_metrics_drop_steps_repeated_after_a_resume_and_half_lines(done):
    path = done.path / "metrics.jsonl"
    lines = [{"kind": "step", "step": s, "loss": float(s)} for s in (0, 1, 2)]
    lines += [{"kind": "step", "step": s, "loss": 10.0 + s} for s in (1, 2, 3)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"kind": "step", "st')
    assert done.metrics()["loss"].tolist() == [0.0, 11.0, 12.0, 13.0]
    path.unlink()
    assert len(done.metrics()) == 0
