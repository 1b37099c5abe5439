"""Subsets as in the paper: the doses, as many untreated cells of the same plates, splits that tear no well apart."""

import json

import numpy as np
import pandas as pd
import pytest

from ssrl_core.analysis.plates import plate_reading
from ssrl_core.cli import main
from ssrl_core.datasets import store
from ssrl_core.datasets.columns import doses_of, untreated
from ssrl_core.datasets.creation import Metadata, create
from ssrl_core.datasets.splits import left_out_by_kind, seeded_order
from ssrl_core.datasets.subsets import (
    PRESETS,
    SubsetChoice,
    choose_cells,
    confounded_words,
    cramers_v,
    make_subset,
    split_anew,
)
from ssrl_core.errors import DataError, SpecError
from tests.screen_kit import make_screen


@pytest.fixture
def screen():
    return make_screen()


def test_as_many_untreated_cells_of_the_same_plates(screen):
    made = make_subset(screen, "part", SubsetChoice(("active",), highest=2, cells=60))
    assert made.table["compound"].value_counts().to_dict() == {"active": 60, "DMSO": 60}
    assert sorted(made.table.loc[made.table["compound"] == "active", "dose"].unique()) == [1.0, 3.0]
    plates = made.table.groupby(["compound", "plate"]).size().unstack()
    assert (plates.loc["active"] - plates.loc["DMSO"]).abs().max() <= 1
    assert made.label == "compound"
    assert made.split_counts == {"train": 84, "val": 12, "test": 24}


def test_cells_are_copied_as_they_are(screen):
    made = make_subset(screen, "part", SubsetChoice(("idle",), doses=(0.1,), cells=10))
    for i, row in made.table.iterrows():
        assert np.array_equal(made.pixels[i], screen.pixels[row["image_of_whole"]])
        assert row["compound"] == screen.table["compound"].iloc[row["image_of_whole"]]
    assert (made.channels, made.max_value, made.pixel_size_um) == (
        screen.channels,
        screen.max_value,
        screen.pixel_size_um,
    )


def test_without_a_number_both_sides_are_as_many_as_the_rarer(screen):
    counts = choose_cells(screen.table, SubsetChoice(("active",)))
    table = screen.table.iloc[counts.ids]
    assert table["compound"].value_counts().to_dict() == {"active": 144, "DMSO": 144}


def test_no_well_is_torn_apart_and_the_seed_decides(screen):
    first = make_subset(screen, "a", SubsetChoice(("active",), cells=50, group="well", seed=1))
    assert (first.table.groupby("well")["split"].nunique() == 1).all()
    again = choose_cells(screen.table, SubsetChoice(("active",), cells=50, seed=1))
    other = choose_cells(screen.table, SubsetChoice(("active",), cells=50, seed=2))
    assert np.array_equal(first.table["image_of_whole"], again.ids)
    assert not np.array_equal(again.ids, other.ids)


def test_what_falls_short_is_said(screen):
    chosen = choose_cells(screen.table, SubsetChoice(("active",), cells=1000))
    assert any("only 360 of 1,000 active cells" in note for note in chosen.notes)
    assert any("only 144 of 1,000 untreated cells" in note for note in chosen.notes)


@pytest.mark.parametrize(
    ("choice", "field"),
    [
        (SubsetChoice(("aspirin",)), "compound"),
        (SubsetChoice(()), "compound"),
        (SubsetChoice(("active",), doses=(7.0,)), "dose"),
        (SubsetChoice(("active",), highest=0), "highest"),
    ],
)
def test_what_is_not_there_is_refused(screen, choice, field):
    with pytest.raises(SpecError) as caught:
        choose_cells(screen.table, choice)
    assert caught.value.field == field


def test_plates_without_untreated_cells_are_named(screen):
    table = screen.table[screen.table["compound"] != "DMSO"].reset_index(drop=True)
    with pytest.raises(DataError, match="no untreated cells on the plates"):
        choose_cells(table, SubsetChoice(("active",)))


def test_the_papers_presets_find_their_compound_however_it_is_spelt():
    rows = []
    for compound, doses in (("nocodazole", (0.1, 0.3, 1, 3, 10)), ("Cytochalasin-B", (1, 3)), ("sim-taxol", (1, 3))):
        rows += [{"compound": compound, "dose": d, "plate": "p"} for d in doses for _ in range(600)]
    rows += [{"compound": "DMSO", "dose": 0, "plate": "p"} for _ in range(4000)]
    table = pd.DataFrame(rows)
    counts = {
        name: table.iloc[choose_cells(table, row.choice).ids]["compound"].value_counts().to_dict()
        for name, row in PRESETS.items()
    }
    assert counts["nocodazole"] == {"nocodazole": 1750, "DMSO": 1750}
    assert counts["taxol"] == {"sim-taxol": 950, "DMSO": 950}
    assert counts["cytochalasin-b"] == {"Cytochalasin-B": 1150, "DMSO": 1150}
    assert counts["nocodazole-every-dose"] == {"nocodazole": 3000, "DMSO": 3000}
    chosen = table.iloc[choose_cells(table, PRESETS["nocodazole"].choice).ids]
    assert sorted(chosen.loc[chosen["compound"] == "nocodazole", "dose"].unique()) == [0.3, 1, 3, 10]


