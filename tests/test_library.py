"""The front door for engineers: what a script does with `import ssrl_core as vl`."""

from __future__ import annotations

import ast
import inspect
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest

import ssrl_core as vl
from ssrl_core import stores
from ssrl_core.datasets import pictures
from ssrl_core.errors import RunError, SpecError, Stopped
from ssrl_core.library import images, run_objects
from ssrl_core.runs.folder.run_folder import RunFolder
from ssrl_core.runs.queue import processes, registry, submitting
from ssrl_core.specs.run import RunSpec
from tests.kit import ROOT, make_imageset, make_run, shared


@pytest.fixture
def no_worker(monkeypatch):
    """Runs are queued, and nobody trains them."""
    monkeypatch.setattr(processes, "start_coordinator", lambda *a, **k: True)


def _spec(**more):
    return {"dataset": "kit", "backbone": "tiny_cnn", "method": "simclr", "terms": "identity", "batch_size": 8, **more}


def test_the_front_door_lists_what_it_has_and_says_so():
    assert set(vl.__all__) <= set(dir(vl))
    for name in vl.__all__:
        found = getattr(vl, name)
        assert callable(found), name
        assert inspect.signature(found) is not None
    assert str(inspect.signature(vl.forecast)).startswith("(dataset: ")
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = vl.nothing


def test_every_function_says_what_comes_back_and_what_it_raises():
    from ssrl_core import library

    for name, function in inspect.getmembers(library, inspect.isfunction):
        if not name.startswith("_") and function.__module__ == library.__name__:
            assert function.__doc__, name
            assert "Raises:" in function.__doc__ or name in ("datasets", "runs"), name
            assert "return" in function.__annotations__, name


@pytest.mark.parametrize("first", ["ssrl_core.datasets.store", "ssrl_core.forecast.kept", "ssrl_core.runs.jobs"])
def test_a_room_that_was_imported_first_can_still_be_called(first):
    code = f"import {first}, ssrl_core as vl; print(callable(vl.datasets) and callable(vl.forecast), len(vl.runs()))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.stdout.split() == ["True", "0"], done.stderr


def test_image_sets_are_listed_loaded_and_shown():
    imageset = make_imageset(20, 2, 16)
    row = vl.datasets().loc["kit"]
    assert (row["images"], row["channels"], row["height"], row["ready"]) == (20, 2, 16, True)
    assert not vl.datasets().loc["strokes", "ready"]
    assert vl.load("kit").fingerprint == imageset.fingerprint
    assert "data:image/png;base64," in vl.load("kit")._repr_html_()
    with pytest.raises(SpecError, match=r"one of .*kit"):
        vl.load("nothing")


def test_own_images_come_in_under_a_name(tmp_path):
    for i in range(6):
        folder = tmp_path / "photos" / "ab"[i % 2]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{i}.png").write_bytes(pictures.png(np.full((12, 12, 3), 40 * i, np.uint8)))
    imageset = vl.import_images(tmp_path / "photos", "photos", title="Photos")
    assert (imageset.count, imageset.classes, imageset.title) == (6, ("a", "b"), "Photos")
    with pytest.raises(SpecError, match="option must be one of title, label"):
        vl.import_images(tmp_path / "photos", "others", labels="a")


def test_a_composition_is_a_name_a_file_data_or_itself(tmp_path):
    named = vl.composition("mnist-first-set")
    assert vl.composition(named) is named
    assert named.sentence()[:10] in named._repr_html_()
    with pytest.raises(SpecError, match="a preset, a saved name or a file"):
        vl.composition("nothing")


def test_views_are_those_of_training_as_many_as_asked():
    from ssrl_core.compositions.draws import draw
    from ssrl_core.compositions.views import make_views

    imageset = make_imageset(30, 1, 16)
    views = vl.views(imageset, "mnist-first-set", seed=3, limit=5)
    composition = vl.composition("mnist-first-set")
    ids = np.sort(np.random.default_rng(3).choice(30, 5, replace=False))
    (own,) = make_views(imageset.pixels[ids], draw(composition, ids, seed=3, epoch=0), composition, max_value=255)
    np.testing.assert_array_equal(views[0], own.numpy())
    assert len(views) == 1
    assert np.asarray(vl.views("kit", composition, n=6, limit=2)).shape[:3] == (6, 2, 1)
    assert "data:image/png" in views._repr_html_()
    assert "turned" not in repr(views)


