"""`compare`, `descriptors`, `cluster --over`: one document each, and bad questions answered."""

import json

import numpy as np
import pytest

from ssrl_core.cli import main
from ssrl_core.runs import jobs
from ssrl_core.runs.evaluation import clustering, descriptors
from ssrl_core.runs.folder.run_folder import RunFolder
from tests.kit import make_imageset, make_run


@pytest.fixture
def ask(capsys):
    def ask(*words):
        code = main([*words, "--json"])
        return code, json.loads(capsys.readouterr().out)

    return ask


def test_two_runs_are_compared(ask):
    first, second = make_run(n=60).name, make_run(n=60, spec={"seed": 9}, seed=4).name
    code, document = ask("compare", first, second, "-k", "3")
    data = document["data"]
    assert code == 0
    assert {"ami", "contingency", "cka", "neighbour_overlap"} <= set(data)
    assert np.sum(data["contingency"]) == 60
    same = ask("compare", first, first, "-k", "3")[1]["data"]
    assert same["ami"] == pytest.approx(1)
    assert same["cka"] == pytest.approx(1, abs=1e-4)
    assert same["neighbour_overlap"] == 1


def test_what_one_separates_and_the_other_does_not_is_told(ask, capsys):
    run = make_run(n=60).name
    data = ask("compare", run, run, "-k", "3", "--k2", "6")[1]["data"]
    assert data["separated"]["first"] == []
    whole = data["separated"]["second"][0]
    assert len(whole["parts"]) >= 2
    for part in whole["parts"]:
        assert data["contingency"][whole["cluster"]][part["cluster"]] == part["n"]
    assert main(["compare", run, run, "-k", "3", "--k2", "6"]) == 0
    assert f"the second separates cluster {whole['cluster']} of the first" in capsys.readouterr().out


def test_a_run_is_compared_with_raw_pixels(ask, capsys):
    run = make_run(n=60).name
    code, document = ask("compare", run, "pixels", "-k", "3", "--k2", "4")
    assert code == 0
    assert np.shape(document["data"]["contingency"]) == (3, 4)
    assert main(["compare", run, "pixels", "-k", "3"]) == 0
    assert "rows: clusters of the first" in capsys.readouterr().out


def test_runs_on_different_images_are_refused(ask):
    first = make_run(n=10).name
    make_imageset(400, name="others", seed=1)
    second = make_run(n=80, spec={"dataset": "others"}).name
    folder = RunFolder(second)
    np.save(folder.path / "embedding_ids.npy", folder.embedding_ids() + 10_000)
    assert ask("compare", first, second, "-k", "2")[0] == 2


def test_images_are_described_once(ask):
    make_imageset(40, side=16)
    code, document = ask("descriptors", "kit")
    assert code == 0
    assert document["data"]["count"] == 40
    assert set(document["data"]["descriptors"]) == {
        "brightness",
        "contrast",
        "area",
        "place_x",
        "place_y",
        "orientation",
        "elongation",
        "symmetry",
        "stroke_thickness",
        "slant",
        "texture",
        "homogeneity",
        "local_patterns",
        "high_frequency",
        "objects",
    }  # hue and saturation are of images in colour
    from ssrl_core.datasets import store

    imageset = store.load("kit")
    stamp = descriptors.path_of(imageset).stat().st_mtime_ns
    ask("descriptors", "kit")
    assert descriptors.path_of(imageset).stat().st_mtime_ns == stamp
    table = descriptors.read(imageset)
    expected = np.asarray(imageset.pixels, float).mean(axis=(1, 2, 3)) / 255
    np.testing.assert_allclose(table["brightness"], expected, rtol=1e-4)


def test_descriptors_of_other_images_do_not_count():
    from ssrl_core import stores

    imageset = make_imageset(20)
    descriptors.make(imageset)
    about = descriptors.path_of(imageset).with_suffix(".json")
    stores.write_json(about, stores.read_json(about) | {"fingerprint": "of other images"})
    assert descriptors.read(imageset) is None


def test_every_k_is_scored_and_kept(ask):
    run = make_run(n=60).name
    code, document = ask("cluster", run, "--over", "2:5")
    assert code == 0
    assert [row["k"] for row in document["data"]["over"]] == [2, 3, 4, 5]
    kept = clustering.read_over_k(RunFolder(run))
    assert sorted(kept) == [2, 3, 4, 5]
    assert kept[3]["silhouette"] > kept[5]["silhouette"]


@pytest.mark.parametrize("over", ["5:2", "1:3", "a:b", "2:999"])
def test_a_range_that_is_none_is_refused(ask, over):
    assert ask("cluster", make_run(n=60).name, "--over", over)[0] == 2


def test_hdbscan_finds_the_planted_groups(ask):
    code, document = ask("cluster", make_run(n=60, separation=20.0).name, "-k", "5", "--method", "hdbscan")
    assert code == 0
    assert document["data"]["k"] == 3
    assert document["data"]["ami"] > 0.8
    assert document["data"]["file"] == "clusters_hdbscan_m5.npy"


@pytest.mark.slow
def test_a_job_reports_and_ends():
    import time

    make_imageset(40)
    assert jobs.start("descriptors-kit", ["descriptors", "kit"])
    for _ in range(300):
        now = jobs.state_of("descriptors-kit")
        if now["state"] != "running":
            break
        time.sleep(0.2)
    assert now["state"] == "done"
    assert now["progress"] == 1


def test_a_job_that_fails_says_why_and_a_stopped_one_ends(monkeypatch, ask):
    monkeypatch.setenv(jobs.VARIABLE, str(jobs.file_of("trial")))
    assert ask("descriptors", "nothing-there")[0] == 2
    assert jobs.state_of("trial")["state"] == "failed"
    assert "nothing-there" in jobs.state_of("trial")["message"]
    make_imageset(40)
    jobs.stop("trial")
    assert ask("descriptors", "kit")[0] == 3
    assert jobs.state_of("trial")["state"] == "stopped"
    from ssrl_core.datasets import store

    assert descriptors.read(store.load("kit")) is None


def test_a_job_whose_process_is_gone_has_failed():
    from ssrl_core import stores

    stores.write_json(jobs.file_of("gone"), {"version": 1, "state": "running", "progress": 0.2, "pid": 2**22 + 1})
    assert jobs.state_of("gone")["state"] == "failed"
    assert jobs.state_of("never") is None
