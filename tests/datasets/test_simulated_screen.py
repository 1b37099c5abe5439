"""A simulated screen: what is planted stands in its table, and a solved run's scores say it back."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest

from ssrl_core.cli import main
from ssrl_core.datasets import builtin, splits, store
from ssrl_core.datasets.made import simulated_screen
from ssrl_core.datasets.made.simulated_screen import CLASSES, INACTIVE, TOXIC, UNTREATED, ScreenPlan, screen_cells
from ssrl_core.errors import SpecError
from ssrl_core.runs.evaluation.screens import screen_of_run
from ssrl_core.runs.folder.run_folder import RunFolder
from ssrl_core.runs.queue import submitting
from ssrl_core.specs.run import RunSpec
from tests.runs.test_phases import work

SMALL = ScreenPlan(compounds=2, inactive=6, untreated=8, cells=14)
STEPS = [
    {"transform": "rotation"},
    {"transform": "horizontal_flip", "p": 0.5},
]


def test_its_promise_is_what_its_seed_gives():
    row = builtin.BUILT_IN["simulated-screen"]
    cells = screen_cells(ScreenPlan(), simulated_screen.SEED)
    assert (len(cells), row.classes) == (row.count, CLASSES)
    labels = cells["acts_as"].map(CLASSES.index).to_numpy()
    split = splits.by_well(splits.well_names(cells), labels, splits.seeded_order(len(cells), 5))
    assert tuple(int((split == name).sum()) for name in splits.SPLITS) == row.splits


def test_plates_hold_what_was_planned_in_places_of_their_own():
    cells = screen_cells(ScreenPlan(batches=3, plates=2, compounds=3, inactive=3), 1)
    wells = cells.drop_duplicates(["plate", "well"])
    assert wells.groupby("batch")["plate"].nunique().tolist() == [2, 2, 2]
    assert (wells[wells["acts_as"] == UNTREATED].groupby("plate").size() == 8).all()
    named = wells[~wells["acts_as"].isin([UNTREATED, TOXIC])]
    assert (named.groupby("compound")["batch"].nunique() == 1).all()
    assert (wells.groupby("mechanism")["batch"].nunique() == 3).all()
    assert (wells.groupby(["compound", "dose", "batch"])["plate"].nunique() == 2).all()
    assert wells.groupby(["compound", "dose", "batch"])["well"].nunique().mean() > 1.8
    assert wells["mechanism"].isna().sum() == wells["acts_as"].isin([INACTIVE, UNTREATED]).sum()


def test_only_the_toxic_compound_loses_most_of_its_cells():
    cells = screen_cells(ScreenPlan(cells=200), 2)
    sizes = cells.groupby(["acts_as", "dose", "plate", "well"]).size()
    middle = sizes.groupby(["acts_as", "dose"]).median()
    assert middle[TOXIC, 10.0] < 0.4 * middle[UNTREATED, 0.0]
    others = middle.drop(index=TOXIC, level="acts_as")
    assert others.min() > 0.7 * middle[UNTREATED, 0.0]


def test_plates_differ_as_much_as_was_planted():
    def spread(effects: float) -> float:
        cells = screen_cells(ScreenPlan(plate_effects=effects), 3)
        untreated = cells[cells["acts_as"] == UNTREATED]
        return float(untreated.groupby("plate")["stain_actin"].mean().std())

    assert spread(0.0) < 0.05 < 0.1 < spread(1.0) < spread(2.0)


@pytest.mark.parametrize(
    ("plan", "field"),
    [({"batches": 0}, "batches"), ({"plate_effects": 9.0}, "plate_effects"), ({"inactive": 900}, "wells of a plate")],
)
def test_impossible_plans_are_refused(plan, field):
    with pytest.raises(SpecError, match=f"simulated screen: {field}"):
        ScreenPlan(**plan)


def test_the_set_and_the_command_make_images_of_whole_wells(capsys):
    assert main(["data", "simulate", "--screen", "--name", "mine", "--compounds", "1", "--plates", "1", "--inactive",
                 "0", "--cells", "2", "--side", "24", "--plate-effects", "0", "--json"]) == 0  # fmt: skip
    made = json.loads(capsys.readouterr().out)["data"]
    assert (made["shape"], made["label"], tuple(made["classes"])) == ([3, 24, 24], "acts_as", CLASSES)
    table = store.load("mine").table
    assert (table.groupby(["plate", "well"])["split"].nunique() == 1).all()
    assert {"batch", "mechanism", "response"} <= set(table.columns)
    assert not {"like", "like_um", "alive"} & set(table.columns)
    for words, text in ((["--count", "5", "--screen"], "left out with --screen"), (["--cells", "5"], "with --screen")):
        assert main(["data", "simulate", "--name", "other", *words]) == 2
        assert text in capsys.readouterr().err


def _scores(plan: ScreenPlan, name: str):
    simulated_screen.make_screen(name, plan, side=32, seed=5)
    spec = RunSpec.from_mapping(
        {
            "dataset": name,
            "method": {"name": "spectral", "bank": "live", "views": 4, "dim": 32},
            "terms": [{"composition": {"version": 1, "name": "some", "steps": STEPS}}],
            "device": "cpu",
            "evaluate": {"clusters": [], "layouts": [], "linear": None, "knn": {"k": 5}},
        }
    )
    run = RunFolder(submitting.submit(spec, start=False)["id"])
    work(run)
    return screen_of_run(run)[0]


def _called(table: pd.DataFrame, start: str) -> float:
    return float(table[table["compound"].str.startswith(start)]["active"].mean())


def test_scores_of_a_solved_run_say_back_what_was_planted():
    """Sixteen treatments of known mechanism, twelve of inactive compounds; at full size: docs/screens.md."""
    nscb, consistency, inactive = {}, {}, []
    for effects in (1.0, 0.0):
        found = _scores(dataclasses.replace(SMALL, plate_effects=effects), f"planted-{effects:.0f}")
        before, after = found.plain, found.scored
        nscb[effects] = [scored.nscb.score()["value"] for scored in (before, after)]
        consistency[effects] = [scored.consistency["map_normalised"].mean() for scored in (before, after)]
        inactive.append(_called(after.activity, "inactive"))
        assert _called(found.cell_count.activity, "toxic") == 1.0
        assert _called(found.cell_count.activity, "inactive") <= 0.05
        assert found.cell_count.nscb.score()["value"] < nscb[effects][1] - 0.2
    assert np.mean(inactive) <= 0.05
    assert np.diff(nscb[1.0]) >= 0.1 > 0.05 >= np.diff(nscb[0.0])
    assert np.diff(consistency[1.0]) >= 0.2 > 0.05 >= np.diff(consistency[0.0])
