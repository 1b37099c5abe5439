"""`classes`: rows of a sweep, statistics of a sweep and of a file."""

import json
import subprocess
import sys

import pandas as pd
import pytest
from scipy import stats

from ssrl_core import stores
from ssrl_core.cli import main
from ssrl_core.runs.queue import tables
from tests.kit import make_imageset, make_run, make_sweep_table


def answer(capsys, *words: str) -> tuple[int, dict]:
    code = main([*words, "--json"])
    return code, json.loads(capsys.readouterr().out)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "sweep.csv"
    make_sweep_table().to_csv(path, index=False)
    return path


def test_a_file_gives_every_statistic_as_one_document(capsys, file):
    code, found = answer(capsys, "classes", str(file), "--draws", "2", "--weight", "up=2", "--weight", "down=1")
    data = found["data"]
    assert code == 0
    assert data["x"] == "vary.hue"
    assert {data["opposed"][0]["first"], data["opposed"][0]["second"]} == {"down", "up"}
    assert {row["class"]: row["behaviour"] for row in data["behaviours"]}["up"] == "ascending"
    assert {row["floor"] for row in data["floors"]} == {"permuted", "trend_kept"}
    assert data["trade_off"]
    assert any(row["kind"] == "one_probe" for row in data["reasons"])


def test_the_same_for_people_names_winners_and_pairs(capsys, file):
    assert main(["classes", str(file), "--draws", "0"]) == 0
    said = capsys.readouterr().out
    assert "up +" in said
    assert "opposed" in said


@pytest.mark.parametrize(
    "words",
    [
        ["none.csv"],
        ["{file}", "--x", "crop"],
        ["{file}", "--draws", "-1"],
        ["{file}", "--weight", "up=much"],
        ["{file}", "--points", "seeds"],
        ["no-such-sweep"],
    ],
)
def test_bad_input_ends_with_2_and_a_remedy(capsys, file, words):
    code, found = answer(capsys, "classes", *(word.replace("{file}", str(file)) for word in words))
    assert code == 2
    assert found["ok"] is False
    assert found["error"]["message"]


def test_rows_of_a_sweep_carry_fine_tuning_and_a_run_that_was_deleted_is_gone(capsys):
    run = make_run()
    results = stores.read_json(run / "results.json")
    stores.write_json(run / "results.json", results | {"finetune": {"0.01": results["linear"]}})
    member = {"id": run.name, "seed": 5, "values": {"epochs": 2}}
    sweep = {"version": 1, "id": "kit-1", "name": "kit", "spec": "{}", "created_at": stores.utc_now()}
    (stores.models_root() / "sweeps").mkdir(exist_ok=True)
    stores.write_json(
        stores.models_root() / "sweeps" / "kit-1.json", sweep | {"runs": [member, {**member, "id": "gone"}]}
    )
    _, found = answer(capsys, "classes", "kit-1")
    assert {row["probe"] for row in found["data"]} == {"linear", "knn", "finetune-0.01"}
    assert tables.sweep_progress("kit-1") == {"done": 1, "gone": 1}
    assert [row["id"] for row in tables.known_sweeps()] == ["kit-1"]
    code, told = answer(capsys, "classes", "kit-1", "--x", "epochs", "--draws", "0")
    assert code == 0
    assert any(row["kind"] == "nothing_tested" for row in told["data"]["reasons"])


def test_properties_of_an_image_set_are_tested_against_behaviour(capsys, tmp_path):
    make_imageset(n=300, classes=6, side=16)
    slopes = {f"class {k}": slope for k, slope in enumerate((0.2, 0.2, -0.2, -0.2, 0.0, 0.2))}
    path = tmp_path / "kit.csv"
    make_sweep_table(slopes, values=8, seeds=3).to_csv(path, index=False)
    code, found = answer(capsys, "classes", str(path), "--draws", "0", "--properties", "kit")
    assert code == 0
    rows = {row["column"] or row["property"]: row for row in found["data"]["properties"]}
    assert rows["contrast"]["test"] == "anova"
    assert 0 <= rows["contrast"]["effect"] <= 1
    assert "ascending 3" in rows["contrast"]["groups"]


def test_properties_that_are_kept_are_read_again_in_a_new_process():
    """With modules that nothing has imported before: what is imported for types alone is not there then."""
    imageset = make_imageset(n=300, classes=6, side=16)
    code = (
        "from ssrl_core.runs.evaluation import descriptors as d\n"
        f"assert d.measured({imageset.name!r}, None) is None\n"
        f"made = d.measure({imageset.name!r})\n"
        f"assert made.equals(d.measured({imageset.name!r}, None)) and made.equals(d.measure({imageset.name!r}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def test_cifar100_has_its_own_twenty_superclasses():
    from ssrl_core.datasets.builtin import BUILT_IN
    from ssrl_core.datasets.columns import superclasses_of

    groups = superclasses_of("cifar100")
    assert set(groups) == set(BUILT_IN["cifar100"].classes)
    counts = [list(groups.values()).count(name) for name in set(groups.values())]
    assert counts == [5] * 20
    assert superclasses_of("cifar10") == {}


def test_several_parameters_of_one_table_stand_in_one_document(capsys, tmp_path):
    hue = make_sweep_table(values=5, seeds=2)
    both = pd.concat([hue, hue.rename(columns={"vary.hue": "vary.crop"})], ignore_index=True)
    both.assign(**{"vary.method": both["method"]}).to_csv(tmp_path / "both.csv", index=False)
    file = str(tmp_path / "both.csv")
    code, asked = answer(capsys, "classes", file)
    assert code == 2
    assert asked["error"]["remedy"] == "Name one or more with --x: vary.hue, vary.crop."
    code, found = answer(capsys, "classes", file, "--x", "hue", "--x", "crop", "--draws", "1")
    assert code == 0
    assert [row["transformation"] for row in found["data"]["ratios"]] == ["hue", "crop"]


def test_every_number_is_defined_in_the_document(capsys, file):
    _, found = answer(capsys, "classes", str(file), "--draws", "0")
    assert {"opposite", "opposite_corrected", "floors", "behaviour", "shared"} <= set(found["data"]["definitions"])


def test_the_tests_of_properties_follow_from_the_document_alone(capsys, tmp_path):
    imageset = make_imageset(180, 1, 16, "uint8", 6)
    planted = dict(zip(imageset.classes, (0.2, 0.1, -0.2, -0.1, 0.0, 0.0), strict=True))
    make_sweep_table(planted).to_csv(tmp_path / "t.csv", index=False)
    _, found = answer(capsys, "classes", str(tmp_path / "t.csv"), "--draws", "0", "--properties", imageset.name)
    data = found["data"]
    behaviour = {row["class"]: row["behaviour"] for row in data["behaviours"]}
    properties = pd.DataFrame(data["class_properties"])
    groups = [part for _, part in properties.groupby(properties["class"].map(behaviour))]
    assert len(groups) == 3
    rows = [row for row in data["properties"] if row["test"] == "anova" and row["p"] is not None]
    assert rows
    for row in rows:
        theirs = stats.f_oneway(*(part[row["column"]] for part in groups))
        assert (row["statistic"], row["p"]) == pytest.approx((theirs.statistic, theirs.pvalue), rel=1e-9)