def test_views_of_pixels_in_hand():
    pixels = np.random.default_rng(0).random((2, 3, 16, 16), dtype=np.float32)
    np.testing.assert_allclose(vl.views(pixels, "identity").array[0], pixels, atol=1e-6)
    with pytest.raises(SpecError, match=r"\(B, C, H, W\)"):
        vl.views(pixels[0], "identity")
    with pytest.raises(SpecError, match="limit must be at least 1"):
        vl.views(make_imageset(), "identity", limit=0)


def test_the_count_of_several_view_groups_stands_in_the_composition():
    make_imageset(5)
    groups = [{"name": "a", "count": 1}, {"name": "b", "count": 2, "size": 8}]
    two = {"name": "two", "views": groups}
    views = vl.views("kit", two)
    assert [v.shape for v in views] == [(1, 5, 1, 16, 16), (2, 5, 1, 8, 8)]
    assert "data:image/png" in views._repr_html_()
    with pytest.raises(SpecError, match="several view groups"):
        vl.views("kit", two, n=3)
    with pytest.raises(SpecError, match="one view group"):
        _ = views.array


def test_lpips_of_a_set_and_of_pixels_in_hand():
    _lay_weights()
    imageset = make_imageset(6, 3, 32)
    measured = vl.lpips("kit", "cifar-base", limit=6)
    assert measured.n == 6
    assert measured.mean > 0
    same = vl.lpips(np.array(imageset.pixels), "cifar-base")
    np.testing.assert_allclose(same.values, measured.values)


def test_a_search_takes_wishes_or_a_file_of_them(tmp_path):
    make_imageset(60)
    (tmp_path / "wishes.yaml").write_text("dataset: other\nwishes: {classes: keep}\ncandidates: 2\n")
    found = vl.search("kit", tmp_path / "wishes.yaml")
    assert found.tried == 2
    assert found.front[0].composition.sentence()
    with pytest.raises(SpecError, match="option must be one of candidates"):
        vl.search("kit", {"classes": "keep"}, candidate=2)


def test_a_forecast_is_a_table_and_shows_itself():
    make_imageset(60, 1, 16)
    found = vl.forecast("kit", "identity", images=60, views=2)
    assert {"value", "low", "high", "plain"} <= set(found.table.columns)
    assert "<table" in found._repr_html_()
    with pytest.raises(SpecError, match="option must be one of against, by_step"):
        vl.forecast("kit", "identity", image=60)


def test_a_search_is_a_table_and_shows_itself(capsys):
    make_imageset(60, 1, 16)
    found = vl.search("kit", {"classes": "keep", "brightness": "ignore"}, candidates=2)
    assert found.tried == 2
    assert {"classes", "brightness", "ami", "sentence"} == set(found.table.columns)
    assert "<table" in found._repr_html_()
    assert capsys.readouterr().err.splitlines() == ["search: 0%", "search: 40%", "search: 80%", "search: 100%"]


def test_a_spec_takes_image_sets_and_compositions_as_they_are(no_worker):
    imageset, composition = make_imageset(), vl.composition("mnist-first-set")
    asked = images.read_run(_spec(dataset=imageset, terms=[{"composition": composition, "weight": 2.0}]))
    assert (asked.dataset.name, asked.terms[0].composition, asked.terms[0].weight) == ("kit", composition, 2.0)
    assert images.read_run(asked) is asked
    with pytest.raises(SpecError, match="a whole image set"):
        images.read_run(_spec(dataset=imageset.select(where={"plate": ["p0"]})))
    run = vl.train(_spec(terms=composition), wait=False)
    assert (run.state, repr(run)) == ("queued", f"<Run {run.id}: queued>")
    assert vl.train(RunSpec.from_mapping(run.spec.to_mapping()), wait=False).id == run.id
    with pytest.raises(RunError, match="not there"):
        _ = run.embedding


