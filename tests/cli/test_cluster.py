"""`cluster`, `layout` and `classes`: one document each, as docs/contracts.md C11 says."""

import json
import os

import numpy as np
import pytest

from ssrl_core import stores
from ssrl_core.cli import main
from ssrl_core.runs.evaluation.clustering import stored_clusters
from ssrl_core.runs.folder.run_folder import RunFolder
from tests.kit import make_imageset, make_run


@pytest.fixture
def ask(capsys):
    def call(*words):
        code = main([*map(str, words), "--json"])
        out, _ = capsys.readouterr()
        assert out.count("\n") == 1
        return code, json.loads(out)

    return call


def test_cluster_tells_sizes_scores_and_the_nearest_images(ask):
    folder = make_run(n=60)
    code, document = ask("cluster", folder.name, "-k", 3, "--nearest", 4)
    assert code == 0
    data = document["data"]
    assert {"run", "k", "file", "sizes", "silhouette", "ami", "nearest"} <= data.keys()
    assert data["way"] == "k-means (10 starts by k-means++)"
    assert sum(data["sizes"]) == 60
    assert [len(near) for near in data["nearest"]] == [4, 4, 4]
    x, ids = RunFolder(folder.name).embedding()
    found = stored_clusters(RunFolder(folder.name), 3)
    for cluster, near in enumerate(data["nearest"]):
        away = np.linalg.norm(x[found.ids == cluster] - found.centroids[cluster], axis=1)
        own = ids[found.ids == cluster]
        assert [entry["image_id"] for entry in near] == own[np.argsort(away, kind="stable")][:4].tolist()
        assert near[0]["distance"] == pytest.approx(away.min(), rel=1e-5)


def test_cluster_is_found_once_and_kept(ask):
    folder = make_run(n=60)
    first = ask("cluster", folder.name, "-k", 6)[1]["data"]
    assert (folder / first["file"]).is_file()
    before = os.stat(folder / first["file"]).st_mtime_ns
    assert ask("cluster", folder.name, "-k", 6)[1]["data"] == first
    assert os.stat(folder / first["file"]).st_mtime_ns == before


def test_what_sets_clusters_apart_is_told_in_words_and_numbers(ask, capsys):
    folder = make_run(n=60, separation=20.0)
    data = ask("cluster", folder.name, "-k", 3, "--apart")[1]["data"]
    assert [len(own["effects"]) > 0 for own in data["apart"]] == [True] * 3
    assert any("% " in own["words"] for own in data["apart"])
    assert "plates" in data["apart_rests_on"] or "images" in data["apart_rests_on"]
    assert main(["cluster", folder.name, "-k", "3", "--apart"]) == 0
    assert data["apart_rests_on"] in capsys.readouterr().out


def test_images_without_labels_have_no_ami_and_say_why(ask):
    make_imageset(100, classes=0)
    folder = make_run(n=20, classes=0)
    data = ask("cluster", folder.name, "-k", 2)[1]["data"]
    assert data["ami"] is None
    assert "labels" in data["missing"]["ami"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("cluster", "nobody", "-k", "3"), "a run of this store"),
        (("cluster", "kit", "-k", "0"), "in 1..60"),
        (("cluster", "kit", "-k", "61"), "in 1..60"),
        (("cluster", "kit", "-k", "three"), "invalid int"),
        (("cluster", "kit"), "required"),
        (("cluster", "kit", "-k", "3", "--nearest", "-1"), "at least 0"),
        (("layout", "kit", "--method", "mds"), "invalid choice"),
        (("classes", "nobody"), "a run of this store"),
    ],
)
def test_bad_questions_are_answered_in_words(ask, words, told):
    make_run(n=60)
    code, document = ask(*words)
    assert code == 2
    assert told in document["error"]["message"]


def test_an_embedding_that_was_not_kept_is_said(ask):
    folder = make_run()
    (folder / "embedding.npy").unlink()
    (folder / "clusters_kmeans_k3_s0.npy").unlink()
    code, document = ask("cluster", folder.name, "-k", 3)
    assert code == 1
    assert "embedding.npy" in document["error"]["message"]


def test_layout_takes_what_is_there_and_makes_what_is_not(ask):
    folder = make_run(n=60)
    data = ask("layout", folder.name, "--method", "pca")[1]["data"]
    assert data["trustworthiness"] == 0.9
    data = ask("layout", folder.name, "--method", "tsne")[1]["data"]
    assert {"run", "method", "file", "trustworthiness"} <= data.keys()
    points, info = RunFolder(folder.name).layouts()["tsne"]
    assert points.shape == (60, 2)
    assert info["trustworthiness"] == data["trustworthiness"] > 0.7
    assert (folder / data["file"]).is_file()


