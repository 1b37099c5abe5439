"""Two numbers of each run's results are kept beside the registry's rows, whoever writes them."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

from ssrl_core.runs.folder.results import Results
from ssrl_core.runs.folder.verdict import standing
from ssrl_core.runs.queue import folder_rows, registry, registry_file

RESULTS = {
    "knn": {"top1": 0.7, "classes": {}},
    "clusters": {"5": {"ami": 0.2}, "10": {"ami": 0.4}, "20": {"ami": None}},
    "linear": {"top1": 0.6, "classes": {"a": {"n": 1, "correct": 1, "accuracy": 1.0}}, "confusion": [[1, 0], [0, 1]]},
    "finetune": {"0.1": {"top1": 0.5, "confusion": [[1, 0], [0, 1]]}},
}


def listed(run_id):
    """What the list says, and what its results say when they are read again (the slow twin)."""
    shown = next((row["knn_top1"], row["ami"]) for row in registry.list_runs() if row["id"] == run_id)
    results = json.loads(registry.require(run_id)["results"] or "{}")
    amis = [entry["ami"] for entry in results.get("clusters", {}).values() if entry["ami"] is not None]
    return shown, ((results.get("knn") or {}).get("top1"), max(amis, default=None))


def write(run_id, results):
    registry.change(run_id, results=folder_rows.results_text(results))


def test_scores_in_the_list_follow_the_results(queued):
    run = queued()
    assert listed(run.id) == ((None, None), (None, None))
    for results, shown in (
        (RESULTS, (0.7, 0.4)),
        (RESULTS | {"knn": {"top1": 0.9}, "clusters": {}}, (0.9, None)),
        ({"knn": None, "clusters": {"3": {"ami": 0.0}}}, (None, 0.0)),
    ):
        write(run.id, results)
        assert listed(run.id) == (shown, shown)
    for lost in (None, "{broken"):
        write(run.id, RESULTS)
        registry.change(run.id, results=lost)
        assert registry.query("SELECT * FROM scores") == []


def test_a_run_that_is_deleted_takes_its_scores_along(queued):
    run = queued()
    write(run.id, RESULTS)
    registry.transact(lambda connection: connection.execute("DELETE FROM runs"))
    assert registry.query("SELECT * FROM scores") == []


def test_the_list_judges_a_run_as_its_results_do(queued):
    run = queued()
    beside = {"pixels": {"knn": 0.9, "ami": 0.1}, "untrained": {"knn": 0.3, "ami": 0.2}}
    for results, words in (
        (RESULTS | {"n": 100, "references": beside}, "Worse than raw pixels in kNN, better in AMI: train longer"),
        (RESULTS | {"n": 100, "references": {"pixels": {"knn": 0.2, "ami": None}}}, "Better than raw pixels"),
        (RESULTS, ""),
        ({"knn": None, "clusters": {}}, ""),
    ):
        write(run.id, results)
        row = next(row for row in registry.list_runs() if row["id"] == run.id)
        assert registry.verdict_of(row | {"state": "done"}) == words
        assert folder_rows.listed_row({"results": json.dumps(results)})["judged"] == json.dumps(
            json.loads(row["judged"])
        )
        assert registry.verdict_of(row) == ""  # it is not done
    assert standing(Results(RESULTS | {"n": 100, "references": beside}), "spectral").endswith("better in AMI")


def test_what_is_no_better_than_untrained_is_told():
    same = {"n": 400, "knn": {"top1": 0.5}, "references": {"pixels": {"knn": 0.2}, "untrained": {"knn": 0.5}}}
    assert standing(Results(same), "simclr") == (
        "Better than raw pixels; no better than the untrained network: train longer"
    )


def test_a_registry_from_before_gets_its_scores(queued):
    run = queued()
    write(run.id, RESULTS)
    with closing(sqlite3.connect(registry.path())) as connection:
        for name in ("scores_new", "scores_changed", "scores_gone"):
            connection.execute(f"DROP TRIGGER {name}")
        connection.execute("DROP TABLE scores")
        connection.commit()
    with closing(sqlite3.connect(registry.path(), isolation_level=None)) as connection:
        registry_file.ensure_scores(connection)
        registry_file.ensure_scores(connection)
    assert listed(run.id) == ((0.7, 0.4), (0.7, 0.4))
    write(run.id, RESULTS | {"knn": {"top1": 0.8}})
    assert listed(run.id)[0] == (0.8, 0.4)


def test_the_registry_keeps_results_without_confusion_tables(queued):
    run = queued()
    write(run.id, RESULTS)
    kept = json.loads(registry.require(run.id)["results"])
    assert kept["linear"] == RESULTS["linear"] | {"confusion": None}
    assert kept["finetune"] == {"0.1": {"top1": 0.5, "confusion": None}}
    assert RESULTS["linear"]["confusion"] == [[1, 0], [0, 1]]
    assert folder_rows.results_text({"knn": None}) == '{"knn": null}'