def test_ctrl_c_ends_the_waiting_and_leaves_the_run(no_worker, monkeypatch, capsys):
    make_imageset()

    def interrupted(run_id, on_change):
        on_change(RunFolder(run_id).state() | {"reason": None})
        raise KeyboardInterrupt

    monkeypatch.setattr(submitting, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        vl.train(_spec())
    (run,) = vl.runs()
    assert run.state == "queued"
    assert f"Run {run.id} goes on" in capsys.readouterr().out


@pytest.mark.parametrize(("state", "error"), [("failed", RunError), ("stopped", Stopped)])
def test_a_run_that_ended_otherwise_says_so(no_worker, state, error):
    make_imageset()
    run = vl.train(_spec(), wait=False)
    registry.change(run.id, state=state, reason="the disk is full")
    with pytest.raises(error, match=run.id):
        run.wait()


def test_a_run_is_read_row_by_row():
    folder = make_run()
    run = vl.run(folder.name[:12])
    assert (run.id, run.state) == (folder.name, "done")
    n = len(run.image_ids)
    assert run.embedding.shape == (n, 8)
    clusters = run.clusters(3)
    assert (clusters.ids.shape, sum(clusters.sizes)) == ((n,), n)
    nearest = run.nearest(3, count=2)
    assert nearest.image_ids.shape == (3, 2)
    assert set(nearest.image_ids.ravel()) <= set(run.image_ids)
    assert nearest._repr_html_().count("data:image/png") == 3
    table = run.table(k=3)
    assert list(table.index) == list(run.image_ids)
    np.testing.assert_array_equal(table["cluster"], clusters.ids)
    assert run.layout("pca").shape == (n, 2)
    assert np.isfinite(run.layout("pca")).all()
    with pytest.raises(SpecError, match="method must be one of"):
        run.layout("nothing")


def test_the_figures_of_a_run():
    run = vl.run(make_run().name)
    assert [trace.name for trace in run.map("pca", colour=2).data] == ["cluster 0", "cluster 1"]
    assert sum(len(trace.x) for trace in run.map("pca").data) == len(run.image_ids)
    assert len(run.map("pca", colour="order").data) == 1
    assert "loss" in run.curves()
    assert len(run.classes().data) >= 1
    with pytest.raises(SpecError, match="a column or a number of clusters"):
        run.map("pca", colour="nothing")
    with pytest.raises(SpecError, match="probe must be one of"):
        run.classes("nothing")
    assert run.id in run._repr_html_()


def test_runs_are_a_list_and_a_table():
    run = vl.run(make_run().name)
    assert list(vl.runs()) == [run]
    assert vl.runs("no such words") == []
    assert vl.runs("no such words").table.empty
    assert vl.runs("kit simclr").table.loc[run.id, "state"] == "done"
    assert "<table" in vl.runs()._repr_html_()
    with pytest.raises(SpecError, match="a run of this store"):
        vl.run("nothing")


def test_a_sweep_is_a_table_and_is_found_again(no_worker):
    make_imageset()
    sweep = vl.sweep(_spec(name="two", seeds=[1, 2], terms=vl.composition("identity")), wait=False)
    assert len(sweep.runs) == 2
    assert list(sweep.results["state"]) == ["queued", "queued"]
    assert vl.sweep(sweep.id, wait=False) == sweep
    assert "<table" in sweep._repr_html_()
    for run in sweep.runs:
        registry.change(run.id, state="failed", reason="the disk is full")
    with pytest.raises(RunError, match="2 runs failed"):
        sweep.wait()
    with pytest.raises(SpecError, match="a readable file"):
        vl.sweep("no-such-sweep")


def test_a_bar_writes_a_line_a_phase_where_there_is_no_terminal(capsys):
    bar = run_objects.Bar("a run")
    for share, words in ((0.1, "train  10 %"), (0.2, "train  20 %"), (1.0, "done")):
        bar(share, words)
    bar.close()
    assert capsys.readouterr().err.splitlines() == ["a run: train  10 %", "a run: done"]


def test_a_bar_stays_on_its_line_in_a_terminal(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    bar = run_objects.Bar("a run")
    bar(0.5, "train  50 %")
    bar.close()
    assert capsys.readouterr().err == "\r\x1b[K" + "█" * 12 + "░" * 12 + " train  50 %\n"


def _cells():
    """The code of the notebook, a cell each."""
    book = json.loads((ROOT / "docs" / "examples" / "first_steps.ipynb").read_text(encoding="utf-8"))
    return [cell for cell in book["cells"] if cell["cell_type"] == "code"]


def test_the_notebook_is_kept_without_outputs():
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in _cells())


@pytest.mark.slow
def test_the_notebook_runs_and_every_cell_shows_something():
    """As a notebook does it: the last expression of a cell is shown."""
    names = {}
    try:
        for cell in _cells():
            tree = ast.parse("".join(cell["source"]))
            last = tree.body.pop()
            assert isinstance(last, ast.Expr)
            exec(compile(tree, "first_steps.ipynb", "exec"), names)
            shown = eval(compile(ast.Expression(last.value), "first_steps.ipynb", "eval"), names)
            assert shown._repr_html_()
    finally:
        processes.ask_to_end()
    assert names["run"].state == "done"


def _lay_weights():
    name = "alexnet_features.safetensors"
    shutil.copy(shared(f"data/weights/{name}"), stores.weights_root() / name)
