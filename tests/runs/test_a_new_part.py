"""A new part of evaluation is a row and a file, as CONTRIBUTING says, and appears by itself wherever runs are shown."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import pytest

from ssrl_core import exports
from ssrl_core.cli import main
from ssrl_core.errors import SpecError
from ssrl_core.exports import tracking
from ssrl_core.runs.evaluation import parts as made_here
from ssrl_core.runs.evaluation.parts import missing_parts
from ssrl_core.runs.folder.run_folder import RunFolder, imageset_of
from ssrl_core.runs.queue import folder_rows, registry, submitting, sweeps, tables
from ssrl_core.specs import parts
from ssrl_core.specs.parts import LAYOUTS
from ssrl_core.specs.run import RunSpec, dump_run
from ssrl_core.specs.sweep import SweepSpec
from ssrl_core.specs.yaml_files import parse_yaml
from tests.kit import make_imageset
from tests.runs.conftest import spec
from tests.runs.test_phases import SMALL, work

ROW = parts.Part(
    "spread",
    "Spread",
    "How far the embedding reaches.",
    takes="switch",
    default=False,
    columns=(parts.Column("spread", "sd", "Spread", "Mean standard deviation of a dimension.", listed=True),),
)
FILE = '''
"""`spread`: how far the embedding reaches."""

def make(evaluation, item=""):
    return {"sd": float(evaluation.evaluated.std(axis=0).mean())}, {}
'''


@pytest.fixture
def spread(monkeypatch, tmp_path):
    (tmp_path / "spread.py").write_text(FILE)
    monkeypatch.setattr(made_here, "__path__", [*made_here.__path__, str(tmp_path)])
    monkeypatch.setitem(parts.PARTS, "spread", ROW)
    make_imageset()


def asked(**changes) -> RunSpec:
    return spec(**SMALL | {"evaluate": SMALL["evaluate"] | {"spread": True}} | changes)


def test_every_row_has_its_file_and_every_file_its_row():
    files = {path.stem for path in Path(made_here.__file__).parent.glob("*.py")} - {"__init__"}
    assert files == parts.PARTS.keys()
    for name in files:
        assert callable(importlib.import_module(f"{made_here.__name__}.{name}").make)


def test_layouts_of_specs_are_those_that_can_be_made():
    row = parts.PARTS["layouts"]
    assert set(row.settings[0].options) == set(LAYOUTS)
    assert row.default == tuple(name for name, layout in LAYOUTS.items() if layout.default)


def test_a_spec_takes_the_new_part_and_stays_the_same_run(spread):
    plain = spec(**SMALL)
    assert asked().spec_hash("f") == plain.spec_hash("f")
    assert RunSpec.from_mapping(parse_yaml(dump_run(asked()), "spec")) == asked()
    assert "spread" in asked().evaluate.asked()
    assert "spread" not in plain.evaluate.asked()
    with pytest.raises(SpecError, match="spread must be true or false"):
        asked(evaluate={"spread": 3})


def test_a_spec_without_the_part_is_refused_where_there_is_no_such_row():
    with pytest.raises(SpecError, match="a key of evaluate"):
        asked()


def test_the_new_part_is_in_results_lists_tables_and_exports(spread, capsys, tmp_path):
    plan = {**asked().to_mapping(), "seeds": [5, 6]}
    del plan["seed"]
    sweep = sweeps.submit(SweepSpec.from_mapping(plan), start=False)
    runs = [RunFolder(row["id"]).require() for row in registry.list_runs()]
    for run in runs:
        work(run)
        registry.change(run.id, state="done", results=folder_rows.results_text(run.results().data))
        assert missing_parts(run, run.spec(), imageset_of(run.spec())) == []
    values = {run.id: run.results().entry("spread")["sd"] for run in runs}
    assert all(value > 0 for value in values.values())
    assert {row["id"]: row["spread"] for row in registry.list_runs()} == pytest.approx(values)
    table = tables.results_table(sweep["id"])
    assert dict(zip(table["run"], table["spread"], strict=True)) == pytest.approx(values)
    mean = tables.mean_over_seeds(table)
    assert mean["spread"].tolist() == pytest.approx([sum(values.values()) / 2])
    run = runs[0]
    assert tracking.scores(run)["spread/sd"] == pytest.approx(values[run.id])
    assert f"Spread: {values[run.id]:.3f}" in exports.content(run.id, "card").decode()
    assert main(["runs", "list", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)["data"]
    assert {row["id"]: row["spread"] for row in listed} == pytest.approx(values)


def test_asking_for_it_of_a_finished_run_makes_it_alone(spread):
    run = RunFolder(submitting.submit(spec(**SMALL), start=False)["id"])
    work(run)
    assert run.results().entry("spread") is None
    submitting.submit(asked(), start=False)
    assert work(run).said[0] == "to do: spread"
