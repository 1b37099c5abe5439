"""Two runs over their seeds: every pair, kept by what the embeddings hold, and a slow twin."""

import dataclasses
import json
import statistics

import numpy as np
import pytest

from ssrl_core import stores
from ssrl_core.analysis.comparison import compare
from ssrl_core.cli import main
from ssrl_core.errors import Stopped
from ssrl_core.runs.evaluation.clustering import stored_clusters
from ssrl_core.runs.folder.run_folder import RunFolder
from ssrl_core.runs.queue import over_seeds, registry
from ssrl_core.runs.queue.over_seeds import seeds_of
from ssrl_core.specs.run import dump_run
from tests.kit import make_run

FLIPPED = {"name": "flipped", "steps": [{"transform": "horizontal_flip"}]}


def seeds(numbers, **spec) -> list[RunFolder]:
    return [RunFolder(make_run(n=60, spec={"seed": s, **spec}, seed=s).name) for s in numbers]


@pytest.fixture
def sides():
    return seeds((1, 2, 3)), seeds((4, 5), terms=[{"composition": FLIPPED, "weight": 1.0}])


def by_hand(pairs, k, k2):
    """Mean and sd of each measure, with nothing kept and nothing shared."""
    found = []
    for a, b in pairs:
        (x, _), (y, _) = a.embedding(), b.embedding()
        found.append(compare(x, y, stored_clusters(a, k).ids, stored_clusters(b, k2).ids))
    return {
        name: (statistics.mean(row[name] for row in found), statistics.stdev(row[name] for row in found))
        for name in over_seeds.MEASURES
    }


def test_means_and_sds_agree_with_their_slow_twin(sides):
    a, b = sides
    rows = over_seeds.make(over_seeds.ask(a[0], b[0], 3, 4))
    assert [(row["what"], row["pairs"], row["of"]) for row in rows] == [
        ("A beside B", 6, 6),
        ("two seeds of A", 3, 3),
        ("two seeds of B", 1, 1),
    ]
    for row, twin in (
        (rows[0], by_hand([(x, y) for x in a for y in b], 3, 4)),
        (rows[1], by_hand([(a[0], a[1]), (a[0], a[2]), (a[1], a[2])], 3, 3)),
    ):
        for name, (mean, sd) in twin.items():
            assert row[name]["mean"] == pytest.approx(mean, abs=1e-9)
            assert row[name]["sd"] == pytest.approx(sd, abs=1e-9)
    assert rows[2]["cka"]["sd"] is None


def test_a_stopped_job_keeps_its_pairs_and_goes_on(sides):
    a, b = sides
    asked = over_seeds.ask(a[0], b[0], 3, 3)

    def until_half(share):
        if share >= 0.5:
            raise Stopped("enough")

    with pytest.raises(Stopped):
        over_seeds.make(asked, until_half)
    done = [pair.path.stat().st_mtime_ns for pair in asked.pairs if pair.path.is_file()]
    assert len(done) == 5
    told = []
    over_seeds.make(asked, told.append)
    assert told[-1] == 1
    assert [pair.path.stat().st_mtime_ns for pair in asked.pairs][:5] == done


def test_one_more_seed_and_another_embedding_cost_their_own_pairs(sides):
    first = sides[0][0]
    over_seeds.make(over_seeds.ask(first, first, 3, 3))
    fourth = seeds((9,))[0]
    asked = over_seeds.ask(first, first, 3, 3)
    assert [pair.read() is None for pair in asked.pairs] == [False, False, True, False, True, True]
    over_seeds.make(asked)
    x, _ = fourth.embedding()
    np.save(fourth.path / "embedding.npy", x + 1)
    fresh = over_seeds.ask(first, first, 3, 3)
    assert sum(pair.read() is None for pair in fresh.pairs) == 3
    assert fresh.name != asked.name


def test_another_evaluated_split_is_another_comparison(sides):
    first = sides[0][0]
    over_seeds.make(over_seeds.ask(first, None, 3, 3))
    spec = RunFolder(first.id).spec()
    split = dataclasses.replace(spec, evaluate=dataclasses.replace(spec.evaluate, split="val"))
    (first.path / "spec.yaml").write_text(dump_run(split), encoding="utf-8")
    asked = over_seeds.ask(RunFolder(first.id), None, 3, 3)
    assert [pair.read() is None for pair in asked.pairs] == [True, True, False]


@pytest.mark.parametrize("text", ["{", '{"version": 2}'])
def test_a_pair_that_cannot_be_read_is_made_again(sides, text):
    asked = over_seeds.ask(sides[0][0], None, 3, 3)
    over_seeds.make(asked)
    asked.pairs[0].path.write_text(text)
    assert over_seeds.read(asked)[0]["pairs"] == 2
    assert over_seeds.make(asked)[0]["pairs"] == 3


def test_a_run_without_seeds_has_nothing_to_compare():
    first, second = seeds((1,))[0], seeds((2,), epochs=7)[0]
    assert over_seeds.ask(first, second, 3, 3).groups == ()


def test_siblings_with_more_seeds_than_are_compared_are_never_compared_with_themselves():
    runs = seeds(range(1, 8))
    asked = over_seeds.ask(runs[0], runs[6], 3, 3)
    assert [group.what for group in asked.groups] == ["two seeds of A"]
    assert all(pair.a.id != pair.b.id for pair in asked.pairs)
    assert len(asked.pairs) == 10


def test_among_thousands_alike_siblings_are_found_by_text(sides, monkeypatch):
    registry.list_runs()
    monkeypatch.setattr(over_seeds, "_LOOKED_INTO", 3)
    for _ in range(3):
        seeds((6, 7, 8), epochs=7)
    assert [run.id for run in seeds_of(sides[0][0])] == [run.id for run in sides[0]]


def test_the_command_tells_and_refuses(sides, capsys):
    a, b = sides
    assert main(["compare", a[0].id, b[0].id, "-k", "3", "--over-seeds", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)["data"]
    assert (data["seeds_a"], data["seeds_b"]) == (3, 2)
    assert data["over_seeds"] == over_seeds.read(over_seeds.ask(a[0], b[0], 3, 3))
    assert main(["compare", a[0].id, b[0].id, "-k", "3", "--over-seeds"]) == 0
    assert "two seeds of B" in capsys.readouterr().out
    assert main(["compare", a[0].id, b[0].id, "--seed", "4", "--over-seeds"]) == 2
    assert "--seed must be 0 with --over-seeds" in capsys.readouterr().err


def test_a_stop_asked_of_the_job_ends_it(sides, monkeypatch):
    from ssrl_core.runs import jobs

    a, b = sides
    asked = over_seeds.ask(a[0], b[0], 3, 3)
    monkeypatch.setenv(jobs.VARIABLE, str(jobs.file_of(asked.name)))
    stores.write_json(jobs.file_of(asked.name), {"version": 1})
    jobs.stop(asked.name)
    assert main(["compare", a[0].id, b[0].id, "-k", "3", "--over-seeds"]) == 3
    assert jobs.state_of(asked.name)["state"] == "stopped"
