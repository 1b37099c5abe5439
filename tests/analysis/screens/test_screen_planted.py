"""Planted screens: scores find what is there, call nothing that is not; a cell count unmasks what it explains."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from ssrl_core.analysis.intervals import mean_of_units
from ssrl_core.analysis.screens import matching, retrieval
from ssrl_core.analysis.screens.answers import answers, treatments_with_cells
from ssrl_core.analysis.screens.correction import correct
from ssrl_core.analysis.screens.profiles import profiles_of_table, screen_table, treatment_profiles, wells_profiles
from ssrl_core.analysis.screens.screen import beside, cell_count, screen
from ssrl_core.errors import DataError
from ssrl_core.specs.screens import Recipe
from tests.analysis.screens.planted import Plan, planted

STRONG = Plan(effect=7.0, mechanisms=3, compounds=4, inactive=10, controls=8)
PLATES = Plan(effect=7.0, mechanisms=3, compounds=4, inactive=6, controls=12, plate=2.5, batch=4.0)


def test_inactive_compounds_are_called_active_in_at_most_one_of_twenty():
    called, small, total = 0, 0, 0
    for seed in range(8):
        found = screen(planted(STRONG, seed)).scored.activity
        inert = found[found["compound"].str.startswith("inert")]
        called, small, total = called + inert["active"].sum(), small + (inert["p"] <= 0.05).sum(), total + len(inert)
    assert called / total <= 0.05
    assert small / total <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / total)


def test_active_compounds_are_called_active():
    found = screen(planted(STRONG, 1)).scored.activity
    active = found[found["compound"].str.startswith("m")]
    assert active["active"].mean() > 0.9
    assert active["map_normalised"].mean() > 0.5 > found[~found.index.isin(active.index)]["map_normalised"].mean()


def test_a_toxic_compound_is_unmasked_by_its_cell_count():
    wells = planted(STRONG, 2)
    scored, count = screen(wells).scored.activity, cell_count(wells, Recipe())
    assert count is not None
    by_count = count.activity.set_index("compound")
    assert not scored.set_index("compound")["active"]["toxic"]
    assert by_count["active"]["toxic"]
    assert by_count["active"].drop("toxic").mean() <= 0.05


def test_correction_lifts_nscb_when_plates_differ_and_not_when_they_do_not():
    with_plates, without = [], []
    for seed in range(3):
        for plan, kept in ((PLATES, with_plates), (Plan(**{**PLATES.__dict__, "plate": 0.0, "batch": 0.0}), without)):
            found = screen(planted(plan, seed))
            kept.append(found.scored.nscb.score()["value"] - found.plain.nscb.score()["value"])
    assert np.mean(with_plates) > 0.15
    assert abs(np.mean(without)) < 0.1


def test_plates_are_read_before_correction_and_hardly_after_it():
    found = screen(planted(PLATES, 0))
    before, after = ({row["name"]: row for row in one.reading} for one in (found.plain, found.scored))
    assert before["plate"]["value"] > 0.9 > after["plate"]["value"] + 0.2
    assert after["mechanism"]["value"] > before["mechanism"]["value"]
    assert before["plate"]["chance"] == pytest.approx(1 / 6)


def test_each_step_is_scored_once_however_often_it_is_asked_for():
    found = screen(planted(PLATES, 0))
    assert [found.after(step.name) is found.after(step.name) for step in found.corrected.steps] == [True] * 3
    assert found.scored is found.after("sphered")
    assert found.plain is found.after("plain")


def test_a_planted_edge_is_read():
    edge = screen(planted(Plan(effect=0.0, edge=3.0, controls=60, inactive=20), 0), Recipe(sphering=False))
    rows = {row["name"]: row for row in edge.plain.reading}
    assert rows["edge"]["value"] > 0.75
    assert rows["edge"]["low"] > rows["edge"]["chance"]


def test_the_smallest_probability_is_told_where_wells_are_few():
    few = screen(planted(Plan(effect=9.0, mechanisms=2, compounds=2, inactive=40, controls=2, replicates=2), 0))
    numbers = few.scored.numbers()["map"]["activity"]
    assert numbers["least"] == pytest.approx(1 / 9)  # one of three wells on each of two plates
    assert not numbers["possible"]
    assert numbers["active"]["count"] == 0


def test_exact_probabilities_are_those_of_every_exchange():
    from itertools import product

    wells = planted(Plan(mechanisms=1, compounds=1, inactive=0, controls=3, replicates=3, batches=1, effect=3.0), 5)
    found = retrieval.activity(wells).set_index("treatment").loc["m0c0 1"]
    table, similar = wells.table, retrieval.similarity(wells.x, wells.x)
    rows = np.flatnonzero(((table["treatment"] == "m0c0 1") | table["untreated"]).to_numpy())
    per_plate = [rows[(table["plate"][rows] == plate).to_numpy()] for plate in sorted(set(table["plate"][rows]))]

    def score(chosen):
        found = []
        for query in chosen:
            others = [w for w in rows if w != query and (w in chosen or table["plate"][w] == table["plate"][query])]
            others.sort(key=lambda w: -similar[query, w])
            hits = [i for i, w in enumerate(others) if w in chosen]
            found.append(np.mean([(n + 1) / (i + 1) for n, i in enumerate(hits)]))
        return np.mean(found)

    own = score(np.flatnonzero((table["treatment"] == "m0c0 1").to_numpy()).tolist())
    nulls = [score(chosen) for chosen in product(*per_plate)]
    assert found["map"] == pytest.approx(own)
    assert found["p"] == pytest.approx(np.mean(np.array(nulls) >= own - 1e-9))
    assert found["least"] == pytest.approx(1 / 64)


def test_nscb_asks_about_each_batch_of_a_treatment():
    x = np.array([[1, 0.0], [0, 1.0], [1, 0.1], [0.1, 1], [0.9, 0.2]])
    table = pd.DataFrame(
        {
            "plate": ["p1", "p2", "p1", "p2", "p2"],
            "well": ["A01", "A01", "B01", "B01", "C01"],
            "compound": ["a", "a", "b", "b", "c"],
            "dose": 1.0,
            "batch": ["1", "2", "1", "2", "2"],
            "moa": ["m", "m", "m", "m", "n"],
        }
    )
    wells = wells_profiles(x, screen_table(table))
    found = matching.nearest_in_other_batch(wells, "mean")
    right = found.table.set_index("compound")["right"]
    # a in batch 1 lies at (1, 0): of batch 2 it is nearest to c; a in batch 2 at (0, 1): of batch 1 there is b alone
    assert right["a"] == 0.5
    assert found.left_out["treatment"].tolist() == ["c 1"]


def test_bad_wells_are_said_and_the_rest_is_scored():
    wells = planted(STRONG, 3)
    table = wells.table.copy()
    gone = (table["plate"] == "b0p0") & table["untreated"]
    lonely = (table["compound"] == "m0c0") & (table["plate"] != "b0p1")
    table.loc[table["compound"].str.startswith("m1") & (table["compound"] != "m1c1"), "mechanism"] = "mechanism 2"
    left = wells.of((~gone & ~lonely).to_numpy())
    left = type(left)(left.x, table[~gone & ~lonely].reset_index(drop=True))
    told = screen(left).to_json()
    assert any("1 plates without untreated wells are left out" in text for text in told["said"])
    active = told["corrected"]["map"]["activity"]
    assert {"treatment": "m0c0 1", "why": "one well only: nothing to compare it with"} in active["left_out"]
    assert {"mechanism": "mechanism 1", "why": "one compound only: no other to find"} in (
        told["corrected"]["map"]["consistency"]["left_out"]
    )
    assert active["n"] > 10
    assert told["corrected"]["nsc"]["value"] > 0.5


def test_one_plate_of_one_kind_is_said():
    told = screen(planted(Plan(mechanisms=1, compounds=2, inactive=0, replicates=1, batches=1), 0)).to_json()
    assert told["corrected"]["nsc"]["n"] == 3  # two compounds and the toxic one, all of the one mechanism
    assert told["corrected"]["map"]["consistency"]["left_out"][0]["why"] == "there is no other mechanism"
    plate = told["corrected"]["plate"]
    assert (plate["value"], plate["why"]) == (None, "one kind only: there is nothing to tell apart")


def test_no_untreated_wells_anywhere_is_refused_with_a_way_out():
    wells = planted(STRONG, 0)
    treated = wells.of(~wells.table["untreated"].to_numpy(bool))
    with pytest.raises(DataError, match="reference: all"):
        screen(treated)
    found = screen(treated, Recipe(reference="all"))
    assert "Sphering was left out: it takes two untreated wells at least." in found.corrected.wells.said
    assert found.scored.nsc.score()["value"] > 0.5
    assert found.to_json()["corrected"]["map"]["activity"]["n"] == 0


def test_singular_covariance_and_features_that_do_not_vary_are_said():
    wells = planted(STRONG, 0)
    x = np.column_stack([wells.x, wells.x[:, :3], np.ones(len(wells.x))])
    found = correct(type(wells)(x, wells.table), Recipe())
    assert np.isfinite(found.wells.x).all()
    assert any("fewer directions" in text for text in found.wells.said)
    assert any("1 features are the same in all reference wells" in text for text in found.wells.said)


def test_a_table_of_cellprofiler_is_brought_in_and_scored(tmp_path):
    wells = planted(STRONG, 4)
    table = pd.DataFrame(wells.x, columns=[f"Cells_AreaShape_{i}" for i in range(wells.x.shape[1])])
    about = wells.table
    table.insert(0, "Metadata_Plate", about["plate"])
    table.insert(1, "Metadata_Well", about["well"])
    table.insert(2, "Metadata_Compound", about["compound"].replace("untreated", "DMSO"))
    doses = [f"{1000 * dose:g} nM" if i % 2 else f"{dose:g} µM" for i, dose in enumerate(about["dose"])]
    table.insert(3, "Metadata_Concentration", doses)
    table.insert(4, "Metadata_moa", about["mechanism"])
    table.insert(5, "Metadata_Object_Count", about["cells"])
    table["ImageNumber"], table["Cells_Alike"] = np.arange(len(table)), 1.0
    table["Nuclei_Gap"] = np.where(np.arange(len(table)) == 7, np.nan, np.arange(len(table)))
    table.loc[5, "Metadata_Object_Count"] = 0
    found = profiles_of_table(table)
    assert found.x.shape == (len(table) - 1, wells.x.shape[1])
    said = " ".join(found.said)
    assert "rows have no cells" in said
    assert "1 features with missing values are left out: Nuclei_Gap" in said
    assert found.table["treatment"].nunique() == about["treatment"].nunique()  # doses of one unit
    assert screen(found).scored.nsc.score()["value"] > 0.8
    assert screen(found).cell_count is not None


_NAMES = {  # how programs and collections call them: plate, well, compound, dose, mechanism, cells, role
    "pycytominer": ("Metadata_Plate", "Metadata_Well", "Metadata_pert_iname", "Metadata_Concentration", "Metadata_moa",
                    "Metadata_Object_Count", None),
    "CellProfiler": ("Image_Metadata_Plate", "Image_Metadata_Well", "Image_Metadata_Compound",
                     "Image_Metadata_Concentration", "Image_Metadata_MOA", "Image_Count_Cells", None),
    "LINCS": ("Metadata_Assay_Plate_Barcode", "Metadata_well_position", "Metadata_broad_sample",
              "Metadata_mmoles_per_liter", "Metadata_moa", "Metadata_Count_Cells", None),
    "JUMP": ("Metadata_Plate", "Metadata_Well", "Metadata_JCP2022", "Metadata_Dose", "Metadata_MOA", "Cell_Count",
             "Metadata_pert_type"),
    "by hand": ("plate_id", "Well", "Drug", "Dose", "mechanism of action", "cells", "control type"),
    "German": ("Platte", "Well", "Wirkstoff", "Konzentration", "mechanism", "n_cells", None),
}  # fmt: skip


@pytest.mark.parametrize("kind", _NAMES)
def test_a_table_is_read_however_its_columns_are_called(kind):
    wells = planted(Plan(effect=7.0, mechanisms=2, compounds=2, inactive=3, controls=6), 7)
    about, (plate, well, compound, dose, moa, cells, role) = wells.table, _NAMES[kind]
    head = pd.DataFrame({plate: about["plate"], well: about["well"], dose: about["dose"], moa: about["mechanism"]})
    head[compound] = about["compound"].replace("untreated", None if role else "DMSO")
    head[cells] = about["cells"]
    if role:
        head[role] = np.where(about["untreated"], "negcon", "trt")
    table = pd.concat([head, pd.DataFrame(wells.x, columns=[f"Cells_F_{i}" for i in range(wells.x.shape[1])])], axis=1)
    table["Nuclei_Location_Center_X"] = np.arange(len(table))
    found = profiles_of_table(table)
    np.testing.assert_allclose(found.x, wells.x)
    for column in ("plate", "well", "compound", "treatment", "cells", "untreated"):
        assert found.table[column].tolist() == about[column].tolist(), column
    assert found.table["mechanism"].dropna().tolist() == about["mechanism"].dropna().tolist()
    assert any("1 features that say where an object lies" in text for text in found.said)


def test_rows_may_be_cells_or_fields_and_wells_without_a_compound_are_said():
    wells = planted(Plan(mechanisms=1, compounds=2, inactive=1, controls=4), 3)
    about = wells.table[["plate", "well", "compound", "cells"]].rename(columns={"cells": "Count_Cells"})
    about = about.assign(compound=about["compound"].replace("untreated", "DMSO"))
    x = pd.DataFrame(wells.x, columns=[f"f{i}" for i in range(wells.x.shape[1])])
    twice = pd.concat([pd.concat([about, x + 1], axis=1), pd.concat([about, x - 1], axis=1)], ignore_index=True)
    found = profiles_of_table(twice)  # two cells a well, each with the number of cells of its well
    np.testing.assert_allclose(found.x, wells.x)
    assert found.table["cells"].tolist() == wells.table["cells"].tolist()
    fields = twice.assign(Count_Cells=np.arange(len(twice)) + 1)
    assert profiles_of_table(fields).table["cells"].sum() == fields["Count_Cells"].sum()
    gone = twice["well"] == twice["well"][0]
    some = profiles_of_table(twice.assign(compound=twice["compound"].where(~gone, None)))
    assert len(some.table) == len(wells.table) - int(gone.sum() / 2)
    assert any("name no compound and are left out" in text for text in some.said)


def test_columns_are_named_where_their_names_do_not_say():
    wells = planted(Plan(mechanisms=1, compounds=2, inactive=1, controls=4), 3)
    table = pd.DataFrame(wells.x, columns=[f"f{i}" for i in range(wells.x.shape[1])])
    table = table.assign(where=wells.table["well"], what=wells.table["compound"], plate=wells.table["plate"])
    with pytest.raises(DataError, match="--column well=ITS_NAME"):
        profiles_of_table(table)
    found = profiles_of_table(table, columns={"well": "where", "compound": "what"})
    assert found.table["well"].tolist() == wells.table["well"].tolist()
    for columns, said in (
        ({"well": "gone"}, "must be a column of the table"),
        ({"site": "where"}, "of one of plate, well"),
        ({"well": "where", "compound": "where"}, "One was named twice"),
    ):
        with pytest.raises(DataError, match=said):
            profiles_of_table(table, columns=columns)


def test_a_well_with_two_compounds_names_the_well():
    table = pd.DataFrame({"plate": "p", "well": ["A01", "A01"], "compound": ["a", "b"], "x": [1.0, 2.0]})
    with pytest.raises(DataError, match="Well p A01: compound must be the same for all its cells, got 'a, b'"):
        wells_profiles(table[["x"]].to_numpy(), screen_table(table))


def test_others_stand_beside_with_reasons_where_they_cannot():
    wells = planted(STRONG, 0)
    treated = wells.of(~wells.table["untreated"].to_numpy(bool))
    found, missing = beside({"pixels": wells, "untrained": treated}, Recipe())
    assert found.keys() == {"pixels"}
    assert "untreated wells" in missing["untrained"]


def test_an_interval_of_units_covers_a_mean_of_few():
    chance, inside = np.random.default_rng(0), 0
    for _ in range(400):
        units = np.repeat(np.arange(6), 4)
        values = chance.normal(size=6)[units] + 0.3 * chance.normal(size=24)
        _, low, high = mean_of_units(values, units)
        inside += low <= 0 <= high
    assert 0.92 <= inside / 400 <= 0.98
    assert mean_of_units([1, 1, 1], ["a", "b", "c"], shares=True)[1] < 0.9
    assert np.isnan(mean_of_units([1.0], ["a"])[1])


def test_treatments_keep_their_counts():
    found = treatment_profiles(planted(PLATES, 0)).table.set_index("treatment")
    assert found["wells"]["m0c0 1"] == 3
    assert found["batches"]["toxic 1"] == "b0\nb1"


def test_a_stranger_is_told_what_does_something_and_that_it_is_more_than_cells_lost():
    found = screen(planted(STRONG, 0))
    first, second = answers(found, found.to_json())
    assert re.match(r"1\d of 2\d compounds do something", first.head)
    assert second.head == "Yes, it sees more than the number of cells"
    assert "Told by the number of cells alone: toxic" in second.rest
    table = treatments_with_cells(found.scored.activity, found).set_index("compound")
    assert table.loc["toxic", "cells"].max() < 0.5
    assert table.loc["toxic", "by_count"].all()
    assert not table.loc["m0c0", ["by_count"]].to_numpy().any()


def test_a_network_that_sees_nothing_is_told_to_see_no_more_than_the_number_of_cells():
    wells = planted(STRONG, 0)
    blind = type(wells)(np.random.default_rng(0).normal(size=wells.x.shape), wells.table)
    first, second = answers(screen(blind), screen(blind).to_json())
    assert first.head.startswith(("None of", "1 of"))
    assert second.head == "No, it sees little more than the number of cells"
