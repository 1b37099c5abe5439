"""The part `screen`: made of a run with wells, beside no training and pixels, in columns, on the command line, kept."""

from __future__ import annotations

import json
import os
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import ssrl_core as vl
from ssrl_core.cli import main
from ssrl_core.datasets.creation import Metadata, create
from ssrl_core.datasets.subsets import join
from ssrl_core.errors import SpecError
from ssrl_core.runs.evaluation import screens
from ssrl_core.runs.evaluation.parts import missing_parts
from ssrl_core.runs.folder.run_folder import RunFolder, imageset_of
from ssrl_core.runs.queue import submitting
from ssrl_core.specs.parts import PARTS
from ssrl_core.specs.screens import Recipe
from tests.kit import make_imageset
from tests.runs.test_phases import work
from tests.runs.test_read import _run, _spec


@pytest.fixture(scope="module")
def plates():
    """720 pictures in 72 wells of three plates: two mechanisms of two compounds (left and right halves bright)."""

    def make():
        chance, rows, pixels = np.random.default_rng(0), [], []
        for plate in range(3):
            for c, compound in enumerate(("DMSO", "DMSO", "left1", "left2", "right1", "right2")):
                for column in range(4):
                    for _ in range(10):
                        image = 0.2 + 0.05 * plate + 0.1 * chance.random((1, 16, 16))
                        if compound.startswith("left"):
                            image[:, :, :8] += 0.4
                        if compound.startswith("right"):
                            image[:, :, 8:] += 0.4
                        pixels.append(image)
                        dose = 0.0 if compound == "DMSO" else float(column // 2 + 1)
                        moa = None if compound == "DMSO" else compound[:-1]
                        rows.append((f"p{plate}", f"{'BCDEFG'[c]}{column + 2:02d}", compound, dose, moa))
        table = pd.DataFrame(rows, columns=["plate", "well", "compound", "dose", "moa"])
        return create("plates", np.rint(255 * np.array(pixels)).astype(np.uint8), table, Metadata(label="compound"))

    return make


def test_a_run_is_scored_as_a_screen_beside_what_has_not_learned(plates, capsys, tmp_path):
    plates()
    run, told = _run(_spec("plates", screen={}))
    assert "screen" in told.said[0]
    entry = run.results().entry("screen")
    assert entry["counts"]["wells"] == 72
    assert entry["counts"]["untreated"] == 24
    assert entry["counts"]["treatments"] == 8
    assert entry["corrected"]["nsc"]["value"] >= 0.75
    assert entry["beside"].keys() == {"untrained", "pixels"}
    assert entry["beside"]["pixels"]["nsc"]["value"] >= 0.75
    assert "every well counts the same" in run.results().missing["screen.cell_count"]
    assert "weights" in run.results().missing["screen.beside.imagenet"]
    assert missing_parts(run, run.spec(), imageset_of(run.spec())) == []
    kept = screens.kept(run, Recipe())
    assert {kind: wells.x.shape[0] for kind, wells in kept.items()} == {"own": 72, "untrained": 72, "pixels": 72}
    np.testing.assert_allclose(kept["own"].x, screens.wells_of_run(run, Recipe()).x, atol=1e-5)
    assert screens.kept(run, Recipe(wells="median")) == {}
    assert run.results().columns()["nscb"] == entry["corrected"]["nscb"]["value"] is not None

    assert main(["screen", run.id, "--json", "--out", str(tmp_path / "out")]) == 0
    data = json.loads(capsys.readouterr().out)["data"]
    assert data["run"] == run.id
    assert data["corrected"]["nsc"]["value"] == entry["corrected"]["nsc"]["value"]
    assert data["beside"].keys() == {"untrained", "pixels"}
    assert len(pd.read_csv(tmp_path / "out" / "wells.csv")) == 72
    assert main(["screen", run.id]) == 0
    assert "treatments differ from untreated wells" in capsys.readouterr().out

    found = vl.run(run.id).screen({"sphering": False})
    assert [step.name for step in found.corrected.steps] == ["plain", "normalised"]

    submitting.ask_more(run.id, {"screen": {**Recipe(wells="median").to_mapping()}})
    assert work(RunFolder(run.id)).said[0] == "to do: screen"
    assert screens.kept(run, Recipe(wells="median")).keys() == {"own", "untrained", "pixels"}


def test_images_without_wells_say_so_and_the_run_goes_on():
    make_imageset(n=240)
    run, _ = _run(_spec(screen={}))
    assert run.results().entry("screen") is None
    assert "well must be a column of the table" in run.results().missing["screen"]


def test_a_table_is_screened_on_the_command_line(capsys, tmp_path):
    chance = np.random.default_rng(0)
    table = pd.DataFrame(chance.normal(size=(48, 6)), columns=[f"Cells_{i}" for i in range(6)])
    table["Metadata_Plate"], table["Metadata_Well"] = (
        np.repeat(["a", "b"], 24),
        [f"B{i % 24 + 1:02d}" for i in range(48)],
    )
    table["Metadata_Compound"] = np.tile(["DMSO", "x", "y", "z"], 12)
    file = tmp_path / "profiles.csv"
    table.to_csv(file, index=False)
    assert main(["screen", str(file), "--json"]) == 0
    data = json.loads(capsys.readouterr().out)["data"]
    assert data["counts"]["treatments"] == 3
    assert data["nsc"]["n"] == 0
    assert data["cell_count"] is None
    assert vl.screen(table).to_json()["counts"] == data["counts"]
    (tmp_path / "recipe.yaml").write_text("sphering: false\nwels: mean\n")
    assert main(["screen", str(file), "--recipe", str(tmp_path / "recipe.yaml")]) == 2
    assert "Did you mean 'wells'" in capsys.readouterr().err


def test_tables_of_sweeps_have_its_columns_only_where_a_run_has_it():
    assert [name for name, part in PARTS.items() if part.on_demand] == ["finetune", "read", "forecast", "screen"]


def test_the_part_is_asked_for_by_true_and_left_out_by_false():
    asked = PARTS["screen"].read(True, "spec")
    assert Recipe.from_mapping(asked) == Recipe()
    assert PARTS["screen"].read(False, "spec") is None
    assert PARTS["screen"].asked(asked) == ("screen",)


def test_compounds_that_pairs_share_are_left_out_and_scored_beside_those_that_were_learnt_from(plates, capsys):
    plates()
    spec = _spec("plates", screen={})
    composition = replace(spec.terms[0].composition, pair="compound")
    spec = replace(spec, terms=(replace(spec.terms[0], composition=composition),))
    recipe = Recipe.from_mapping(spec.evaluate.parts["screen"])
    honest = screens.leaving_out(spec, recipe)
    assert honest.dataset.name == "plates-compound-apart"
    assert honest.evaluate.parts["screen"]["images"] == "held_out"
    assert screens.leaving_out(spec, recipe) == honest  # the image set is made once
    run, _ = _run(honest)
    assert screens.taught(run, screens.asked_recipe(run)) == []
    entry = run.results().entry("screen")
    assert entry["counts"]["compounds"] == 2
    assert entry["beside"].keys() == {"learnt", "untrained", "pixels"}
    found, others = screens.screen_of_run(run)
    assert set(found.scored.treatments.table["compound"]) == {"left1", "left2"}
    assert set(others["learnt"].table["compound"]) == {"untreated", "right1", "right2"}
    assert main(["screen", run.id]) == 0
    assert "what it learnt from" in capsys.readouterr().out
    with pytest.raises(SpecError, match="All it says is found"):
        screens.leaving_out(honest, screens.asked_recipe(run))


def test_columns_joined_after_a_run_are_in_its_screen(plates, tmp_path):
    imageset = plates()
    run, _ = _run(_spec("plates", screen={"mechanism": "moa"}))
    pd.DataFrame({"compound": ["left1", "left2", "right1"], "moa": ["a", "b", "b"]}).to_csv(tmp_path / "moa.csv")
    os.utime(run.path / screens.WELLS_FILE, (1, 1))  # made long ago
    join(imageset, tmp_path / "moa.csv", by=("compound",))
    assert screens.is_older(run)
    recipe = screens.asked_recipe(run)
    kinds = screens.kept(run, recipe)
    assert kinds.keys() == {"own", "untrained", "pixels"}
    moas = kinds["pixels"].table.drop_duplicates("compound").set_index("compound")["mechanism"]
    assert moas[["left1", "left2", "right1"]].tolist() == ["a", "b", "b"]
    assert moas[["right2", "untreated"]].isna().all()
    assert missing_parts(run, run.spec(), imageset_of(run.spec())) == ["screen"]