def test_untreated_cells_are_known_by_name_or_by_dose():
    assert untreated(pd.DataFrame({"compound": ["DMSO", "taxol", "Mock "]})).tolist() == [True, False, True]
    assert untreated(pd.DataFrame({"compound": ["a", "a"], "dose": [0, 1]})).tolist() == [True, False]
    assert doses_of(pd.DataFrame({"compound": ["DMSO", "a"], "dose": [5.0, 1.0]})).tolist() == [0.0, 1.0]


def test_confounding_is_measured_and_said():
    mixed = pd.DataFrame({"compound": ["a", "b"] * 50, "plate": ["p", "p", "q", "q"] * 25})
    apart = pd.DataFrame({"compound": ["a", "b"] * 50, "plate": ["p", "q"] * 50})
    assert cramers_v(mixed["compound"], mixed["plate"]) == pytest.approx(0, abs=0.05)
    assert cramers_v(apart["compound"], apart["plate"]) == pytest.approx(1)
    assert confounded_words(mixed) == []
    assert "2 of 2 plates have one compound only" in confounded_words(apart)[0]
    rng = np.random.default_rng(0)
    chance = [cramers_v(pd.Series(rng.integers(0, 2, 60)), pd.Series(rng.integers(0, 6, 60))) for _ in range(60)]
    assert np.mean(np.array(chance) > 0.3) <= 0.1


def test_a_plate_is_read_where_it_shows_and_not_from_the_well_itself():
    rng = np.random.default_rng(0)
    plates, wells = np.repeat(["a", "b"], 120), np.tile(np.repeat(["B1", "B2", "B3"], 40), 2)
    x = rng.normal(0, 1, (240, 6))
    shown = plate_reading(x + 4 * (plates == "a")[:, None], plates, wells)
    assert shown.accuracy > 0.85
    assert shown.chance == 0.5
    of_well = rng.normal(0, 6, (6, 6))[np.repeat(np.arange(6), 40)]  # each well is a cloud of its own, no plate is
    assert plate_reading(rng.normal(0, 1, (240, 6)), plates, wells).accuracy == pytest.approx(0.5, abs=0.12)
    assert plate_reading(x + of_well, plates, wells).accuracy < 0.9
    assert plate_reading(x, ["a"] * 240, wells) is None


def test_the_command_makes_a_subset(screen, capsys):
    words = ["data", "subset", "kit", "--name", "part", "--compound", "active", "--highest", "3", "--cells", "40"]
    assert main([*words, "--group", "plate", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)["data"]
    assert data["compounds"] == {"active": 40, "DMSO": 40}
    assert main(["data", "subset", "kit", "--name", "x", "--preset", "magic", "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["error"]["field"] == "--preset"
    assert main(["data", "subset", "kit", "--name", "y", "--json"]) == 2


@pytest.mark.parametrize("seed", [0, 5])
def test_the_command_splits_every_image_anew(screen, seed):
    words = ["data", "subset", "kit", "--all", "--group", "well", "--name"]
    assert main([*words, "anew", "--seed", str(seed)]) == 0
    made = store.load("anew")
    assert made.count == screen.count
    expected = split_anew(screen, "expected", "well", seed=seed)
    assert made.table["split"].tolist() == expected.table["split"].tolist()
    assert split_anew(screen, "other", "well", seed=7).table["split"].tolist() != made.table["split"].tolist()


def test_half_of_the_compounds_of_each_mechanism_are_left_out():
    counts = {"four": 4, "three": 3, "two": 2, "other two": 2, "one": 1, None: 6}
    compounds = [(f"{kind} {n}", kind) for kind, many in counts.items() for n in range(many)]
    table = pd.DataFrame([(c, k) for c, k in compounds for _ in range(5)] + [(None, None)] * 100, columns=["c", "k"])
    split = left_out_by_kind(table["c"], table["k"], seeded_order(len(table), 3))
    per_compound = table.assign(split=split).dropna(subset=["c"]).groupby("c")["split"]
    assert (per_compound.nunique() == 1).all()
    out = table.assign(split=split).drop_duplicates("c").dropna(subset=["c"]).query("split == 'test'")
    assert out["k"].fillna("none").value_counts().to_dict() == {"none": 3, "four": 2, "three": 2, "other two": 2}
    batches = table["c"].str[-1:].isin(["0", "1"])  # of four, two in each
    apart = table.assign(
        b=batches, split=left_out_by_kind(table["c"], table["k"], seeded_order(len(table), 3), batches)
    )
    assert apart[(apart["k"] == "four") & (apart["split"] == "test")].drop_duplicates("c")["b"].nunique() == 2
    assert pd.Series(split[table["c"].isna()]).value_counts().to_dict() == {"train": 70, "val": 10, "test": 20}


def test_compounds_are_left_out_by_mechanism_where_those_are_known(screen):
    known = screen.table.assign(moa=np.where(screen.table["compound"] == "DMSO", None, "x"))
    made = create("known", screen.pixels, known.drop(columns=["image_id", "split", "order", "label_id"]), Metadata())
    apart = split_anew(made, "apart", "compound").table
    treated = apart[apart["compound"] != "DMSO"]
    assert (treated.groupby("compound")["split"].nunique() == 1).all()
    assert set(treated["split"]) == {"test"}  # two of one mechanism: both or none
    untreated = apart[apart["compound"] == "DMSO"]
    assert (untreated.groupby(["plate", "well"])["split"].nunique() == 1).all()
    assert set(untreated["split"]) == {"train", "val", "test"}