def test_a_map_begins_from_that_of_another_run_and_keeps_its_own_name(ask):
    one, other = (make_run(n=60, seed=seed, spec={"seed": seed}).name for seed in (1, 2))
    code, document = ask("layout", other, "--method", "tsne", "--like", one)
    assert code == 2
    assert f"Make it first: `layout {one} --method tsne`" in document["error"]["message"]
    first = ask("layout", one, "--method", "tsne")[1]["data"]
    own = ask("layout", other, "--method", "tsne")[1]["data"]
    data = ask("layout", other, "--method", "tsne", "--like", one)[1]["data"]
    assert data["file"] == f"layout_tsne_like_{one}.npy"
    assert data["like"] == {"run": one, "file": first["file"], "shared": 60}
    assert own["like"] is None
    folder = RunFolder(other)
    assert folder.layout_files()["tsne"].name == own["file"]
    assert folder.layouts(like=one)["tsne"][1]["parameters"]["start"] == "given"
    (folder.path / own["file"]).rename(folder.path / "layout_in_a_grid_123abc.npy")
    assert folder.layout_files().keys() == {"pca", "in_a_grid"}
    assert "no start" in ask("layout", other, "--method", "pca", "--like", one)[1]["error"]["message"]


def test_a_map_of_other_images_is_no_beginning(ask):
    one = make_run(n=60, seed=1).name
    assert ask("layout", one, "--method", "tsne")[0] == 0
    make_imageset(60, name="others")
    stranger = make_run(n=60, spec={"dataset": "others"}).name
    assert "same images" in ask("layout", stranger, "--method", "tsne", "--like", one)[1]["error"]["message"]
    few = make_run(n=60, spec={"seed": 7}, seed=7)
    assert ask("layout", few.name, "--method", "tsne")[0] == 0
    ids = np.load(few / "embedding_ids.npy")
    np.save(few / "embedding_ids.npy", np.concatenate([ids[:20], ids[20:] + 10_000]))
    refused = ask("layout", one, "--method", "tsne", "--like", few.name)[1]["error"]["message"]
    assert "images must be shared with the other run, at least half of them, got '20 of 60'" in refused


def test_a_demo_run_is_not_written_into(ask):
    folder = make_run(n=60)
    demo = stores.demo_root() / folder.name
    demo.parent.mkdir(parents=True)
    folder.rename(demo)
    code, document = ask("layout", folder.name, "--method", "tsne")
    assert code == 2
    assert "demo run" in document["error"]["message"]
    assert ask("cluster", folder.name, "-k", 4)[1]["data"]["file"] is None


def test_classes_of_a_run_are_rows_of_the_sweeps_table(ask):
    folder = make_run()
    rows = ask("classes", folder.name)[1]["data"]
    assert len(rows) == 6
    assert set(rows[0]) == {
        *("run", "dataset", "backbone", "method", "seed", "probe", "class", "superclass", "n", "correct", "accuracy")
    }
    assert {row["probe"] for row in rows} == {"linear", "knn"}


def test_classes_of_a_sweep_carry_what_varied(ask, tmp_path):
    make_imageset(60)
    sweep = tmp_path / "sweep.yaml"
    sweep.write_text(
        "name: two\ndataset: kit\nbackbone: tiny_cnn\nmethod: simclr\nterms: identity\nbatch_size: 8\nepochs: 1\n"
        "seeds: [1]\nvary: {optimizer.lr: [0.001, 0.01]}\n"
    )
    made = ask("sweep", sweep, "--no-start")[1]["data"]
    assert ask("classes", made["id"])[1]["data"] == []
    results = stores.read_json(make_run() / "results.json")
    for run in made["runs"]:
        stores.write_json(stores.run_folder(run) / "results.json", results | {"id": run})
    rows = ask("classes", made["id"])[1]["data"]
    assert len(rows) == 12
    assert sorted({row["vary.optimizer.lr"] for row in rows}) == [0.001, 0.01]


def test_a_run_without_results_is_said(ask):
    folder = make_run(state="running")
    code, document = ask("classes", folder.name)
    assert code == 1
    assert "no results yet" in document["error"]["message"]


@pytest.mark.parametrize(
    "words", [("cluster", "kit", "-k", "3"), ("layout", "kit", "--method", "pca"), ("classes", "kit")]
)
def test_people_get_text(words, capsys):
    make_run(n=60)
    assert main(list(words)) == 0
    assert "kit-simclr-tiny_cnn" in capsys.readouterr().out


def test_a_cluster_is_named_and_the_name_follows_another_k(ask):
    run = make_run(n=60).name
    code, document = ask("cluster", run, "-k", "3", "--name", "1=rings")
    assert code == 0
    assert document["data"]["names"] == {"1": "rings"}
    assert ask("cluster", run, "-k", "4")[1]["data"]["names"] != {}
    assert ask("cluster", run, "-k", "3", "--name", "7=x")[0] == 2


@pytest.mark.parametrize(("name", "head"), [("map.svg", b"<?xml"), ("map.pdf", b"%PDF"), ("map.png", b"\x89PNG")])
def test_a_layout_is_drawn_into_a_file(ask, tmp_path, name, head):
    run = make_run(n=60).name
    assert ask("layout", run, "--method", "pca", "--out", str(tmp_path / name))[0] == 0
    assert (tmp_path / name).read_bytes().startswith(head)
    assert ask("layout", run, "--method", "pca", "--out", str(tmp_path / "map.gif"))[0] == 2
