"""What is damaged in a run folder is named, is not used in silence, and does not hide the rest."""

import json

import numpy as np
import pytest

from ssrl_core import stores
from ssrl_core.errors import DataError, RunError
from ssrl_core.learning.backbones import build
from ssrl_core.learning.encoders import load_encoder, save_encoder
from ssrl_core.runs.folder import annotations
from ssrl_core.runs.folder.checking import damages
from ssrl_core.runs.folder.results import save_array
from ssrl_core.runs.folder.run_folder import RunFolder
from ssrl_core.runs.queue import folder_rows, registry, run_names, stopping, tables
from tests.kit import make_run
from tests.runs.conftest import settled


@pytest.fixture
def run():
    """A finished run as one writes it now: each array with its checksum, an encoder, names of clusters."""
    run = RunFolder(make_run(n=20).name)
    for path in run.path.glob("*.npy"):
        said = stores.read_json(path.with_suffix(".json")) if path.with_suffix(".json").is_file() else {}
        save_array(path, np.load(path), said)
    save_encoder(
        run.path / "encoder.safetensors", build("tiny_cnn", channels=1, side=8, mean=[0.5], sd=[0.2], seed=0), {}
    )
    annotations.mark(run, 0, "clusters_kmeans_k3_s0", 1, name="round", colour="#aa0000")
    annotations.tag(run, 1, "some", [3, 4])
    return run


def test_a_sound_run_has_no_damage(run):
    assert damages(run) == []


