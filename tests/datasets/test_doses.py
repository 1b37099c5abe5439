"""Doses with units come to one unit, and stay as they were written."""

import numpy as np
import pandas as pd
import pytest

from ssrl_core.datasets.cells.field_lists import list_fields
from ssrl_core.datasets.columns import doses_of, unit_of, with_doses
from ssrl_core.datasets.importing import import_source
from ssrl_core.datasets.subsets import SubsetChoice, choose_cells
from tests.datasets.files import picture, save


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("uM", "µM"),
        ("μM", "µM"),
        ("um", "µM"),
        ("nM", "nM"),
        ("mmol/l", "mM"),
        ("ug/mL", "µg/ml"),
        ("%", "%"),
        ("x", None),
    ],
)
def test_units_are_known_however_they_are_written(text, unit):
    assert unit_of(text) == unit


def test_values_with_units_are_converted_and_kept():
    table, notes = with_doses(pd.DataFrame({"dose": ["0", "300 nM", "0,3 µM", "3uM", "1e-3 mM", None]}))
    assert np.allclose(table["dose"], [0, 0.3, 0.3, 3, 1, np.nan], equal_nan=True)
    assert set(table["dose_unit"]) == {"µM"}
    assert table["dose_as_written"].tolist() == ["0", "300 nM", "0,3 µM", "3uM", "1e-3 mM", None]
    assert notes == ["doses in mM and nM were converted to µM"]


@pytest.mark.parametrize("column", ["dose_uM", "Concentration (uM)", "conc [µM]", "Metadata_Concentration_uM"])
def test_a_unit_in_the_name_of_the_column_is_read(column):
    table, _ = with_doses(pd.DataFrame({column: [0.0, 0.3, 3.0]}))
    assert table["dose"].tolist() == [0, 0.3, 3]
    assert set(table["dose_unit"]) == {"µM"}
    assert table[column].tolist() == [0, 0.3, 3]


def test_what_is_no_dose_is_said_and_missing():
    table, notes = with_doses(pd.DataFrame({"dose": ["1 µM", "3 µM", "10 µg/ml", "high", "5", "2 zz", "1,000 µM"]}))
    assert np.array_equal(np.isfinite(table["dose"]), [True, True, False, False, False, False, False])
    said = "; ".join(notes)
    assert "have the unit 'µg/ml' where others are in µM were left out (10 µg/ml)" in said
    assert "are no numbers were left out (1,000 µM, high)" in said
    assert "have no unit where others are in µM were left out (5)" in said
    assert "have the unit 'zz' where others are in µM were left out (2 zz)" in said


def test_plain_numbers_stay_as_they_are():
    table = pd.DataFrame({"dose": [0.1, 3.0], "compound": ["a", "b"]})
    assert with_doses(table)[0] is table
    same, notes = with_doses(pd.DataFrame({"dose": [0.1, 3.0], "dose_unit": ["uM", "uM"]}))
    assert same["dose"].tolist() == [0.1, 3.0]
    assert list(same) == ["dose", "dose_unit"]
    assert notes == []


def test_the_highest_dose_is_the_highest_whatever_its_unit(tmp_path):
    rows = [("DMSO", 0, "uM")] * 6 + [("taxol", 300, "nM")] * 3 + [("taxol", 1, "uM")] * 3 + [("taxol", 3, "uM")] * 3
    table = pd.DataFrame(rows, columns=["compound", "concentration", "concentration_unit"])
    table.insert(0, "file", [save(tmp_path / f"{i}.png", picture(seed=i)).name for i in range(len(rows))])
    table.to_csv(tmp_path / "t.csv", index=False)
    made = import_source(tmp_path / "t.csv", "mixed")
    assert sorted(set(doses_of(made.table))) == [0, 0.3, 1, 3]
    assert set(made.table["dose_unit"]) == {"µM"}
    assert "300 nM" in set(made.table["dose_as_written"])
    assert "doses in nM were converted to µM" in made.meta["source"]
    chosen = choose_cells(made.table, SubsetChoice(("taxol",), highest=1)).ids
    assert set(doses_of(made.table.iloc[chosen])) == {0, 3}
    listed = list_fields(tmp_path / "t.csv")
    assert {row.columns["dose"] for row in listed.fields} == {0, 0.3, 1, 3}
    assert "doses in nM were converted to µM" in listed.notes
