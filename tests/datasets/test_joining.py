"""What a table says of compounds, doses or wells comes to the images; BBBC021's tables give what is published."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from ssrl_core.analysis.screens.profiles import profiles_of_table
from ssrl_core.analysis.screens.screen import screen
from ssrl_core.cli import main
from ssrl_core.datasets import store
from ssrl_core.datasets.creation import Metadata, create
from ssrl_core.datasets.subsets import joined
from ssrl_core.errors import DataError, SpecError
from ssrl_core.runs.folder.results import Results
from ssrl_core.runs.queue.tables import class_frame
from ssrl_core.specs.screens import RECIPES, Recipe, recipe_of
from tests.kit import shared

IMAGES = pd.DataFrame({"compound": ["Taxol", "taxol ", "DMSO", "other"], "dose": [0.3, 1.0, 0.0, 2.0]})
MOA = pd.DataFrame({"compound": ["taxol", "taxol", "x"], "concentration": [0.3, 1.0, 2.0], "moa": ["a", "b", "c"]})


def test_rows_are_found_by_all_that_both_know():
    found = joined(IMAGES, MOA)
    assert (found.keys, found.columns, found.found) == (("compound", "dose"), ("moa",), 2)
    assert found.table["moa"].tolist() == ["a", "b", None, None]
    assert found.unused == ("x 2",)
    by_name = joined(IMAGES, MOA.drop_duplicates("compound"), by=("compound",))
    assert by_name.table["moa"].tolist()[:2] == ["a", "a"]


def test_wells_are_one_however_they_are_written():
    images, places = (
        pd.DataFrame({"well": ["A01", "b2", "C03"]}),
        pd.DataFrame({"well": ["A1", "B-02"], "moa": ["a", "b"]}),
    )
    assert joined(images, places).table["moa"].tolist() == ["a", "b", None]


@pytest.mark.parametrize(
    ("other", "by", "said"),
    [
        (MOA, ("compound",), "rows must be one for the same images"),
        (MOA[["compound", "concentration"]], (), "others than those compared"),
        (pd.DataFrame({"name": [1]}), (), "in both tables"),
        (MOA, ("well",), "in both tables, got 'well'"),
    ],
)
def test_what_cannot_be_joined_is_said(other, by, said):
    with pytest.raises(DataError, match=said):
        joined(IMAGES, other, by=by)


def test_the_command_brings_mechanisms_and_nothing_else_changes(tmp_path, capsys):
    made = create("cells", np.zeros((4, 1, 8, 8), np.uint8), IMAGES, Metadata(label="compound"))
    MOA.to_csv(tmp_path / "moa.csv", index=False)
    assert main(["data", "join", "cells", str(tmp_path / "moa.csv")]) == 0
    assert "moa for 2 of 4 images, by compound, dose; 1 rows of the table fit no image: x 2" in capsys.readouterr().out
    again = store.load("cells")
    assert again.table["moa"].tolist() == ["a", "b", None, None]
    assert again.fingerprint == made.fingerprint
    assert main(["data", "join", "cells", str(tmp_path / "gone.csv")]) == 2
    assert "gone.csv" in capsys.readouterr().err


def test_bbbc021_as_it_is_published():
    """103 treatments of 38 compounds, 12 mechanisms, ten weeks; 92 are left where the week may not help."""
    fields = pd.read_csv(shared("data/bbbc021/BBBC021_v1_image.csv"))
    mechanisms = pd.read_csv(shared("data/bbbc021/BBBC021_v1_moa.csv"))
    named = fields.rename(columns={"Image_Metadata_Compound": "compound", "Image_Metadata_Concentration": "dose"})
    both = joined(named, mechanisms).table
    both[[f"feature_{i}" for i in range(4)]] = np.random.default_rng(0).normal(size=(len(both), 4))
    wells = profiles_of_table(both)
    assert wells.table["batch"].nunique() == 10
    assert wells.table.loc[wells.table["untreated"], "mechanism"].isna().all()
    told = screen(wells, RECIPES["bbbc021"]).scored
    known = told.treatments.with_mechanism().table
    assert (len(known), known["compound"].nunique(), known["mechanism"].nunique()) == (103, 38, 12)
    assert told.nsc.score()["n"] == 103
    assert told.nscb.score()["n"] == 92
    assert set(told.nscb.left_out["mechanism"]) == {"Cholesterol-lowering", "Kinase inhibitors"}


def test_a_recipe_names_columns_and_has_a_name():
    recipe = Recipe.from_mapping({"mechanism": "target", "batch": "run"})
    assert recipe.columns() == {"mechanism": "target", "batch": "run"}
    assert Recipe().columns() == {"mechanism": None, "batch": None}
    assert recipe_of("bbbc021") == RECIPES["bbbc021"]
    for bad in ({"mechanism": 5}, {"batch": ""}):
        with pytest.raises(SpecError, match="words, at most 200"):
            Recipe.from_mapping(bad)
    with pytest.raises(SpecError, match="one of default, bbbc021"):
        recipe_of("bbbc22")


def test_a_joined_superclass_is_in_the_next_table_of_classes(tmp_path):
    create("cells", np.zeros((4, 1, 8, 8), np.uint8), IMAGES.assign(compound=list("aabb")), Metadata(label="compound"))
    classes = {name: {"n": 2, "correct": 1, "accuracy": 0.5} for name in "ab"}
    found = Results({"knn": {"top1": 0.5, "k": 20, "temperature": 0.07, "classes": classes}})
    assert class_frame([({"dataset": "cells"}, found)])["superclass"].tolist() == [None, None]
    pd.DataFrame({"compound": ["a", "b"], "superclass": ["x", "y"]}).to_csv(tmp_path / "groups.csv", index=False)
    assert main(["data", "join", "cells", str(tmp_path / "groups.csv")]) == 0
    assert class_frame([({"dataset": "cells"}, found)])["superclass"].tolist() == ["x", "y"]
