"""Compound and dose as one statement: the dose by its definition, wells as what was drawn, the words by both."""

import numpy as np
import pandas as pd
import pytest

from ssrl_core.analysis.effect_table import cluster_effects, dose_effects, evidence, sentence, treated
from ssrl_core.analysis.effects import units_of
from ssrl_core.datasets.columns import doses_of

DOSES = (0.01, 0.1, 1.0, 10.0)


def screen(rng, wells=6, cells=20):
    """Two compounds at four doses and DMSO, in wells; cluster 0 is what nocodazole does from 1 µM on."""
    rows = [("DMSO", 0.0)] * (2 * wells) + [(c, d) for c in ("nocodazole", "taxol") for d in DOSES] * wells
    table = pd.DataFrame(rows, columns=["compound", "dose"]).assign(well=[f"W{i:03}" for i in range(len(rows))])
    table = table.loc[table.index.repeat(cells)].reset_index(drop=True).assign(plate="1", dose_unit="µM")
    answers = (table["compound"] == "nocodazole") & (table["dose"] >= 1)
    ids = np.where(rng.random(len(table)) < np.where(answers, 0.9, 0.02), 0, 1).astype(np.int32)
    return table, ids


def test_the_dose_from_which_on_cells_answer_is_found_and_said():
    table, ids = screen(np.random.default_rng(0))
    found = cluster_effects(table, ["compound", "dose"], ids, 2)
    top = found.effects[0][0]
    assert top.value == "nocodazole ≥ 1 µM"
    answers = (table["compound"] == "nocodazole") & (table["dose"] >= 1)
    assert top.here == pytest.approx(answers[ids == 0].mean())
    assert top.rest == pytest.approx(answers[ids == 1].mean())
    assert top.low < top.effect < top.high
    assert top.seen_in == 12
    told = sentence(found.effects[0], units=found.units.name)
    assert told.startswith(f"{100 * top.here:.0f} % nocodazole ≥ 1 µM (")
    assert "taxol" not in told
    assert "12 wells" in evidence(found.effects[0], units=found.units.name)[0]


def test_the_dose_agrees_with_trying_every_one():
    rng = np.random.default_rng(1)
    table, _ = screen(rng, wells=2)
    ids = rng.integers(-1, 3, len(table)).astype(np.int32)
    given = treated(table, doses_of(table))
    units = units_of(table[["plate", "well"]])
    for c, effects in enumerate(dose_effects(given, ids, 3, units)):
        for name in ("nocodazole", "taxol"):
            tried = []
            for start in (-np.inf, *DOSES[1:]):
                is_it = ((table["compound"] == name) & (table["dose"] >= start)).to_numpy()
                tried.append(is_it[ids == c].mean() - is_it[ids != c].mean())
            mine = [e for e in effects if e.value.split(" ≥")[0] == name]
            if max(tried) > 0:
                assert mine[0].effect == pytest.approx(max(tried))
            else:
                assert mine == []


def test_a_compound_that_answers_at_every_dose_is_said_without_one():
    table, _ = screen(np.random.default_rng(2))
    ids = np.where(table["compound"] == "taxol", 0, 1).astype(np.int32)
    top = cluster_effects(table.drop(columns="dose_unit"), ["compound", "dose"], ids, 2).effects[0][0]
    assert top.value == "taxol"
    assert top.here == 1.0


def test_a_dose_without_a_unit_is_said_to_be_one():
    table, ids = screen(np.random.default_rng(3))
    top = cluster_effects(table.drop(columns="dose_unit"), ["compound", "dose"], ids, 2).effects[0][0]
    assert top.value == "nocodazole at dose ≥ 1"


def test_cells_of_two_wells_are_said_with_their_doubt():
    table, ids = screen(np.random.default_rng(4), wells=1)
    found = cluster_effects(table, ["compound", "dose"], ids, 2)
    top = found.effects[0][0]
    assert top.here > 0.6
    assert not top.clear
    assert "seen in 2 wells only" in sentence(found.effects[0], units=found.units.name)


def test_doses_of_different_compounds_are_not_compared_with_each_other():
    table, ids = screen(np.random.default_rng(5))
    assert {e.column for e in cluster_effects(table, ["compound", "dose"], ids, 2).effects[0]} == {"compound, dose"}
    alone = cluster_effects(table.drop(columns="compound"), ["dose"], ids, 2).effects[0]
    assert {e.column for e in alone} == {"dose"}


def test_unknown_compounds_and_doses_and_empty_clusters_do_no_harm():
    table, ids = screen(np.random.default_rng(6))
    table.loc[::3, "dose"] = np.nan
    table.loc[::5, "compound"] = None
    found = cluster_effects(table, ["compound", "dose"], np.where(ids == 0, 0, 2).astype(np.int32), 3)
    assert found.effects[0]
    assert all(e.effect <= 0 or e.n == 0 for e in found.effects[1])
    assert sentence(found.effects[1]) == ""


def test_of_two_hundred_values_those_that_tell_are_found():
    rng = np.random.default_rng(7)
    codes = rng.integers(0, 200, 4000)
    ids = np.where(codes == 173, 0, 1).astype(np.int32)
    found = cluster_effects(pd.DataFrame({"kind": [f"class {c}" for c in codes]}), ["kind"], ids, 2)
    top = max(found.effects[0], key=lambda e: e.effect)
    assert top.value == "class 173"
    assert top.here == 1.0
    assert len(found.effects[0]) < 12


def test_a_sentence_is_clear_about_numbers_true_and_false_and_missing_values():
    table = pd.DataFrame({"passage": [3, 3, 4, 4] * 50, "treated": [True, True, False, None] * 50})
    ids = np.tile([0, 0, 1, 1], 50).astype(np.int32)
    values = {e.value for e in cluster_effects(table, ["passage", "treated"], ids, 2).effects[0]}
    assert values == {"passage 3", "passage 4", "treated", "not treated"}


def test_cells_at_dose_0_are_untreated_and_the_lowest_dose_can_be_said():
    rows = [(c, d) for c in ("nocodazole", "taxol") for d in (0.0, 1.0, 10.0)] * 6
    table = pd.DataFrame(rows, columns=["compound", "dose"]).assign(well=[f"W{i:03}" for i in range(len(rows))])
    table = table.loc[table.index.repeat(10)].reset_index(drop=True).assign(plate="1", dose_unit="µM")
    answers = (table["compound"] == "nocodazole") & (table["dose"] > 0)
    ids = np.where(answers, 0, np.where(table["dose"] == 0, 1, 2)).astype(np.int32)
    found = cluster_effects(table, ["compound", "dose"], ids, 3).effects
    assert (found[0][0].value, found[0][0].here, found[0][0].rest) == ("nocodazole", 1.0, 0.0)
    assert (found[1][0].value, found[1][0].here) == ("untreated", 1.0)


def test_a_control_by_its_own_name_keeps_it():
    table = pd.DataFrame({"compound": ["Medium", "taxol", "taxol"], "dose": [0.0, 0.0, 1.0]})
    assert treated(table, doses_of(table)).names == ("Medium", "taxol", "untreated")


def test_the_lowest_dose_is_said_where_some_doses_are_not_known():
    table, _ = screen(np.random.default_rng(8))
    unknown = (table["compound"] == "taxol") & (np.arange(len(table)) % 2 == 0)
    table.loc[unknown, "dose"] = np.nan
    ids = np.where((table["compound"] == "taxol") & ~unknown, 0, 1).astype(np.int32)
    assert cluster_effects(table, ["compound", "dose"], ids, 2).effects[0][0].value == "taxol ≥ 0.01 µM"