def _cut(content):
    return content[: len(content) // 2]


def _zeroed(content):
    return bytes(len(content))


def _flipped(content):
    changed = np.frombuffer(content, np.uint8).copy()
    changed[len(changed) * 3 // 4] ^= 0x40
    return changed.tobytes()


@pytest.mark.parametrize("spoil", [_cut, _zeroed, _flipped])
def test_each_file_that_is_damaged_is_named_and_the_others_are_read(run, spoil):
    """A flipped bit in JSON or YAML may leave a document that reads well (a digit, a letter of a name): not asked."""
    unseen = {_flipped: {"log.txt", "spec.yaml", "metrics.jsonl"}, _cut: {"log.txt", "metrics.jsonl"}}.get(
        spoil, {"log.txt"}
    )
    for name in sorted(set(run.files()) - unseen):
        if spoil is _flipped and name.endswith(".json"):
            continue
        before = (run.path / name).read_bytes()
        (run.path / name).write_bytes(spoil(before))
        told = {one.file for one in damages(run)}
        (run.path / name).write_bytes(before)
        # the checksum of an array goes with the file beside it
        assert told == {name}, (name, told)


def test_changed_numbers_are_not_used_in_silence(run):
    path = run.path / "embedding.npy"
    path.write_bytes(_flipped(path.read_bytes()))
    with pytest.raises(RunError, match=r"embedding\.npy: the file is damaged .*Delete it and resume the run"):
        run.embedding()
    encoder = run.path / "encoder.safetensors"
    encoder.write_bytes(_flipped(encoder.read_bytes()))
    with pytest.raises(DataError, match="its bytes are not those that were written"):
        load_encoder(encoder)


def test_an_array_of_an_older_run_is_read_without_a_checksum(run):
    (run.path / "embedding.json").unlink()
    assert len(run.embedding()[0]) == 20


def test_a_kill_between_checksum_and_array_leaves_no_wrong_numbers(run, monkeypatch):
    """The old array goes first: the new checksum never stands beside other numbers."""
    path, old = run.path / "embedding.npy", run.embedding()[0]
    monkeypatch.setattr(stores, "replace", _only_json(stores.replace))
    with pytest.raises(KeyboardInterrupt):
        save_array(path, old + 1)
    assert not path.is_file()
    monkeypatch.undo()
    save_array(path, old + 1)
    assert np.array_equal(run.embedding()[0], old + 1)


def _only_json(replace):
    def killed(path, *rest, **more):
        if path.suffix == ".npy":
            raise KeyboardInterrupt
        return replace(path, *rest, **more)

    return killed


WRONG = (7, "text", [1], {"a": [None]}, True)


def _places(node, place=()):
    yield place
    for key, one in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        yield from _places(one, (*place, key))


def _with(node, place, value):
    if not place:
        return value
    changed = json.loads(json.dumps(node))
    at = changed
    for key in place[:-1]:
        at = at[key]
    at[place[-1]] = value
    return changed


def test_results_of_wrong_types_are_named_and_the_rest_is_read(run):
    path = run.path / "results.json"
    sound = stores.read_json(path)
    for place in [place for place in _places(sound) if place and place[0] != "version"]:
        for wrong in WRONG:
            path.write_text(json.dumps(_with(sound, place, wrong)), encoding="utf-8")
            results = run.results()
            assert results.columns().keys() == results.columns().keys()
            told = (results.clusters, results.probes, results.view, results.layouts, results.seconds, results.missing)
            assert len(told) == 6
            assert results.reference("pixels").knn is None or isinstance(results.reference("pixels").knn, float | int)
            assert results.listed().keys() == {"knn_top1", "ami"}
            if "classes" in place:
                tables.class_frame([({"dataset": "kit"}, results)])
    path.write_text(json.dumps(_with(sound, ("knn",), "text")), encoding="utf-8")
    assert run.results().damaged == {"knn": "must be keys and values, got str."}
    assert run.results().knn is None
    assert run.results().clusters
    assert [(one.file, one.what[:4]) for one in damages(run)] == [("results.json", "knn:")]


def test_a_state_of_wrong_types_is_named_and_the_list_stands():
    folder = make_run(state="running")
    registry.reconcile()
    sound = stores.read_json(folder / "state.json")
    for name in (name for name in sound if name not in ("version", "id")):
        for wrong in (*WRONG, "2026-01-01", 2**70):
            (folder / "state.json").write_text(json.dumps(sound | {name: wrong}), encoding="utf-8")
            for row in (*registry.list_runs(), folder_rows.row_of(folder.name, None)):
                assert row["state"] in ("running", "queued")
                assert abs(row["attempt"]) < 2**63
    (folder / "state.json").write_text(json.dumps(sound | {"alive_at": "soon", "attempt": []}), encoding="utf-8")
    assert {one.what.partition(":")[0] for one in damages(RunFolder(folder.name))} == {"alive_at", "attempt"}


def test_names_of_wrong_types_are_named(run):
    path = run.path / "annotations.json"
    sound = stores.read_json(path)
    places = [place for place in _places(sound) if place and place[0] in ("clusters", "tags", "revision")]
    named = [name for place in places for wrong in WRONG if (name := _refused(run, _with(sound, place, wrong)))]
    assert len(named) > len(places)
    assert all("annotations.json: this is not what Viewloom wrote" in text for text in named)
    path.write_bytes(b"{")
    assert [one.file for one in damages(run)] == ["annotations.json"]


def _refused(run, content):
    """The words of the refusal; "" where it is read, and then it can be used."""
    (run.path / "annotations.json").write_text(json.dumps(content), encoding="utf-8")
    try:
        read = annotations.read(run)
    except DataError as error:
        return str(error)
    annotations.marks_of(annotations.Clusters(run, "clusters_kmeans_k3_s0", *_two(run)), [])
    assert all(entry["name"] for entry in read["tags"])
    return ""


def _two(run):
    ids = run.embedding_ids()
    return ids, np.zeros(len(ids), np.int32)


@pytest.mark.parametrize("content", [b"", bytes(200), b"\xff\xfe", b"- 1", b"method: {name: []}"])
def test_a_run_whose_spec_is_damaged_is_listed_and_can_be_deleted_or_mended(run, content):
    path = run.path / "spec.yaml"
    before = path.read_bytes()
    path.write_bytes(content)
    settled(path)
    (stores.models_root() / "runs.db").unlink(missing_ok=True)
    row = registry.list_runs()[0]
    assert (row["id"], row["state"]) == (run.id, "failed")
    assert "spec.yaml is damaged" in row["reason"]
    assert [one.file for one in damages(run)] == ["spec.yaml"]
    registry.reconcile()
    assert run_names.compositions_of(run.id) == ""
    path.write_bytes(before)
    assert registry.list_runs()[0]["state"] == "done"
    registry.reconcile()
    assert run_names.compositions_of(run.id) == run.spec().terms[0].composition.name
    assert (registry.require(run.id)["state"], registry.require(run.id)["dataset"]) == ("done", "kit")
    path.write_bytes(content)
    stopping.delete(run.id)
    assert not run.path.exists()
