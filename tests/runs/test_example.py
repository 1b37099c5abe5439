"""The finished example: small, true, read-only, and made again by one command."""

import json
import shutil

import numpy as np
import pytest

import ssrl_core as vl
from ssrl_core import stores
from ssrl_core.analysis import layouts
from ssrl_core.analysis.clusters import nearest
from ssrl_core.analysis.scores import ami
from ssrl_core.datasets import store
from ssrl_core.datasets.imageset import pack
from ssrl_core.datasets.made import example as images
from ssrl_core.datasets.made.simulation.population import COMPOUNDS
from ssrl_core.errors import DataError, SpecError
from ssrl_core.runs import example
from ssrl_core.runs.evaluation.clustering import stored_clusters
from ssrl_core.runs.evaluation.screens import about_cells
from ssrl_core.runs.folder import annotations
from ssrl_core.runs.folder.run_folder import RunFolder
from ssrl_core.runs.queue import registry, stopping
from tests.kit import FULL, ROOT, make_imageset


@pytest.fixture(autouse=True)
def shipped(monkeypatch):
    """The example as it ships."""
    monkeypatch.setenv("SSRL_DEMO", str(ROOT / "models" / "demo"))
    return ROOT / "models" / "demo"


def run(which):
    return RunFolder(example.run_id(which))


def test_it_weighs_at_most_five_megabytes_and_says_nothing_of_the_machine(shipped):
    files = [path for path in shipped.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= example.MOST_BYTES
    for path in shipped.glob("*/state.json"):
        state = json.loads(path.read_text())
        assert (state["state"], state["host"], state["pid"]) == ("done", None, None)


def test_its_runs_are_listed_after_ones_own_and_opened_like_them(shipped):
    rows = registry.list_runs()
    assert {row["name"] for row in rows} == {spec["name"] for spec in example.RUNS.values()}
    assert all(row["demo"] and row["state"] == "done" for row in rows)
    assert {images.STROKES, images.CELLS} <= set(store.names())
    before = {path: path.stat().st_mtime_ns for path in shipped.rglob("*")}
    for which, spec in example.RUNS.items():
        x, ids = run(which).embedding()
        found = stored_clusters(run(which), spec["evaluate"]["clusters"][0])
        assert len(x) == len(ids) == len(found.ids)
        assert nearest(x, found, 8)[0].shape == (found.k, 8)
        assert store.load(spec["dataset"]).pixels[ids[:3]].any()
    assert before == {path: path.stat().st_mtime_ns for path in shipped.rglob("*")}


def test_it_shows_what_the_paper_shows():
    first, second = run("first").results(), run("second").results()
    assert first.clusters[10].ami > second.clusters[10].ami + 0.2
    assert first.clusters[10].ami > first.reference("pixels").ami + 0.2
    assert first.knn.top1 > first.reference("pixels").knn
    table = store.load(images.CELLS).table
    crowded = (table["neighbours"] >= 3).to_numpy()

    def agreement(which, truth, k):
        found = stored_clusters(run(which), k)
        return ami(truth[run(which).embedding_ids()], found.ids)

    assert agreement("left", crowded, 2) > 0.2 > 0.05 > agreement("right", crowded, 2)
    response = table["response"].astype("category").cat.codes.to_numpy()
    assert agreement("right", response, 6) > agreement("left", response, 6) + 0.05


def test_every_planted_compound_is_found_and_no_well_is_torn():
    cells = store.load(images.CELLS)
    for which in ("right", "sum"):
        found = vl.run(run(which).id)
        assert not set(found.table()["plate"]) & set(cells.table["plate"].iloc[cells.split_ids("train")])
        doses = found.doses()
        assert set(doses["compound"][doses["clear"]]) == set(COMPOUNDS)
        assert doses["clear"].iloc[0]
        assert (doses["name"] != "").all()
    with pytest.raises(DataError, match="no compounds"):
        vl.run(run("first").id).doses(10)


def test_a_screen_counts_the_cells_that_its_wells_had_and_not_the_sample_of_them_that_ships():
    table = store.load("example-cells").table
    _, counts = about_cells(store.load("example-cells"), np.arange(10))
    told = {(str(p), str(w)): int(c) for p, w, c in zip(table.plate, table.well, table.cell_count, strict=True)}
    assert counts == told
    assert min(counts.values()) > table.groupby(["plate", "well"]).size().max()


def test_a_map_of_it_begins_from_that_of_another_run_as_any_does(shipped, monkeypatch):
    left, right = vl.run(run("left").id), vl.run(run("right").id)
    begun = []
    monkeypatch.setattr(layouts, "compute_layout", lambda x, method, init=None: begun.append(init) or _laid(x))
    right.layout("tsne", like=left)
    assert np.array_equal(begun[0], left.layout("tsne"))


def _laid(x):
    return layouts.Layout(np.zeros((len(x), 2), np.float32), {}, 0.0, None, None)


def test_it_is_not_changed_and_what_one_says_of_it_is_kept_in_ones_own_store(shipped):
    right = run("right")
    for refuse in (stopping.delete, stopping.stop):
        with pytest.raises(SpecError, match="read-only"):
            refuse(right.id)
    with pytest.raises(SpecError, match="stays as it ships"):
        store.delete(images.CELLS)
    with pytest.raises(SpecError, match="The example has this name"):
        make_imageset(name=images.CELLS)
    known = annotations.read(right)
    (stem,) = known["clusters"]
    annotations.mark(right, known["revision"], stem, 0, name="mine")
    assert annotations.read(right)["clusters"][stem]["0"]["name"] == "mine"
    assert annotations.read(right)["clusters"][stem]["1"] == known["clusters"][stem]["1"]
    assert "mine" not in (shipped / right.id / "annotations.json").read_text()


def test_pixels_come_back_from_the_picture_as_they_were():
    for shape in ((5, 1, 4, 6), (5, 3, 4, 6)):
        pixels = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
        rows = pack(pixels)
        back = np.moveaxis(rows.reshape(5, 4, 6, shape[1]), -1, 1)
        assert np.array_equal(back, pixels)


def test_the_images_that_ship_are_those_that_are_drawn_now():
    strokes = store.load(images.STROKES).pixels
    assert np.array_equal(strokes, images.draw_strokes(len(strokes), seed=images.SEED)[0])
    cells = store.load(images.CELLS).pixels[: images.CHUNK]
    drawn, _ = images.cells_of(0)
    assert (cells == drawn).mean() > 0.999


@pytest.mark.slow
def test_a_run_that_is_made_now_is_as_it_ships(shipped, tmp_path):
    made = example.make(tmp_path / "demo", which=tuple(example.RUNS) if FULL else ("first",))
    assert example.differences(shipped, made) == []
    (path,) = made.glob("*/results.json") if not FULL else [next(made.glob("*/results.json"))]
    results = stores.read_json(path)
    results["knn"]["top1"] -= 0.1
    stores.write_json(path, results)
    assert [words for words in example.differences(shipped, made) if "kNN" in words]


def test_an_own_run_of_the_same_settings_takes_its_place(shipped):
    first = run("first")
    shutil.copytree(first.path, stores.runs_root() / first.id)
    assert not RunFolder(first.id).is_demo
    assert sum(row["id"] == first.id for row in registry.list_runs()) == 1
